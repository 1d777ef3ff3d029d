"""Parses the output of uv and pip: progress, and advice on errors. Standard library only."""

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
        "hash mismatch|its hash differs|do not match the hashes",
        (
            "The file is not the one that this version of LunarSite was tested with, and may have "
            "been tampered with: fetch it again from the Python Package Index itself"
        ),
    ),
    (
        "no space left|disk quota|not enough space",
        "Free some disk space and resume the installation",
    ),
    (
        "certificate|invalid peer|ssl:",
        (
            "Add your organisation's certificate authority in QGIS (Settings, Options, "
            "Authentication, Manage certificates) and resume the installation"
        ),
    ),
    (
        r"\b407\b|proxy",
        (
            "Check the proxy in QGIS, with its user name and password (Settings, Options, "
            "Network), and resume the installation"
        ),
    ),
    (
        _NO_NETWORK,
        (
            "Check the network connection and the proxy in QGIS (Settings, Options, Network), or "
            "install from a wheel folder, then resume the installation"
        ),
    ),
    (
        "matching python|no-build|building source|usable wheels",
        "Choose a Python version from 3.11 to 3.13: there are no binary packages for this one",
    ),
    (
        "dll load failed",
        "Install the Microsoft Visual C++ Redistributable (x64) and resume the installation",
    ),
    (
        "permission denied|access is denied",
        "Close other programs that use the engine, check the folder's permissions, and retry",
    ),
)
"""Patterns in the output and advice; the first four also apply to offline installations."""


@dataclass(slots=True)
class Progress:
    """The progress of uv, from its output, weighted by the size of the larger packages.

    ``fraction`` never decreases; ``detail`` names the current downloads.
    """

    fraction: float = 0.0
    detail: str = ""
    _sizes_mib: dict[str, float] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)

    def take(self, line: str) -> None:
        """Parse a line of output."""
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
        self._update()

    def _update(self) -> None:
        total_mib = sum(self._sizes_mib.values())
        done_mib = sum(size for name, size in self._sizes_mib.items() if name in self._done)
        open_names = [name for name in self._sizes_mib if name not in self._done]
        if total_mib:
            self._rise(0.05 + 0.8 * done_mib / total_mib)
        if open_names:
            largest = sorted(open_names, key=lambda name: -self._sizes_mib[name])[:3]
            more = ", …" if len(open_names) > len(largest) else ""
            listed = ", ".join(f"{name} ({self._sizes_mib[name]:.0f} MiB)" for name in largest)
            self.detail = f"downloading {listed}{more}"
        else:
            self.detail = "writing files" if self.fraction >= 0.9 else ""

    def _rise(self, fraction: float) -> None:
        self.fraction = max(self.fraction, fraction)


def error_of(lines: list[str]) -> str:
    """Return the error and its last cause in one sentence."""
    errors = [line.strip() for line in lines if re.match(r"\s*(error|ERROR)\b", line)]
    causes = [line.strip() for line in lines if re.match(r"\s*(cause|Caused by):?", line)]
    found = [*errors[-1:], *causes[-1:]] or [line.strip() for line in lines if line.strip()][-1:]
    return "; ".join(re.sub(r"^(error|ERROR|cause|Caused by):\s*", "", each) for each in found)


def remedy(lines: list[str], *, offline: bool = False, own_server: bool = False) -> str:
    """Return advice on a failed step, judging by its output.

    ``offline`` is set for an installation from a wheel folder, ``own_server`` for a download from
    the PyTorch server.
    """
    output = "\n".join(lines)
    for signs, advice in _ADVICE[:4]:
        if re.search(signs, output, re.IGNORECASE):
            return advice
    if offline:
        return "Add the missing packages to the wheel folder and resume the installation"
    if own_server and re.search(_NO_NETWORK, output, re.IGNORECASE):
        return (
            "The PyTorch server, which has the CPU build, cannot be reached. Check the network "
            "connection and the proxy in QGIS, choose the GPU build, which comes from the Python "
            "Package Index and also works without a GPU, or install without torch"
        )
    for signs, advice in _ADVICE[4:]:
        if re.search(signs, output, re.IGNORECASE):
            return advice
    return "See the log below and resume the installation"
