"""Places saved for comparison. Standard library only."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from lunarsite.lunarsite_plugin.charts import formatting, site_model, sky_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BETTER = "Better than"
"""Title of the row with the percentage of cells that rank lower."""


@dataclass(frozen=True, slots=True)
class Value:
    """A criterion's feature at a place; ``holds`` is None if the value is unknown."""

    feature: str
    title: str
    unit: str
    value: float | None
    holds: bool | None


@dataclass(frozen=True, slots=True)
class SavedPlace:
    """A saved place: its position, and score, rank and criteria of the cell around it.

    The centre of the cell is unknown for places that earlier versions saved, which were centres
    themselves. ``passes`` is None if a criterion is unknown. ``skyline_illumination_pct`` and
    ``skyline_earth_visibility_pct`` are for the dates selected in the dock, None without a
    skyline.
    """

    name: str
    cell_id: int
    lon_deg: float
    lat_deg: float
    x_m: float
    y_m: float
    size_m: float
    score: float | None
    rank: int | None
    rank_low: int | None
    rank_high: int | None
    cells: int
    percentile: float | None
    passes: bool | None
    values: tuple[Value, ...]
    skyline_illumination_pct: float | None
    skyline_earth_visibility_pct: float | None
    profile: str
    run: str
    cell_lon_deg: float | None = None
    cell_lat_deg: float | None = None

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What identifies the place: its position to a metre, and the run."""
        return self.run, self.profile, round(self.x_m), round(self.y_m)


@dataclass(frozen=True, slots=True)
class Line:
    """One property of all places: text to show, and numbers to sort by; ``help`` explains it."""

    title: str
    cells: tuple[str, ...]
    numbers: tuple[float | None, ...]
    help: str = ""


def of_answer(
    explanation: dict[str, Any], skyline: dict[str, Any] | None, *, name: str, run: str
) -> SavedPlace:
    """Return the place for the answers of ``explain`` and ``skyline``."""
    cell, place = explanation["cell"], explanation["place"]
    low, high = explanation["interval"] or (None, None)
    values = tuple(
        Value(m["feature"], m["title"], m["unit"], m["value"], m["holds"])
        for m in explanation["margins"]
    )
    held = [value.holds for value in values]
    light = skyline or {}
    return SavedPlace(
        name=name,
        cell_id=cell["cell_id"],
        **place,
        cell_lon_deg=cell["lon_deg"],
        cell_lat_deg=cell["lat_deg"],
        size_m=cell["size_m"],
        score=explanation["score"],
        rank=explanation["rank"],
        rank_low=low,
        rank_high=high,
        cells=explanation["cells"],
        percentile=explanation["percentile"],
        passes=None if False not in held and None in held else False not in held,
        values=values,
        skyline_illumination_pct=light.get("illumination_pct"),
        skyline_earth_visibility_pct=light.get("earth_visibility_pct"),
        profile=explanation["profile"],
        run=run,
    )


def with_place(places: list[SavedPlace], place: SavedPlace) -> list[SavedPlace]:
    """Add a place; if it is already saved, its values are updated and its name is kept."""
    for k, known in enumerate(places):
        if known.key == place.key:
            return [*places[:k], replace(place, name=known.name), *places[k + 1 :]]
    return [*places, place]


def free_name(places: Iterable[SavedPlace]) -> str:
    """Return the first of ``Place 1``, ``Place 2`` … that is not in use."""
    taken = {place.name for place in places}
    return next(name for k in range(1, len(taken) + 2) if (name := f"Place {k}") not in taken)


def lines(places: list[SavedPlace]) -> list[Line]:
    """Return the rows of the comparison."""
    features = {value.feature: value for place in places for value in place.values}
    return [
        _line("Score", places, lambda p: p.score, formatting.score),
        _line("Rank", places, lambda p: p.rank, lambda rank: f"{rank:,}"),
        Line(
            "Rank, 5–95 %",
            tuple(_interval(place) for place in places),
            tuple(_number(place.rank_low) for place in places),
        ),
        Line(
            BETTER,
            tuple(_better(place) for place in places),
            tuple(p.rank and site_model.better_pct(p.rank, p.cells) for p in places),
            "Percentage of all scored cells that rank lower",
        ),
        Line(
            "Passes",
            tuple({True: "✓ yes", False: "✗ no", None: "? unknown"}[p.passes] for p in places),
            tuple(None if p.passes is None else float(p.passes) for p in places),
        ),
        *(_feature_line(value, places) for value in features.values()),
        _light_line(sky_model.SUN, places, lambda p: p.skyline_illumination_pct),
        _light_line(sky_model.EARTH, places, lambda p: p.skyline_earth_visibility_pct),
        _line(
            "Latitude",
            places,
            lambda p: p.lat_deg,
            lambda lat: formatting.place(0.0, lat).split(",")[0],
        ),
        _line(
            "Longitude",
            places,
            lambda p: p.lon_deg,
            lambda lon: formatting.place(lon, 0.0).split(", ")[1],
        ),
        Line("Profile", tuple(p.profile for p in places), (None,) * len(places)),
        Line("Run", tuple(p.run for p in places), (None,) * len(places)),
    ]


def ordered(places: list[SavedPlace], line: Line, *, descending: bool) -> list[SavedPlace]:
    """Sort places by a row, unknown values last."""
    if not any(number is not None for number in line.numbers):
        pairs = sorted(zip(line.cells, range(len(places)), strict=True), reverse=descending)
        return [places[k] for _, k in pairs]
    known = [(n, k) for k, n in enumerate(line.numbers) if n is not None]
    known.sort(key=lambda pair: -pair[0] if descending else pair[0])
    rest = [k for k, number in enumerate(line.numbers) if number is None]
    return [places[k] for k in [*(k for _, k in known), *rest]]


def text_table(places: list[SavedPlace]) -> str:
    """Return the comparison as tab-separated text."""
    rows = [["", *(place.name for place in places)]]
    rows += [[line.title, *line.cells] for line in lines(places)]
    return "\n".join("\t".join(row) for row in rows) + "\n"


def records(places: list[SavedPlace]) -> tuple[list[str], list[list[Any]]]:
    """Return column names, with units, and one row of plain values per place."""
    plain = [each.name for each in fields(SavedPlace) if each.name != "values"]
    features = list(dict.fromkeys(v.feature for place in places for v in place.values))
    rows = []
    for place in places:
        found = {value.feature: value.value for value in place.values}
        own = [getattr(place, name) for name in plain]
        rows.append([*own, *(found.get(feature) for feature in features)])
    return [*plain, *features], rows


def csv_text(places: list[SavedPlace]) -> str:
    """Return places as CSV, one row each; unknown values are empty."""
    names, rows = records(places)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([[_plain(value) for value in row] for row in rows])
    return out.getvalue()


def as_json(places: list[SavedPlace]) -> list[dict[str, Any]]:
    """Return places as JSON."""
    return [asdict(place) for place in places]


def from_json(content: object) -> list[SavedPlace]:
    """Return places from JSON, skipping invalid entries."""
    if not isinstance(content, list):
        return []
    places = []
    for each in content:
        try:
            values = tuple(Value(**value) for value in each["values"])
            place = SavedPlace(**{**each, "values": values})
            lines([place])  # raises now, rather than when painted, if a value has the wrong type
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        places.append(place)
    return places


def _line(
    title: str,
    places: list[SavedPlace],
    get: Callable[[SavedPlace], float | None],
    write: Callable[[Any], str],
) -> Line:
    found = tuple(get(place) for place in places)
    shown = tuple("–" if value is None else write(value) for value in found)
    return Line(title, shown, tuple(_number(value) for value in found))


def _light_line(
    title: str, places: list[SavedPlace], get: Callable[[SavedPlace], float | None]
) -> Line:
    return replace(_line(title, places, get, formatting.percent), help=sky_model.HELP[title])


def _feature_line(wanted: Value, places: list[SavedPlace]) -> Line:
    cells, numbers = [], []
    for place in places:
        value = next((v for v in place.values if v.feature == wanted.feature), None)
        mark = {True: "✓ ", False: "✗ ", None: ""}[value.holds] if value else ""
        known = value is not None and value.value is not None
        cells.append(mark + formatting.quantity(value.value, value.unit) if known else "–")
        numbers.append(value.value if known else None)
    return Line(wanted.title, tuple(cells), tuple(numbers))


def _interval(place: SavedPlace) -> str:
    if place.rank_low is None or place.rank_high is None:
        return "–"
    return f"{place.rank_low:,}–{place.rank_high:,}"


def _better(place: SavedPlace) -> str:
    return "–" if place.rank is None else site_model.better_text(place.rank, place.cells)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _plain(value: Any) -> Any:
    """Return a value for CSV; text that a spreadsheet would take for a formula is quoted."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        line = " ".join(value.split())  # tabs and line ends may begin a cell, too
        return "'" + line if line[:1] in {"=", "+", "-", "@"} else line
    return "" if value is None else value
