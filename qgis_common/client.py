"""The engine's worker as a child process, and requests to it.

One thread reads the replies and one the log; callbacks come from the first of them, so whoever
paints must hand them on. Standard library only; may be used from any thread.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess  # nosec B404  # the engine is a process of its own, so that it cannot harm QGIS
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from lunarsite.engine.errors import CancelledError, LunarSiteError
from lunarsite.qgis_common.engine_errors import EngineDiedError, EngineError, how_it_ended
from lunarsite.qgis_common.environment import scrubbed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

Values = dict[str, Any]

LOG_LINES = 200
"""How much of the log is kept for reports."""
END_WITHIN_S = 1.9
"""When a child that was told to end is killed; it ends itself within 1.8 s."""

_POLL_S = 0.05


class Command(Protocol):
    """Anything that knows how the engine is started; see ``location.Located``."""

    @property
    def command(self) -> list[str]:
        """The words that start the engine; a verb of its command line follows."""
        ...


@dataclass(slots=True)
class _Waiting:
    done: Callable[[Values | LunarSiteError], None]
    progress: Callable[[float, str], None] | None


@dataclass(slots=True)
class _Answer:
    """A reply that another thread waits for."""

    there: threading.Event = field(default_factory=threading.Event)
    value: Values | LunarSiteError | None = None

    def give(self, value: Values | LunarSiteError) -> None:
        self.value = value
        self.there.set()


class Client:
    """A worker that was started, and what is asked of it.

    Parameters
    ----------
    engine : Command
        How it is started.
    on_log : callable, optional
        Gets every line of the engine's log, from a thread of the client's.
    on_hello : callable, optional
        Gets the worker's greeting: version, device, pid.
    on_end : callable, optional
        Gets the error that says how the process ended, if nobody asked it to.

    Raises
    ------
    EngineDiedError
        If the process cannot be started at all.
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
        self._waiting: dict[int, _Waiting] = {}
        self._lock = threading.Lock()
        self._next = 1
        self._closing = False
        self._ended: LunarSiteError | None = None
        self.hello: Values | None = None
        self._process = _start([*engine.command, "worker"], scrubbed(environment))
        self._log_reader = threading.Thread(target=self._read_log, daemon=True, name="engine log")
        self._log_reader.start()
        self._reader = threading.Thread(target=self._read, daemon=True, name="engine replies")
        self._reader.start()

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
        """Send a request and return its id at once.

        ``done`` gets the result or the error, ``progress`` a fraction from 0 to 1 and a message;
        both are called from the client's thread.
        """
        with self._lock:
            request_id = self._next
            self._next += 1
            ended = self._ended
            if ended is None:
                self._waiting[request_id] = _Waiting(done, progress)
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
        """Send a request and wait for its result.

        Where ``cancelled`` says so, the whole process is ended, within `END_WITHIN_S`.

        Raises
        ------
        EngineError
            What the engine answered.
        EngineDiedError
            If the process ended.
        CancelledError
            If it was cancelled.
        """
        answer = _Answer()
        self.submit(method, params, answer.give, progress)
        while not answer.there.wait(_POLL_S):
            if cancelled is not None and cancelled():
                self.close()
                if isinstance(answer.value, CancelledError):
                    raise answer.value  # the engine's own, which may know how to go on
                raise CancelledError
        if isinstance(answer.value, LunarSiteError):
            raise answer.value
        return answer.value or {}

    def cancel(self, request_id: int) -> None:
        """Ask the engine to leave off a request; its ``done`` gets the error that says so."""
        self._send({"id": f"cancel {request_id}", "method": "cancel", "params": {"id": request_id}})

    def close(self, within_s: float = END_WITHIN_S) -> None:
        """End the process: by the end of its input, which it obeys within 1.8 s, or by force."""
        self.begin_close()
        try:
            self._process.wait(max(0.0, within_s))
        except subprocess.TimeoutExpired:
            _kill(self._process)
            self._process.wait()
        self._reader.join(1.0)
        self._log_reader.join(1.0)

    def begin_close(self) -> None:
        """Tell the process to end and return at once."""
        self._closing = True
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()

    def _send(self, message: Values) -> None:
        line = json.dumps(message, ensure_ascii=False).encode() + b"\n"
        # A pipe that nobody reads any more is told of by the reader, with the reason.
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
                    continue  # not the protocol's: the engine keeps its log on the other pipe
                if isinstance(message, dict):  # nor is a bare number that somebody printed
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
                waiting = self._waiting.get(request_id)
            if waiting is not None and waiting.progress is not None:
                waiting.progress(float(message["fraction"]), str(message["message"]))
            return
        with self._lock:
            waiting = self._waiting.pop(request_id, None)
        if waiting is not None:
            waiting.done(_reply(message))

    def _finish(self) -> None:
        """Tell everybody who waits that the process is gone, and why."""
        code = self._process.wait()
        self._log_reader.join(1.0)
        asked = self._closing
        error = (
            CancelledError() if asked else how_it_ended(code, self.log, greeted=bool(self.hello))
        )
        with self._lock:
            self._ended = error
            waiting, self._waiting = list(self._waiting.values()), {}
        self.begin_close()
        for each in waiting:
            each.done(error)
        if self._on_end is not None and not asked:
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


def _reply(message: Values) -> Values | LunarSiteError:
    error = message.get("error")
    if error is None:
        result: Values = message.get("result") or {}
        return result
    if error.get("type") == "CancelledError":
        return CancelledError(error["remedy"])
    return EngineError(error["problem"], error["remedy"], error.get("type", "EngineError"))


def _start(words: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    options: Values = {"start_new_session": True}
    if os.name == "nt":
        options = {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}
    try:
        return subprocess.Popen(  # nosec B603  # no shell; the user's own interpreter
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            **options,
        )
    except OSError as error:
        raise EngineDiedError(
            f"The engine could not be started with {words[0]}: {error.strerror or error}",
            "Open LunarSite, Engine set-up, and install it again or choose another interpreter",
        ) from error


def _kill(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
