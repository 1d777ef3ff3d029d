"""A population of craters, and how each changes the ground.

Sizes follow the empirical saturation of the highlands, N(≥ D) = a D^-1.83 per km² with D in km
(Hartmann 1984, Icarus 60, 56: a = 10^-1.14; heavily cratered ground holds about half of it).
Craters in equilibrium are of every age up to the one at which they vanish, so their wear κt/R² is
uniform; above the transition to complex craters the surface is younger than their lives.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numba
import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.synthetic import profiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.raster import Grid

    Float32 = NDArray[np.float32]
    Record = NDArray[np.void]

SATURATION_PER_KM2 = 10.0**-1.14
SLOPE = 1.83
LARGEST_SLOPE = 2.2
"""Above `BREAK_M` the surface is not saturated and the slope is the steeper one of production."""

BREAK_M = 60_000.0

CRATER = np.dtype(
    [
        ("x_m", np.float64),
        ("y_m", np.float64),
        ("diameter_m", np.float64),
        ("depth_m", np.float64),
        ("wear", np.float64),
        ("fresh_depth_m", np.float64),
        ("lobe", np.float64, (4,)),
        ("lobe_angle", np.float64, (4,)),
    ]
)
"""A crater: where, how wide at its rim crest, how deep now, its wear κt/R² and its outline."""


def population(
    grid: Grid,
    rng: np.random.Generator,
    *,
    min_diameter_m: float,
    max_diameter_m: float,
    density: float,
) -> Record:
    """Draw the craters that touch a grid, oldest first.

    Parameters
    ----------
    grid : Grid
        Where; craters whose centres lie outside but that reach in are among them.
    rng : numpy.random.Generator
        Source of chance.
    min_diameter_m, max_diameter_m : float
        Range of rim diameters, metres on the ground.
    density : float
        Share of Hartmann's saturation.

    Returns
    -------
    ndarray of `CRATER`
        In the order in which they formed.
    """
    edges = [min_diameter_m]
    while edges[-1] < max_diameter_m:
        edges.append(min(edges[-1] * math.sqrt(2.0), max_diameter_m))
    west, south, east, north = grid.bounds
    parts = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        margin = 0.5 * profiles.REACH * high * 1.01
        width, height = east - west + 2 * margin, north - south + 2 * margin
        mean = density * (_cumulative(low) - _cumulative(high)) * width * height / 1e6
        count = int(rng.poisson(mean))
        part = np.zeros(count, CRATER)
        part["x_m"] = west - margin + width * rng.random(count)
        part["y_m"] = south - margin + height * rng.random(count)
        slope = SLOPE if low < BREAK_M else LARGEST_SLOPE
        a, b = low**-slope, high**-slope
        part["diameter_m"] = (a + (b - a) * rng.random(count)) ** (-1.0 / slope)
        # The map is too large by k, so a square metre of it holds 1/k² of the ground.
        kept = rng.random(count) * moon.map_scale(part["x_m"], part["y_m"]) ** 2 <= 1.0
        parts.append(part[kept])
    craters: Record = np.concatenate(parts)
    count = craters.size
    diameter = craters["diameter_m"]
    longest = profiles.WEAR_MAX * np.minimum(1.0, profiles.SIMPLE_M / diameter)
    craters["wear"] = longest * rng.random(count)
    spread = np.exp(0.12 * rng.standard_normal(count))
    craters["fresh_depth_m"] = profiles.fresh_depth_m(diameter) * spread
    craters["depth_m"] = craters["fresh_depth_m"] * profiles.depth_left(diameter, craters["wear"])
    strength = np.array([0.05, 0.035, 0.02, 0.015])
    craters["lobe"] = strength * np.abs(rng.standard_normal((count, 4)))
    craters["lobe_angle"] = 2.0 * np.pi * rng.random((count, 4))
    # Wear in units of time: the same κt erases small craters before large ones.
    age = craters["wear"] / longest
    ordered: Record = craters[np.argsort(-age, kind="stable")]
    return ordered


def stamp(height_m: Float32, grid: Grid, craters: Record) -> None:
    """Let craters change the ground, one after the other, in place.

    Parameters
    ----------
    height_m : ndarray of float32, shape of the grid
        Metres, changed in place; no nodata.
    grid : Grid
        Its place.
    craters : ndarray of `CRATER`
        In the order in which they formed.
    """
    scale = moon.map_scale(craters["x_m"], craters["y_m"])
    radius_px = 0.5 * craters["diameter_m"] * scale / grid.pixel_m
    _stamp(
        height_m,
        (craters["x_m"] - grid.x_min_m) / grid.pixel_m - 0.5,
        (grid.y_max_m - craters["y_m"]) / grid.pixel_m - 0.5,
        radius_px,
        np.ascontiguousarray(craters["fresh_depth_m"]),
        profiles.class_of(craters["diameter_m"]),
        profiles.wear_row(craters["wear"]),
        np.ascontiguousarray(craters["lobe"]),
        np.ascontiguousarray(craters["lobe_angle"]),
        profiles.tables(),
    )


def _cumulative(diameter_m: float) -> float:
    """Return N(≥ D) per km² at saturation."""
    km, edge = diameter_m / 1000.0, BREAK_M / 1000.0
    if km <= edge:
        return float(SATURATION_PER_KM2 * km**-SLOPE)
    return float(SATURATION_PER_KM2 * edge**-SLOPE * (km / edge) ** -LARGEST_SLOPE)


@numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def _stamp(height, column, row, radius, depth, shape, wear, lobe, lobe_angle, tables):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    rows, columns = height.shape
    samples = tables.shape[2]
    reach = 4.0
    per_radius = (samples - 1) / reach
    for i in range(column.size):
        r = radius[i]
        c0, r0 = column[i], row[i]
        extent = reach * r * 1.3
        first_row = max(0, int(math.ceil(r0 - extent)))
        last_row = min(rows - 1, int(math.floor(r0 + extent)))
        first_column = max(0, int(math.ceil(c0 - extent)))
        last_column = min(columns - 1, int(math.floor(c0 + extent)))
        if first_row > last_row or first_column > last_column:
            continue
        ground, east, south = _plane_around(height, c0, r0, r)
        low = min(int(wear[i]), tables.shape[1] - 2)
        weight = wear[i] - low
        old, new = tables[shape[i], low], tables[shape[i], low + 1]
        # A worn crater is older than the fine relief around it, so less of that is gone.
        cleared = 0.85 * (1.0 - wear[i] / (tables.shape[1] - 1)) ** 0.5
        amplitude = depth[i]
        cos2, sin2 = (
            lobe[i, 0] * math.cos(lobe_angle[i, 0]),
            lobe[i, 0] * math.sin(lobe_angle[i, 0]),
        )
        cos3, sin3 = (
            lobe[i, 1] * math.cos(lobe_angle[i, 1]),
            lobe[i, 1] * math.sin(lobe_angle[i, 1]),
        )
        cos4, sin4 = (
            lobe[i, 2] * math.cos(lobe_angle[i, 2]),
            lobe[i, 2] * math.sin(lobe_angle[i, 2]),
        )
        cos5, sin5 = (
            lobe[i, 3] * math.cos(lobe_angle[i, 3]),
            lobe[i, 3] * math.sin(lobe_angle[i, 3]),
        )
        for y in range(first_row, last_row + 1):
            dy = (y - r0) / r
            for x in range(first_column, last_column + 1):
                dx = (x - c0) / r
                q = dx * dx + dy * dy
                if q > reach * reach * 1.69:
                    continue
                d = math.sqrt(q)
                u, v = (dx / d, dy / d) if d > 0.0 else (1.0, 0.0)
                u2, v2 = u * u - v * v, 2.0 * u * v
                u3, v3 = u2 * u - v2 * v, u2 * v + v2 * u
                u4, v4 = u2 * u2 - v2 * v2, 2.0 * u2 * v2
                u5, v5 = u4 * u - v4 * v, u4 * v + v4 * u
                d /= (
                    1.0
                    + (cos2 * u2 + sin2 * v2)
                    + (cos3 * u3 + sin3 * v3)
                    + (cos4 * u4 + sin4 * v4)
                    + (cos5 * u5 + sin5 * v5)
                )
                at = d * per_radius
                j = int(at)
                if j >= samples - 1:
                    continue
                f = at - j
                before = old[j] + f * (old[j + 1] - old[j])
                after = new[j] + f * (new[j + 1] - new[j])
                value = height[y, x]
                if d < 1.3:
                    inside = min(1.0, (1.3 - d) / 0.5)
                    inside = inside * inside * (3.0 - 2.0 * inside)
                    level = ground + east * (x - c0) + south * (y - r0)
                    value += cleared * inside * (level - value)
                height[y, x] = value + amplitude * (before + weight * (after - before))


@numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def _plane_around(height, c0, r0, r):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return height and slopes per pixel of the plane through 16 points on the rim."""
    rows, columns = height.shape
    total = 0.0
    east = 0.0
    south = 0.0
    for n in range(16):
        angle = n * math.pi / 8.0
        dx, dy = r * math.cos(angle), r * math.sin(angle)
        y = min(max(int(math.floor(r0 + dy + 0.5)), 0), rows - 1)
        x = min(max(int(math.floor(c0 + dx + 0.5)), 0), columns - 1)
        total += height[y, x]
        east += height[y, x] * dx
        south += height[y, x] * dy
    return total / 16.0, east / (8.0 * r * r), south / (8.0 * r * r)
