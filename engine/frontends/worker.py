"""The worker: a child process that does the stages' work for a program that holds its pipes.

One JSON object a line, UTF-8, both ways. It greets with::

    {"event": "hello", "protocol": 1, "version": …, "python": …, "device": {…}, "pid": …}

A request is ``{"id": …, "method": …, "params": {…}}``; the id is a text or a whole number. Methods
are the stages' names, and ``stages``, ``describe``, ``device``, ``ping``, ``cancel`` (params
``{"id": …}``) and ``shutdown``. Stages run one at a time in the order they came; the others are
answered at once. Replies: ``{"id", "event": "progress", "fraction", "message"}``, and at the end of
a request one of ``{"id", "result"}`` and ``{"id", "error": {"type", "problem", "remedy"}}``. A line
that is no request is answered with an error whose id is null. At the end of stdin the running
work is cancelled and the process ends within two seconds.
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
"""How long work may take to see that it was cancelled by the end of stdin."""
END_AFTER_S = 1.8
"""When the process ends whatever still runs."""

_CHUNK_BYTES = 64 * 1024
_EXAMPLE = 'Send one object a line: {"id": 1, "method": "ping", "params": {}}'

Id = str | int
Send = Callable[[Values], None]


class RequestError(LunarSiteError):
    """A line is not a request; ``id`` is the request's, where it could be read."""

    def __init__(self, problem: str, remedy: str, request_id: Id | None = None) -> None:
        super().__init__(problem, remedy)
        self.id = request_id


def serve() -> int:
    """Serve stdin until it ends, and return the exit code."""
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
    """Yield the lines of a file descriptor without their newlines; None for one that is too long.

    A line beyond `MAX_LINE_BYTES` is read to its end and thrown away as it comes. The rest after
    the last newline is yielded too.
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
    """A request that was understood."""

    id: Id
    method: str
    params: Mapping[str, Any]


def parse_request(line: bytes) -> Request:
    """Return the request of a line.

    Raises
    ------
    RequestError
        If it is not UTF-8, not JSON, not an object, or its members are of the wrong kind.
    """
    try:
        message = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise RequestError(f"A line is not UTF-8: {error.reason}", _EXAMPLE) from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"A line is not JSON: {str(error)[:200]}", _EXAMPLE) from None
    if not isinstance(message, dict):
        kind = type(message).__name__
        raise RequestError(f"A line holds a {kind}, not an object", _EXAMPLE)
    request_id, method, params = message.get("id"), message.get("method"), message.get("params")
    if isinstance(request_id, bool) or not isinstance(request_id, str | int):
        raise RequestError("A request has no id that is a text or a whole number", _EXAMPLE)
    if not isinstance(method, str):
        raise RequestError(f"Request {request_id!r:.80} names no method", _EXAMPLE, request_id)
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
    """The jobs in flight, the state they share, and the two loops that serve them."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._flying: dict[Id, _Job] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._warm: dict[Any, Any] = {}
        self._at_once: dict[str, Callable[[Mapping[str, Any]], Values]] = {
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
                "device": device.choose().as_dict(),
                "pid": os.getpid(),
            }
        )

    def read(self, descriptor: int) -> None:
        """Take requests until stdin ends; runs in a thread of its own."""
        try:
            for line in lines(descriptor):
                if line is None or line.strip():
                    self._take(line)
                if self._closed.is_set():
                    return
        except OSError as error:
            self._send({"id": None, "error": internal_error("reading requests", error, trace=True)})
        finally:
            self.close()

    def work(self) -> None:
        """Do the jobs in their order until the server closes; runs in the main thread."""
        while (job := self._queue.get()) is not None:
            reply = self._run(job)
            with self._lock:
                del self._flying[job.request.id]
            self._send({"id": job.request.id, **reply})

    def close(self) -> None:
        """Cancel everything and see to it that the process ends. May be called again."""
        if self._closed.is_set():
            return
        self._closed.set()
        for job in list(self._flying.values()):
            job.cancelled.set()
        self._queue.put(None)
        for after_s, action in ((INTERRUPT_AFTER_S, _interrupt), (END_AFTER_S, _end)):
            timer = threading.Timer(after_s, action)
            timer.daemon = True
            timer.start()

    def stop(self) -> None:
        """Close at a signal; a second one, or the timer's, breaks off what does not listen."""
        if self._closed.is_set():
            raise KeyboardInterrupt
        self.close()

    def _take(self, line: bytes | None) -> None:
        """Answer one line, or put its job in the queue."""
        known: Id | None = None
        try:
            request = _understood(line)
            self._refuse_second(request.id)
            known = request.id
            self._accept(request)
        except RequestError as error:
            self._send({"id": error.id, "error": error.as_dict()})
        except LunarSiteError as error:
            self._send({"id": known, "error": error.as_dict()})
        except Exception as error:  # noqa: BLE001  nothing a client sends may end the worker
            self._send({"id": known, "error": internal_error("a request", error, trace=True)})

    def _refuse_second(self, request_id: Id) -> None:
        """Raise if a request with that id is in flight; its reply must not be mistaken for this."""
        with self._lock:
            flying = request_id in self._flying
        if flying:
            raise RequestError(
                f"Request {request_id!r:.80} is still in flight", "Give each request its own id"
            )

    def _accept(self, request: Request) -> None:
        if request.method == "shutdown":
            self._send({"id": request.id, "result": {}})
            self.close()
        elif request.method in self._at_once:
            self._send({"id": request.id, "result": self._at_once[request.method](request.params)})
        elif request.method in stages.NAMES:
            job = _Job(request, stages.load(request.method))
            with self._lock:
                self._flying[request.id] = job
            self._queue.put(job)
        else:
            raise unknown_name(
                "method", request.method, [*stages.NAMES, *self._at_once, "shutdown"]
            )

    def _cancel(self, params: Mapping[str, Any]) -> Values:
        wanted = params.get("id")
        if not isinstance(wanted, str | int):
            raise ParameterError("cancel needs the id of a request", 'Send {"params": {"id": …}}')
        with self._lock:
            job = self._flying.get(wanted)
        if job is not None:
            job.cancelled.set()
        return {"cancelled": job is not None}

    def _run(self, job: _Job) -> Values:
        """Return the reply to a job: its result or its error."""
        report = _Reporter(self._send, job.request.id)
        try:
            if job.cancelled.is_set():
                raise CancelledError  # noqa: TRY301  the same answer as for running work
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
        except Exception as error:  # noqa: BLE001  a fault in one request must not end the others
            return {"error": internal_error(job.request.method, error, trace=True)}
        finally:
            report.flush()
        return {"result": result}


class _Reporter:
    """Sends progress: the first and the last always, in between not too often."""

    def __init__(self, send: Send, request_id: Id) -> None:
        self._send = send
        self._id = request_id
        self._due = 0.0
        self._waiting: Values | None = None

    def __call__(self, fraction: float, message: str) -> None:
        self._waiting = {
            "id": self._id,
            "event": "progress",
            "fraction": round(fraction, 4),
            "message": message,
        }
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        if self._waiting is not None:
            self._send(self._waiting)
            self._waiting = None
            self._due = time.monotonic() + PROGRESS_INTERVAL_S


def _take_pipes() -> tuple[int, int]:
    """Take stdin and stdout for the protocol, so that nothing else reads or writes them."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, replies


def _sender(descriptor: int) -> Send:
    """Return a function that writes a message as one line, from any thread.

    Once nobody listens, messages go nowhere; stdin's end, which comes with it, ends the worker.
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


def _understood(line: bytes | None) -> Request:
    if line is None:
        raise RequestError(
            f"A line is longer than {MAX_LINE_BYTES // 1024**2} MiB and was thrown away",
            "Pass large data as files and send their paths",
        )
    return parse_request(line)


def _declarations() -> Values:
    return {
        "stages": [stage.as_dict() for stage in stages.load_all()],
        "common": [parameter.as_dict() for parameter in COMMON],
    }


def _describe(params: Mapping[str, Any]) -> Values:
    """Return the declaration of one stage, named by ``stage``."""
    name = params.get("stage")
    if not isinstance(name, str):
        raise ParameterError("describe needs a stage", 'Send {"params": {"stage": "terrain"}}')
    return {**stages.load(name).as_dict(), "common": [common.as_dict() for common in COMMON]}


def _interrupt() -> None:
    """Interrupt the main thread, also where it waits for the system."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()


def _end() -> None:
    os._exit(0)
