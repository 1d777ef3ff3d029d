"""A population of craters, and how each changes the ground.

Sizes follow the empirical saturation of the highlands, N(≥ D) = a D^-1.83 per km² with D in km
(Hartmann 1984, Icarus 60, 56: a = 10^-1.14; heavily cratered ground holds about half of it).
Craters in equilibrium are of every age up to the one at which they vanish, so their wear κt/R² is
uniform; above the transition to complex craters the surface is younger than their lives.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.synthetic import _crater_kernels as crater_kernels
from lunarsite.engine.synthetic import profiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.io.raster import Grid

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

    Raises
    ------
    ParameterError
        If the smallest diameter is not below the largest.
    """
    if not 0.0 < min_diameter_m < max_diameter_m:
        raise ParameterError(
            f"The smallest crater ({min_diameter_m:g} m) is not smaller than the largest "
            f"({max_diameter_m:g} m)",
            "Lower --min-diameter-m or raise --max-diameter-m",
        )
    edges = [min_diameter_m]
    while edges[-1] < max_diameter_m:
        edges.append(min(edges[-1] * math.sqrt(2.0), max_diameter_m))
    west, south, east, north = grid.bounds
    parts = []
    for low, high in itertools.pairwise(edges):
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
    strength = np.array([0.04, 0.03, 0.02, 0.015])
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
        In the order in which they formed; all of them, or some of them after others.
    """
    scale = moon.map_scale(craters["x_m"], craters["y_m"]) / grid.pixel_m
    place = np.column_stack(
        [
            (craters["x_m"] - grid.x_min_m) / grid.pixel_m - 0.5,
            (grid.y_max_m - craters["y_m"]) / grid.pixel_m - 0.5,
            0.5 * craters["diameter_m"] * scale,
            craters["fresh_depth_m"],
            profiles.wear_row(craters["wear"]),
        ]
    )
    outline = np.stack(
        [
            craters["lobe"] * np.cos(craters["lobe_angle"]),
            craters["lobe"] * np.sin(craters["lobe_angle"]),
        ],
        axis=2,
    )
    crater_kernels.stamp(
        height_m, place, outline, profiles.class_of(craters["diameter_m"]), profiles.tables()
    )


def _cumulative(diameter_m: float) -> float:
    """Return N(≥ D) per km² at saturation."""
    km, edge = diameter_m / 1000.0, BREAK_M / 1000.0
    if km <= edge:
        return float(SATURATION_PER_KM2 * km**-SLOPE)
    return float(SATURATION_PER_KM2 * edge**-SLOPE * (km / edge) ** -LARGEST_SLOPE)
