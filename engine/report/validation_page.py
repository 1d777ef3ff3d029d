"""The validation page: claims with their findings, null models, files and dates."""

from __future__ import annotations

import datetime as dt
import textwrap
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FuncFormatter

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.file_names import display_name, local_file
from lunarsite.engine.report import drawing, embedding
from lunarsite.engine.validation.checks import Check, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

_MARKS = {
    Outcome.HOLDS: "good",
    Outcome.FAILS: "bad",
    Outcome.NO_SKILL: "bad",
    Outcome.MEASURED: "neutral",
    Outcome.BY_CONSTRUCTION: "neutral",
    Outcome.NOT_RUN: "neutral",
}


def write(
    path: Path,
    checks: Sequence[Check],
    manifest: Mapping[str, Any],
    record: Mapping[str, Any],
    warnings: Sequence[str],
    dated: Mapping[str, str],
) -> None:
    """Write the page, atomically.

    Parameters
    ----------
    path : Path
        The HTML file.
    checks : sequence of Check
        What was checked.
    manifest : mapping
        Manifest of the run.
    record : mapping
        Provenance of the validation.
    warnings : sequence of str
        What was warned of.
    dated : mapping of str to str
        Date of each file.
    """
    with drawing.style():
        curves = [
            embedding.embedded(_lift(check.figures["curve"], check.claim))
            for check in checks
            if len(check.figures.get("curve", {}).get("cells", ())) > 1
        ]
    text = embedding.template("validation.html").render(
        css=embedding.css(),
        content=manifest,
        record=record,
        rows=rows(checks),
        curves=curves,
        warnings=warnings,
        dated=dated,
    )
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def rows(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Return checks for the templates, those that were run first."""
    shown = sorted(checks, key=lambda check: check.outcome is Outcome.NOT_RUN)
    return [
        {
            "name": check.name,
            "claim": check.claim,
            "outcome": check.outcome.value,
            "mark": _MARKS[check.outcome],
            "finding": check.finding,
            "null": check.null,
            "files": [name for name in check.files if name],
            "figures": {k: v for k, v in check.figures.items() if k != "curve"},
            "run": check.outcome is not Outcome.NOT_RUN,
        }
        for check in shown
    ]


def dates(files: Iterable[str | Path]) -> dict[str, str]:
    """Return the dates of files by the names under which they are shown."""
    found = {}
    for file in files:
        local = local_file(file)
        if local is not None and local.exists():
            changed = dt.datetime.fromtimestamp(local.stat().st_mtime, dt.UTC)
            found[display_name(file)] = changed.date().isoformat()
    return found


def _lift(curve: Mapping[str, Any], claim: str) -> Figure:
    """Draw the lift of the best cells in candidate regions against their number."""
    figure = drawing.figure(8.0, 3.6)
    axes = figure.subplots()
    count = curve["cells"]
    axes.fill_between(
        count,
        [_number(value) for value in curve["rotated_low"]],
        [_number(value) for value in curve["rotated_high"]],
        color=drawing.MISSING,
        label="rotated regions, 95 %",
    )
    axes.plot(count, [_number(v) for v in curve["rotated_middle"]], color=drawing.FAINT, lw=1.0)
    axes.plot(count, [_number(v) for v in curve["lift"]], color=drawing.EARTH, lw=2.0, label="run")
    axes.axhline(1.0, color=drawing.INK, lw=0.8, ls=":")
    axes.text(count[0], 1.0, " all ground", va="bottom", size=8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlim(count[0], count[-1])
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("number of best cells")
    axes.set_ylabel("share inside / share of all ground")
    axes.set_title(textwrap.fill(claim, 90), loc="left", size=9.0)
    axes.legend(loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
