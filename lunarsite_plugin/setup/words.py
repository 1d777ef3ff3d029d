"""The set-up's sentences."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.setup import check, plan
from lunarsite.qgis_common import location

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lunarsite.lunarsite_plugin.setup.place import Place

HELP = (
    "LunarSite computes in a Python of its own, beside QGIS, so that its libraries and QGIS's "
    "never meet. <b>Install</b> makes one in your QGIS profile. <b>Your own</b> takes one that you "
    "have made, for example with conda. <b>Check</b> says what it computes on and does a small "
    "job. <b>Remove</b> deletes what Install made. Nothing is fetched and nothing is started "
    "before you click. A cancelled installation goes on where it stopped."
)


def headline(place: Place, checked: Path | None = None, rows: Sequence[check.Row] = ()) -> str:
    """Return which engine is in use and how far it is, in a sentence or two.

    ``rows`` are what a check found out about the interpreter ``checked``.
    """
    state = plan.state(place)
    try:
        found = location.find()
    except LunarSiteError as error:
        return _no_engine(place, state, error)
    if rows and found.python == checked:
        return check.sentence(rows) + "."
    if found.python != place.python:
        return f"The engine is {shortened(found.python)}, {found.origin}."
    if state.kind == "ready":
        torch = f"the {state.torch.upper()} build of torch" if state.torch != "none" else "no torch"
        return f"The engine is ready, with {torch}. Check says what it computes on."
    if state.kind == "outdated":
        return f"The engine is out of date. {state.why}: click “{install_label(place)}”."
    return f"The engine is not whole. {state.why}: click “{install_label(place)}”."


def install_label(place: Place) -> str:
    """Return what the button that installs is called now."""
    kinds = {"outdated": "Update", "ready": "Install again", "incomplete": "Go on installing"}
    return kinds.get(plan.state(place).kind, "Install")


def size_note(place: Place, torch: str) -> str:
    """Return what an installation takes and where it goes."""
    sizes = {build: f"{size / plan.GIB:.1f} GiB" for build, size in plan.NEEDED_BYTES.items()}
    size = sizes.get(torch, f"{sizes['cpu']} (processor) or {sizes['gpu']} (GPU)")
    return f"The engine takes up to {size} in {shortened(place.home)}."


def remove_note(place: Place) -> str:
    """Return what can be removed."""
    if not place.marker.is_file():
        return "There is nothing to remove: the set-up has made no engine in this profile."
    return (
        f"Removes the engine that Install made in {shortened(place.home)}. Your rasters, runs and "
        "settings stay, and so does an interpreter of your own."
    )


def findings(rows: list[check.Row]) -> str:
    """Return a check's findings as a table in HTML, marked in words rather than in colours."""
    marks = {True: "OK", False: "<b>Not OK</b>", None: "Note"}
    cells = []
    for row in sorted(rows, key=_is_long):
        remedy = f"<br/><i>{html.escape(row.remedy)}.</i>" if row.remedy else ""
        cells.append(
            f"<tr><td>{marks[row.ok]}&nbsp;</td><td><b>{html.escape(row.what)}</b>&nbsp;</td>"
            f"<td>{html.escape(row.told)}{remedy}</td></tr>"
        )
    return f"<table cellspacing='4'>{''.join(cells)}</table>"


def shortened(path: Path) -> str:
    """Return a path with ~ for the home folder."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except ValueError:
        return str(path)


def _is_long(row: check.Row) -> bool:
    return row.what == "Libraries"


def _no_engine(place: Place, state: plan.State, error: LunarSiteError) -> str:
    if location.own() or state.kind not in {"missing", "incomplete"}:
        return str(error)
    if state.kind == "incomplete":
        return f"{state.why}: click “{install_label(place)}”."
    size = plan.NEEDED_BYTES["none"] / plan.GIB
    return (
        f"There is no engine yet. Install makes one of about {size:.1f} GiB in "
        f"{shortened(place.home)}."
    )
