"""Downloads that go on where they broke off. pooch calls them, and has the cache."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from lunarsite.engine import provenance
from lunarsite.engine.atomic import write_error
from lunarsite.engine.datasets import cache, structure
from lunarsite.engine.errors import CancelledError, InputError, LunarSiteError, OutputError
from lunarsite.engine.text import quoted

if TYPE_CHECKING:
    from pathlib import Path

    from lunarsite.engine.context import Context
    from lunarsite.engine.datasets.entries import Entry, RemoteFile

_CHUNK_BYTES = 64 * 1024
_LEAST_BYTES = 1024
"""Fewer than these within the time of a stall are a stall: servers may drip."""

_OK, _PART, _NOT_SATISFIABLE = 200, 206, 416
_GONE = (404, 410)
_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers after which the same request may succeed."""

_SYSTEM_ERROR = re.compile(r"^.*\[Errno -?\d+\] ")
"""What libraries put before the system's own words."""

_DEEPEST = 8
"""Causes of an error that are followed."""

_MEGABYTE = 1e6
_REPORT_S = 0.2


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for a server.

    Parameters
    ----------
    connect_s : float
        For a connection.
    stall_s : float
        For the next bytes.
    attempts : int
        Attempts in a row that bring nothing.
    wait_s : float
        Before the second attempt; before each further one twice as long.
    """

    connect_s: float = 20.0
    stall_s: float = 30.0
    attempts: int = 5
    wait_s: float = 1.0


class _PassingError(Exception):
    """What may succeed in a further attempt, and the reason that is given if it does not."""


class Downloader:
    """Downloads a file for pooch, resumes what broke off, and refuses what is not whole.

    Parameters
    ----------
    entry : Entry
        The data set.
    file : RemoteFile
        The file of it.
    context : Context
        Progress, cancellation, warnings.
    patience : Patience
        How long is waited.
    """

    def __init__(
        self, entry: Entry, file: RemoteFile, context: Context, patience: Patience
    ) -> None:
        self._entry = entry
        self._file = file
        self._context = context
        self._patience = patience
        self._target = cache.path_of(file)
        self._part = _Part(self._target)
        self.received_bytes = 0
        """Bytes that came through the network."""

    def __call__(self, url: str, output_file: Any, _pooch: Any = None) -> None:
        """Download ``url`` to ``output_file``, a temporary file of pooch in the same folder.

        Raises
        ------
        CancelledError
            What was received is kept, and the next call goes on from there.
        InputError
            If the server cannot be reached or does not send the whole file.
        OutputError
            If the disk is full or the folder is not writable.
        """
        failures = 0
        while True:
            before = self._part.size_bytes
            try:
                self._attempt(url)
                break
            except _PassingError as problem:
                gained = self._part.size_bytes >= before + _LEAST_BYTES
                failures = 1 if gained else failures + 1
                if failures >= self._patience.attempts:
                    raise unreachable(self._entry, self._file, url, str(problem)) from problem
                self._wait(self._patience.wait_s * 2 ** (failures - 1))
            except CancelledError:
                raise self._cancelled() from None
        wrong = structure.defect(self._part.path, self._file.name)
        if wrong is not None:
            self._part.forget()
            raise InputError(
                f"{urlsplit(url).netloc} did not send the file {self._file.name}: {wrong}",
                f"Try again later, or see {self._entry.page}",
            )
        self._warn_of_size()
        os.replace(self._part.path, output_file)  # noqa: PTH105  pooch gives a text
        self._part.forget()

    def _attempt(self, url: str) -> None:
        """Request what is missing of the file, and append it."""
        start, validator = self._part.size_bytes, self._part.validator(url)
        headers = {
            "User-Agent": f"lunarsite/{provenance.version()}",
            "Accept-Encoding": "identity",
        }
        if start and validator:
            headers |= {"Range": f"bytes={start}-", "If-Range": validator}
        times = (self._patience.connect_s, self._patience.stall_s)
        try:
            with requests.get(url, headers=headers, stream=True, timeout=times) as answer:
                self._take(url, answer, start if validator else 0)
        except requests.exceptions.SSLError as error:
            raise self._refused(
                url, f"its certificate is not trusted ({_reason(error)})"
            ) from error
        except requests.RequestException as error:
            raise _PassingError(_reason(error)) from error
        except urllib3.exceptions.HTTPError as error:
            raise _PassingError(
                self._stalled() if _is_timeout(error) else _reason(error)
            ) from error

    def _take(self, url: str, answer: requests.Response, start: int) -> None:
        """Append an answer to what is there, or begin again if it is the whole file."""
        code, total = answer.status_code, _total(answer)
        if code == _NOT_SATISFIABLE and start and total == start:
            return  # all of it was received before
        self._refuse(url, answer)
        if code == _OK or _start(answer) != start:
            if code == _PART:
                self._part.forget()
                raise _PassingError("the server sends another part than was asked for")
            start = 0
            self._part.begin(url, answer.headers)
        expected = self._file.size_bytes if total is None else total
        if expected is not None:
            self._check_space(expected - start)
        self._append(answer, expected)
        size = self._part.size_bytes
        # Where the server does not tell the size, the file may have grown since it was listed.
        if expected is not None and (size < expected or (size > expected and total is not None)):
            if size > expected:
                self._part.forget()
            raise _ended(size, expected)

    def _refuse(self, url: str, answer: requests.Response) -> None:
        """Raise for an answer without the file."""
        code = answer.status_code
        told = f"the server answers {code} {answer.reason}"
        if code == _NOT_SATISFIABLE:
            self._part.forget()
            raise _PassingError("the file on the server is shorter than what was received of it")
        if code in _PASSING:
            raise _PassingError(told)
        if code in _GONE:
            raise self._refused(url, f"there is no such file ({code})")
        if code not in (_OK, _PART):
            raise self._refused(url, told)
        if "text/html" in answer.headers.get("Content-Type", ""):
            raise self._refused(url, "the server sends a web page, not the file")

    def _append(self, answer: requests.Response, total: int | None) -> None:
        """Append the body of an answer; a server that drips counts as one that stalls."""
        began = reported = window = time.monotonic()
        first = size = self._part.size_bytes
        in_window = 0
        with self._part.path.open("ab") as stream:
            while True:
                self._context.check()
                try:
                    data = answer.raw.read1(_CHUNK_BYTES)
                except urllib3.exceptions.ProtocolError as error:
                    raise _ended(size, total) from error
                if not data:
                    break
                try:
                    stream.write(data)
                    stream.flush()
                except OSError as error:
                    raise self._unwritable(error, size, total) from error
                size += len(data)
                self.received_bytes += len(data)
                in_window += len(data)
                now = time.monotonic()
                if now - window > self._patience.stall_s:
                    if in_window < _LEAST_BYTES:
                        raise _PassingError(self._stalled())
                    window, in_window = now, 0
                if now - reported > _REPORT_S:
                    rate = (size - first) / max(now - began, 1e-6)
                    self._report(size, total, rate)
                    reported = now
        self._report(size, total, 0.0)

    def _report(self, size: int, total: int | None, rate: float) -> None:
        of = f" of {total / _MEGABYTE:,.0f}" if total else ""
        speed = f", {rate / _MEGABYTE:.1f} MB/s" if rate else ""
        message = f"{self._file.name}: {size / _MEGABYTE:,.0f}{of} MB{speed}"
        self._context.progress(size / total if total else 0.0, message)

    def _wait(self, seconds: float) -> None:
        """Wait before a further attempt; a cancellation ends the wait."""
        self._context.report(0.0, f"{self._file.name}: next attempt in {seconds:.0f} s")
        if self._context.cancelled.wait(seconds):
            raise self._cancelled()

    def _check_space(self, missing: int) -> None:
        free = shutil.disk_usage(self._target.parent).free
        if free < missing:
            raise self._full(missing, free)

    def _unwritable(self, error: OSError, size: int, total: int | None) -> LunarSiteError:
        found = write_error(error, self._target)
        if "is full" in found.problem:
            return self._full(0 if total is None else total - size, None)
        return found

    def _full(self, missing: int, free: int | None) -> OutputError:
        room = "" if free is None else f", and {free / _MEGABYTE:,.0f} MB are free"
        needs = f" needs {missing / _MEGABYTE:,.0f} MB more{room}" if missing else " does not fit"
        return OutputError(
            f"The disk that contains {self._target.parent} is full: {self._target.name}{needs}",
            f"Free some space, or name a folder on another disk in {cache.FOLDER}; what was "
            "received is kept, and the same command goes on from there",
        )

    def _warn_of_size(self) -> None:
        listed, size = self._file.size_bytes, self._part.size_bytes
        if listed is not None and size != listed:
            self._context.warn(
                f"{self._file.name} has {size:,} bytes, and had {listed:,} when it was listed in "
                "LunarSite: its publisher has revised it, or this is another file. See "
                f"{self._entry.page}"
            )

    def _stalled(self) -> str:
        return f"the server has sent nothing for {self._patience.stall_s:g} s"

    def _refused(self, url: str, reason: str) -> InputError:
        return unreachable(self._entry, self._file, url, reason)

    def _cancelled(self) -> CancelledError:
        kept = self._part.size_bytes / _MEGABYTE
        return CancelledError(
            f"{kept:,.1f} MB of {self._file.name} are kept; the same command goes on from there"
        )


class _Part:
    """What was received of a file, beside where the file will lie, and of which version it is."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f".{target.name}.part")
        self._about = target.with_name(f".{target.name}.part.json")

    @property
    def size_bytes(self) -> int:
        """Size of what was received."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def validator(self, url: str) -> str:
        """Return what identifies the version on the server, empty if that is not known."""
        try:
            about = json.loads(self._about.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ""
        same = isinstance(about, dict) and about.get("url") == url
        return str(about.get("validator") or "") if same else ""

    def begin(self, url: str, headers: Any) -> None:
        """Begin anew, with the version that the server names."""
        tag = headers.get("ETag") or ""
        # A weak tag may stand for other bytes.
        validator = headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
        try:
            self.path.write_bytes(b"")
            about = json.dumps({"url": url, "validator": validator})
            self._about.write_text(about, encoding="utf-8")
        except OSError as error:
            raise write_error(error, self.path) from error

    def forget(self) -> None:
        """Remove what was received."""
        for path in (self.path, self._about):
            path.unlink(missing_ok=True)


def unreachable(entry: Entry, file: RemoteFile, url: str, reason: str) -> InputError:
    """Return the error for a file that the server does not send, with what a person can do.

    Parameters
    ----------
    entry : Entry
        The data set.
    file : RemoteFile
        Its file.
    url : str
        The address that was tried.
    reason : str
        What went wrong.
    """
    # From its publisher: a mirror that was tried does not have it.
    command = (
        f"curl --fail --location --create-dirs {quoted(file.url)} --output "
        f"{quoted(str(cache.path_of(file)))}"
    )
    mirror = f"name a mirror in {cache.MIRROR}"
    if url != file.url:
        mirror = f"correct or unset {cache.MIRROR}"
    return InputError(
        f"{file.name} could not be fetched from {urlsplit(url).netloc}: {reason}",
        f"Try again (what was received is kept), see {entry.page}, {mirror}, "
        f"or put the file in its place: {command}",
    )


def _ended(size: int, total: int | None) -> _PassingError:
    of = "" if total is None else f" of {total:,}"
    return _PassingError(f"the connection ended after {size:,}{of} bytes")


def _total(answer: requests.Response) -> int | None:
    """Return the size of the whole file, as far as an answer tells it."""
    told = answer.headers.get("Content-Length", "")
    if answer.status_code in (_PART, _NOT_SATISFIABLE):
        told = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(told) if told.isdigit() else None


def _start(answer: requests.Response) -> int:
    """Return the first byte that an answer holds."""
    told = answer.headers.get("Content-Range", "")
    first = told.removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else 0


def _is_timeout(error: BaseException) -> bool:
    return isinstance(error, urllib3.exceptions.TimeoutError)


def _reason(error: BaseException) -> str:
    """Return the innermost cause of an error of the network, as one line."""
    cause = error
    for _ in range(_DEEPEST):
        below = [getattr(cause, "reason", None), *cause.args]
        inner = next((each for each in below if isinstance(each, BaseException)), None)
        if inner is None:
            break
        cause = inner
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    line = str(text).splitlines()[0]
    line = _SYSTEM_ERROR.sub("", line)
    # Of "Failed to resolve (Name or service not known)" what is in brackets may be left.
    return line if line.count("(") == line.count(")") else line.rstrip(")")
