"""The answer of the ``explain`` stage, as values and sentences. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lunarsite.lunarsite_plugin.charts import formatting

SHOWN = 8
"""How many contributions are shown individually; the rest are summed."""

START = "Base, from training cells"
"""Label of the base value."""

_LAYERS = {
    "psr": "permanent shadow",
    "earth_visibility": "Earth visibility",
    "position_index": "topographic position",
    "longest_night": "longest continuous darkness",
    "rocks": "rocks in images",
    "rock_image": "shadow in an image",
}


@dataclass(frozen=True)
class Bar:
    """One step from the base value to the score; ``start`` and ``end`` are scores, 0 to 1.

    ``reading`` is the feature's value with its unit, empty for a sum of several features.
    """

    title: str
    reading: str
    start: float
    end: float

    @property
    def contribution(self) -> float:
        """The change in score."""
        return self.end - self.start

    @property
    def sentence(self) -> str:
        """The bar as text."""
        named = f"{self.title} ({self.reading})" if self.reading else self.title
        does = "raises" if self.contribution >= 0.0 else "lowers"
        points = formatting.points(self.contribution)
        if points == formatting.NO_POINTS:
            return f"{named}: hardly any effect"
        return f"{named}: {does} the score by {points[1:]}"


@dataclass(frozen=True)
class Waterfall:
    """The steps from the base value to the score, largest first.

    ``low`` and ``high`` are the lowest and the highest score on the way.
    """

    base: float
    score: float
    bars: tuple[Bar, ...]
    low: float
    high: float

    def position(self, value: float) -> float:
        """Return the position of a score between ``low`` and ``high``, 0 to 1."""
        width = self.high - self.low
        return (value - self.low) / width if width > 0.0 else 0.5

    @property
    def text(self) -> str:
        """The chart as text."""
        return "\n".join(
            [
                f"{START}: {formatting.score(self.base)}",
                *(bar.sentence for bar in self.bars),
                f"Score here: {formatting.score(self.score)}",
            ]
        )


@dataclass(frozen=True)
class MarginRow:
    """One criterion; ``holds`` is None if the value is unknown.

    ``position`` is the margin relative to the limit, clipped to -1 to 1; 0 is the limit itself.
    """

    title: str
    value: float | None
    threshold: float
    margin: float | None
    unit: str
    at_most: bool
    holds: bool | None
    position: float

    @property
    def verdict(self) -> str:
        """Whether the criterion is met, and by how much."""
        if self.holds is None or self.margin is None:
            return "unknown here"
        does = "passes" if self.holds else "fails"
        return f"{does} by {formatting.quantity(abs(self.margin), self.unit)}"

    @property
    def limit(self) -> str:
        """The criterion's limit."""
        return f"{'at most' if self.at_most else 'at least'} " + formatting.quantity(
            self.threshold, self.unit
        )

    @property
    def reading(self) -> str:
        """The value and its limit."""
        return f"{formatting.quantity(self.value, self.unit)}, must be {self.limit}"

    @property
    def sentence(self) -> str:
        """The row as text."""
        return f"{self.title}: {self.reading}: {self.verdict}"


@dataclass(frozen=True)
class Margins:
    """All criteria of a profile at one place."""

    rows: tuple[MarginRow, ...]

    @property
    def verdict(self) -> str:
        """The overall verdict."""
        failed = sum(row.holds is False for row in self.rows)
        unknown = sum(row.holds is None for row in self.rows)
        if failed:
            rest = f", {unknown} unknown" if unknown else " criteria"
            return f"Fails {failed} of {len(self.rows)}{rest}"
        if unknown:
            return f"{unknown} of {len(self.rows)} criteria unknown"
        return "Passes all criteria"

    @property
    def passes(self) -> bool | None:
        """Whether all criteria are met; None if that is unknown."""
        held = [row.holds for row in self.rows]
        return False if False in held else None if None in held else True

    @property
    def text(self) -> str:
        """The chart as text."""
        return "\n".join(row.sentence for row in self.rows)


@dataclass(frozen=True)
class RankLine:
    """A rank among all scored cells (1 is best), and its 5 to 95 % interval."""

    rank: int
    low: int
    high: int
    cells: int

    def position(self, rank: float) -> float:
        """Return the position of a rank between the best and the last, 0 to 1."""
        return (rank - 1) / (self.cells - 1) if self.cells > 1 else 0.5

    @property
    def standing(self) -> str:
        """How the cell compares with the others, as text."""
        if self.rank == 1:
            return "the best of all cells"
        return f"better than {better_text(self.rank, self.cells)} of cells"

    @property
    def text(self) -> str:
        """The chart as text."""
        return (
            f"Rank {self.rank:,} of {self.cells:,} "
            f"(5–95 %: {self.low:,}–{self.high:,}), {self.standing}"
        )


@dataclass(frozen=True)
class Coverage:
    """The part of a cell for which a layer has data, percent."""

    title: str
    known_pct: float

    @property
    def text(self) -> str:
        """The coverage as text."""
        if self.known_pct <= 0.0:
            return "no data"
        return formatting.percent(self.known_pct)


def better_pct(rank: int, cells: int) -> float:
    """Return the percentage of all cells that rank lower."""
    return 100.0 * (cells - rank) / cells


def better_text(rank: int, cells: int) -> str:
    """Return the percentage of cells that rank lower as text: ``99.7 %``."""
    if rank == 1:
        return "all others"
    return f"{min(99.9, better_pct(rank, cells)):.1f} %"  # 100 % would mean the best


def waterfall(explanation: dict[str, Any], shown: int = SHOWN) -> Waterfall | None:
    """Return the steps from the base value to the score, or None without a score."""
    if explanation["score"] is None:
        return None
    base = float(explanation["base_value"])
    found = sorted(explanation["contributions"], key=_strength, reverse=True)
    head, rest = found[:shown], found[shown:]
    steps = [
        (c["title"], formatting.quantity(c["value"], c["unit"]), c["contribution"]) for c in head
    ]
    if rest:
        total = sum(c["contribution"] for c in rest)
        steps.append((f"{len(rest)} other{'s' if len(rest) > 1 else ''}", "", total))
    bars, at = [], base
    for title, reading, contribution in steps:
        bars.append(Bar(title, reading, at, at + contribution))
        at += contribution
    score = float(explanation["score"])
    passed = [base, score, *(bar.end for bar in bars)]
    return Waterfall(base, score, tuple(bars), min(passed), max(passed))


def margins(explanation: dict[str, Any]) -> Margins:
    """Return the criteria and their margins."""
    return Margins(tuple(_margin_row(found) for found in explanation["margins"]))


def rank_line(explanation: dict[str, Any]) -> RankLine | None:
    """Return the rank, or None without a score."""
    if explanation["rank"] is None:
        return None
    low, high = explanation["interval"]
    return RankLine(explanation["rank"], low, high, explanation["cells"])


def coverage(explanation: dict[str, Any]) -> tuple[Coverage, ...]:
    """Return the data coverage of the cell, lowest first."""
    found = [
        Coverage(_LAYERS.get(source, source.replace("_", " ")), float(known or 0.0))
        for source, known in explanation["coverage"].items()
    ]
    return tuple(sorted(found, key=lambda layer: layer.known_pct))


def coverage_sentence(layers: tuple[Coverage, ...]) -> str:
    """Return which data are missing, in a sentence or two."""
    missing = [layer.title for layer in layers if layer.known_pct <= 0.0]
    partly = [layer.title for layer in layers if 0.0 < layer.known_pct < 100.0]
    sentences = []
    if missing:
        sentences.append(f"No data here: {formatting.listing(missing)}.")
    if partly:
        sentences.append(f"Data for part of the cell only: {formatting.listing(partly)}.")
    return " ".join(sentences) or "All layers cover the entire cell."


def changes(explanation: dict[str, Any]) -> tuple[str, ...]:
    """Return what would have to change for the place to pass, one sentence per criterion."""
    if explanation["to_pass"]["passes"]:
        return ("This cell already passes all criteria.",)
    limits: dict[str, list[str]] = {}
    for found in explanation["margins"]:
        limits.setdefault(found["feature"], []).append(_margin_row(found).limit)
    both = {feature: " and ".join(each) for feature, each in limits.items()}
    sentences = (_change(found, both) for found in explanation["to_pass"]["changes"])
    return tuple(dict.fromkeys(sentences))


def nearest_passing(explanation: dict[str, Any]) -> str:
    """Return a sentence on the nearest passing cell, empty if this one passes."""
    found = explanation["to_pass"]
    if found["passes"]:
        return ""
    near = found["nearest_passing"]
    if near is None:
        return "No cell in the area passes all criteria."
    where = formatting.place(near["lon_deg"], near["lat_deg"])
    distance = formatting.distance(near["distance_m"])
    return f"The nearest passing cell is {distance} away, at {where}."


def _strength(contribution: dict[str, Any]) -> float:
    return abs(float(contribution["contribution"]))


def _margin_row(found: dict[str, Any]) -> MarginRow:
    threshold, margin = float(found["threshold"]), found["margin"]
    scale = abs(threshold) or max(abs(margin or 0.0), 1.0)
    return MarginRow(
        title=found["title"],
        value=found["value"],
        threshold=threshold,
        margin=margin,
        unit=found["unit"],
        at_most=found["sense"] == "at_most",
        holds=found["holds"],
        position=0.0 if margin is None else max(-1.0, min(1.0, margin / scale)),
    )


def _change(found: dict[str, Any], limits: dict[str, str]) -> str:
    if found["value"] is None:
        return f"{found['title']} is unknown here; it must be {limits[found['feature']]}."
    verb = "increase" if found["change"] > 0.0 else "decrease"
    value, needed, by = (
        formatting.quantity(amount, found["unit"])
        for amount in (found["value"], found["needed"], abs(found["change"]))
    )
    return f"{found['title']} must {verb} by {by}, from {value} to {needed}."
