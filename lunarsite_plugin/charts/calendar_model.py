"""When light and Earth contact last, laid out by months or years. Standard library only."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from lunarsite.lunarsite_plugin.charts import words

MOST_MONTHS = 24
"""Longer spans of time get a row a year."""

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """A span of time, UTC."""

    start: dt.datetime
    end: dt.datetime

    @classmethod
    def of(cls, found: dict[str, Any]) -> Span:
        """Return a span of the engine's answer."""
        return cls(when(found["start"]), when(found["end"]))

    @property
    def days(self) -> float:
        """Its length in days."""
        return (self.end - self.start) / _DAY


Spans = tuple[Span, ...]


@dataclass(frozen=True)
class Row:
    """A month or a year: its spans of light, of Earth contact, and of both at once.

    ``first`` is where the row begins; ``whole`` the part of it that the calendar covers.
    """

    label: str
    title: str
    first: dt.datetime
    whole: Span
    light: Spans
    earth: Spans
    both: Spans

    @property
    def sentence(self) -> str:
        """The row in words."""
        light, earth, both = (
            words.quantity(total_days(spans), "days")
            for spans in (self.light, self.earth, self.both)
        )
        return f"{self.title}: light {light}, Earth in view {earth}, both {both}"


@dataclass(frozen=True)
class Calendar:
    """Light and Earth contact over a span of time; ``across_days`` is the width of every row."""

    rows: tuple[Row, ...]
    across_days: int
    by_year: bool

    def describe(self, row: int, days: float) -> str:
        """Return what a day holds, in words; empty where the calendar has no such day."""
        line = self.rows[row]
        start = line.first + dt.timedelta(days=int(days))
        day = _within((line.whole,), Span(start, start + _DAY))
        if not day:
            return ""
        light, earth, both = (
            24.0 * total_days(_within(spans, day[0]))
            for spans in (line.light, line.earth, line.both)
        )
        hours = f"light {light:.0f} h, Earth in view {earth:.0f} h, both {both:.0f} h"
        return f"{words.day(start)}: {hours}"

    @property
    def text(self) -> str:
        """The chart in words."""
        return "\n".join(row.sentence for row in self.rows)


def when(text: str) -> dt.datetime:
    """Return a moment of the engine's answer, UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def calendar(result: dict[str, Any]) -> Calendar:
    """Return the calendar of a ``skyline`` answer."""
    light = tuple(Span.of(found) for found in result["sun_up"])
    earth = tuple(Span.of(found) for found in result["earth_up"])
    return _laid_out(Span(when(result["start"]), when(result["stop"])), light, earth)


def empty_calendar(start: dt.date, stop: dt.date) -> Calendar:
    """Return the calendar of a span of time about which nothing is known yet."""
    first, last = (dt.datetime.combine(day, dt.time(), dt.UTC) for day in (start, stop))
    return _laid_out(Span(first, max(last, first + _DAY)), (), ())


def common(one: Spans, other: Spans) -> Spans:
    """Return when both of two lists of spans last; each is in order of time."""
    found, i, j = [], 0, 0
    while i < len(one) and j < len(other):
        start, end = max(one[i].start, other[j].start), min(one[i].end, other[j].end)
        if start < end:
            found.append(Span(start, end))
        if one[i].end <= other[j].end:
            i += 1
        else:
            j += 1
    return tuple(found)


def total_days(spans: Spans) -> float:
    """Return how long spans last together, days."""
    return sum(span.days for span in spans)


def _laid_out(whole: Span, light: Spans, earth: Spans) -> Calendar:
    months = 12 * (whole.end.year - whole.start.year) + whole.end.month - whole.start.month + 1
    by_year = months > MOST_MONTHS
    both = common(light, earth)
    rows = []
    first = whole.start.replace(day=1, hour=0, minute=0)
    if by_year:
        first = first.replace(month=1)
    while first < whole.end:
        following = _next(first, by_year=by_year)
        row = Span(max(first, whole.start), min(following, whole.end))
        month = words.MONTHS[first.month - 1]
        year = str(first.year)
        named = by_year or first.month == 1 or not rows
        rows.append(
            Row(
                label=year if by_year else f"{month} {year}" if named else month,
                title=year if by_year else f"{month} {year}",
                first=first,
                whole=row,
                light=_within(light, row),
                earth=_within(earth, row),
                both=_within(both, row),
            )
        )
        first = following
    return Calendar(tuple(rows), 366 if by_year else 31, by_year)


def _within(spans: Spans, whole: Span) -> Spans:
    return common(spans, (whole,))


def _next(first: dt.datetime, *, by_year: bool) -> dt.datetime:
    if by_year or first.month == 12:
        return first.replace(year=first.year + 1, month=1)
    return first.replace(month=first.month + 1)
