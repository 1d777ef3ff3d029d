"""The dock's map tool, and the marker of the current cell."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qgis.core import Qgis, QgsApplication, QgsGeometry
from qgis.gui import QgsMapTool, QgsRubberBand, QgsVertexMarker
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor

from lunarsite.engine.errors import CrsError
from lunarsite.qgis_common import map_place

if TYPE_CHECKING:
    from qgis.gui import QgsMapCanvas, QgsMapMouseEvent

_MARK = QColor("#f28e2b")
_HALO = QColor(255, 255, 255, 200)
_CLEAR = QColor(0, 0, 0, 0)


class LocationTool(QgsMapTool):
    """A map tool that reports clicked places, in any lunar CRS."""

    placed = pyqtSignal(object)
    """The `Place` that was clicked."""
    refused = pyqtSignal(object)
    """The error that explains why a click is not a valid place."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__(canvas)
        self.setCursor(QgsApplication.getThemeCursor(QgsApplication.Cursor.CrossHair))

    def canvasReleaseEvent(self, event: QgsMapMouseEvent) -> None:
        """Report a click with the left button."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        crs = self.canvas().mapSettings().destinationCrs()
        try:
            place = map_place.place_at(self.toMapCoordinates(event.pos()), crs)
        except CrsError as error:
            self.refused.emit(error)
            return
        self.placed.emit(place)


class CellMarker:
    """Marks a place with a cross, and the cell around it and its landing disc with outlines."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        self._canvas = canvas
        self._cell: dict[str, Any] | None = None
        self._place: dict[str, Any] | None = None
        self._disc: dict[str, Any] | None = None
        self.outline = QgsRubberBand(canvas, Qgis.GeometryType.Polygon)
        self.disc = QgsRubberBand(canvas, Qgis.GeometryType.Polygon)
        for band in (self.outline, self.disc):
            band.setStrokeColor(_MARK)
            band.setSecondaryStrokeColor(_HALO)
            band.setFillColor(_CLEAR)
            band.setWidth(2)
        self.cross = QgsVertexMarker(canvas)
        self.cross.setIconType(QgsVertexMarker.IconType.ICON_CROSS)
        self.cross.setColor(_MARK)
        self.cross.setPenWidth(2)
        self.clear()
        canvas.destinationCrsChanged.connect(self._draw)

    @property
    def visible(self) -> bool:
        """Whether a cell is marked."""
        return self.cross.isVisible()

    def show(
        self, cell: dict[str, Any], place: dict[str, Any], disc: dict[str, Any] | None = None
    ) -> None:
        """Mark the ``cell``, the ``place`` and the ``disc`` in an answer of ``explain``."""
        self._cell, self._place, self._disc = cell, place, disc
        self._draw()

    def clear(self) -> None:
        """Remove the mark."""
        self._cell = self._place = self._disc = None
        self._draw()

    def remove(self) -> None:
        """Remove the canvas items for good."""
        with suppress(TypeError):
            self._canvas.destinationCrsChanged.disconnect(self._draw)
        for item in (self.outline, self.disc, self.cross):
            self._canvas.scene().removeItem(item)

    def _draw(self) -> None:
        cell, crs = self._cell, self._canvas.mapSettings().destinationCrs()
        for band in (self.outline, self.disc):
            band.reset(Qgis.GeometryType.Polygon)
        self.cross.setVisible(False)
        if cell is None or self._place is None:
            return
        # Nothing is marked on a map of another body.
        with suppress(CrsError):
            corners = map_place.square_on(crs, cell["x_m"], cell["y_m"], cell["size_m"])
            point = map_place.point_on(crs, self._place["x_m"], self._place["y_m"])
            self.outline.setToGeometry(QgsGeometry.fromPolygonXY([corners]), None)
            if self._disc is not None:
                ring = map_place.circle_on(
                    crs, self._disc["x_m"], self._disc["y_m"], self._disc["radius_m"]
                )
                self.disc.setToGeometry(QgsGeometry.fromPolygonXY([ring]), None)
            self.cross.setCenter(point)
            self.cross.setVisible(True)
