"""Texts of the engine setup dialog."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.setup import check, plan
from lunarsite.qgis_common import location

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lunarsite.lunarsite_plugin.setup.paths import EnginePaths

HELP = (
    "LunarSite's engine runs in a Python environment of its own, so that its libraries do not "
    "interfere with those of QGIS. <b>Install</b> creates this environment in your QGIS profile. "
    "<b>Use Existing</b> selects an environment that you have created, for example with conda. "
    "<b>Check</b> shows the versions and the device, and runs a short test. <b>Remove</b> deletes "
    "what Install created. Nothing is downloaded or started until you click. A cancelled "
    "installation resumes where it stopped."
)


def headline(
    paths: EnginePaths, checked: Path | None = None, rows: Sequence[check.Row] = ()
) -> str:
    """Return which engine is in use, and its state, in a sentence or two.

    ``rows`` are the results of a check of the interpreter ``checked``.
    """
    state = plan.state(paths)
    try:
        found = location.find()
    except LunarSiteError as error:
        return _no_engine(paths, state, error)
    if rows and found.python == checked:
        return check.sentence(rows) + "."
    if found.python != paths.python:
        return f"The engine uses {shortened(found.python)}, {found.origin}."
    if state.kind == "ready":
        torch = f"the {state.torch.upper()} build of torch" if state.torch != "none" else "no torch"
        return f"The engine is ready, with {torch}. Use Check to see its device."
    if state.kind == "outdated":
        return f"The engine is out of date. {state.why}: click “{install_label(paths)}”."
    return f"The engine is incomplete. {state.why}: click “{install_label(paths)}”."


def install_label(paths: EnginePaths) -> str:
    """Return the text of the Install button."""
    kinds = {"outdated": "Update", "ready": "Reinstall", "incomplete": "Resume Installation"}
    return kinds.get(plan.state(paths).kind, "Install")


def size_note(paths: EnginePaths, torch: str) -> str:
    """Return the size and the location of an installation."""
    sizes = {build: f"{size / plan.GIB:.1f} GiB" for build, size in plan.NEEDED_BYTES.items()}
    size = sizes.get(torch, f"{sizes['cpu']} (CPU) or {sizes['gpu']} (GPU)")
    return f"The engine needs up to {size} in {shortened(paths.home)}."


def remove_note(paths: EnginePaths) -> str:
    """Return what Remove deletes."""
    if not paths.marker.is_file():
        return "There is nothing to remove: no engine is installed in this profile."
    return (
        f"Removes the engine that Install created in {shortened(paths.home)}. Your data, runs, "
        "settings and existing interpreters are not affected."
    )


def check_table(rows: list[check.Row]) -> str:
    """Return the results of a check as an HTML table, which does not rely on colours."""
    marks = {True: "OK", False: "<b>Failed</b>", None: "Note"}
    cells = []
    for row in sorted(rows, key=_is_long):
        remedy = f"<br/><i>{html.escape(row.remedy)}.</i>" if row.remedy else ""
        cells.append(
            f"<tr><td>{marks[row.ok]}&nbsp;</td><td><b>{html.escape(row.what)}</b>&nbsp;</td>"
            f"<td>{html.escape(row.detail)}{remedy}</td></tr>"
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


def _no_engine(paths: EnginePaths, state: plan.State, error: LunarSiteError) -> str:
    if location.user_python() or state.kind not in {"missing", "incomplete"}:
        return str(error)
    if state.kind == "incomplete":
        return f"{state.why}: click “{install_label(paths)}”."
    size = plan.NEEDED_BYTES["none"] / plan.GIB
    return f"The engine is not installed. It needs about {size:.1f} GiB in {shortened(paths.home)}."
