"""Requests about a place: the score first, then the skyline."""

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
"""Answers usually arrive sooner, so that no waiting message is needed."""

OPENING = "Opening the run…"
SCORING = "Scoring the place…"
NO_RUN = InputError(
    "No screening run is selected, so places cannot be scored",
    "Run Screen a region from the toolbox, or use Browse to choose the folder of a finished run",
)

STOPPED = EngineError("The engine stopped before it answered", "Score the place again")


class SiteFlow(QObject):
    """Requests the score of a place and then its skyline; only the latest place counts.

    As soon as a run is selected, the engine opens it and reads its elevation models, so that the
    first click is answered as fast as the following ones.
    """

    explained = pyqtSignal(object)
    """The answer of ``explain``."""
    skylineReady = pyqtSignal(object)
    """The answer of ``skyline``."""
    refused = pyqtSignal(object)
    """The error that explains why there is no score."""
    skylineFailed = pyqtSignal(object)
    """The error that explains why there is no skyline; the score remains."""
    waiting = pyqtSignal(str)
    """A message about what a click is waiting for."""
    opening = pyqtSignal(str)
    """A message while the run is being opened; empty when that is done."""

    def __init__(self, session: EngineSession, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.run: RunFolder | None = None
        self.place: Place | None = None
        self._dates = ("", "")
        self._scored = False
        self._open = False
        self._ids: dict[str, int] = {}
        self._wait_timer = QTimer(self)
        self._wait_timer.setSingleShot(True)
        self._wait_timer.setInterval(WAIT_MS)
        self._wait_timer.timeout.connect(self._show_waiting)
        session.answered.connect(self._take)
        session.failed.connect(self._fail)
        session.stateChanged.connect(self._note_state)

    def set_run(self, run: RunFolder | None) -> None:
        """Switch to another run, and have the engine open it."""
        self._cancel_all()
        self.run, self.place, self._scored, self._open = run, None, False, False
        self.opening.emit("")
        if run is None or run.best is None:
            return
        lon, lat = run.best
        self.opening.emit(OPENING)
        self._ask("open", "explain", {"run": str(run.path), "lon": lon, "lat": lat})
        if not run.missing:
            self._ask("read", "skyline", self._skyline_params(lon, lat))

    def set_located(self, run: RunFolder) -> None:
        """Update the run after one of its missing inputs has been located."""
        self.run = run
        if self._scored:
            self._ask_skyline()

    def set_dates(self, start: str, stop: str) -> None:
        """Set the period of skylines, ``YYYY-MM-DD``, and request the current one again."""
        self._dates = (start, stop)
        if self._scored:
            self._ask_skyline()

    def score(self, place: Place) -> None:
        """Request the score and the skyline of a place."""
        if self.run is None:
            self.refused.emit(NO_RUN)
            return
        self.place, self._scored = place, False
        self._forget("skyline")
        self._wait_timer.start()
        self._ask(
            "explain",
            "explain",
            {"run": str(self.run.path), "lon": place.lon_deg, "lat": place.lat_deg},
        )

    def drop_place(self) -> None:
        """Drop the current place: the user has since entered one that is not valid."""
        self._wait_timer.stop()
        self._forget("explain")
        self._forget("skyline")
        self.place, self._scored = None, False

    def stop(self) -> None:
        """Cancel all requests, and make no more."""
        self._cancel_all()
        for signal, slot in (
            (self._session.answered, self._take),
            (self._session.failed, self._fail),
            (self._session.stateChanged, self._note_state),
        ):
            signal.disconnect(slot)

    def _skyline_params(self, lon: float, lat: float) -> dict[str, Any]:
        """Return the parameters of a skyline request."""
        start, stop = self._dates
        if self.run is None:
            raise NO_RUN
        span = {"start": start, "stop": stop} if start and stop else {}
        mast = {"mast_height_m": self.run.mast_height_m}
        return {**self.run.terrain(), "lon": lon, "lat": lat, **mast, **span}

    def _ask_skyline(self) -> None:
        if self.place is None:
            return
        try:
            params = self._skyline_params(self.place.lon_deg, self.place.lat_deg)
        except LunarSiteError as error:
            self.skylineFailed.emit(error)
            return
        self._ask("skyline", "skyline", params)

    def _ask(self, kind: str, method: str, params: dict[str, Any]) -> None:
        self._ids[kind] = self._session.ask(method, params)

    def _take(self, request_id: int, result: dict[str, Any]) -> None:
        kind = self._kind(request_id)
        if kind in ("open", "explain"):
            self._mark_open()
        if kind == "explain":
            self._wait_timer.stop()
            self._scored = True
            self.explained.emit(result)
            self._ask_skyline()
        elif kind == "skyline":
            self.skylineReady.emit(result)

    def _fail(self, request_id: int, error: LunarSiteError) -> None:
        kind = self._kind(request_id)
        if kind in ("open", "explain"):
            self._wait_timer.stop()
            self.opening.emit("")
            self.refused.emit(error)
        elif kind == "skyline":
            self.skylineFailed.emit(error)

    def _kind(self, request_id: int) -> str:
        kind = next((name for name, asked in self._ids.items() if asked == request_id), "")
        self._ids.pop(kind, None)
        return kind

    def _mark_open(self) -> None:
        self._open = True
        self.opening.emit("")

    def _note_state(self, state: str) -> None:
        # A new process has not opened the run yet.
        if not state.startswith("ready"):
            self._open = False
        if state == ENDED:
            for request_id in list(self._ids.values()):
                self._fail(request_id, STOPPED)

    def _show_waiting(self) -> None:
        self.waiting.emit(SCORING if self._open else OPENING)

    def _forget(self, kind: str) -> None:
        asked = self._ids.pop(kind, None)
        if asked is not None:
            self._session.cancel(asked)

    def _cancel_all(self) -> None:
        self._wait_timer.stop()
        for kind in list(self._ids):
            self._forget(kind)
