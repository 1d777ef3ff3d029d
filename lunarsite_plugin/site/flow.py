"""From a place to what is known of it: which question follows which, and who gets the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from lunarsite.engine.errors import InputError, LunarSiteError
from lunarsite.qgis_common.engine_errors import EngineError
from lunarsite.qgis_common.session import ENDED

if TYPE_CHECKING:
    from lunarsite.lunarsite_plugin.runs.folder import RunFolder
    from lunarsite.qgis_common.map_place import Place
    from lunarsite.qgis_common.session import EngineSession

WAIT_MS = 200
"""Answers usually come sooner, and then nothing needs to say that they are waited for."""

OPENING = "Opening the run…"
SCORING = "Scoring the place…"
NO_RUN = InputError(
    "There is no run to score places with",
    "Run Screen a region from the toolbox, or choose the folder of a finished run with Browse",
)

LEFT_OFF = EngineError("The engine was ended before it answered", "Score the place again")


class SiteFlow(QObject):
    """Asks for the score of a place, then for its skyline; the latest place counts.

    A run is opened as soon as it is chosen, and its elevation models are read, so that the first
    click is answered as fast as the others.
    """

    explained = pyqtSignal(object)
    """The answer of ``explain``."""
    lit = pyqtSignal(object)
    """The answer of ``skyline``."""
    refused = pyqtSignal(object)
    """The error that says why there is no score."""
    unlit = pyqtSignal(object)
    """The error that says why there is no skyline; the score stays."""
    waiting = pyqtSignal(str)
    """What a click waits for."""
    opening = pyqtSignal(str)
    """What is done with the run; empty when it is done."""

    def __init__(self, session: EngineSession, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.run: RunFolder | None = None
        self.place: Place | None = None
        self._dates = ("", "")
        self._scored = False
        self._open = False
        self._ids: dict[str, int] = {}
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(WAIT_MS)
        self._patience.timeout.connect(self._say_waiting)
        session.answered.connect(self._take)
        session.failed.connect(self._fail)
        session.stateChanged.connect(self._note_state)

    def set_run(self, run: RunFolder | None) -> None:
        """Take another run, and have the engine open it."""
        self._leave_off()
        self.run, self.place, self._scored, self._open = run, None, False, False
        self.opening.emit("")
        if run is None or run.best is None:
            return
        lon, lat = run.best
        self.opening.emit(OPENING)
        self._ask("open", "explain", {"run": str(run.path), "lon": lon, "lat": lat})
        if not run.missing:
            self._ask("read", "skyline", self._light(lon, lat))

    def take_located(self, run: RunFolder) -> None:
        """Take the same run, of which more is found now."""
        self.run = run
        if self._scored:
            self._ask_light()

    def set_dates(self, start: str, stop: str) -> None:
        """Set the span of time for skylines, ``YYYY-MM-DD``, and ask for the one that is shown."""
        self._dates = (start, stop)
        if self._scored:
            self._ask_light()

    def score(self, place: Place) -> None:
        """Ask what is known of a place."""
        if self.run is None:
            self.refused.emit(NO_RUN)
            return
        self.place, self._scored = place, False
        self._forget("skyline")
        self._patience.start()
        self._ask(
            "explain",
            "explain",
            {"run": str(self.run.path), "lon": place.lon_deg, "lat": place.lat_deg},
        )

    def drop_place(self) -> None:
        """Ask no more about the place: another was named since, of which nothing can be known."""
        self._patience.stop()
        self._forget("explain")
        self._forget("skyline")
        self.place, self._scored = None, False

    def stop(self) -> None:
        """Leave off what is asked, and ask no more."""
        self._leave_off()
        for signal, slot in (
            (self._session.answered, self._take),
            (self._session.failed, self._fail),
            (self._session.stateChanged, self._note_state),
        ):
            signal.disconnect(slot)

    def _light(self, lon: float, lat: float) -> dict[str, Any]:
        """Return the parameters of a skyline."""
        start, stop = self._dates
        if self.run is None:
            raise NO_RUN
        span = {"start": start, "stop": stop} if start and stop else {}
        mast = {"mast_height_m": self.run.mast_height_m}
        return {**self.run.terrain(), "lon": lon, "lat": lat, **mast, **span}

    def _ask_light(self) -> None:
        if self.place is None:
            return
        try:
            params = self._light(self.place.lon_deg, self.place.lat_deg)
        except LunarSiteError as error:
            self.unlit.emit(error)
            return
        self._ask("skyline", "skyline", params)

    def _ask(self, kind: str, method: str, params: dict[str, Any]) -> None:
        self._ids[kind] = self._session.ask(method, params)

    def _take(self, request_id: int, result: dict[str, Any]) -> None:
        kind = self._kind(request_id)
        if kind in ("open", "explain"):
            self._now_open()
        if kind == "explain":
            self._patience.stop()
            self._scored = True
            self.explained.emit(result)
            self._ask_light()
        elif kind == "skyline":
            self.lit.emit(result)

    def _fail(self, request_id: int, error: LunarSiteError) -> None:
        kind = self._kind(request_id)
        if kind in ("open", "explain"):
            self._patience.stop()
            self.opening.emit("")
            self.refused.emit(error)
        elif kind == "skyline":
            self.unlit.emit(error)

    def _kind(self, request_id: int) -> str:
        kind = next((name for name, asked in self._ids.items() if asked == request_id), "")
        self._ids.pop(kind, None)
        return kind

    def _now_open(self) -> None:
        self._open = True
        self.opening.emit("")

    def _note_state(self, state: str) -> None:
        # Another process knows nothing of the run yet.
        if not state.startswith("ready"):
            self._open = False
        if state == ENDED:
            for request_id in list(self._ids.values()):
                self._fail(request_id, LEFT_OFF)

    def _say_waiting(self) -> None:
        self.waiting.emit(SCORING if self._open else OPENING)

    def _forget(self, kind: str) -> None:
        asked = self._ids.pop(kind, None)
        if asked is not None:
            self._session.cancel(asked)

    def _leave_off(self) -> None:
        self._patience.stop()
        for kind in list(self._ids):
            self._forget(kind)
