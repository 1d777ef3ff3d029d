"""Widgets around the site panel: the coordinates, and the status of the engine."""

from __future__ import annotations

from qgis.PyQt.QtCore import QSize, pyqtSignal
from qgis.PyQt.QtWidgets import (
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
from lunarsite.qgis_common import plain_text

_PASTED = 5
"""Pasted coordinates add at least this many characters at once: ``80S1W``."""


class AngleEdit(QLineEdit):
    """A field for a longitude or a latitude; a pair of coordinates can be pasted into it."""

    pairPasted = pyqtSignal(str)

    def __init__(self, hint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._length = 0
        self.setPlaceholderText(hint)
        self.textChanged.connect(self._split_pasted)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return a size that fits an angle."""
        wide = self.fontMetrics().horizontalAdvance("-179.9999") + 12
        return QSize(wide, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Return a size that fits an angle with three decimals."""
        wide = self.fontMetrics().horizontalAdvance("179.999") + 12
        return QSize(wide, super().minimumSizeHint().height())

    def _split_pasted(self, text: str) -> None:
        """Emit a pasted pair of coordinates; typing adds one character at a time."""
        grown, self._length = len(text) - self._length, len(text)
        if grown >= _PASTED and place_text.is_pair(text):
            self.pairPasted.emit(text)


class PlaceEdit(QWidget):
    """Fields for longitude and latitude."""

    entered = pyqtSignal(float, float)
    """Longitude and latitude, degrees."""
    refused = pyqtSignal(object)
    """The error that explains what is wrong with the text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.lon, self.lat = AngleEdit("-137.3", self), AngleEdit("-89.45", self)
        self.button = QToolButton(self)
        self.button.setText("Score")
        self.button.setToolTip("Score the place with these coordinates")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for name, edit in (("Lon", self.lon), ("Lat", self.lat)):
            full_name = {"Lon": "Longitude", "Lat": "Latitude"}[name]
            edit.setToolTip(
                f"{full_name} in degrees: −89.45 or 89.45 S. A pair of coordinates can be pasted."
            )
            edit.setAccessibleName(f"{full_name}, degrees")
            row.addWidget(QLabel(name, self))
            row.addWidget(edit, 1)
            edit.pairPasted.connect(self._take_pair)
            edit.returnPressed.connect(self.enter)
        row.addWidget(self.button)
        self.button.clicked.connect(self.enter)

    def show_place(self, lon_deg: float, lat_deg: float) -> None:
        """Show a place."""
        for edit, angle in ((self.lon, lon_deg), (self.lat, lat_deg)):
            edit.setText(place_text.format_angle(angle))
            edit.setCursorPosition(0)

    def enter(self) -> None:
        """Accept the input: an angle in each field, or a pair of coordinates in one."""
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
                # Only if it is not an angle: 137,3 could also be read as two.
                if place_text.is_pair(text):
                    return place_text.parse_place(text)
                empty = ParameterError(f"Enter a {name}", place_text.EXAMPLE)
                wrong.append(error if text else empty)
        if wrong:
            raise wrong[0]
        return place_text.check_range(*found)

    def _take_pair(self, text: str) -> None:
        try:
            self.show_place(*place_text.parse_place(text))
        except LunarSiteError as error:
            self.refused.emit(error)


class EngineLine(QWidget):
    """The status of the engine, and a button for its setup."""

    setup = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = label("", self)
        self.button = QToolButton(self)
        self.button.setText("Engine Setup…")
        self.button.setToolTip("Install, check or remove the engine")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.text, 1)
        row.addWidget(self.button)
        self.button.clicked.connect(self.setup)

    def set_status(self, text: str, reason: str) -> None:
        """Show the engine's version and device, and why it uses that device as a tooltip."""
        self.text.setText(text)
        self.text.setToolTip(plain_text.shown(reason))
