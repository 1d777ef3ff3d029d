"""Kaggle, through its own client: states, pushes and outputs of kernels, and datasets.

What fails for want of a network is tried again with back-off; everything else becomes a
`LunarSiteError` without credentials in it.
"""

from __future__ import annotations

import importlib.util
import io
import json
import logging
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lunarsite.engine.errors import CancelledError, LunarSiteError, MissingDependencyError
from lunarsite.engine.training.kaggle import credentials
from lunarsite.engine.training.kaggle.credentials import CredentialsError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

log = logging.getLogger("lunarsite")

ACTIVE = ("queued", "running", "cancelrequested", "newscript")
"""States of a kernel that may still change."""

ENDED = ("complete", "error", "cancelacknowledged", "cancelled")
"""States in which a kernel stays."""

ABSENT = "absent"
"""State of a kernel that Kaggle does not know, or that never ran."""

TIMEOUT_S = 60.0
"""Longest wait for an answer; Kaggle's client itself waits for ever."""

RESUMES = "Kernels on Kaggle run on; the same command goes on where it stopped"
"""Remedy of what was interrupted here."""

_LOOK = "Look at https://www.kaggle.com/work"
_ATTEMPTS = 7
_FIRST_S, _MOST_S = 2.0, 60.0
_NOT_THERE = (403, 404)
_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses of faults that pass."""


class KaggleError(LunarSiteError):
    """Kaggle refuses what is asked."""


class UnreachableError(LunarSiteError):
    """Kaggle does not answer, or only with passing faults."""


@dataclass(frozen=True, slots=True)
class State:
    """State of a kernel.

    Parameters
    ----------
    name : str
        One of `ACTIVE`, of `ENDED`, or `ABSENT`.
    message : str
        What Kaggle says of a failure.
    """

    name: str
    message: str = ""

    @property
    def active(self) -> bool:
        """Whether it may still change."""
        return self.name in ACTIVE


class Client:
    """Kaggle's client with the credentials of the user.

    Parameters
    ----------
    cancelled : threading.Event
        Set to end a wait between two attempts.
    first_s : float
        Wait before the second attempt, seconds; it doubles from one attempt to the next.

    Raises
    ------
    MissingDependencyError
        If Kaggle's client is not installed.
    CredentialsError
        If there are no credentials, or Kaggle refuses them.
    UnreachableError
        If Kaggle does not answer.
    """

    def __init__(self, cancelled: threading.Event, first_s: float = _FIRST_S) -> None:
        self._cancelled, self._first_s = cancelled, min(first_s, _FIRST_S)
        if importlib.util.find_spec("kaggle") is None:
            raise MissingDependencyError(
                "Kaggle's client is not installed in the engine's environment",
                "Install the group kaggle: make setup GROUPS=kaggle",
            )
        credentials.require()
        with _silent(), _without_network():
            # Its package signs in when it is imported, and prints.
            from kaggle.api.kaggle_api_extended import KaggleApi  # noqa: PLC0415  slow, and optional

            self._api: Any = KaggleApi()
        self._api.build_kaggle_client = self._connection
        self._tried("sign in", self._sign_in)

    @property
    def owner(self) -> str:
        """Kaggle's name of the account."""
        return str(self._api.get_config_value("username"))

    def state(self, slug: str, version: int = 0) -> State:
        """Return the state of a kernel of the account: of its newest version, or of one."""
        name = f"{self.owner}/{slug}" + (f"/{version}" if version else "")
        try:
            answer = self._tried(f"state of {slug}", self._api.kernels_status, name)
        except KaggleError as error:
            if _status(error.__cause__) in _NOT_THERE:
                return State(ABSENT)
            raise
        except KeyError as error:  # a state that the client does not list, such as "cancelled"
            name, message = str(error.args[0]), ""
        else:
            name, message = answer.status.name, answer.failure_message or ""
        plain = name.replace("_", "").lower()
        if plain not in (*ACTIVE, *ENDED):
            raise KaggleError(
                f"Kaggle gives the kernel {slug} the state {name[:40]!r}, which is not known",
                _LOOK,
            )
        return State(plain, credentials.redacted(message))

    def push(self, folder: Path) -> int:
        """Push the kernel in a folder, which starts it, and return the number of its version.

        It is tried once: whether a push was lost, or only its answer, the caller finds out.

        Raises
        ------
        KaggleError
            If Kaggle refuses it, or does not find what it attaches.
        UnreachableError
            If Kaggle does not answer.
        """
        answer = self._tried("push", self._api.kernels_push, str(folder), attempts=1)
        if answer.error:
            raise KaggleError(
                f"Kaggle does not take the kernel: {credentials.redacted(answer.error)}",
                _LOOK,
            )
        unknown = [*answer.invalid_dataset_sources, *answer.invalid_kernel_sources]
        if unknown:
            raise KaggleError(
                f"Kaggle runs the kernel without {', '.join(map(str, unknown))}, which it does not "
                "find",
                "Push the dataset, or run the kernel that it comes from; then push this one again",
            )
        return int(answer.version_number or 0)

    def pull(self, slug: str, folder: Path, pattern: str) -> None:
        """Fetch the output of a kernel into a folder.

        Parameters
        ----------
        slug : str
            The kernel.
        folder : Path
            Where.
        pattern : str
            Regular expression of the names of files.
        """
        name = f"{self.owner}/{slug}"
        fetch = partial(self._api.kernels_output, file_pattern=pattern, force=True, quiet=True)
        self._tried(f"output of {slug}", fetch, name, str(folder))

    def log(self, slug: str) -> list[str]:
        """Return the lines of the log of a kernel."""
        text = str(self._tried(f"log of {slug}", self._api.kernels_logs, f"{self.owner}/{slug}"))
        return credentials.redacted(log_text(text)).splitlines()

    def dataset_status(self, slug: str) -> str:
        """Return the state of a dataset: ``ready`` or another, `ABSENT` if there is none."""
        try:
            return str(self._tried(f"state of {slug}", self._api.dataset_status, slug))
        except KaggleError as error:
            if _status(error.__cause__) in _NOT_THERE:
                return ABSENT
            raise

    def create_dataset(self, folder: Path, *, public: bool) -> str:
        """Make a dataset of the files in a folder, and return its address."""
        make = partial(self._api.dataset_create_new, public=public, quiet=True)
        return _made(self._tried("new dataset", make, str(folder)))

    def new_version(self, folder: Path, notes: str) -> str:
        """Make a new version of a dataset of the files in a folder, and return its address."""
        make = partial(self._api.dataset_create_version, quiet=True)
        return _made(self._tried("new version", make, str(folder), notes))

    def update_metadata(self, name: str, folder: Path) -> None:
        """Give a dataset the metadata in a folder."""
        self._tried("metadata", self._api.dataset_metadata_update, name, str(folder))

    def _connection(self) -> Any:
        """Return a connection whose requests end after `TIMEOUT_S` without an answer.

        It goes where the variable ``KAGGLE_API_ENVIRONMENT`` says, which the client's own do not.
        """
        from kagglesdk import KaggleClient  # noqa: PLC0415  comes with the client

        values = self._api.config_values
        made = KaggleClient(
            username=values.get("username"),
            password=values.get("key"),
            api_token=values.get("token"),
            user_agent="lunarsite",
        )
        http = made.http_client()
        http._init_session()  # noqa: SLF001  the client has no setting for it
        http._session.send = partial(http._session.send, timeout=TIMEOUT_S)  # noqa: SLF001  likewise
        return made

    def _sign_in(self) -> None:
        try:
            self._api.authenticate()
        except SystemExit as error:  # it would end the program
            raise CredentialsError(
                "Kaggle refuses the credentials: they are wrong, or expired", credentials.REMEDY
            ) from error

    def _tried(
        self, what: str, call: Callable[..., Any], *words: str, attempts: int = _ATTEMPTS
    ) -> Any:
        """Call Kaggle, again with back-off if the fault may pass."""
        import requests  # noqa: PLC0415  comes with the client

        wait_s = self._first_s
        for attempt in range(1, attempts + 1):
            try:
                with _silent() as printed:
                    return call(*words)
            except SystemExit as error:  # it would end the program
                said = credentials.redacted(printed.getvalue().strip())[:300]
                raise KaggleError(f"Kaggle refuses the {what}: {said}", _LOOK) from error
            except (requests.RequestException, ConnectionError, ValueError) as error:
                problem = _problem(error)
                if not _passes(error):
                    raise _refusal(what, error, problem) from (_http(error) or error)
                if self._cancelled.is_set():
                    raise CancelledError(RESUMES) from error
                if attempt == attempts or self._cancelled.wait(wait_s):
                    raise UnreachableError(
                        f"Kaggle does not answer ({what}): {problem}",
                        f"Check the network. {RESUMES}",
                    ) from None
            log.info("Kaggle (%s): %s; again in %.0f s", what, problem, wait_s)
            wait_s = min(2.0 * wait_s, _MOST_S)
        raise AssertionError


def log_text(text: str) -> str:
    """Return a kernel's log as lines: Kaggle keeps it as a JSON list of pieces.

    Examples
    --------
    >>> log_text('[{"stream_name": "stdout", "time": 1.5, "data": "ready"}]')
    'ready'
    """
    try:
        pieces = json.loads(text)
    except ValueError:
        return text
    if not isinstance(pieces, list):
        return text
    return "".join(str(each.get("data", "")) for each in pieces if isinstance(each, dict))


def _made(answer: Any) -> str:
    if answer.error:
        raise KaggleError(
            f"Kaggle does not take the dataset: {credentials.redacted(answer.error)}",
            "If it is there already, make a new version: lunarsite kaggle dataset version",
        )
    return str(answer.url or answer.ref or "")


def _http(error: BaseException | None) -> Any:
    """Return the HTTP error behind an error, which the client hides behind others; None if none."""
    import requests  # noqa: PLC0415  comes with the client

    while error is not None:
        if isinstance(error, requests.HTTPError) and error.response is not None:
            return error
        error = error.__cause__ or error.__context__
    return None


def _status(error: BaseException | None) -> int:
    found = _http(error)
    return int(found.response.status_code) if found is not None else 0


def _passes(error: BaseException) -> bool:
    """Return whether an error may pass."""
    import requests  # noqa: PLC0415  comes with the client

    status = _status(error)
    if status:
        return status in _PASSING
    # A body that ends early is no JSON.
    broken = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(error, (*broken, requests.exceptions.JSONDecodeError, ConnectionError))


def _problem(error: BaseException) -> str:
    status = _status(error)
    text = str(_http(error) or error).splitlines()[0] if str(error) else type(error).__name__
    # Struck out before it is cut: the first half of a token is not found in a message.
    text = credentials.redacted(text)[:200]
    return f"HTTP {status}: {text}" if status else text


def _refusal(what: str, error: BaseException, problem: str) -> LunarSiteError:
    if _status(error) == 401:
        return CredentialsError(f"Kaggle refuses the credentials ({problem})", credentials.REMEDY)
    return KaggleError(f"Kaggle refuses the {what}: {problem}", _LOOK)


@contextmanager
def _silent() -> Iterator[io.StringIO]:
    """Keep back what Kaggle's client prints, and yield it."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        yield printed


@contextmanager
def _without_network() -> Iterator[None]:
    """Let no request through: what the import asks for is asked again, with back-off."""
    import requests  # noqa: PLC0415  comes with the client

    send = requests.Session.send

    def refuse(*_: Any, **__: Any) -> Any:
        raise requests.ConnectionError

    requests.Session.send = refuse  # type: ignore[method-assign]
    try:
        yield
    finally:
        requests.Session.send = send  # type: ignore[method-assign]
