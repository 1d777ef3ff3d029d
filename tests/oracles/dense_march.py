"""Reference for sweep and lighting: brute force, implemented independently."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.illumination.ephemeris import elevation_azimuth, visible_fraction
from lunarsite.engine.illumination.horizon import chunks, march, pack
from lunarsite.engine.moon import RADIUS_M

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.illumination.ephemeris import Ephemeris
    from lunarsite.engine.io.grid import Dem

    Float = NDArray[np.float64]

_NEWTON_STEPS = 8


def edge_crossing_horizons(
    dem: Dem, bearing_deg: float, offset: float, *, columns: bool
) -> tuple[NDArray[np.int64], Float]:
    """Return the horizon at the crossings of a great circle with the columns or rows of a grid.

    The profile is sampled at every crossing of the circle with a line through pixel centres, and
    the horizon is the maximum over all pairs: O(N²), without a hull.

    Parameters
    ----------
    dem : Dem
        Heights without gaps along the line.
    bearing_deg : float
        Longitude of the point of the equator on the circle.
    offset : float
        Tangent of the angle between the circle and the pole, positive to the right.
    columns : bool
        Whether the crossings with columns are returned, otherwise those with rows.

    Returns
    -------
    index : ndarray of int64
        Columns (or rows) that the circle crosses inside the grid.
    horizon_deg : ndarray of float64
        Elevation of the horizon at the crossing; -90 if there is no terrain ahead.
    """
    bearing = np.radians(bearing_deg)
    toward = np.array([np.sin(bearing), np.cos(bearing)])
    across = np.array([np.cos(bearing), -np.sin(bearing)])
    x, y = dem.grid.column_x_m() / RADIUS_M, dem.grid.row_y_m() / RADIUS_M
    along, heights, of_column, index = [], [], [], []
    for axis, lines in ((0, x), (1, y)):
        if abs(toward[axis]) < 1e-12:
            continue
        s = _meet(lines, axis, toward, across, offset)
        other = _stereographic(s, offset, toward, across)[1 - axis]
        across_lines = y if axis == 0 else x
        place = (other - across_lines[0]) / (across_lines[1] - across_lines[0])
        rows = len(y) if axis == 0 else len(x)
        inside = np.flatnonzero((place >= 0) & (place <= rows - 1))
        low = np.minimum(place[inside].astype(int), rows - 2)
        part = place[inside] - low
        if axis == 0:
            z = (1 - part) * dem.height_m[low, inside] + part * dem.height_m[low + 1, inside]
        else:
            z = (1 - part) * dem.height_m[inside, low] + part * dem.height_m[inside, low + 1]
        along.append(s[inside])
        heights.append(z)
        of_column.append(np.full(len(inside), axis == 0))
        index.append(inside)
    s = np.concatenate(along)
    theta = np.arctan(s / np.sqrt(1.0 + offset**2))
    radius = RADIUS_M + np.concatenate(heights)
    selected = np.concatenate(of_column) == columns
    if not selected.any():
        return np.zeros(0, np.int64), np.zeros(0)
    apart = theta[None, :] - theta[selected, None]
    rise = radius[None, :] * np.cos(apart) - radius[selected, None]
    angle = np.degrees(np.arctan2(rise, radius[None, :] * np.sin(apart)))
    angle[apart <= 1e-9] = -90.0
    return np.concatenate(index)[selected], angle.max(axis=1)


def marched_light(
    dem: Dem,
    far: Sequence[Dem],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    sky: Ephemeris,
    context: Context,
    *,
    azimuth_step_deg: float = 1.0,
    step_px: float = 0.25,
    mast_height_m: float = 0.0,
) -> tuple[Float, Float]:
    """Return average illumination and Earth visibility (centre) of pixels, percent.

    Horizons are computed by a dense march on the sphere from the pixel centres, in geographic
    azimuths; Sun and Earth are evaluated at every time step with their true elevation and azimuth.
    """
    x, y = dem.grid.column_x_m()[columns], dem.grid.row_y_m()[rows]
    lon, lat = moon.xy_to_lonlat(x, y)
    azimuth = np.arange(0.0, 360.0, azimuth_step_deg)
    around = np.append(azimuth, 360.0)
    packed = pack(far)

    def work(part: tuple[int, int]) -> list[tuple[float, float]]:
        here = slice(*part)
        horizons, _ = march(
            dem,
            packed,
            x[here],
            y[here],
            azimuth,
            mast_height_m=mast_height_m,
            step_px=step_px,
        )
        shares = []
        for k, horizon in enumerate(horizons, part[0]):
            ring = np.append(horizon, horizon[0])
            up, where = elevation_azimuth(float(lon[k]), float(lat[k]), sky.sun)
            sun = visible_fraction(np.interp(where, around, ring), up, sky.sun.radius_deg)
            up, where = elevation_azimuth(float(lon[k]), float(lat[k]), sky.earth)
            earth = up > np.interp(where, around, ring)
            shares.append((100.0 * float(sun.mean()), 100.0 * float(earth.mean())))
        return shares

    parts = list(chunks(len(x), max(context.threads, len(x) // 100)))
    light = [pair for shares in context.pool().map(work, parts) for pair in shares]
    sun, earth = np.array(light).T
    return sun, earth


def _stereographic(s: Float, t: float, toward: Float, across: Float) -> tuple[Float, Float]:
    """Return the map position, in radii, of gnomonic coordinates along and across a bearing."""
    shrink = 2.0 / (1.0 + np.sqrt(1.0 + s * s + t * t))
    return (s * toward[0] + t * across[0]) * shrink, (s * toward[1] + t * across[1]) * shrink


def _meet(lines: Float, axis: int, toward: Float, across: Float, t: float) -> Float:
    """Return the positions along the circle at which a map coordinate has some values (Newton)."""
    s = (lines - t * across[axis]) / toward[axis]
    for _ in range(_NEWTON_STEPS):
        step = 1e-7
        here = _stereographic(s, t, toward, across)[axis]
        slope = (_stereographic(s + step, t, toward, across)[axis] - here) / step
        s = s - (here - lines) / slope
    return np.asarray(s, np.float64)


def local_horizons(
    latitude_threshold_deg: NDArray[np.float32], bearing_deg: Float, lon_deg: float, lat_deg: float
) -> Float:
    """Return the horizon of a point above its local level by bearing, degrees, from thresholds."""
    tau = np.radians(90.0 + lat_deg)
    turn = np.radians(lon_deg - bearing_deg)
    across = np.arctan(np.tan(tau) * np.sin(turn))
    along = np.arctan(np.tan(tau) * np.cos(turn) * np.cos(across))
    slope = np.tan(np.radians(-latitude_threshold_deg.astype(np.float64))) * np.cos(across)
    return np.asarray(np.degrees(np.arctan(slope) + along))
