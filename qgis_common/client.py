"""A client for the engine's worker, which runs as a child process.

One thread reads the replies and another one the log. Callbacks are called from these threads, so
a GUI must pass them on to the main thread. Standard library only; can be used from any thread.
"""

from __future__ import annotations

import json
import subprocess  # nosec B404  # for its TimeoutExpired
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from lunarsite.engine.errors import CancelledError, LunarSiteError
from lunarsite.qgis_common.engine_errors import EngineError, exit_error
from lunarsite.qgis_common.engine_process import kill_process, start_process
from lunarsite.qgis_common.environment import child_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

Values = dict[str, Any]

LOG_LINES = 200
"""Number of log lines kept for error reports."""
END_WITHIN_S = 1.9
"""When a child that was told to exit is killed; normally it exits within 1.8 s."""

_POLL_S = 0.05
_RUNNING: weakref.WeakSet[Client] = weakref.WeakSet()


def close_all() -> None:
    """Stop the processes of all clients within `END_WITHIN_S`; pending requests are cancelled."""
    running = list(_RUNNING)
    for client in running:
        client.begin_close()
    limit = time.monotonic() + END_WITHIN_S
    for client in running:
        client.close(limit - time.monotonic())


class Command(Protocol):
    """Anything that knows how to start the engine; see ``location.EngineInterpreter``."""

    @property
    def command(self) -> list[str]:
        """The command that starts the engine, without the subcommand."""
        ...


@dataclass(slots=True)
class _Pending:
    done: Callable[[Values | LunarSiteError], None]
    progress: Callable[[float, str], None] | None


@dataclass(slots=True)
class _Reply:
    """A reply that another thread is waiting for."""

    arrived: threading.Event = field(default_factory=threading.Event)
    value: Values | LunarSiteError | None = None

    def set(self, value: Values | LunarSiteError) -> None:
        self.value = value
        self.arrived.set()


class Client:
    """Starts a worker, and sends requests to it.

    Parameters
    ----------
    engine : Command
        How to start it.
    on_log : callable, optional
        Called with every line of the engine's log, from a background thread.
    on_hello : callable, optional
        Called with the worker's greeting: version, device, pid.
    on_end : callable, optional
        Called with an error if the process exits unexpectedly.

    Raises
    ------
    EngineDiedError
        If the process cannot be started.
    """

    def __init__(
        self,
        engine: Command,
        *,
        on_log: Callable[[str], None] | None = None,
        on_hello: Callable[[Values], None] | None = None,
        on_end: Callable[[LunarSiteError], None] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._on_log, self._on_hello, self._on_end = on_log, on_hello, on_end
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._pending: dict[int, _Pending] = {}
        self._lock = threading.Lock()
        self._next = 1
        self._closing = False
        self._ended: LunarSiteError | None = None
        self.hello: Values | None = None
        self._process = start_process([*engine.command, "worker"], child_environment(environment))
        self._log_reader = threading.Thread(target=self._read_log, daemon=True, name="engine log")
        self._log_reader.start()
        self._reader = threading.Thread(target=self._read, daemon=True, name="engine replies")
        self._reader.start()
        _RUNNING.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether requests can be sent."""
        return self._ended is None and not self._closing

    @property
    def log(self) -> tuple[str, ...]:
        """The last lines of the engine's log."""
        return tuple(self._log)

    def submit(
        self,
        method: str,
        params: Mapping[str, Any],
        done: Callable[[Values | LunarSiteError], None],
        progress: Callable[[float, str], None] | None = None,
    ) -> int:
        """Send a request, and return its id immediately.

        ``done`` is called with the result or the error, ``progress`` with a fraction from 0 to 1
        and a message, both from a background thread.
        """
        with self._lock:
            request_id = self._next
            self._next += 1
            ended = self._ended
            if ended is None:
                self._pending[request_id] = _Pending(done, progress)
        if ended is not None:
            done(ended)
            return request_id
        self._send({"id": request_id, "method": method, "params": dict(params)})
        return request_id

    def request(
        self,
        method: str,
        params: Mapping[str, Any],
        *,
        progress: Callable[[float, str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Values:
        """Send a request, and wait for its result.

        If ``cancelled`` returns True, the worker is stopped within `END_WITHIN_S`.

        Raises
        ------
        EngineError
            If the engine reports an error.
        EngineDiedError
            If the process exited.
        CancelledError
            If it was cancelled.
        """
        reply = _Reply()
        self.submit(method, params, reply.set, progress)
        while not reply.arrived.wait(_POLL_S):
            if cancelled is not None and cancelled():
                self.close()
                if isinstance(reply.value, CancelledError):
                    raise reply.value  # the engine's own error, which explains how to resume
                raise CancelledError
        if isinstance(reply.value, LunarSiteError):
            raise reply.value
        return reply.value or {}

    def cancel(self, request_id: int) -> None:
        """Cancel a request; its ``done`` is called with a CancelledError."""
        self._send({"id": f"cancel {request_id}", "method": "cancel", "params": {"id": request_id}})

    def close(self, within_s: float = END_WITHIN_S) -> None:
        """Stop the process by closing its input, and kill it if it does not exit in time."""
        self.begin_close()
        try:
            self._process.wait(max(0.0, within_s))
        except subprocess.TimeoutExpired:
            kill_process(self._process)
            self._process.wait()
        self._reader.join(1.0)
        self._log_reader.join(1.0)

    def begin_close(self) -> None:
        """Close the input of the process, and return immediately."""
        self._closing = True
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()

    def _send(self, message: Values) -> None:
        line = json.dumps(message, ensure_ascii=False).encode() + b"\n"
        # The reading thread reports a broken pipe, with the reason.
        with suppress(OSError, ValueError), self._lock:
            if self._process.stdin is not None:
                self._process.stdin.write(line)
                self._process.stdin.flush()

    def _read(self) -> None:
        replies = self._process.stdout
        if replies is not None:
            for line in replies:
                try:
                    message = json.loads(line)
                except ValueError:
                    continue  # not part of the protocol; the log is on the other pipe
                if isinstance(message, dict):  # nor is a number that something printed
                    self._take(message)
            replies.close()
        self._finish()

    def _take(self, message: Values) -> None:
        if message.get("event") == "hello":
            self.hello = message
            if self._on_hello is not None:
                self._on_hello(message)
            return
        request_id = message.get("id")
        if not isinstance(request_id, int):
            return
        if message.get("event") == "progress":
            with self._lock:
                pending = self._pending.get(request_id)
            if pending is not None and pending.progress is not None:
                pending.progress(float(message["fraction"]), str(message["message"]))
            return
        with self._lock:
            pending = self._pending.pop(request_id, None)
        if pending is not None:
            pending.done(_parse_reply(message))

    def _finish(self) -> None:
        """Report the end of the process, and the reason, to all pending requests."""
        code = self._process.wait()
        self._log_reader.join(1.0)
        expected = self._closing
        error = (
            CancelledError() if expected else exit_error(code, self.log, greeted=bool(self.hello))
        )
        with self._lock:
            self._ended = error
            pending, self._pending = list(self._pending.values()), {}
        self.begin_close()
        for each in pending:
            each.done(error)
        if self._on_end is not None and not expected:
            self._on_end(error)

    def _read_log(self) -> None:
        stream = self._process.stderr
        if stream is None:
            return
        for raw in stream:
            line = raw.decode("utf-8", "replace").rstrip()
            self._log.append(line)
            if self._on_log is not None:
                self._on_log(line)
        stream.close()


def _parse_reply(message: Values) -> Values | LunarSiteError:
    error = message.get("error")
    if error is None:
        result: Values = message.get("result") or {}
        return result
    if error.get("type") == "CancelledError":
        return CancelledError(error["remedy"])
    return EngineError(error["problem"], error["remedy"], error.get("type", "EngineError"))
