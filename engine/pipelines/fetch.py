"""The stage ``fetch``: published data by their names."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from lunarsite.engine import output_paths
from lunarsite.engine.datasets import cache, registry
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.stages.fetch import LIST

if TYPE_CHECKING:
    from pathlib import Path

    from lunarsite.engine.context import Context
    from lunarsite.engine.datasets.entries import Entry

_MEGABYTE, _GIGABYTE = 1e6, 1e9


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """List the data sets, or fetch some.

    Raises
    ------
    InputError
        If a data set must be downloaded by hand, or cannot be fetched.
    OutputError
        If it cannot be stored.
    ParameterError
        If there is an area of interest for a data set of which no part can be read.
    """
    names = list(dict.fromkeys(values["names"]))
    if LIST in names:
        if len(names) > 1 or values["aoi"]:
            raise ParameterError(
                "list stands for itself: it fetches nothing",
                f"List the data sets with lunarsite fetch {LIST}, and fetch them by name",
            )
        return _listed()
    folder = cache.folder()
    entries = [registry.find(name) for name in names]
    with output_paths.locked({str(folder): [output_paths.EVERYTHING]}, [], context.warn):
        fetched = [
            _fetch(entry, values["aoi"], context.part(k / len(entries), (k + 1) / len(entries)))
            for k, entry in enumerate(entries)
        ]
    return {
        "outputs": {
            entry.name if len(one["paths"]) == 1 else f"{entry.name}_{number}": path
            for entry, one in zip(entries, fetched, strict=True)
            for number, path in enumerate(one["paths"], 1)
        },
        "folder": str(folder),
        "data_sets": [_described(entry) | one for entry, one in zip(entries, fetched, strict=True)],
        "summary": [
            line for e, one in zip(entries, fetched, strict=True) for line in _lines(e, one)
        ],
    }


def _fetch(entry: Entry, area: str | None, context: Context) -> dict[str, Any]:
    """Fetch a data set or a part of it, and check what came."""
    # Libraries of the network and of rasters are not needed to list data sets.
    from lunarsite.engine.datasets import checks, fetching, windows  # noqa: PLC0415

    there = None
    if area:
        there = windows.fetch_window(entry, area, context.part(0.0, 0.9))
    paths = [there] if there else fetching.fetch(entry, context.part(0.0, 0.9))
    context.progress(0.9, f"checking {entry.name}")
    found = [line for path in paths for line in checks.check(path, entry.content, context)]
    return {"paths": [str(path) for path in paths], "found": found}


def _listed() -> dict[str, Any]:
    """Return the list of the data sets."""
    width = max(len(entry.name) for entry in registry.ENTRIES)
    lines = [
        f"{entry.name:{width}}  {_size(entry):>9}{_mark(entry)}  {entry.title}"
        for entry in registry.ENTRIES
    ]
    folder = cache.folder()
    lines += [
        "",
        f"* is in {folder}",
        "by hand: no direct address is known; lunarsite fetch NAME says what to do",
    ]
    return {
        "outputs": {},
        "folder": str(folder),
        "data_sets": [_described(entry) for entry in registry.ENTRIES],
        "summary": lines,
    }


def _described(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "use": entry.use,
        "size_bytes": entry.size_bytes,
        "pixel_m": entry.pixel_m,
        "addresses": [file.url for file in entry.files],
        "page": entry.page,
        "by_hand": entry.by_hand,
        "licence": entry.licence,
        "citation": entry.citation,
        "traps": list(entry.traps),
        "part_by_aoi": entry.windows,
        "fetched": _is_fetched(entry),
    }


def _lines(entry: Entry, one: dict[str, Any]) -> list[str]:
    """Return what is told of a fetched data set."""
    told = [
        *one["paths"],
        f"use: {entry.use}",
        *(f"found: {line}" for line in one["found"]),
        *(f"mind: {trap}" for trap in entry.traps),
        f"licence: {entry.licence}",
        f"cite: {entry.citation}",
    ]
    # Paths and citations are copied from the terminal: they are not broken.
    return [f"{entry.name}: {entry.title}", *(textwrap.indent(line, "  ") for line in told)]


def _size(entry: Entry) -> str:
    if not entry.files:
        return "by hand"
    size = entry.size_bytes
    if size is None:
        return "unknown"
    return f"{size / _GIGABYTE:.1f} GB" if size >= _GIGABYTE else f"{size / _MEGABYTE:.1f} MB"


def _mark(entry: Entry) -> str:
    return " *" if _is_fetched(entry) else "  "


def _is_fetched(entry: Entry) -> bool:
    paths: list[Path] = [cache.path_of(file) for file in entry.files]
    return bool(paths) and all(path.is_file() for path in paths)
