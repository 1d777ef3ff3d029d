"""Requests the MC Dropout uncertainty around a clicked place, and shows the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qgis.core import QgsCoordinateTransform, QgsCsException, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QObject, QTimer

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.uncertainty import text, window
from lunarsite.lunarsite_plugin.uncertainty.layers import UncertaintyLayers, output_folder
from lunarsite.qgis_common.engine_errors import EngineError
from lunarsite.qgis_common.session import ENDED

if TYPE_CHECKING:
    from qgis.core import QgsPointXY
    from qgis.gui import QgsMapCanvas

    from lunarsite.lunarsite_plugin.runs.folder import RunFolder
    from lunarsite.lunarsite_plugin.uncertainty.panel import ImagePanel
    from lunarsite.qgis_common.map_place import Place
    from lunarsite.qgis_common.session import EngineSession

STOPPED = EngineError("The engine stopped before it answered", "Click the place again")
CANCELLED = "Cancelled. Click the image to try again."

_MARGIN = 1.1


@dataclass(frozen=True, slots=True)
class _Request:
    request_id: int
    point: QgsPointXY
    image_id: str
    run: RunFolder | None


class ImageControl(QObject):
    """Requests the window around the latest place while the option is on.

    Parameters
    ----------
    panel : ImagePanel
        The option, its settings and the text of the answer.
    session : EngineSession
        The engine.
    canvas : QgsMapCanvas
        The map to zoom to the image.
    """

    def __init__(
        self, panel: ImagePanel, session: EngineSession, canvas: QgsMapCanvas, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._panel, self._session, self._canvas = panel, session, canvas
        self._layers = UncertaintyLayers()
        self._run: RunFolder | None = None
        self._place: Place | None = None
        self._request: _Request | None = None
        self._selected = self._selection()
        # Many layers may be added or removed at once; wait for all of them.
        self._refresh_timer = QTimer(self)
        self._refresh_timer.setSingleShot(True)
        self._refresh_timer.setInterval(0)
        self._refresh_timer.timeout.connect(self._refresh)
        panel.switched.connect(self._switch)
        panel.changed.connect(self._refresh_timer.start)
        panel.goTo.connect(self.go_to_image)
        panel.cancelled.connect(self.cancel)
        self._listen(True)

    @property
    def on(self) -> bool:
        """Whether the option is on."""
        return self._panel.switch.isChecked()

    def set_place(self, place: Place) -> None:
        """Set the place, and request the window around it if the option is on."""
        self._place = place
        if self.on:
            self._send_request()

    def clear(self) -> None:
        """Drop the current place: the user has since entered one that is not valid."""
        self._cancel_request()
        self._place = None
        self._layers.hide()
        self._panel.show_hint()

    def set_run(self, run: RunFolder | None) -> None:
        """Switch to another run; layers of later clicks go into its group."""
        self._run = run
        self.clear()
        self._refresh_timer.start()

    def begin(self) -> None:
        """Start over with another project, which keeps its layers; its run is set next."""
        self._layers.forget()
        self._panel.switch.setChecked(False)

    def go_to_image(self) -> None:
        """Zoom the map to the image."""
        layer = self._panel.image()
        if layer is None:
            return
        crs = self._canvas.mapSettings().destinationCrs()
        transform = QgsCoordinateTransform(layer.crs(), crs, QgsProject.instance())
        try:
            extent = transform.transformBoundingBox(layer.extent())
        except QgsCsException:
            self._panel.show_text(
                f"The image {layer.name()} cannot be shown in the CRS of this map."
            )
            return
        extent.scale(_MARGIN)
        self._canvas.setExtent(extent)
        self._canvas.refresh()

    def cancel(self) -> None:
        """Cancel the request."""
        self._cancel_request()
        self._layers.hide()  # they belong to an earlier click
        self._panel.show_text(CANCELLED)

    def text(self) -> str:
        """Return the text of the answer, empty if the option is off."""
        return self._panel.text.text() if self.on else ""

    def stop(self) -> None:
        """Disconnect from the project and the engine."""
        self._refresh_timer.stop()
        self._cancel_request()
        self._listen(False)

    def _switch(self, on: bool) -> None:  # noqa: FBT001  a slot of Qt's toggled signal
        if on and self._place is not None:
            self._send_request()
            return
        self._cancel_request()
        self._layers.hide()
        self._panel.show_hint()

    def _send_request(self) -> None:
        """Request the window around the place, and cancel the previous request."""
        self._cancel_request()
        self._list_images()
        layer, place = self._panel.image(), self._place
        if layer is None or place is None:
            self._layers.hide()
            self._panel.show_hint()
            return
        try:
            around = window.around(layer, place, self._panel.side.value())
        except LunarSiteError as error:
            self._refuse(error)
            return
        params = {
            "image": str(around.path),
            "out": str(output_folder(self._run)),
            "view": "orbital",
            "uncertainty": "mc-dropout",
            "window": around.text(),
        }
        self._panel.show_busy()
        request_id = self._session.ask("segment-terrain", params)
        self._request = _Request(request_id, around.point, layer.id(), self._run)

    def _take(self, request_id: int, result: dict[str, Any]) -> None:
        request = self._answered(request_id)
        if request is None:
            return
        image = QgsProject.instance().mapLayer(request.image_id)
        if not isinstance(image, QgsRasterLayer):
            self._panel.show_hint()
            return
        try:
            at = self._layers.show(result, request.point, image, request.run)
        except LunarSiteError as error:
            self._refuse(error)
            return
        self._panel.show_text(text.answer(result, at))

    def _fail(self, request_id: int, error: LunarSiteError) -> None:
        if self._answered(request_id) is not None:
            self._refuse(error)

    def _show_progress(self, request_id: int, fraction: float, _message: str) -> None:
        if self._request is not None and self._request.request_id == request_id:
            self._panel.progress(fraction)

    def _note_state(self, state: str) -> None:
        if state == ENDED and self._request is not None:
            self._fail(self._request.request_id, STOPPED)

    def _answered(self, request_id: int) -> _Request | None:
        """Return the current request if this is its answer."""
        request = self._request
        if request is None or request.request_id != request_id:
            return None
        self._request = None
        return request

    def _refuse(self, error: LunarSiteError) -> None:
        self._layers.hide()  # they belong to an earlier click
        self._panel.show_text(str(error))

    def _cancel_request(self) -> None:
        if self._request is not None:
            self._session.cancel(self._request.request_id)
            self._request = None

    def _selection(self) -> tuple[str, int]:
        layer = self._panel.image()
        return layer.id() if layer is not None else "", self._panel.side.value()

    def _list_images(self) -> None:
        self._panel.set_images(window.not_images(self._run), window.not_files(self._run))
        self._selected = self._selection()

    def _refresh(self) -> None:
        """List the project's images, and repeat the request if the selection has changed."""
        before = self._selected
        self._list_images()
        if self._selected != before and self.on and self._place is not None:
            self._send_request()

    def _layers_changed(self, _layers: object) -> None:
        self._refresh_timer.start()

    def _listen(self, on: bool) -> None:  # noqa: FBT001  connects or disconnects
        project = QgsProject.instance()
        for signal, slot in (
            (project.layersAdded, self._layers_changed),
            (project.layersRemoved, self._layers_changed),
            (self._session.answered, self._take),
            (self._session.failed, self._fail),
            (self._session.progressed, self._show_progress),
            (self._session.stateChanged, self._note_state),
        ):
            (signal.connect if on else signal.disconnect)(slot)
