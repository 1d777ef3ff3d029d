"""When the Sun and the Earth are visible, by month or by year. Standard library only."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from lunarsite.lunarsite_plugin.charts import formatting

MOST_MONTHS = 24
"""Longer periods get one row per year."""

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """A period of time, UTC."""

    start: dt.datetime
    end: dt.datetime

    @classmethod
    def of(cls, found: dict[str, Any]) -> Span:
        """Return a period of the engine's answer."""
        return cls(when(found["start"]), when(found["end"]))

    @property
    def days(self) -> float:
        """Its length in days."""
        return (self.end - self.start) / _DAY


Spans = tuple[Span, ...]


@dataclass(frozen=True)
class Row:
    """A month or a year: when the Sun is visible, when the Earth is, and when both are.

    ``first`` is the start of the row, ``covered`` the part of it that the calendar covers.
    """

    label: str
    title: str
    first: dt.datetime
    covered: Span
    light: Spans
    earth: Spans
    both: Spans

    @property
    def sentence(self) -> str:
        """The row as text."""
        light, earth, both = (
            formatting.quantity(total_days(spans), "days")
            for spans in (self.light, self.earth, self.both)
        )
        return f"{self.title}: Sun visible {light}, Earth visible {earth}, both {both}"


@dataclass(frozen=True)
class Calendar:
    """Sun and Earth visibility over a period; ``across_days`` is the width of every row."""

    rows: tuple[Row, ...]
    across_days: int
    by_year: bool

    def describe(self, row: int, days: float) -> str:
        """Return a day as text; empty if the calendar does not cover it."""
        line = self.rows[row]
        start = line.first + dt.timedelta(days=int(days))
        day = _within((line.covered,), Span(start, start + _DAY))
        if not day:
            return ""
        light, earth, both = (
            24.0 * total_days(_within(spans, day[0]))
            for spans in (line.light, line.earth, line.both)
        )
        hours = f"Sun visible {light:.0f} h, Earth visible {earth:.0f} h, both {both:.0f} h"
        return f"{formatting.day(start)}: {hours}"

    @property
    def text(self) -> str:
        """The chart as text."""
        return "\n".join(row.sentence for row in self.rows)


def when(text: str) -> dt.datetime:
    """Return a time of the engine's answer, UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def calendar(result: dict[str, Any]) -> Calendar:
    """Return the calendar of a ``skyline`` answer."""
    light = tuple(Span.of(found) for found in result["sun_up"])
    earth = tuple(Span.of(found) for found in result["earth_up"])
    return _laid_out(Span(when(result["start"]), when(result["stop"])), light, earth)


def empty_calendar(start: dt.date, stop: dt.date) -> Calendar:
    """Return the calendar of a period for which there is no answer yet."""
    first, last = (dt.datetime.combine(day, dt.time(), dt.UTC) for day in (start, stop))
    return _laid_out(Span(first, max(last, first + _DAY)), (), ())


def common(one: Spans, other: Spans) -> Spans:
    """Return the intersection of two lists of periods, each sorted by time."""
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
    """Return the total length of some periods, days."""
    return sum(span.days for span in spans)


def _laid_out(period: Span, light: Spans, earth: Spans) -> Calendar:
    months = 12 * (period.end.year - period.start.year) + period.end.month - period.start.month + 1
    by_year = months > MOST_MONTHS
    both = common(light, earth)
    rows = []
    first = period.start.replace(day=1, hour=0, minute=0)
    if by_year:
        first = first.replace(month=1)
    while first < period.end:
        following = _next(first, by_year=by_year)
        row = Span(max(first, period.start), min(following, period.end))
        month = formatting.MONTHS[first.month - 1]
        year = str(first.year)
        named = by_year or first.month == 1 or not rows
        rows.append(
            Row(
                label=year if by_year else f"{month} {year}" if named else month,
                title=year if by_year else f"{month} {year}",
                first=first,
                covered=row,
                light=_within(light, row),
                earth=_within(earth, row),
                both=_within(both, row),
            )
        )
        first = following
    return Calendar(tuple(rows), 366 if by_year else 31, by_year)


def _within(spans: Spans, period: Span) -> Spans:
    return common(spans, (period,))


def _next(first: dt.datetime, *, by_year: bool) -> dt.datetime:
    if by_year or first.month == 12:
        return first.replace(year=first.year + 1, month=1)
    return first.replace(month=first.month + 1)
