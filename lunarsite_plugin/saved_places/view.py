"""Kept places side by side, a column each."""

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
from lunarsite.lunarsite_plugin.saved_places import export as kept_export
from lunarsite.lunarsite_plugin.saved_places import places as kept
from lunarsite.lunarsite_plugin.site.parts import label

if TYPE_CHECKING:
    from collections.abc import Callable

    from lunarsite.lunarsite_plugin.saved_places.places import KeptPlace

HINT = "Score a place and click Keep: kept places stand here side by side."
_BEST_FIRST_DOWN = frozenset({"Score", kept.BETTER, "Passes"})
"""Lines whose greatest value is the best; they are sorted from it first."""


class KeptView(QWidget):
    """The list of kept places."""

    goTo = pyqtSignal(float, float)
    """Longitude and latitude of a place, degrees."""
    changed = pyqtSignal()
    """Other places are kept now, or under other names or in another order."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.places: list[KeptPlace] = []
        self._sorted: tuple[str, bool] = ("", False)
        self.table = QTableWidget(self)
        self.table.setAccessibleName("Kept places, a column each")
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
        side.setToolTip("Click a line to sort the places by it")
        side.sectionClicked.connect(self.sort_by)
        top = self.table.horizontalHeader()
        top.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        top.setToolTip("Double-click a name to change it")
        top.sectionDoubleClicked.connect(self.rename)
        self.table.itemSelectionChanged.connect(self._offer)
        self.hint, self.told = label(HINT), label()
        self.hint.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.hint.setMargin(8)
        self.told.hide()
        filled = QWidget(self)
        column = QVBoxLayout(filled)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.table, 1)
        column.addWidget(self.told)
        column.addLayout(self._actions())
        self.pages = QStackedWidget(self)
        self.pages.addWidget(self.hint)
        self.pages.addWidget(filled)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.pages)
        self._show()

    def set_places(self, places: list[KeptPlace]) -> None:
        """Show other places, without telling of a change."""
        self.places = list(places)
        self._show()

    def add(self, place: KeptPlace) -> None:
        """Keep one more place."""
        self._take(kept.with_place(self.places, place), select=place)

    def sort_by(self, row: int) -> None:
        """Sort by a line; a second time the other way round."""
        line = kept.lines(self.places)[row]
        name, descending = self._sorted
        descending = not descending if name == line.title else line.title in _BEST_FIRST_DOWN
        self._sorted = (line.title, descending)
        self._take(kept.ordered(self.places, line, descending=descending))

    def rename(self, column: int) -> None:
        """Ask for another name of a place."""
        place = self.places[column]
        name, agreed = QInputDialog.getText(
            self, "Rename the place", "Name", QLineEdit.EchoMode.Normal, place.name
        )
        if agreed and name.strip():
            self.set_name(column, name.strip())

    def set_name(self, column: int, name: str) -> None:
        """Give a place another name."""
        renamed = dataclasses.replace(self.places[column], name=name)
        places = [*self.places[:column], renamed, *self.places[column + 1 :]]
        self._take(places, select=renamed)

    def remove(self, column: int) -> None:
        """Keep a place no longer."""
        self._take([*self.places[:column], *self.places[column + 1 :]])

    def copy(self) -> None:
        """Put the table on the clipboard, as text."""
        QGuiApplication.clipboard().setText(kept.text_table(self.places))
        self._tell("The table is on the clipboard.")

    def export(self, path: Path) -> None:
        """Write the places to a file whose ending says how."""
        write = kept_export.write_csv
        if path.suffix.lower() == ".gpkg":
            write = kept_export.write_geopackage
        try:
            write(path, self.places)
        except LunarSiteError as error:
            self._tell(str(error))
            return
        self._tell(f"{len(self.places)} places are in {path}.")

    def current(self) -> int:
        """Return the column that is selected, -1 for none."""
        chosen = self.table.selectionModel().selectedColumns()
        return chosen[0].column() if chosen else -1

    def _actions(self) -> QVBoxLayout:
        """Return the buttons: a line for one place, and one for all."""
        above, below = QHBoxLayout(), QHBoxLayout()
        self.for_one: list[QToolButton] = []
        csv, package = ("CSV table (*.csv)", ".csv"), ("GeoPackage (*.gpkg)", ".gpkg")
        told = ("Go to", self._go, "Show this place on the map and score it")
        actions: tuple[tuple[tuple[str, Callable[[], None], str], bool], ...] = (
            (told, True),
            (("Rename…", self._rename, "Give this place another name"), True),
            (("Remove", self._remove, "Keep this place no longer"), True),
            (("Copy", self.copy, "Copy the table as text"), False),
            (("CSV…", self._asking(*csv), "Save as a table, a row a place"), False),
            (
                ("GeoPackage…", self._asking(*package), "Save as points in the Moon's map"),
                False,
            ),
        )
        for (title, slot, tip), one in actions:
            button = QToolButton(self)
            button.setText(title)
            button.setToolTip(tip)
            button.clicked.connect(slot)
            (above if one else below).addWidget(button)
            if one:
                self.for_one.append(button)
        whole = QVBoxLayout()
        for row in (above, below):
            row.addStretch(1)
            whole.addLayout(row)
        return whole

    def _asking(self, kind: str, ending: str) -> Callable[[], None]:
        def ask() -> None:
            title = "Save the kept places"
            text, _ = QFileDialog.getSaveFileName(self, title, f"kept places{ending}", kind)
            if text:
                path = Path(text)
                whole = (
                    path if path.suffix.lower() == ending else path.with_name(path.name + ending)
                )
                self.export(whole)

        return ask

    def _go(self) -> None:
        place = self.places[self.current()]
        self.goTo.emit(place.lon_deg, place.lat_deg)

    def _rename(self) -> None:
        self.rename(self.current())

    def _remove(self) -> None:
        self.remove(self.current())

    def _offer(self) -> None:
        for button in self.for_one:
            button.setEnabled(self.current() >= 0)

    def _take(self, places: list[KeptPlace], select: KeptPlace | None = None) -> None:
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
        self.told.hide()
        self.pages.setCurrentIndex(1 if self.places else 0)
        rows = kept.lines(self.places)
        self.table.clear()
        self.table.setRowCount(len(rows))
        self.table.setColumnCount(len(self.places))
        self.table.setHorizontalHeaderLabels([place.name for place in self.places])
        self.table.setVerticalHeaderLabels([line.title for line in rows])
        for row, line in enumerate(rows):
            for column, text in enumerate(line.cells):
                item = QTableWidgetItem(text)
                told = f"{self.places[column].name}, {line.title}: {text}"
                item.setToolTip(f"{told}\n{line.help}" if line.help else told)
                self.table.setItem(row, column, item)
        self._offer()

    def _tell(self, text: str) -> None:
        self.told.setText(text)
        self.told.show()
