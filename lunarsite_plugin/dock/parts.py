"""The parts around the site panel: which run, which place, which engine."""

from __future__ import annotations

from pathlib import Path

from qgis.PyQt.QtCore import QSize, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from lunarsite.engine.errors import LunarSiteError, ParameterError
from lunarsite.lunarsite_plugin.map import place_text
from lunarsite.lunarsite_plugin.site.parts import label

NO_RUNS = "No run: click Browse"

_PASTED = 5
"""Letters that come at once when a place is pasted: ``80S1W``."""


class RunChooser(QWidget):
    """Which run places are scored with."""

    chosen = pyqtSignal(object)
    """The folder, a Path."""
    browse = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = QComboBox(self)
        self.combo.setAccessibleName("Run that places are scored with")
        self.combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.combo.setMinimumContentsLength(8)
        self.button = QToolButton(self)
        self.button.setText("Browse…")
        self.button.setToolTip("Choose the output folder of Screen a region")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel("Run", self))
        row.addWidget(self.combo, 1)
        row.addWidget(self.button)
        self.combo.activated.connect(self._choose)
        self.button.clicked.connect(self.browse)
        self.set_runs([], None)

    def set_runs(self, folders: list[Path], current: Path | None) -> None:
        """Offer runs, and show which one is in use."""
        self.combo.clear()
        self.combo.setEnabled(bool(folders))
        for folder in folders:
            self.combo.addItem(f"{folder.parent.name}/{folder.name}", str(folder))
            self.combo.setItemData(self.combo.count() - 1, str(folder), Qt.ItemDataRole.ToolTipRole)
        if current in folders:
            self.combo.setCurrentIndex(folders.index(current))
        elif folders:
            self.combo.setCurrentIndex(-1)
        else:
            self.combo.addItem(NO_RUNS)
        self.combo.setToolTip(
            str(current) if current else "Places are scored with a finished run of Screen a region"
        )

    def folders(self) -> list[Path]:
        """Return what is offered."""
        texts = (self.combo.itemData(k) for k in range(self.combo.count()))
        return [Path(text) for text in texts if text]

    def _choose(self, index: int) -> None:
        text = self.combo.itemData(index)
        if text:
            self.chosen.emit(Path(text))


class AngleEdit(QLineEdit):
    """A longitude or a latitude; a whole place can be pasted."""

    pairPasted = pyqtSignal(str)

    def __init__(self, hint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._length = 0
        self.setPlaceholderText(hint)
        self.textChanged.connect(self._look)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return a size that holds an angle."""
        wide = self.fontMetrics().horizontalAdvance("-179.9999") + 12
        return QSize(wide, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Return a width that an angle of three decimals still fits into."""
        wide = self.fontMetrics().horizontalAdvance("179.999") + 12
        return QSize(wide, super().minimumSizeHint().height())

    def _look(self, text: str) -> None:
        """Take a pasted place apart; what is typed comes letter by letter."""
        grown, self._length = len(text) - self._length, len(text)
        if grown >= _PASTED and place_text.holds_pair(text):
            self.pairPasted.emit(text)


class PlaceEdit(QWidget):
    """A place typed in: longitude and latitude."""

    entered = pyqtSignal(float, float)
    """Longitude and latitude, degrees."""
    refused = pyqtSignal(object)
    """The error that says what is wrong with the text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.lon, self.lat = AngleEdit("-137.3", self), AngleEdit("-89.45", self)
        self.button = QToolButton(self)
        self.button.setText("Score")
        self.button.setToolTip("Score the place that is typed here")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for name, edit in (("Lon", self.lon), ("Lat", self.lat)):
            whole = {"Lon": "Longitude", "Lat": "Latitude"}[name]
            told = f"{whole} in degrees: −89.45 or 89.45 S. A whole place can be pasted."
            edit.setToolTip(told)
            edit.setAccessibleName(f"{whole}, degrees")
            row.addWidget(QLabel(name, self))
            row.addWidget(edit, 1)
            edit.pairPasted.connect(self._take_pair)
            edit.returnPressed.connect(self.enter)
        row.addWidget(self.button)
        self.button.clicked.connect(self.enter)

    def show_place(self, lon_deg: float, lat_deg: float) -> None:
        """Show a place."""
        for edit, angle in ((self.lon, lon_deg), (self.lat, lat_deg)):
            edit.setText(place_text.written(angle))
            edit.setCursorPosition(0)

    def enter(self) -> None:
        """Take what is typed: an angle in each field, or a whole place in one."""
        try:
            place = self._typed()
        except LunarSiteError as error:
            self.refused.emit(error)
            return
        self.entered.emit(*place)

    def _typed(self) -> tuple[float, float]:
        found, wrong = [], []
        for edit, axis, name in ((self.lon, "lon", "longitude"), (self.lat, "lat", "latitude")):
            text = edit.text().strip()
            try:
                found.append(place_text.parse_angle(text, axis))
            except ParameterError as error:
                # Only what is no angle: 137,3 could be read as two.
                if place_text.holds_pair(text):
                    return place_text.parse_place(text)
                empty = ParameterError(f"Type a {name}", place_text.EXAMPLE)
                wrong.append(error if text else empty)
        if wrong:
            raise wrong[0]
        return place_text.checked(*found)

    def _take_pair(self, text: str) -> None:
        try:
            self.show_place(*place_text.parse_place(text))
        except LunarSiteError as error:
            self.refused.emit(error)


class EngineLine(QWidget):
    """Which engine answers, on which device, and the way to its set-up."""

    setup = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = label("", self)
        self.button = QToolButton(self)
        self.button.setText("Engine set-up…")
        self.button.setToolTip("Install, check or remove the engine")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.text, 1)
        row.addWidget(self.button)
        self.button.clicked.connect(self.setup)

    def tell(self, text: str, reason: str) -> None:
        """Say what the engine is, and in the tooltip why it works there."""
        self.text.setText(text)
        self.text.setToolTip(reason)
