"""The desktop's engine: started at the first need, asked without waiting, restarted when it died.

Three processes, so that a skyline at work, half a second that nothing can break off, or an image
that is looked at never delays a score: one holds the tables of the run, one the elevation models,
and one the network, if it is asked at all.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qgis.PyQt.QtCore import QObject, Qt, pyqtSignal

from lunarsite.engine.errors import LunarSiteError
from lunarsite.qgis_common import location
from lunarsite.qgis_common.client import Client, Values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NO_ENGINE, STARTING, ENDED = "no engine", "starting", "ended"

_SCORES = "scores"
_LANES = {"skyline": "light", "segment-terrain": "images"}
"""Methods that have a process of their own."""


class EngineSession(QObject):
    """Asks the engine and tells the answers, all in the thread that it lives in.

    A request supersedes an earlier one of the same method: that one is cancelled, and its answer
    is never told.

    Parameters
    ----------
    parent : QObject, optional
        Its owner.
    find : callable, optional
        Says where the engine is, or raises why there is none.
    """

    answered = pyqtSignal(int, object)
    """Id of a request and its result, a dict."""
    failed = pyqtSignal(int, object)
    """Id of a request and its LunarSiteError."""
    progressed = pyqtSignal(int, float, str)
    """Id of a request, a fraction from 0 to 1 and a message."""
    stateChanged = pyqtSignal(str)
    """``no engine``, ``starting``, ``ready on cpu x86_64`` or ``ended``."""

    _heard = pyqtSignal(str, int, object)

    def __init__(
        self,
        parent: QObject | None = None,
        find: Callable[[], location.Located] = location.find,
    ) -> None:
        super().__init__(parent)
        self._find = find
        self._lanes = {name: _Lane() for name in (_SCORES, *_LANES.values())}
        self._next = 1
        self._state = ENDED
        self._hello: Values = {}
        # The client calls from its own threads; a queued signal is what brings it to this one.
        self._heard.connect(self._take, Qt.ConnectionType.QueuedConnection)

    @property
    def state(self) -> str:
        """What `stateChanged` told last."""
        return self._state

    @property
    def pids(self) -> list[int]:
        """The process ids of the engines that run, that of the scores first."""
        return [lane.client.pid for lane in self._lanes.values() if lane.alive]

    def device_text(self) -> str:
        """Return what is to be known of the engine, for people."""
        if not self._hello:
            return "The engine is starting…" if self._state == STARTING else self._rest_text()
        device = self._hello["device"]
        kind = {"cpu": "CPU", "cuda": "GPU"}.get(device["kind"], device["kind"])
        return f"Engine {self._hello['version']} on {kind}, {device['name']}"

    def device_reason(self) -> str:
        """Return why the engine works on that device, empty before it runs."""
        return str(self._hello["device"].get("reason") or "") if self._hello else ""

    def ask(self, method: str, params: Mapping[str, Any]) -> int:
        """Ask the engine, starting it where need be, and return the request's id at once."""
        request_id = self._next
        self._next += 1
        lane = self._lanes[_LANES.get(method, _SCORES)]
        earlier = lane.latest.get(method)
        if earlier is not None:
            self.cancel(earlier)
        lane.latest[method] = request_id
        bring = self._bringing("done", request_id)
        try:
            client = self._running(lane)
        except LunarSiteError as error:
            self._tell(NO_ENGINE)
            bring(error)
            return request_id
        progress = self._bringing_progress(request_id)
        lane.sent[request_id] = client.submit(method, params, bring, progress)
        return request_id

    def cancel(self, request_id: int) -> None:
        """Leave a request off; its answer is not told any more."""
        for lane in self._lanes.values():
            lane.forget(request_id)

    def shut(self) -> None:
        """End the engine and return at once; the next question starts it again."""
        for lane in self._lanes.values():
            client = lane.client
            lane.reset()
            if client is not None:
                client.begin_close()
                # Waiting and killing take up to two seconds, which the caller does not have.
                threading.Thread(target=client.close, name="engine end").start()
        self._hello = {}
        self._tell(ENDED)

    def _rest_text(self) -> str:
        try:
            self._find()
        except LunarSiteError:
            return "There is no engine yet"
        return "The engine starts when it is needed"

    def _running(self, lane: _Lane) -> Client:
        if lane.client is None or not lane.alive:
            located = self._find()
            if not self._hello:
                self._tell(STARTING)
            lane.sent.clear()
            lane.client = Client(
                located, on_hello=self._bringing("hello", 0), on_end=self._bringing("end", 0)
            )
        return lane.client

    def _bringing(self, kind: str, request_id: int) -> Callable[[object], None]:
        def bring(value: object) -> None:
            # The client's thread may outlive this object, when QGIS goes away.
            with suppress(RuntimeError):
                self._heard.emit(kind, request_id, value)

        return bring

    def _bringing_progress(self, request_id: int) -> Callable[[float, str], None]:
        bring = self._bringing("progress", request_id)

        def bring_progress(fraction: float, message: str) -> None:
            bring((fraction, message))

        return bring_progress

    def _take(self, kind: str, request_id: int, value: Any) -> None:
        """Tell what came from the client, in this object's own thread."""
        if kind == "hello":
            if self.pids:
                self._hello = value
                self._tell(f"ready on {value['device']['kind']} {value['device']['name']}")
            return
        if kind == "end":
            if not self.pids:
                self._hello = {}
                self._tell(ENDED)
            return
        lane = next((each for each in self._lanes.values() if each.waits(request_id)), None)
        if lane is None:
            return  # superseded, cancelled, or from an engine that was shut
        if kind == "progress":
            self.progressed.emit(request_id, *value)
            return
        lane.forget(request_id, cancel=False)
        if isinstance(value, LunarSiteError):
            self.failed.emit(request_id, value)
        else:
            self.answered.emit(request_id, value)

    def _tell(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self.stateChanged.emit(state)


@dataclass(slots=True)
class _Lane:
    """One process, and what it was asked: the latest request of every method, and their ids."""

    client: Client | None = None
    latest: dict[str, int] = field(default_factory=dict)
    sent: dict[int, int] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        return self.client is not None and self.client.alive

    def waits(self, request_id: int) -> bool:
        return request_id in self.latest.values()

    def forget(self, request_id: int, *, cancel: bool = True) -> None:
        self.latest = {name: each for name, each in self.latest.items() if each != request_id}
        theirs = self.sent.pop(request_id, None)
        if cancel and theirs is not None and self.client is not None:
            self.client.cancel(theirs)

    def reset(self) -> None:
        self.client = None
        self.latest.clear()
        self.sent.clear()
