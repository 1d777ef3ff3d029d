"""What uv and pip say, read: progress, and what to do about an error. Standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_DOWNLOADING = re.compile(r"^\s*Downloading (\S+) \(([\d.]+)\s*([KMG]?)i?B\)")
_DOWNLOADED = re.compile(r"^\s*Downloaded (\S+)")
_RESOLVED = re.compile(r"^\s*Resolved \d+ package")
_PREPARED = re.compile(r"^\s*Prepared \d+ package")
_INSTALLED = re.compile(r"^\s*Installed \d+ package")
_MEBI = {"": 1 / 1024**2, "K": 1 / 1024, "M": 1.0, "G": 1024.0}


_NO_NETWORK = "dns error|failed to fetch|error sending request|connection|timed out"
_ADVICE = (
    (
        "no space left|disk quota|not enough space",
        "Free some disk space and click Install again: it goes on where it stopped",
    ),
    (
        "certificate|invalid peer|ssl:",
        (
            "Add your organisation's certificate authority in QGIS (Settings, Options, "
            "Authentication, Manage certificates) and click Install again"
        ),
    ),
    (
        r"\b407\b|proxy",
        (
            "Check the proxy in QGIS (Settings, Options, Network), with its user and password, "
            "and click Install again"
        ),
    ),
    (
        _NO_NETWORK,
        (
            "Check the network and the proxy in QGIS (Settings, Options, Network), or install from "
            "a folder of wheels; click Install again and it goes on where it stopped"
        ),
    ),
    (
        "matching python|no-build|building source|usable wheels",
        "Choose a Python from 3.11 to 3.13: there are no ready-made packages for this one",
    ),
    (
        "dll load failed",
        "Install Microsoft's Visual C++ runtime (the x64 redistributable) and click Install again",
    ),
    (
        "permission denied|access is denied",
        "Close other programs that use the engine, look at the folder's rights, and try again",
    ),
)
"""What uv and pip say, and what helps; the first three also where there is no network."""


@dataclass(slots=True)
class Progress:
    """How far an installation by uv is, from its lines: by the bytes of the larger packages.

    ``fraction`` never falls; ``detail`` says what is being fetched.
    """

    fraction: float = 0.0
    detail: str = ""
    _sizes_mib: dict[str, float] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)

    def take(self, line: str) -> None:
        """Take a line of uv's."""
        if found := _DOWNLOADING.match(line):
            self._sizes_mib[found[1]] = float(found[2]) * _MEBI[found[3]]
        elif found := _DOWNLOADED.match(line):
            self._done.add(found[1])
        elif _RESOLVED.match(line):
            self._rise(0.05)
        elif _PREPARED.match(line):
            self._rise(0.9)
        elif _INSTALLED.match(line):
            self._rise(1.0)
        else:
            return
        self._weigh()

    def _weigh(self) -> None:
        total_mib = sum(self._sizes_mib.values())
        done_mib = sum(size for name, size in self._sizes_mib.items() if name in self._done)
        open_names = [name for name in self._sizes_mib if name not in self._done]
        if total_mib:
            self._rise(0.05 + 0.8 * done_mib / total_mib)
        if open_names:
            largest = sorted(open_names, key=lambda name: -self._sizes_mib[name])[:3]
            more = ", …" if len(open_names) > len(largest) else ""
            listed = ", ".join(f"{name} ({self._sizes_mib[name]:.0f} MiB)" for name in largest)
            self.detail = f"fetching {listed}{more}"
        else:
            self.detail = "writing files" if self.fraction >= 0.9 else ""

    def _rise(self, fraction: float) -> None:
        self.fraction = max(self.fraction, fraction)


def error_of(lines: list[str]) -> str:
    """Return what went wrong in a sentence: the error and its last cause."""
    errors = [line.strip() for line in lines if re.match(r"\s*(error|ERROR)\b", line)]
    causes = [line.strip() for line in lines if re.match(r"\s*(cause|Caused by):?", line)]
    told = [*errors[-1:], *causes[-1:]] or [line.strip() for line in lines if line.strip()][-1:]
    return "; ".join(re.sub(r"^(error|ERROR|cause|Caused by):\s*", "", each) for each in told)


def remedy(lines: list[str], *, offline: bool = False, own_server: bool = False) -> str:
    """Return what to do about a step that failed, from what it said.

    ``offline`` says that it was to come from a folder of wheels, ``own_server`` that it lies on a
    server of torch's own.
    """
    said = "\n".join(lines)
    for signs, advice in _ADVICE[:3]:
        if re.search(signs, said, re.IGNORECASE):
            return advice
    if offline:
        return "Add what is missing to the folder of wheels and click Install again"
    if own_server and re.search(_NO_NETWORK, said, re.IGNORECASE):
        return (
            "The processor build of torch lies on a server of its own, which cannot be reached. "
            "Check the network and the proxy in QGIS; or choose the GPU build, which comes from "
            "the usual index and works without a GPU too; or install without torch"
        )
    for signs, advice in _ADVICE[3:]:
        if re.search(signs, said, re.IGNORECASE):
            return advice
    return "Read the log below; click Install again and it goes on where it stopped"
