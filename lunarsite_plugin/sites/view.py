"""The table of the run's sites: sorted by a click on a title, explained by a click on a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QPushButton,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from lunarsite.engine.errors import InputError
from lunarsite.lunarsite_plugin.site.parts import label
from lunarsite.lunarsite_plugin.sites import listing
from lunarsite.qgis_common import plain_text

if TYPE_CHECKING:
    from lunarsite.lunarsite_plugin.runs.folder import RunFolder

HINT = "Choose a run to list its sites."
NO_SITES = "The run lists no sites: none of its cells has a score."

_ROW = Qt.ItemDataRole.UserRole


class _Item(QTableWidgetItem):
    """A cell that is sorted by its number rather than by its text."""

    def __init__(self, cell: listing.Cell, row: int) -> None:
        super().__init__(cell.text)
        self.number = cell.number
        self.setData(_ROW, row)
        self.setToolTip(plain_text.shown(cell.tip or cell.text))
        self.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        return isinstance(other, _Item) and self.number < other.number


class SitesView(QWidget):
    """Lists the sites of a run; a click on a row asks to show the site on the map."""

    goTo = pyqtSignal(float, float)
    """Longitude and latitude of a site, degrees."""
    dossierRequested = pyqtSignal(int)
    """Number of the site whose dossier is asked for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[listing.SiteRow, ...] = ()
        self.table = QTableWidget(self)
        self.table.setAccessibleName("Sites of the run, one row each")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.table.setAlternatingRowColors(True)
        self.table.setWordWrap(False)
        self.table.verticalHeader().hide()
        top = self.table.horizontalHeader()
        top.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        top.setToolTip("Click a title to sort the sites; criteria are sorted by their margin")
        self.table.cellClicked.connect(self._go)
        self.table.cellActivated.connect(self._go)
        self.hint = label(HINT)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.hint.setMargin(8)
        self.dossier = QPushButton("Dossier…")
        self.dossier.setToolTip(
            "Put everything that the run knows of the selected site into a folder and a PDF"
        )
        self.dossier.setEnabled(False)
        self.dossier.clicked.connect(self._ask_for_dossier)
        self.table.itemSelectionChanged.connect(self._note_selection)
        listed = QWidget(self)
        inside = QVBoxLayout(listed)
        inside.setContentsMargins(0, 0, 0, 4)
        inside.addWidget(self.table)
        inside.addWidget(self.dossier, 0, Qt.AlignmentFlag.AlignLeft)
        self.pages = QStackedWidget(self)
        self.pages.addWidget(self.hint)
        self.pages.addWidget(listed)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.pages)

    def set_run(self, run: RunFolder | None) -> None:
        """List the sites of a run, or none."""
        if run is None:
            self._show_hint(HINT)
            return
        try:
            found = listing.read(run.path)
        except InputError as error:
            self._show_hint(str(error))
            return
        if not found.rows:
            self._show_hint(NO_SITES)
            return
        self.rows = found.rows
        self.table.setSortingEnabled(False)
        self.table.clear()
        self.table.setColumnCount(len(found.titles))
        self.table.setRowCount(len(found.rows))
        self.table.setHorizontalHeaderLabels(list(found.titles))
        for row, site in enumerate(found.rows):
            for column, cell in enumerate(site.cells):
                self.table.setItem(row, column, _Item(cell, row))
        self.table.setSortingEnabled(True)
        self.table.sortItems(0, Qt.SortOrder.AscendingOrder)
        self.pages.setCurrentIndex(1)

    def _show_hint(self, text: str) -> None:
        self.rows = ()
        self.table.setRowCount(0)
        self.hint.setText(text)
        self.pages.setCurrentIndex(0)

    def _note_selection(self) -> None:
        self.dossier.setEnabled(bool(self.table.selectedItems()))

    def _ask_for_dossier(self) -> None:
        chosen = self.table.selectedItems()
        if chosen:
            self.dossierRequested.emit(self._site_at(chosen[0].row()).site)

    def _site_at(self, row: int) -> listing.SiteRow:
        return self.rows[self.table.item(row, 0).data(_ROW)]

    def _go(self, row: int, _column: int) -> None:
        site = self._site_at(row)
        self.goTo.emit(site.lon_deg, site.lat_deg)
