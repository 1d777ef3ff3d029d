"""Writes the page of the feature table from ``engine/scoring/features/columns.py``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from _markdown import escaped, write

from lunarsite.engine.scoring.features import columns

if TYPE_CHECKING:
    from sphinx.application import Sphinx

INTRODUCTION = (
    "The table that `features` writes describes the place in a cell by {} physical features. Their "
    "names are what a [profile](../howto/criteria.md) limits. The direction is that in which a "
    "feature can only improve or worsen a landing; the scorer is monotone in it. A feature without "
    "data is missing, never zero."
)

PLACE = (
    "A feature is that of the best landing disc of the cell, or a mean over the cell with "
    "`--place cell`. A scorer takes the features that its criteria name."
)

DIRECTIONS = {1: "more is better", -1: "less is better", 0: ""}


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("builder-inited", write_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_page(app: Sphinx) -> None:
    """Write ``reference/features.md``."""
    lines = [
        "# Features of a cell",
        "",
        INTRODUCTION.format(len(columns.FEATURES)),
        "",
        "This page is generated from `engine/scoring/features/columns.py`.",
        "",
        PLACE,
        "",
        *table(list(columns.FEATURES)),
        "## Other columns",
        "",
        "Position, which no scorer uses: "
        + ", ".join(f"`{name}`" for name in columns.POSITION)
        + ".",
        "",
        "Coverage, the percentage of the cell for which a layer has data: "
        + ", ".join(f"`{columns.coverage_column(source)}`" for source in columns.SOURCES)
        + ".",
        "",
        "Around the disc, in its cell: "
        + ", ".join(f"`{name}`" for name in columns.CONTEXT)
        + ". For rank intervals: "
        + ", ".join(f"`{name}`" for name in columns.LATTICE_DRAWS)
        + ".",
        "",
        "For the error model: `pixel_m`, "
        + ", ".join(f"`{name}`" for name in columns.SENSITIVITIES)
        + ". The outline of the cell: `geometry`.",
        "",
    ]
    write(Path(app.srcdir) / "reference" / "features.md", "\n".join(lines))


def table(features: list[columns.Feature]) -> list[str]:
    """Return a Markdown table of features."""
    rows = [
        f"| `{f.name}` | {escaped(f.title)} | {escaped(f.unit)} | `{f.source}` | "
        f"{DIRECTIONS[f.direction]} |"
        for f in features
    ]
    return [
        "| name | meaning | unit | layer | direction |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]
