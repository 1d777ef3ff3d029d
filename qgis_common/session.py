"""Asynchronous access to the engine: started when needed, and restarted if it has exited.

There are up to three processes, so that neither a skyline, half a second that cannot be
interrupted, nor an image delays a score: one has the tables of the run in memory, one the
elevation models, and one the network.
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
"""Methods that have a process of their own; all others share one."""


class EngineSession(QObject):
    """Sends requests to the engine, and emits the answers in its own thread.

    A request supersedes an earlier one of the same method, which is cancelled and never answered.

    Parameters
    ----------
    parent : QObject, optional
        The owner.
    find : callable, optional
        Returns the interpreter of the engine, or raises an error if there is none.
    """

    answered = pyqtSignal(int, object)
    """The id of a request and its result, a dict."""
    failed = pyqtSignal(int, object)
    """The id of a request and its LunarSiteError."""
    progressed = pyqtSignal(int, float, str)
    """The id of a request, a fraction from 0 to 1 and a message."""
    stateChanged = pyqtSignal(str)
    """``no engine``, ``starting``, ``ready on cpu x86_64`` or ``ended``."""

    _received = pyqtSignal(str, int, object)

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
        # The client calls back from its own threads; a queued signal moves this to our thread.
        self._received.connect(self._take, Qt.ConnectionType.QueuedConnection)

    @property
    def state(self) -> str:
        """The state that `stateChanged` emitted last."""
        return self._state

    @property
    def pids(self) -> list[int]:
        """The ids of the running processes, that for scores first."""
        return [lane.client.pid for lane in self._lanes.values() if lane.alive]

    def device_text(self) -> str:
        """Return the status of the engine as text."""
        if not self._hello:
            return "The engine is starting…" if self._state == STARTING else self._idle_text()
        device = self._hello["device"]
        kind = {"cpu": "CPU", "cuda": "GPU"}.get(device["kind"], device["kind"])
        return f"Engine {self._hello['version']} on {kind}, {device['name']}"

    def device_reason(self) -> str:
        """Return why the engine uses its device; empty if it is not running."""
        return str(self._hello["device"].get("reason") or "") if self._hello else ""

    def ask(self, method: str, params: Mapping[str, Any]) -> int:
        """Send a request, starting the engine if necessary, and return its id immediately."""
        request_id = self._next
        self._next += 1
        lane = self._lanes[_LANES.get(method, _SCORES)]
        earlier = lane.latest.get(method)
        if earlier is not None:
            self.cancel(earlier)
        lane.latest[method] = request_id
        done = self._callback("done", request_id)
        try:
            client = self._running(lane)
        except LunarSiteError as error:
            self._set_state(NO_ENGINE)
            done(error)
            return request_id
        progress = self._progress_callback(request_id)
        lane.sent[request_id] = client.submit(method, params, done, progress)
        return request_id

    def cancel(self, request_id: int) -> None:
        """Cancel a request; it is not answered any more."""
        for lane in self._lanes.values():
            lane.forget(request_id)

    def shut_down(self) -> None:
        """Stop the engine, and return immediately; the next request starts it again."""
        for lane in self._lanes.values():
            client = lane.client
            lane.reset()
            if client is not None:
                client.begin_close()
                # Waiting for the process may take up to two seconds, so it is done in a thread.
                threading.Thread(target=client.close, name="engine end").start()
        self._hello = {}
        self._set_state(ENDED)

    def _idle_text(self) -> str:
        try:
            self._find()
        except LunarSiteError:
            return "The engine is not available"
        return "The engine will start when it is needed"

    def _running(self, lane: _Lane) -> Client:
        if lane.client is None or not lane.alive:
            located = self._find()
            if not self._hello:
                self._set_state(STARTING)
            lane.sent.clear()
            lane.start = self._next
            self._next += 1
            lane.client = Client(
                located,
                on_hello=self._callback("hello", lane.start),
                on_end=self._callback("end", lane.start),
            )
            lane.running = True
        return lane.client

    def _callback(self, kind: str, request_id: int) -> Callable[[object], None]:
        def call_back(value: object) -> None:
            # The client's thread may outlive this object when QGIS exits.
            with suppress(RuntimeError):
                self._received.emit(kind, request_id, value)

        return call_back

    def _progress_callback(self, request_id: int) -> Callable[[float, str], None]:
        call_back = self._callback("progress", request_id)

        def progress(fraction: float, message: str) -> None:
            call_back((fraction, message))

        return progress

    def _take(self, kind: str, request_id: int, value: Any) -> None:
        """Handle what the client received, in this object's thread."""
        if kind == "hello":
            if self.pids:
                self._hello = value
                self._set_state(f"ready on {value['device']['kind']} {value['device']['name']}")
            return
        if kind == "end":
            # Each process reports its errors before its end. While one that has exited still has
            # errors on the way, the session has not ended: they say more than that it has.
            for each in self._lanes.values():
                each.running = each.running and each.start != request_id
            if not any(each.running for each in self._lanes.values()):
                self._hello = {}
                self._set_state(ENDED)
            return
        lane = next((each for each in self._lanes.values() if each.waits(request_id)), None)
        if lane is None:
            return  # superseded, cancelled, or from an engine that was stopped
        if kind == "progress":
            self.progressed.emit(request_id, *value)
            return
        lane.forget(request_id, cancel=False)
        tested = value.get("device") or {} if isinstance(value, dict) else {}
        if self._hello and "name" in tested:
            # The greeting came before the first network ran, which tests the GPU.
            self._hello["device"] = tested
        if isinstance(value, LunarSiteError):
            self.failed.emit(request_id, value)
        else:
            self.answered.emit(request_id, value)

    def _set_state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self.stateChanged.emit(state)


@dataclass(slots=True)
class _Lane:
    """One process, and the latest request of each method."""

    client: Client | None = None
    start: int = 0
    """Identifies the process among all that the session has started."""
    running: bool = False
    """Whether its end has not been reported yet; ``alive`` is about the process itself."""
    latest: dict[str, int] = field(default_factory=dict)
    sent: dict[int, int] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        return self.client is not None and self.client.alive

    def waits(self, request_id: int) -> bool:
        return request_id in self.latest.values()

    def forget(self, request_id: int, *, cancel: bool = True) -> None:
        self.latest = {name: each for name, each in self.latest.items() if each != request_id}
        client_id = self.sent.pop(request_id, None)
        if cancel and client_id is not None and self.client is not None:
            self.client.cancel(client_id)

    def reset(self) -> None:
        self.client = None
        self.running = False
        self.latest.clear()
        self.sent.clear()
