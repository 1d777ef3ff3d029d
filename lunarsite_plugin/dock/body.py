"""The layout of the dock."""

from __future__ import annotations

from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from lunarsite.lunarsite_plugin.dock.parts import EngineLine, PlaceEdit
from lunarsite.lunarsite_plugin.runs.chooser import RunChooser
from lunarsite.lunarsite_plugin.saved_places.view import SavedPlacesView
from lunarsite.lunarsite_plugin.site.panel import SitePanel
from lunarsite.lunarsite_plugin.site.parts import label
from lunarsite.lunarsite_plugin.sites.view import SitesView
from lunarsite.lunarsite_plugin.uncertainty.panel import ImagePanel

SAVED_PLACES = "Saved Places"
"""Title of the tab; the number of places is appended to it."""


class DockBody(QWidget):
    """The widgets of the dock."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.runs, self.place_edit = RunChooser(self), PlaceEdit(self)
        self.panel, self.sites, self.saved_places = SitePanel(), SitesView(), SavedPlacesView()
        self.engine = EngineLine(self)
        self.click = QToolButton(self)
        self.click.setText("Pick on Map")
        self.click.setToolTip("Click the map to score a place")
        self.click.setCheckable(True)
        self.switch = QCheckBox("Rank interval", self)
        self.switch.setToolTip(
            "Show the uncertainty of the ranking on the map: the width of the interval that "
            "contains a cell's rank with 90 % probability"
        )
        self.image = ImagePanel(self)
        self.status = label("", self)
        self.status.hide()
        self.locate = QPushButton("Locate Elevation Model…", self)
        self.locate.setToolTip("Choose the run's elevation model, which the skyline needs")
        self.locate.hide()
        self.tabs = QTabWidget(self)
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.panel, "Place")
        self.tabs.addTab(self.sites, "Sites")
        self.tabs.addTab(self.saved_places, SAVED_PLACES)
        buttons = QHBoxLayout()
        buttons.addWidget(self.click)
        buttons.addStretch(1)
        buttons.addWidget(self.switch)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(4)
        column.addWidget(self.runs)
        column.addLayout(buttons)
        column.addWidget(self.place_edit)
        column.addWidget(self.image)
        column.addWidget(self.status)
        column.addWidget(self.locate)
        column.addWidget(self.tabs, 1)
        column.addWidget(self.engine)
