"""Numbers, units, coordinates and dates as text for people. Standard library only."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt

MINUS = "\N{MINUS SIGN}"
UNKNOWN = "unknown"
NO_POINTS = "±0"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""English like all our text, whatever the locale."""

_SYMBOLS = {"deg": "°", "km2": "km²", "m2": "m²", "d": "days"}
_COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
_LEAST = 0.001


def unit_symbol(unit: str) -> str:
    """Return the symbol of one of the engine's units."""
    return _SYMBOLS.get(unit, unit)


def number(value: float | None) -> str:
    """Return a number with three significant digits and thousands separators."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    size = abs(value)
    sign = MINUS if value < 0 else ""
    if size == 0:
        return "0"
    if size < _LEAST:
        return "≈0"
    digits = max(0, 2 - math.floor(math.log10(size)))
    text = f"{size:,.{digits}f}"
    return sign + (text.rstrip("0").rstrip(".") if "." in text else text)


def quantity(value: float | None, unit: str) -> str:
    """Return a number with its unit: ``8.5°``, ``19.1 %``, ``1 day``."""
    text, symbol = number(value), unit_symbol(unit)
    if text == UNKNOWN or not symbol:
        return text
    if symbol == "°":
        return text + symbol
    return f"{text} {'day' if symbol == 'days' and text == '1' else symbol}"


def percent(value: float) -> str:
    """Return a percentage with one decimal, never rounded to 0 or 100."""
    if 0.0 < value < 0.1:
        return "<0.1 %"
    if 99.9 < value < 100.0:
        return ">99.9 %"
    return f"{value:.1f}".removesuffix(".0") + " %"


def score(value: float | None) -> str:
    """Return a score with three decimals, never rounded to 0 or 1."""
    if value is None:
        return "no score"
    if 0.0 < value < 0.0005:
        return "<0.001"
    if 0.9995 <= value < 1.0:
        return ">0.999"
    return f"{value:.3f}"


def points(value: float) -> str:
    """Return a contribution to a score with its sign."""
    size = abs(value)
    if size < 0.00005:
        return NO_POINTS
    return f"{MINUS if value < 0 else '+'}{size:.{3 if size >= 0.01 else 4}f}"


def place(lon_deg: float, lat_deg: float) -> str:
    """Return coordinates with hemispheres: ``89.462° S, 137.386° W``."""
    lon = math.remainder(lon_deg, 360.0)
    side = "E" if lon >= 0.0 else "W"
    return f"{abs(lat_deg):.3f}° {'N' if lat_deg >= 0.0 else 'S'}, {abs(lon):.3f}° {side}"


def distance(value_m: float) -> str:
    """Return a distance in metres or kilometres."""
    return f"{value_m:.0f} m" if value_m < 1000.0 else f"{value_m / 1000.0:,.1f} km"


def compass(azimuth_deg: float) -> str:
    """Return the nearest of the eight compass points."""
    return _COMPASS[round(azimuth_deg / 45.0) % 8]


def day(moment: dt.date) -> str:
    """Return a date as ``27 Apr 2027``."""
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


def instant(moment: dt.datetime) -> str:
    """Return a time as ``27 Apr 2027, 03:00 UTC``."""
    return f"{day(moment)}, {moment:%H:%M} UTC"


def listing(items: list[str]) -> str:
    """Join items for a sentence: ``a, b and c``."""
    return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)
