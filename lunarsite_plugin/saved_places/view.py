"""The saved places side by side, one column each."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import QItemSelectionModel, Qt, pyqtSignal
from qgis.PyQt.QtGui import QGuiApplication
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QInputDialog,
    QLineEdit,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.saved_places.export import write_csv, write_geopackage
from lunarsite.lunarsite_plugin.saved_places.places import (
    BETTER,
    lines,
    ordered,
    text_table,
    with_place,
)
from lunarsite.lunarsite_plugin.site.parts import label
from lunarsite.qgis_common import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from lunarsite.lunarsite_plugin.saved_places.places import SavedPlace

HINT = "Score a place and click Save to compare it here with others."
_HIGHER_IS_BETTER = frozenset({"Score", BETTER, "Passes"})
"""Rows that are sorted in descending order first."""


class SavedPlacesView(QWidget):
    """The table of saved places, with buttons to sort, rename, remove and export them."""

    goTo = pyqtSignal(float, float)
    """Longitude and latitude of a place, degrees."""
    changed = pyqtSignal()
    """Places were added, removed, renamed or sorted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.places: list[SavedPlace] = []
        self._sorted: tuple[str, bool] = ("", False)
        self.table = QTableWidget(self)
        self.table.setAccessibleName("Saved places, one column each")
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectColumns)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.table.setAlternatingRowColors(True)
        side = self.table.verticalHeader()
        side.setSectionsClickable(True)
        side.setHighlightSections(False)
        side.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        side.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        side.setToolTip("Click a row heading to sort the places by it")
        side.sectionClicked.connect(self.sort_by)
        top = self.table.horizontalHeader()
        top.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        top.setToolTip("Double-click a name to rename the place")
        top.sectionDoubleClicked.connect(self.rename)
        self.table.itemSelectionChanged.connect(self._update_buttons)
        self.hint, self.message = label(HINT), label()
        self.hint.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.hint.setMargin(8)
        self.message.hide()
        filled = QWidget(self)
        column = QVBoxLayout(filled)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.table, 1)
        column.addWidget(self.message)
        column.addLayout(self._actions())
        self.pages = QStackedWidget(self)
        self.pages.addWidget(self.hint)
        self.pages.addWidget(filled)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages)
        self._show()

    def set_places(self, places: list[SavedPlace]) -> None:
        """Show other places, without emitting ``changed``."""
        self.places = list(places)
        self._show()

    def add(self, place: SavedPlace) -> None:
        """Add a place."""
        self._take(with_place(self.places, place), select=place)

    def sort_by(self, row: int) -> None:
        """Sort by a row; the second time in reverse order."""
        line = lines(self.places)[row]
        name, descending = self._sorted
        descending = not descending if name == line.title else line.title in _HIGHER_IS_BETTER
        self._sorted = (line.title, descending)
        self._take(ordered(self.places, line, descending=descending))

    def rename(self, column: int) -> None:
        """Ask for a new name for a place."""
        place = self.places[column]
        name, accepted = QInputDialog.getText(
            self, "Rename Place", "Name", QLineEdit.EchoMode.Normal, place.name
        )
        if accepted and name.strip():
            self.set_name(column, name.strip())

    def set_name(self, column: int, name: str) -> None:
        """Rename a place."""
        renamed = dataclasses.replace(self.places[column], name=name)
        places = [*self.places[:column], renamed, *self.places[column + 1 :]]
        self._take(places, select=renamed)

    def remove(self, column: int) -> None:
        """Remove a place."""
        self._take([*self.places[:column], *self.places[column + 1 :]])

    def copy(self) -> None:
        """Copy the table to the clipboard as text."""
        QGuiApplication.clipboard().setText(text_table(self.places))
        self._show_message("Table copied to the clipboard.")

    def export(self, path: Path) -> None:
        """Write the places to a GeoPackage or CSV file, depending on its extension."""
        write = write_geopackage if path.suffix.lower() == ".gpkg" else write_csv
        try:
            write(path, self.places)
        except (LunarSiteError, OSError) as error:
            self._show_message(str(error))
            return
        count = len(self.places)
        self._show_message(f"{count} place{'' if count == 1 else 's'} exported to {path}.")

    def current(self) -> int:
        """Return the selected column, or -1."""
        chosen = self.table.selectionModel().selectedColumns()
        return chosen[0].column() if chosen else -1

    def _actions(self) -> QVBoxLayout:
        """Return the buttons: one row for the selected place, and one for all places."""
        above, below = QHBoxLayout(), QHBoxLayout()
        self.for_one: list[QToolButton] = []
        csv, package = ("CSV table (*.csv)", ".csv"), ("GeoPackage (*.gpkg)", ".gpkg")
        actions: tuple[tuple[tuple[str, Callable[[], None], str], bool], ...] = (
            (("Go to", self._go, "Show this place on the map and score it"), True),
            (("Rename…", self._rename, "Rename this place"), True),
            (("Remove", self._remove, "Remove this place from the table"), True),
            (("Copy", self.copy, "Copy the table to the clipboard as text"), False),
            (("CSV…", self._exporter(*csv), "Export as a table with one row per place"), False),
            (("GeoPackage…", self._exporter(*package), "Export as a point layer"), False),
        )
        for (title, slot, tip), one in actions:
            button = QToolButton(self)
            button.setText(title)
            button.setToolTip(tip)
            button.clicked.connect(slot)
            (above if one else below).addWidget(button)
            if one:
                self.for_one.append(button)
        rows = QVBoxLayout()
        for row in (above, below):
            row.addStretch(1)
            rows.addLayout(row)
        return rows

    def _exporter(self, file_filter: str, suffix: str) -> Callable[[], None]:
        def ask_and_export() -> None:
            title = "Export Saved Places"
            text, _ = QFileDialog.getSaveFileName(self, title, f"saved places{suffix}", file_filter)
            if text:
                path = Path(text)
                complete = path.suffix.lower() == suffix
                self.export(path if complete else path.with_name(path.name + suffix))

        return ask_and_export

    def _go(self) -> None:
        place = self.places[self.current()]
        self.goTo.emit(place.lon_deg, place.lat_deg)

    def _rename(self) -> None:
        self.rename(self.current())

    def _remove(self) -> None:
        self.remove(self.current())

    def _update_buttons(self) -> None:
        for button in self.for_one:
            button.setEnabled(self.current() >= 0)

    def _take(self, places: list[SavedPlace], select: SavedPlace | None = None) -> None:
        self.places = places
        self._show()
        if select is not None:
            column = [place.key for place in places].index(select.key)
            index = self.table.model().index(0, column)
            how = QItemSelectionModel.SelectionFlag
            self.table.selectionModel().select(index, how.ClearAndSelect | how.Columns)
            self.table.scrollTo(index)
        self.changed.emit()

    def _show(self) -> None:
        self.message.hide()
        self.pages.setCurrentIndex(1 if self.places else 0)
        rows = lines(self.places)
        self.table.clear()
        self.table.setRowCount(len(rows))
        self.table.setColumnCount(len(self.places))
        self.table.setHorizontalHeaderLabels([place.name for place in self.places])
        self.table.setVerticalHeaderLabels([line.title for line in rows])
        for row, line in enumerate(rows):
            for column, text in enumerate(line.cells):
                item = QTableWidgetItem(text)
                tip = f"{self.places[column].name}, {line.title}: {text}"
                item.setToolTip(plain_text.shown(f"{tip}\n{line.help}" if line.help else tip))
                self.table.setItem(row, column, item)
        self._update_buttons()

    def _show_message(self, text: str) -> None:
        self.message.setText(text)
        self.message.show()
