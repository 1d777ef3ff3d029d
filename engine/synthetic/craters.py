"""A synthetic crater population and its effect on the terrain.

Diameters follow the empirical saturation of the highlands, N(≥ D) = a D^-1.83 per km² with D in km
(Hartmann 1984, Icarus 60, 56: a = 10^-1.14; heavily cratered terrain reaches about half of it).
In equilibrium, craters have every age up to that at which they vanish, so their degradation state
κt/R², called wear here and in the catalogue, is uniformly distributed. Above the transition to
complex craters, the surface is younger than the lifetime of the craters.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.synthetic import _crater_kernels, profiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.io.grid import Grid

    Float32 = NDArray[np.float32]
    Record = NDArray[np.void]

SATURATION_PER_KM2 = 10.0**-1.14
SLOPE = 1.83
LARGEST_SLOPE = 2.2
"""Slope above `BREAK_M`, where the surface is not saturated and follows the steeper production
function."""

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
"""A crater: position, rim crest diameter, present depth, wear κt/R², fresh depth and outline."""


def population(
    grid: Grid,
    rng: np.random.Generator,
    *,
    min_diameter_m: float,
    max_diameter_m: float,
    density: float,
) -> Record:
    """Draw the craters that reach into a grid, oldest first.

    Parameters
    ----------
    grid : Grid
        The area. Craters centred outside that reach into it are included.
    rng : numpy.random.Generator
        Random number generator.
    min_diameter_m, max_diameter_m : float
        Range of rim diameters, metres on the ground.
    density : float
        Fraction of Hartmann's saturation.

    Returns
    -------
    ndarray of `CRATER`
        In order of formation.

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
        # The map is enlarged by its scale k: a square metre of it covers 1/k² m² of ground.
        kept = rng.random(count) * moon.map_scale(part["x_m"], part["y_m"]) ** 2 <= 1.0
        parts.append(part[kept])
    craters: Record = np.concatenate(parts)
    count = craters.size
    diameter = craters["diameter_m"]
    wear_limit = profiles.WEAR_MAX * np.minimum(1.0, profiles.SIMPLE_M / diameter)
    craters["wear"] = wear_limit * rng.random(count)
    spread = np.exp(0.12 * rng.standard_normal(count))
    craters["fresh_depth_m"] = profiles.fresh_depth_m(diameter) * spread
    craters["depth_m"] = craters["fresh_depth_m"] * profiles.depth_ratio(diameter, craters["wear"])
    strength = np.array([0.04, 0.03, 0.02, 0.015])
    craters["lobe"] = strength * np.abs(rng.standard_normal((count, 4)))
    craters["lobe_angle"] = 2.0 * np.pi * rng.random((count, 4))
    # Wear as a fraction of the lifetime: the same κt erases small craters before large ones.
    age = craters["wear"] / wear_limit
    ordered: Record = craters[np.argsort(-age, kind="stable")]
    return ordered


def stamp(height_m: Float32, grid: Grid, craters: Record) -> None:
    """Stamp craters into the terrain, one after the other, in place.

    Parameters
    ----------
    height_m : ndarray of float32, shape of the grid
        Heights in metres, changed in place; no nodata.
    grid : Grid
        Grid of the heights.
    craters : ndarray of `CRATER`
        In order of formation. They may be stamped in several calls.
    """
    scale = moon.map_scale(craters["x_m"], craters["y_m"]) / grid.pixel_m
    geometry = np.column_stack(
        [
            (craters["x_m"] - grid.x_min_m) / grid.pixel_m - 0.5,
            (grid.y_max_m - craters["y_m"]) / grid.pixel_m - 0.5,
            0.5 * craters["diameter_m"] * scale,
            craters["fresh_depth_m"],
            profiles.wear_column(craters["wear"]),
        ]
    )
    outline = np.stack(
        [
            craters["lobe"] * np.cos(craters["lobe_angle"]),
            craters["lobe"] * np.sin(craters["lobe_angle"]),
        ],
        axis=2,
    )
    _crater_kernels.stamp(
        height_m, geometry, outline, profiles.class_of(craters["diameter_m"]), profiles.tables()
    )


def _cumulative(diameter_m: float) -> float:
    """Return the cumulative crater frequency N(≥ D) per km² at saturation."""
    km, edge = diameter_m / 1000.0, BREAK_M / 1000.0
    if km <= edge:
        return float(SATURATION_PER_KM2 * km**-SLOPE)
    return float(SATURATION_PER_KM2 * edge**-SLOPE * (km / edge) ** -LARGEST_SLOPE)
