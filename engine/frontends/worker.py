"""Worker: a child process that runs stages for its parent process, which holds its pipes.

The protocol is one JSON object per line, UTF-8, in both directions. The worker starts with::

    {"event": "hello", "protocol": 1, "version": …, "python": …, "device": {…}, "pid": …}

A request is ``{"id": …, "method": …, "params": {…}}``; the id is a string or an integer. Methods
are the names of the stages, and ``stages``, ``describe``, ``device``, ``ping``, ``cancel`` (params
``{"id": …}``) and ``shutdown``. Stages run one at a time in the order of their requests; the other
methods are answered at once. Replies are ``{"id", "event": "progress", "fraction", "message"}`` and
finally either ``{"id", "result"}`` or ``{"id", "error": {"type", "problem", "remedy"}}``. A line
that is not a valid request is answered with an error whose id is null. When stdin is closed, the
running stage is cancelled and the process ends within two seconds.
"""

from __future__ import annotations

import _thread
import json
import os
import platform
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lunarsite.engine import device, stages
from lunarsite.engine.contract import COMMON, Stage, Values, unknown_name
from lunarsite.engine.errors import (
    CancelledError,
    LunarSiteError,
    ParameterError,
)
from lunarsite.engine.frontends import progress
from lunarsite.engine.frontends.execution import internal_error, jsonable, run_stage
from lunarsite.engine.provenance import version

if TYPE_CHECKING:
    from collections.abc import Iterator

PROTOCOL = 1
MAX_LINE_BYTES = 16 * 1024**2
PROGRESS_INTERVAL_S = 0.05
INTERRUPT_AFTER_S = 1.0
"""Seconds between the end of stdin and the interruption of a stage that has not ended."""
END_AFTER_S = 1.8
"""Seconds between the end of stdin and the end of the process, whatever is running."""

_CHUNK_BYTES = 64 * 1024
_EXAMPLE = 'Send one object per line: {"id": 1, "method": "ping", "params": {}}'

Id = str | int
Send = Callable[[Values], None]


class RequestError(LunarSiteError):
    """A line is not a valid request; ``id`` is its id, if that could be read."""

    def __init__(self, problem: str, remedy: str, request_id: Id | None = None) -> None:
        super().__init__(problem, remedy)
        self.id = request_id


def serve() -> int:
    """Serve requests until stdin is closed, and return the exit code."""
    requests, replies = _take_pipes()
    progress.log_to_stderr(quiet=False)
    server = _Server(_sender(replies))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop())
    server.greet()
    threading.Thread(target=server.read, args=(requests,), daemon=True, name="requests").start()
    try:
        server.work()
    except KeyboardInterrupt:
        server.close()
    return 0


def lines(descriptor: int) -> Iterator[bytes | None]:
    """Yield the lines of a file descriptor without their newlines.

    Parameters
    ----------
    descriptor : int
        File descriptor of a pipe or a file.

    Yields
    ------
    bytes or None
        A line; also the last one if it has no newline. None for a line longer than
        `MAX_LINE_BYTES`, which is discarded as it is read.
    """
    pieces: list[bytes] = []
    size = 0
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        first, *others = chunk.split(b"\n")
        for ends, part in ((False, first), *((True, other) for other in others)):
            if ends:
                yield b"".join(pieces) if size <= MAX_LINE_BYTES else None
                pieces, size = [], 0
            size += len(part)
            if size <= MAX_LINE_BYTES:
                pieces.append(part)
            else:
                pieces.clear()
    if size:
        yield b"".join(pieces) if size <= MAX_LINE_BYTES else None


@dataclass(frozen=True, slots=True)
class Request:
    """A valid request."""

    id: Id
    method: str
    params: Mapping[str, Any]


def parse_request(line: bytes) -> Request:
    """Parse a line as a request.

    Raises
    ------
    RequestError
        If it is not UTF-8, not JSON, not an object, or its members have the wrong types.
    """
    try:
        message = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise RequestError(f"A line is not UTF-8: {error.reason}", _EXAMPLE) from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"A line is not JSON: {str(error)[:200]}", _EXAMPLE) from None
    if not isinstance(message, dict):
        kind = type(message).__name__
        raise RequestError(f"A line is a {kind}, not an object", _EXAMPLE)
    request_id, method, params = message.get("id"), message.get("method"), message.get("params")
    if isinstance(request_id, bool) or not isinstance(request_id, str | int):
        raise RequestError("A request has no id that is a string or an integer", _EXAMPLE)
    if not isinstance(method, str):
        raise RequestError(f"Request {request_id!r:.80} has no method", _EXAMPLE, request_id)
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise RequestError(
            f"The params of request {request_id!r:.80} are not an object",
            'Send them by name: {"params": {"out": "run"}}',
            request_id,
        )
    return Request(request_id, method, params)


@dataclass(slots=True)
class _Job:
    request: Request
    stage: Stage
    cancelled: threading.Event = field(default_factory=threading.Event)


class _Server:
    """Pending jobs, the cache they share, and the loops that read requests and run stages."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._pending: dict[Id, _Job] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._warm: dict[Any, Any] = {}
        self._immediate: dict[str, Callable[[Mapping[str, Any]], Values]] = {
            "stages": lambda _: _declarations(),
            "describe": _describe,
            "device": lambda _: device.choose().as_dict(),
            "ping": lambda _: {"pong": True},
            "cancel": self._cancel,
        }

    def greet(self) -> None:
        self._send(
            {
                "event": "hello",
                "protocol": PROTOCOL,
                "version": version(),
                "python": platform.python_version(),
                "device": device.untested().as_dict(),
                "pid": os.getpid(),
            }
        )

    def read(self, descriptor: int) -> None:
        """Read requests until stdin is closed; runs in its own thread."""
        try:
            for line in lines(descriptor):
                if line is None or line.strip():
                    self._handle(line)
                if self._closed.is_set():
                    return
        except OSError as error:
            self._send({"id": None, "error": internal_error("reading requests", error, trace=True)})
        finally:
            self.close()

    def work(self) -> None:
        """Run the jobs in order until the server closes; runs in the main thread."""
        while (job := self._queue.get()) is not None:
            reply = self._run(job)
            with self._lock:
                del self._pending[job.request.id]
            self._send({"id": job.request.id, **reply})

    def close(self) -> None:
        """Cancel all jobs and start the timers that end the process. Idempotent."""
        if self._closed.is_set():
            return
        self._closed.set()
        for job in list(self._pending.values()):
            job.cancelled.set()
        self._queue.put(None)
        for after_s, action in ((INTERRUPT_AFTER_S, _interrupt), (END_AFTER_S, _end)):
            timer = threading.Timer(after_s, action)
            timer.daemon = True
            timer.start()

    def stop(self) -> None:
        """Close on a signal; a second signal, also that of the timer, interrupts the stage."""
        if self._closed.is_set():
            raise KeyboardInterrupt
        self.close()

    def _handle(self, line: bytes | None) -> None:
        """Answer a line, or queue its job."""
        request_id: Id | None = None
        try:
            request = _checked_request(line)
            self._refuse_duplicate(request.id)
            request_id = request.id
            self._accept(request)
        except RequestError as error:
            self._send({"id": error.id, "error": error.as_dict()})
        except LunarSiteError as error:
            self._send({"id": request_id, "error": error.as_dict()})
        except Exception as error:  # noqa: BLE001  no request may end the worker
            reply = internal_error("a request", error, trace=True)
            self._send({"id": request_id, "error": reply})

    def _refuse_duplicate(self, request_id: Id) -> None:
        """Raise if a request with the same id is pending: their replies could not be told apart."""
        with self._lock:
            pending = request_id in self._pending
        if pending:
            raise RequestError(
                f"Request {request_id!r:.80} is still pending", "Give each request its own id"
            )

    def _accept(self, request: Request) -> None:
        if request.method == "shutdown":
            self._send({"id": request.id, "result": {}})
            self.close()
        elif request.method in self._immediate:
            self._send(
                {"id": request.id, "result": self._immediate[request.method](request.params)}
            )
        elif request.method in stages.NAMES:
            job = _Job(request, stages.load(request.method))
            with self._lock:
                self._pending[request.id] = job
            self._queue.put(job)
        else:
            raise unknown_name(
                "method", request.method, [*stages.NAMES, *self._immediate, "shutdown"]
            )

    def _cancel(self, params: Mapping[str, Any]) -> Values:
        request_id = params.get("id")
        if not isinstance(request_id, str | int):
            raise ParameterError("cancel needs the id of a request", 'Send {"params": {"id": …}}')
        with self._lock:
            job = self._pending.get(request_id)
        if job is not None:
            job.cancelled.set()
        return {"cancelled": job is not None}

    def _run(self, job: _Job) -> Values:
        """Return the reply to a job: its result or its error."""
        report = _Reporter(self._send, job.request.id)
        try:
            if job.cancelled.is_set():
                raise CancelledError  # noqa: TRY301  the same reply as for a running stage
            result = run_stage(
                job.stage,
                job.request.params,
                cancelled=job.cancelled,
                report=report,
                warm=self._warm,
            )
        except LunarSiteError as error:
            return {"error": error.as_dict()}
        except KeyboardInterrupt:
            self.close()
            return {"error": CancelledError().as_dict()}
        except Exception as error:  # noqa: BLE001  an error in one request must not end the worker
            return {"error": internal_error(job.request.method, error, trace=True)}
        finally:
            report.flush()
        return {"result": result}


class _Reporter:
    """Sends progress at a limited rate; the first and the last report are always sent."""

    def __init__(self, send: Send, request_id: Id) -> None:
        self._send = send
        self._id = request_id
        self._due = 0.0
        self._unsent: Values | None = None

    def __call__(self, fraction: float, message: str) -> None:
        self._unsent = {
            "id": self._id,
            "event": "progress",
            "fraction": round(fraction, 4),
            "message": message,
        }
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        if self._unsent is not None:
            self._send(self._unsent)
            self._unsent = None
            self._due = time.monotonic() + PROGRESS_INTERVAL_S


def _take_pipes() -> tuple[int, int]:
    """Reserve stdin and stdout for the protocol: other code reads nothing and writes to stderr."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, replies


def _sender(descriptor: int) -> Send:
    """Return a thread-safe function that writes a message as one line.

    If the pipe is closed, messages are discarded; the end of stdin then ends the worker.
    """
    lock = threading.Lock()

    def send(message: Values) -> None:
        line = json.dumps(jsonable(message), allow_nan=False).encode() + b"\n"
        with lock:
            rest = memoryview(line)
            try:
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            except OSError:
                return

    return send


def _checked_request(line: bytes | None) -> Request:
    """Parse a line from `lines`, which is None if it was too long."""
    if line is None:
        raise RequestError(
            f"A line is longer than {MAX_LINE_BYTES // 1024**2} MiB and was discarded",
            "Pass large data as files and send their paths",
        )
    return parse_request(line)


def _declarations() -> Values:
    return {
        "stages": [stage.as_dict() for stage in stages.load_all()],
        "common": [parameter.as_dict() for parameter in COMMON],
    }


def _describe(params: Mapping[str, Any]) -> Values:
    """Return the declaration of the stage that ``params`` names."""
    name = params.get("stage")
    if not isinstance(name, str):
        raise ParameterError("describe needs a stage", 'Send {"params": {"stage": "terrain"}}')
    return {**stages.load(name).as_dict(), "common": [common.as_dict() for common in COMMON]}


def _interrupt() -> None:
    """Interrupt the main thread, even in a system call."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()


def _end() -> None:
    os._exit(0)
