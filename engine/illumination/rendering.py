"""Rendering of an elevation model from above, lit by the Sun at a given time."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.illumination.ephemeris import (
    Body,
    elevation_azimuth,
    sun_and_earth,
    visible_fraction,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.io.grid import Dem

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    UInt8 = NDArray[np.uint8]

LAMBERT = 0.3
"""Weight of Lambert's law against Lommel-Seeliger's (McEwen 1991, Icarus 92:298)."""

MEDIAN_GREY = 110.0
"""Grey level of the median brightness of the sunlit ground."""

GAMMA = 1.8

NODATA = 0
DARKEST = 1
"""Grey level of shadow; 0 is nodata."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time and the position of the Sun."""

    time: dt.datetime
    sun: Body

    @property
    def bearing_deg(self) -> float:
        """Longitude of the sub-solar point, degrees."""
        return float(self.sun.lon_deg[0])


def parse_time(text: str) -> Moment:
    """Return a time and the position of the Sun.

    Parameters
    ----------
    text : str
        UTC, ISO 8601: ``2027-01-15T06:00``, or a date for midnight.

    Raises
    ------
    ParameterError
        If it is not a time, or outside the span of the ephemeris.
    """
    try:
        time = dt.datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError as error:
        raise ParameterError(
            f"--time: {text!r} is not a time", "Write it like 2027-01-15T06:00, in UTC"
        ) from error
    if time.tzinfo is not None:
        time = time.astimezone(dt.UTC).replace(tzinfo=None)
    if not 1960 <= time.year <= 2100:
        raise ParameterError(
            f"--time: {text} is outside the span of the ephemeris, 1960 to 2100",
            "Choose a time in that span",
        )
    midnight = dt.datetime.combine(time.date(), dt.time())
    days = (time - midnight) / dt.timedelta(days=1)
    sun, _ = sun_and_earth(time.toordinal() + 1_721_424.5, np.array([days]))
    return Moment(time, sun)


def shade(dem: Dem, horizon_deg: Float32, rows: slice, moment: Moment) -> tuple[Float32, float]:
    """Return the brightness of some rows, and the elevation of the Sun in their middle.

    The lunar-Lambert law for a nadir view, times the fraction of the Sun's disc above the horizon.
    Shadows are cast by the whole elevation model and its far field.

    Parameters
    ----------
    dem : Dem
        The elevation model.
    horizon_deg : ndarray of float32, shape of the grid
        Elevation of the horizon towards the Sun, degrees.
    rows : slice
        The rows.
    moment : Moment
        Position of the Sun.

    Returns
    -------
    brightness : ndarray of float32, shape (rows, columns)
        0 in shadow, 1 on level ground with the Sun at the zenith; NaN for nodata.
    elevation_deg : float
        Elevation of the Sun, degrees.

    References
    ----------
    McEwen (1991), Icarus 92:298.
    """
    grid = dem.grid
    above, below = max(rows.start - 1, 0), min(rows.stop + 1, grid.height)
    heights = np.asarray(dem.height_m[above:below], np.float32)
    inner = slice(rows.start - above, rows.start - above + rows.stop - rows.start)
    south = np.asarray(np.gradient(heights, grid.pixel_m, axis=0))[inner]
    east = np.asarray(np.gradient(heights, grid.pixel_m, axis=1))[inner]
    x, y = np.meshgrid(grid.column_x_m(), grid.row_y_m()[rows])
    lon, lat = moon.xy_to_lonlat(x, y)
    elevation, azimuth = elevation_azimuth(lon, lat, moment.sun)
    toward = np.radians(moon.map_azimuth_deg(azimuth, lon))
    height = np.radians(elevation)
    level = np.cos(height)
    # The map scale is neglected: slopes on the map are those on the ground within 0.7 % at 80°S.
    normal = 1.0 / np.sqrt(1.0 + south * south + east * east)
    cosine = (
        np.sin(height) - east * np.sin(toward) * level + south * np.cos(toward) * level
    ) * normal
    shown = visible_fraction(horizon_deg[rows].astype(np.float64), elevation, moment.sun.radius_deg)
    cosine = np.clip(cosine, 0.0, 1.0)
    seeliger = 2.0 * cosine / np.maximum(cosine + normal, 1e-6)
    bright = shown * ((1.0 - LAMBERT) * seeliger + LAMBERT * cosine)
    missing = ~np.isfinite(heights[inner]) | ~np.isfinite(bright)
    bright[missing] = np.nan
    return bright.astype(np.float32), float(elevation[elevation.shape[0] // 2].mean())


def greys(bright: Float32, median: float) -> UInt8:
    """Convert brightness to grey levels.

    Parameters
    ----------
    bright : ndarray of float32
        Brightness of `shade`; NaN for nodata.
    median : float
        Median brightness of the sunlit ground, which becomes `MEDIAN_GREY`.

    Returns
    -------
    ndarray of uint8
        `DARKEST` to 255, and `NODATA`.
    """
    scaled = MEDIAN_GREY * (np.maximum(bright, 0.0) / max(median, 1e-9)) ** (1.0 / GAMMA)
    grey = np.clip(np.rint(scaled), DARKEST, 255.0)
    shown: UInt8 = np.where(np.isfinite(bright), grey, NODATA).astype(np.uint8)
    return shown
