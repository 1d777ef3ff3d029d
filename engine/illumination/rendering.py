"""The stage ``render-orbital``: what an elevation model looks like from above at a moment."""

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
"""Share of Lambert's law beside Lommel-Seeliger's (McEwen 1991, Icarus 92, 298)."""

USUAL_GREY = 110.0
"""Grey of ground that is lit as the median of the lit is."""

GAMMA = 1.8

NODATA = 0
DARKEST = 1
"""Grey of shadows: 0 is nodata."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where the Sun stands at a time: over which point, how far away, how wide."""

    time: dt.datetime
    sun: Body

    @property
    def bearing_deg(self) -> float:
        """Longitude of the point that has the Sun at its zenith."""
        return float(self.sun.lon_deg[0])


def at(text: str) -> Moment:
    """Return where the Sun stands at a time.

    Parameters
    ----------
    text : str
        UTC, ISO 8601: ``2027-01-15T06:00``, or a date for its midnight.

    Raises
    ------
    ParameterError
        If it is no time, or none for which the ephemeris holds.
    """
    try:
        time = dt.datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError as error:
        raise ParameterError(
            f"--time: {text!r} is no time", "Write it like 2027-01-15T06:00, in UTC"
        ) from error
    if time.tzinfo is not None:
        time = time.astimezone(dt.UTC).replace(tzinfo=None)
    if not 1960 <= time.year <= 2100:
        raise ParameterError(
            f"--time: {text} lies outside 1960 to 2100, for which the Sun's place is known",
            "Choose a time between",
        )
    midnight = dt.datetime.combine(time.date(), dt.time())
    days = (time - midnight) / dt.timedelta(days=1)
    sun, _ = sun_and_earth(time.toordinal() + 1_721_424.5, np.array([days]))
    return Moment(time, sun)


def shade(dem: Dem, horizon_deg: Float32, rows: slice, moment: Moment) -> tuple[Float32, float]:
    """Return the brightness of some rows, NaN for nodata, and the Sun's elevation in their middle.

    The lunar-Lambert law, with the camera straight above, times the part of the Sun's disc that
    the horizon leaves. Cast shadows are those of the whole elevation model and its far field.

    Parameters
    ----------
    dem : Dem
        Heights.
    horizon_deg : ndarray of float32, shape of the grid
        Towards the Sun.
    rows : slice
        Which rows.
    moment : Moment
        Where the Sun stands.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        0 in shadow, 1 where the Sun is overhead of level ground.
    float
        Degrees.
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
    # Slopes on the map are those on the ground times the map's scale, within 0.7 % at 80°S.
    normal = 1.0 / np.sqrt(1.0 + south * south + east * east)
    cosine = (
        np.sin(height) - east * np.sin(toward) * level + south * np.cos(toward) * level
    ) * normal
    shown = visible_fraction(horizon_deg[rows].astype(np.float64), elevation, moment.sun.radius_deg)
    cosine = np.clip(cosine, 0.0, 1.0)
    seeliger = 2.0 * cosine / np.maximum(cosine + normal, 1e-6)
    bright = shown * ((1.0 - LAMBERT) * seeliger + LAMBERT * cosine)
    unknown = ~np.isfinite(heights[inner]) | ~np.isfinite(bright)
    bright[unknown] = np.nan
    return bright.astype(np.float32), float(elevation[elevation.shape[0] // 2].mean())


def greys(bright: Float32, usual: float) -> UInt8:
    """Return brightness as greys from `DARKEST` to 255, and `NODATA`."""
    scaled = USUAL_GREY * (np.maximum(bright, 0.0) / max(usual, 1e-9)) ** (1.0 / GAMMA)
    grey = np.clip(np.rint(scaled), DARKEST, 255.0)
    shown: UInt8 = np.where(np.isfinite(bright), grey, NODATA).astype(np.uint8)
    return shown
