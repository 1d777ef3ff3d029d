"""How the dock is laid out."""

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

from lunarsite.lunarsite_plugin.dock.parts import EngineLine, PlaceEdit, RunChooser
from lunarsite.lunarsite_plugin.saved_places.view import KeptView
from lunarsite.lunarsite_plugin.site.panel import SitePanel
from lunarsite.lunarsite_plugin.site.parts import label
from lunarsite.lunarsite_plugin.uncertainty.panel import ImagePanel


class DockBody(QWidget):
    """The widgets of the dock: run, place, what is known of it, what was kept, the engine."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.runs, self.place_edit = RunChooser(self), PlaceEdit(self)
        self.panel, self.kept, self.engine = SitePanel(), KeptView(), EngineLine(self)
        self.click = QToolButton(self)
        self.click.setText("Click a place")
        self.click.setToolTip("Score the place that is clicked on the map")
        self.click.setCheckable(True)
        self.switch = QCheckBox("Rank interval", self)
        self.switch.setToolTip(
            "Show on the map how sure the ranking is: the width of the interval that the rank of "
            "a cell lies in with 90 % probability"
        )
        self.image = ImagePanel(self)
        self.status = label("", self)
        self.status.hide()
        self.locate = QPushButton("Locate the elevation model…", self)
        self.locate.setToolTip("Choose the file that the run was made from, for the skyline")
        self.locate.hide()
        self.tabs = QTabWidget(self)
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.panel, "Place")
        self.tabs.addTab(self.kept, "Kept")
        acts = QHBoxLayout()
        acts.addWidget(self.click)
        acts.addStretch(1)
        acts.addWidget(self.switch)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(4)
        column.addWidget(self.runs)
        column.addLayout(acts)
        column.addWidget(self.place_edit)
        column.addWidget(self.image)
        column.addWidget(self.status)
        column.addWidget(self.locate)
        column.addWidget(self.tabs, 1)
        column.addWidget(self.engine)
