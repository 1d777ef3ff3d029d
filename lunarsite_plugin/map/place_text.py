"""Parsing of coordinates as people type and paste them. Standard library only."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from lunarsite.engine.errors import ParameterError

EXAMPLE = "Enter degrees, for example 137.3 W and 89.45 S, or −137.3 and −89.45"

_ANGLE = re.compile(
    r"""\s*
    (?P<before>[NSEW])?\s*
    (?P<sign>[-+])?\s*
    (?P<degrees>\d+(?:\.\d+)?)\s*°?\s*
    (?:(?P<minutes>\d+(?:\.\d+)?)\s*'\s*)?
    (?:(?P<seconds>\d+(?:\.\d+)?)\s*"\s*)?
    (?P<after>[NSEW])?
    \s*""",
    re.VERBOSE | re.IGNORECASE,
)
_PLAIN = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "′": "'",
        "’": "'",
        "″": '"',
        "”": '"',
        "º": "°",
        # Arabic decimal separator, comma and semicolon; marks of the direction of writing.
        "\u066b": ".",
        "\u060c": ",",
        "\u061b": ";",
        **dict.fromkeys("\u200e\u200f\u061c"),
    }
)
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")


@dataclass(frozen=True, slots=True)
class Angle:
    """An angle in degrees; ``axis`` is ``lon`` or ``lat`` if a letter says so, otherwise empty."""

    deg: float
    axis: str


def parse_place(text: str) -> tuple[float, float]:
    """Parse a longitude and a latitude, degrees, in either order.

    Letters (N, S, E, W) tell which is which. Without letters the longitude comes first, unless the
    second number cannot be a latitude.

    Raises
    ------
    ParameterError
        If the text is not a valid pair of coordinates.
    """
    first, second = _pair(text)
    if "" not in (first.axis, second.axis) and first.axis == second.axis:
        kind = {"lon": "longitudes", "lat": "latitudes"}[first.axis]
        raise ParameterError(f"{text.strip()!r} contains two {kind}", EXAMPLE)
    swapped = first.axis == "lat" or second.axis == "lon"
    if not first.axis and not second.axis:
        swapped = abs(second.deg) > 90.0 >= abs(first.deg)
    lon, lat = (second, first) if swapped else (first, second)
    return check_range(lon.deg, lat.deg)


def parse_angle(text: str, axis: str) -> float:
    """Parse one angle, degrees; ``axis`` is ``lon`` or ``lat``.

    Raises
    ------
    ParameterError
        If the text is not such an angle.
    """
    found = _angle(_plain(text))
    name = {"lon": "longitude", "lat": "latitude"}[axis]
    if found is None or found.axis not in ("", axis):
        raise ParameterError(f"{text.strip()!r} is not a {name}", EXAMPLE)
    return found.deg


def is_pair(text: str) -> bool:
    """Return whether a text contains two angles.

    What can be one angle is one: degrees and minutes, and 16,389 with a decimal comma.
    """
    if _angle(_plain(text)) is not None:
        return False
    try:
        _pair(text)
    except ParameterError:
        return False
    return True


def check_range(lon_deg: float, lat_deg: float) -> tuple[float, float]:
    """Return coordinates with the longitude between -180 and 180 degrees.

    Raises
    ------
    ParameterError
        If they are out of range.
    """
    if not abs(lat_deg) <= 90.0:
        raise ParameterError(
            f"The latitude {lat_deg:g}° is out of range: it must be from −90° to 90°", EXAMPLE
        )
    if not abs(lon_deg) <= 360.0:
        raise ParameterError(
            f"The longitude {lon_deg:g}° is out of range: it must be from −360° to 360°", EXAMPLE
        )
    return math.remainder(lon_deg, 360.0), lat_deg


def format_angle(angle_deg: float) -> str:
    """Return an angle as text with at most four decimals: ``-137.386``."""
    return f"{angle_deg:.4f}".rstrip("0").rstrip(".")


def _pair(text: str) -> tuple[Angle, Angle]:
    """Split a text at a separator, or where two angles meet."""
    plain = _plain(text, keep_commas=True)
    halves = [
        (_plain(plain[:at]), _plain(plain[at:].lstrip(",; \t/")))
        for at in (match.start() for match in re.finditer(r"[,;/\s]|(?<=[NSEWnsew])(?=\d)", plain))
    ]
    # Commas and semicolons are reliable separators; spaces also occur within angles.
    found: dict[int, set[tuple[Angle, Angle]]] = {}
    for half in halves:
        first, second = (_angle(part.strip(",; \t/")) for part in half)
        if first is not None and second is not None:
            words = len(half[0].split()) + len(half[1].split())
            found.setdefault(words, set()).add((first, second))
    if not found:
        raise ParameterError(f"{text.strip()!r} is not a longitude and a latitude", EXAMPLE)
    fewest = found[min(found)]
    if len(fewest) > 1:
        raise ParameterError(f"{text.strip()!r} can be read as several places", EXAMPLE)
    return fewest.pop()


def _angle(text: str) -> Angle | None:
    match = _ANGLE.fullmatch(text)
    if match is None:
        return None
    letters = ((match["before"] or "") + (match["after"] or "")).upper()
    minutes, seconds = float(match["minutes"] or 0.0), float(match["seconds"] or 0.0)
    if len(letters) > 1 or (letters and match["sign"]) or minutes >= 60.0 or seconds >= 60.0:
        return None
    size = float(match["degrees"]) + minutes / 60.0 + seconds / 3600.0
    negative = match["sign"] == "-" or letters in {"S", "W"}
    axis = {"": "", "N": "lat", "S": "lat", "E": "lon", "W": "lon"}[letters]
    return Angle(-size if negative else size, axis)


def _plain(text: str, *, keep_commas: bool = False) -> str:
    plain = text.translate(_PLAIN)
    return plain if keep_commas else _DECIMAL_COMMA.sub(".", plain)
