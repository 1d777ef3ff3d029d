"""From a click to how unsure the network for rocks is there: asked, shown, replaced, left off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qgis.core import QgsCoordinateTransform, QgsCsException, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QObject, QTimer

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.uncertainty import layers as image_layers
from lunarsite.lunarsite_plugin.uncertainty import text as image_text
from lunarsite.lunarsite_plugin.uncertainty import window as image_window
from lunarsite.qgis_common.engine_errors import EngineError
from lunarsite.qgis_common.session import ENDED

if TYPE_CHECKING:
    from qgis.gui import QgsMapCanvas

    from lunarsite.lunarsite_plugin.runs.folder import RunFolder
    from lunarsite.lunarsite_plugin.uncertainty.panel import ImagePanel
    from lunarsite.lunarsite_plugin.uncertainty.window import ImageWindow
    from lunarsite.qgis_common.map_place import Place
    from lunarsite.qgis_common.session import EngineSession

LEFT_OFF = EngineError("The engine was ended before it answered", "Click the place again")
CANCELLED = "Cancelled. Click a place on the image to look again."

_MARGIN = 1.1


@dataclass(frozen=True, slots=True)
class _Asked:
    request_id: int
    window: ImageWindow
    image_id: str
    run: RunFolder | None


class ImageControl(QObject):
    """Asks for the window around the latest place, as long as the switch is on.

    Parameters
    ----------
    panel : ImagePanel
        The switch, and where the answer is told.
    session : EngineSession
        Who is asked.
    canvas : QgsMapCanvas
        The map that is moved to an image.
    """

    def __init__(
        self, panel: ImagePanel, session: EngineSession, canvas: QgsMapCanvas, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._panel, self._session, self._canvas = panel, session, canvas
        self._layers = image_layers.ImageLayers()
        self._run: RunFolder | None = None
        self._place: Place | None = None
        self._asked: _Asked | None = None
        self._chosen = self._choice()
        # Layers come and go many at once, and which of them are images is known afterwards.
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(0)
        self._look.timeout.connect(self._refresh)
        panel.switched.connect(self._switch)
        panel.changed.connect(self._look.start)
        panel.goTo.connect(self.go_to_image)
        panel.cancelled.connect(self.cancel)
        self._listen(True)

    @property
    def on(self) -> bool:
        """Whether the switch is on."""
        return self._panel.switch.isChecked()

    def look(self, place: Place) -> None:
        """Take a place, and look at the image around it where the switch is on."""
        self._place = place
        if self.on:
            self._ask()

    def drop(self) -> None:
        """Look at no place any more: another was named since, of which nothing can be known."""
        self._forget()
        self._place = None
        self._layers.hide()
        self._panel.rest()

    def set_run(self, run: RunFolder | None) -> None:
        """Take another run; layers of later clicks go into its group."""
        self._run = run
        self.drop()
        self._look.start()

    def begin(self) -> None:
        """Start anew with another project, whose layers are its own; its run is set next."""
        self._layers.forget()
        self._panel.switch.setChecked(False)

    def go_to_image(self) -> None:
        """Show on the map where the image lies."""
        layer = self._panel.image()
        if layer is None:
            return
        crs = self._canvas.mapSettings().destinationCrs()
        way = QgsCoordinateTransform(layer.crs(), crs, QgsProject.instance())
        try:
            extent = way.transformBoundingBox(layer.extent())
        except QgsCsException:
            self._panel.say(f"The image {layer.name()} has no place on this map.")
            return
        extent.scale(_MARGIN)
        self._canvas.setExtent(extent)
        self._canvas.refresh()

    def cancel(self) -> None:
        """Leave off what is asked."""
        self._forget()
        self._layers.hide()  # what an earlier click has left is not of this one
        self._panel.say(CANCELLED)

    def text(self) -> str:
        """Return what is told, empty where the switch is off."""
        return self._panel.text.text() if self.on else ""

    def stop(self) -> None:
        """Let go of the project and the engine."""
        self._look.stop()
        self._forget()
        self._listen(False)

    def _switch(self, on: bool) -> None:  # noqa: FBT001  Qt's signal passes it so
        if on and self._place is not None:
            self._ask()
            return
        self._forget()
        self._layers.hide()
        self._panel.rest()

    def _ask(self) -> None:
        """Ask for the window around the place; an earlier question is left off."""
        self._forget()
        self._offer()
        layer, place = self._panel.image(), self._place
        if layer is None or place is None:
            self._layers.hide()
            self._panel.rest()
            return
        try:
            window = image_window.around(layer, place, self._panel.side.value())
        except LunarSiteError as error:
            self._refuse(error)
            return
        params = {
            "image": str(window.path),
            "out": str(image_layers.folder(self._run)),
            "view": "orbital",
            "uncertainty": "mc-dropout",
            "window": window.text(),
        }
        self._panel.wait()
        asked = self._session.ask("segment-terrain", params)
        self._asked = _Asked(asked, window, layer.id(), self._run)

    def _take(self, request_id: int, result: dict[str, Any]) -> None:
        asked = self._answered(request_id)
        if asked is None:
            return
        image = QgsProject.instance().mapLayer(asked.image_id)
        if not isinstance(image, QgsRasterLayer):
            self._panel.rest()
            return
        try:
            at = self._layers.show(result, asked.window, image, asked.run)
        except LunarSiteError as error:
            self._refuse(error)
            return
        self._panel.say(image_text.answer(result, at))

    def _fail(self, request_id: int, error: LunarSiteError) -> None:
        if self._answered(request_id) is not None:
            self._refuse(error)

    def _tell_progress(self, request_id: int, fraction: float, _message: str) -> None:
        if self._asked is not None and self._asked.request_id == request_id:
            self._panel.progress(fraction)

    def _note_state(self, state: str) -> None:
        if state == ENDED and self._asked is not None:
            self._fail(self._asked.request_id, LEFT_OFF)

    def _answered(self, request_id: int) -> _Asked | None:
        """Return what was asked if this is the answer to it."""
        asked = self._asked
        if asked is None or asked.request_id != request_id:
            return None
        self._asked = None
        return asked

    def _refuse(self, error: LunarSiteError) -> None:
        self._layers.hide()  # what an earlier click has left is not of this one
        self._panel.say(str(error))

    def _forget(self) -> None:
        if self._asked is not None:
            self._session.cancel(self._asked.request_id)
            self._asked = None

    def _choice(self) -> tuple[str, int]:
        layer = self._panel.image()
        return layer.id() if layer is not None else "", self._panel.side.value()

    def _offer(self) -> None:
        self._panel.set_images(image_window.others(self._run), image_window.no_files(self._run))
        self._chosen = self._choice()

    def _refresh(self) -> None:
        """Offer the project's images, and look again where another is chosen, or another window."""
        before = self._chosen
        self._offer()
        if self._chosen != before and self.on and self._place is not None:
            self._ask()

    def _layers_changed(self, _layers: object) -> None:
        self._look.start()

    def _listen(self, on: bool) -> None:  # noqa: FBT001  signals are connected or disconnected
        project = QgsProject.instance()
        for signal, slot in (
            (project.layersAdded, self._layers_changed),
            (project.layersRemoved, self._layers_changed),
            (self._session.answered, self._take),
            (self._session.failed, self._fail),
            (self._session.progressed, self._tell_progress),
            (self._session.stateChanged, self._note_state),
        ):
            (signal.connect if on else signal.disconnect)(slot)
