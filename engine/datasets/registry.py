"""The data sets that are known by name. Fast to import: no library is."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.contract import unknown_name
from lunarsite.engine.datasets import _others, _pgda

if TYPE_CHECKING:
    from lunarsite.engine.datasets.entries import Entry

ENTRIES: tuple[Entry, ...] = (*_pgda.ENTRIES, *_others.ENTRIES)
"""All of them, in the order in which they are listed."""

_SUMS = {"md5": "MD5SUMS"}
"""Lists of checksums beside this module, in the format of ``md5sum``, by algorithm."""


def find(name: str) -> Entry:
    """Return the data set with a name.

    Parameters
    ----------
    name : str
        Such as ``LDEM_80S_80MPP_ADJ``.

    Returns
    -------
    Entry
        What is known of it.

    Raises
    ------
    ParameterError
        If there is none.

    Examples
    --------
    >>> find("LDEM_80S_80MPP_ADJ").pixel_m
    80.0
    """
    known = {entry.name: entry for entry in ENTRIES}
    if name not in known:
        raise unknown_name("data set", name, list(known))
    return known[name]


@cache
def checksums() -> dict[str, str]:
    """Return the published checksums by the name of the file, as ``algorithm:hexadecimal``."""
    found = {}
    for algorithm, listing in _SUMS.items():
        text = (Path(__file__).with_name(listing)).read_text(encoding="utf-8")
        for line in text.splitlines():
            digest, _, name = line.partition("  ")
            found[name] = f"{algorithm}:{digest}"
    return found
