"""The sites of a run as rows of text and numbers. Standard library only.

A GeoPackage is an SQLite database, which is read in a millisecond without opening a layer.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lunarsite.engine.errors import InputError
from lunarsite.engine.scoring.features.columns import BY_NAME
from lunarsite.lunarsite_plugin.charts import formatting

if TYPE_CHECKING:
    from pathlib import Path

FILE = "sites.gpkg"
_MARGIN = "margin_"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the table: what is shown, what it is sorted by, and its tooltip."""

    text: str
    number: float
    tip: str = ""


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A site: its number on the map and in the report, its position, and its cells."""

    site: int
    lon_deg: float
    lat_deg: float
    passes: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """The titles of the columns, and the sites, best first."""

    titles: tuple[str, ...]
    rows: tuple[SiteRow, ...]


def read(folder: Path) -> Listing:
    """Return the sites of a run.

    Parameters
    ----------
    folder : Path
        The folder of the run.

    Raises
    ------
    InputError
        If they cannot be read.
    """
    path = folder / FILE
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as base:
            base.row_factory = sqlite3.Row
            found = [dict(row) for row in base.execute("SELECT * FROM sites ORDER BY site")]
        return _listing(found)
    except (sqlite3.Error, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The sites of {folder.name} cannot be read ({error})",
            "Run Screen a region again with the same output folder",
        ) from error


def _listing(found: list[dict[str, Any]]) -> Listing:
    columns = list(found[0]) if found else []
    criteria = [name.removeprefix(_MARGIN) for name in columns if name.startswith(_MARGIN)]
    titles = ("Site", "Rank", "Score", "Probability", "Place", *(_title(name) for name in criteria))
    return Listing(titles, tuple(_row(each, criteria) for each in found))


def _row(site: dict[str, Any], criteria: list[str]) -> SiteRow:
    passes = bool(site["passes"])
    low, high = int(site["rank_low"]), int(site["rank_high"])
    lon, lat = float(site["lon_deg"]), float(site["lat_deg"])
    verdict = "meets all criteria" if passes else "fails a criterion"
    cells = [
        Cell(str(site["site"]), float(site["site"]), f"Site {site['site']}: {verdict}"),
        Cell(
            f"{int(site['rank']):,}",
            float(site["rank"]),
            f"With 90 % probability between {low:,} and {high:,}",
        ),
        Cell(formatting.score(float(site["score"])), float(site["score"]), "Suitability"),
        _probability(site),
        Cell(
            formatting.place(lon, lat),
            lat,
            "Centre of the landing disc, or of the cell; sorted by latitude",
        ),
    ]
    for name in criteria:
        unit = BY_NAME[name].unit if name in BY_NAME else ""
        value, margin = site[name], site[_MARGIN + name]
        if value is None or margin is None:
            cells.append(Cell("–", float("-inf"), "Unknown here"))
            continue
        held = margin >= 0.0
        does = "passes" if held else "fails"
        by = formatting.quantity(abs(float(margin)), unit)
        text = f"{'✓' if held else '✗'} {formatting.quantity(float(value), unit)}"
        cells.append(Cell(text, float(margin), f"{_title(name)}: {does} by {by}"))
    return SiteRow(int(site["site"]), lon, lat, passes, tuple(cells))


def _probability(site: dict[str, Any]) -> Cell:
    """Return the probability of a site; runs of earlier versions have none."""
    share = site.get("probability")
    if share is None:
        return Cell("–", -1.0, "Unknown in runs of earlier versions")
    return Cell(formatting.score(float(share)), float(share), "That all criteria are met")


def _title(name: str) -> str:
    return BY_NAME[name].title if name in BY_NAME else name
