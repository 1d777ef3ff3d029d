"""What the ``explain`` stage answers, ready to be drawn or read. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lunarsite.lunarsite_plugin.charts import words

SHOWN = 8
"""Contributions shown one by one; the others are summed."""

START = "Mean of training cells"
"""What the base value is called."""

_LAYERS = {
    "psr": "permanent shadow",
    "earth_visibility": "Earth visibility",
    "position_index": "topographic position",
    "longest_night": "longest darkness",
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
        """What the bar adds to the score."""
        return self.end - self.start

    @property
    def sentence(self) -> str:
        """The bar in words."""
        named = f"{self.title} ({self.reading})" if self.reading else self.title
        does = "raises" if self.contribution >= 0.0 else "lowers"
        points = words.points(self.contribution)
        if points == words.NO_POINTS:
            return f"{named}: hardly any effect"
        return f"{named}: {does} the score by {points[1:]}"


@dataclass(frozen=True)
class Waterfall:
    """The way from the base value to the score, strongest step first.

    ``low`` and ``high`` are the least and the greatest score passed on the way.
    """

    base: float
    score: float
    bars: tuple[Bar, ...]
    low: float
    high: float

    def position(self, value: float) -> float:
        """Return where a score lies between the ends, 0 to 1."""
        width = self.high - self.low
        return (value - self.low) / width if width > 0.0 else 0.5

    @property
    def text(self) -> str:
        """The chart in words."""
        return "\n".join(
            [
                f"{START}: {words.score(self.base)}",
                *(bar.sentence for bar in self.bars),
                f"Score here: {words.score(self.score)}",
            ]
        )


@dataclass(frozen=True)
class MarginRow:
    """One criterion; ``holds`` is None where the value is not known.

    ``position`` lies between -1, missed by the whole limit or more, and 1; 0 is the limit.
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
        """Whether it holds, and by how much."""
        if self.holds is None or self.margin is None:
            return "not known here"
        does = "holds" if self.holds else "fails"
        return f"{does} by {words.quantity(abs(self.margin), self.unit)}"

    @property
    def limit(self) -> str:
        """The criterion's limit."""
        return f"{'at most' if self.at_most else 'at least'} " + words.quantity(
            self.threshold, self.unit
        )

    @property
    def reading(self) -> str:
        """The value beside its limit."""
        return f"{words.quantity(self.value, self.unit)}, must be {self.limit}"

    @property
    def sentence(self) -> str:
        """The row in words."""
        return f"{self.title}: {self.reading}: {self.verdict}"


@dataclass(frozen=True)
class Margins:
    """All criteria of a profile at one place."""

    rows: tuple[MarginRow, ...]

    @property
    def verdict(self) -> str:
        """The criteria together, in a few words."""
        failed = sum(row.holds is False for row in self.rows)
        unknown = sum(row.holds is None for row in self.rows)
        if failed:
            besides = f", {unknown} not known" if unknown else " criteria"
            return f"Fails {failed} of {len(self.rows)}{besides}"
        if unknown:
            return f"{unknown} of {len(self.rows)} criteria not known"
        return "Passes every criterion"

    @property
    def passes(self) -> bool | None:
        """Whether every criterion holds; None where it is not known."""
        held = [row.holds for row in self.rows]
        return False if False in held else None if None in held else True

    @property
    def text(self) -> str:
        """The chart in words."""
        return "\n".join(row.sentence for row in self.rows)


@dataclass(frozen=True)
class RankLine:
    """A rank, 1 the best, among all scored cells, and the 5 to 95 % range it may lie in."""

    rank: int
    low: int
    high: int
    cells: int

    def position(self, rank: float) -> float:
        """Return where a rank lies between the best and the last, 0 to 1."""
        return (rank - 1) / (self.cells - 1) if self.cells > 1 else 0.5

    @property
    def standing(self) -> str:
        """The rank beside the other cells, in words."""
        if self.rank == 1:
            return "the best of all cells"
        return f"better than {better_text(self.rank, self.cells)} of cells"

    @property
    def text(self) -> str:
        """The chart in words."""
        return (
            f"Rank {self.rank:,} of {self.cells:,} "
            f"(5–95 %: {self.low:,}–{self.high:,}), {self.standing}"
        )


@dataclass(frozen=True)
class Coverage:
    """How much of a cell a layer knows, percent."""

    title: str
    known_pct: float

    @property
    def text(self) -> str:
        """The share in words."""
        if self.known_pct <= 0.0:
            return "no data"
        return words.percent(self.known_pct)


def better_pct(rank: int, cells: int) -> float:
    """Return the share of all cells that are worse than the one of a rank, percent."""
    return 100.0 * (cells - rank) / cells


def better_text(rank: int, cells: int) -> str:
    """Return the share of cells that are worse: ``99.7 %``."""
    if rank == 1:
        return "all others"
    return f"{min(99.9, better_pct(rank, cells)):.1f} %"  # all only for the best


def waterfall(explanation: dict[str, Any], shown: int = SHOWN) -> Waterfall | None:
    """Return the way from the base value to the score, or None where there is no score."""
    if explanation["score"] is None:
        return None
    base = float(explanation["base_value"])
    found = sorted(explanation["contributions"], key=_strength, reverse=True)
    head, rest = found[:shown], found[shown:]
    steps = [(c["title"], words.quantity(c["value"], c["unit"]), c["contribution"]) for c in head]
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
    """Return the criteria with their margins."""
    return Margins(tuple(_margin_row(found) for found in explanation["margins"]))


def rank_line(explanation: dict[str, Any]) -> RankLine | None:
    """Return the rank, or None where there is no score."""
    if explanation["rank"] is None:
        return None
    low, high = explanation["interval"]
    return RankLine(explanation["rank"], low, high, explanation["cells"])


def coverage(explanation: dict[str, Any]) -> tuple[Coverage, ...]:
    """Return what was known of the cell, the least known first."""
    found = [
        Coverage(_LAYERS.get(source, source.replace("_", " ")), float(known or 0.0))
        for source, known in explanation["coverage"].items()
    ]
    return tuple(sorted(found, key=lambda layer: layer.known_pct))


def coverage_sentence(layers: tuple[Coverage, ...]) -> str:
    """Return what is missing, in a sentence or two."""
    missing = [layer.title for layer in layers if layer.known_pct <= 0.0]
    partly = [layer.title for layer in layers if 0.0 < layer.known_pct < 100.0]
    said = []
    if missing:
        said.append(f"Not known here: {words.listing(missing)}.")
    if partly:
        said.append(f"Known for a part of the cell: {words.listing(partly)}.")
    return " ".join(said) or "Every layer covers the whole cell."


def changes(explanation: dict[str, Any]) -> tuple[str, ...]:
    """Return what would make the place pass, a sentence a change."""
    if explanation["to_pass"]["passes"]:
        return ("This cell passes every criterion already.",)
    limits = {found["feature"]: _margin_row(found).limit for found in explanation["margins"]}
    return tuple(_change(found, limits) for found in explanation["to_pass"]["changes"])


def nearest_passing(explanation: dict[str, Any]) -> str:
    """Return where the nearest cell is that passes, in a sentence, empty where this one does."""
    found = explanation["to_pass"]
    if found["passes"]:
        return ""
    near = found["nearest_passing"]
    if near is None:
        return "No cell of the area passes every criterion."
    where = words.place(near["lon_deg"], near["lat_deg"])
    return f"The nearest cell that passes is {words.distance(near['distance_m'])} away, at {where}."


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
        return f"{found['title']} is not known here; it must be {limits[found['feature']]}."
    way = "rise" if found["change"] > 0.0 else "fall"
    value, needed, by = (
        words.quantity(amount, found["unit"])
        for amount in (found["value"], found["needed"], abs(found["change"]))
    )
    return f"{found['title']} must {way} from {value} to {needed}, by {by}."
