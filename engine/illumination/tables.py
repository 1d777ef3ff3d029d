"""Layers of light, and the tables that they are looked up in.

A table has what a body contributes to the light at each bearing, as a function of the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import stages
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.illumination import _gather_kernels
from lunarsite.engine.illumination.ephemeris import visible_fraction
from lunarsite.engine.io.grid import require_number
from lunarsite.engine.moon import RADIUS_M

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.illumination.ephemeris import Body, Ephemeris

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

EARTH_PARTS = ("centre", "any", "whole")
"""What must be above the horizon for the Earth to count as visible: centre, any part or all."""

_STEP_DEG = 0.01
_TILT_DEG = 0.1
"""Half of the interval for the derivative with respect to the horizon, degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """Layers of illumination and Earth visibility; float32, shape of the grid, NaN for nodata.

    Parameters
    ----------
    illumination_pct : ndarray
        Average visible fraction of the Sun's disc over the span, percent.
    illumination_sensitivity : ndarray
        Loss for a horizon raised in all directions, percentage points per degree.
    earth_visibility_pct, earth_sensitivity : ndarray
        The same for the Earth.
    horizon_coverage_pct : ndarray
        Share of bearings with terrain known out to the required distance, percent.
    psr : ndarray of bool
        Whether no part of the Sun is visible in the whole span; False also where
        ``illumination_pct`` is NaN.
    method : ndarray of uint8
        1 where the horizons were marched exactly from the pixel's centre, 0 where they were swept.
    thresholds : ndarray of int16, shape (bearings, points)
        Encoded horizons of `lighting.Points`; see `lighting.decode_thresholds`.
    """

    illumination_pct: Float32
    illumination_sensitivity: Float32
    earth_visibility_pct: Float32
    earth_sensitivity: Float32
    horizon_coverage_pct: Float32
    psr: NDArray[np.bool_]
    method: NDArray[np.uint8]
    thresholds: NDArray[np.int16] = field(default_factory=lambda: np.zeros((0, 0), np.int16))


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Contribution of a body at each bearing over a span of time.

    Parameters
    ----------
    bearing_deg : ndarray of float64, shape (bearings,)
        Longitudes, degrees.
    share : ndarray of float32, shape (bearings, nodes, 2)
        ``share[bearing, node, 0]`` is the percentage of time during which the body is visible above
        a threshold of tangent ``low + node / per_step``; ``[…, 1]`` its loss per degree of horizon.
    low, per_step : float
        Tangent at the first node, and nodes per unit of tangent.
    """

    bearing_deg: Float
    share: Float32
    low: float
    per_step: float

    def active(self) -> NDArray[np.int64]:
        """Return the indices of the bearings at which the body is ever visible."""
        return np.flatnonzero(self.share[:, 0, 0] > 0.0)

    def top(self) -> float:
        """Return the tangent at the last node: above it the body is never visible."""
        return float(self.low + (self.share.shape[1] - 1) / self.per_step)

    def response(self, bearing: int) -> _gather_kernels.Response:
        """Return the table of one bearing for the kernels."""
        return _gather_kernels.Response(self.share[bearing], self.low, self.per_step)


def require_sky(azimuths: object, earth_part: str, mast_height_m: object) -> tuple[int, float]:
    """Return number of bearings and mast height, as whole number and metres.

    Raises
    ------
    ParameterError
        If one is of the wrong type or out of range, or the part of the Earth unknown.
    """
    if earth_part not in EARTH_PARTS:
        raise ParameterError(
            f"earth_part is {earth_part!r}", f"Choose one of: {', '.join(EARTH_PARTS)}"
        )
    count = require_number("azimuths", azimuths, *stages.limits("lighting", "azimuths"))
    if int(count) != count:
        raise ParameterError(f"azimuths is {azimuths!r}", "Give a whole number")
    limits = stages.limits("lighting", "mast_height_m")
    return int(count), require_number("mast_height_m", mast_height_m, *limits)


def sun_tables(sky: Ephemeris, azimuths: int) -> Tables:
    """Return the tables of the Sun: the visible fraction of its disc, averaged over time."""
    return _tables(sky.sun, azimuths, part="fraction")


def earth_tables(sky: Ephemeris, azimuths: int, part: str = "centre") -> Tables:
    """Return the tables of the Earth, for its centre, any part of its disc or all of it."""
    return _tables(sky.earth, azimuths, part=part)


def _tables(body: Body, azimuths: int, *, part: str) -> Tables:
    """Distribute the time steps of a body over bearings, linearly between the two nearest."""
    bearings = np.arange(azimuths, dtype=np.float64) * np.float64(360.0 / azimuths)
    height = -body.lat_deg
    if part != "fraction":
        # Seen from the surface rather than the centre: lower by the parallax.
        height = height - np.degrees(np.arcsin(RADIUS_M / body.distance_m))
    reach = float(np.max(np.abs(height) + body.radius_deg)) + 2 * _TILT_DEG
    count = int(2 * reach / _STEP_DEG)
    low = -np.tan(np.radians(reach))
    nodes = np.linspace(low, -low, count)
    level = np.degrees(np.arctan(nodes))
    place = np.mod(body.lon_deg, 360.0) / (360.0 / azimuths)
    before = np.floor(place).astype(np.int64)
    nearness = place - before
    shown = np.zeros((azimuths, count))
    for k in np.unique(before):
        at = before == k
        seen = _seen(level[None, :], height[at, None], body.radius_deg[at, None], part)
        shown[k % azimuths] += (1.0 - nearness[at]) @ seen
        shown[(k + 1) % azimuths] += nearness[at] @ seen
    shown *= 100.0 / len(height)
    width = round(_TILT_DEG / _STEP_DEG)
    padded = np.pad(shown, ((0, 0), (width, width)), mode="edge")
    loss = (padded[:, : -2 * width] - padded[:, 2 * width :]) / (2 * width * _STEP_DEG)
    share = np.stack([shown, loss], axis=2)
    return Tables(bearings, share.astype(np.float32), float(low), float((count - 1) / (-2.0 * low)))


def _seen(level_deg: Float, height_deg: Float, radius_deg: Float, part: str) -> Float:
    """Return how much of a body counts as visible above a horizon, 0 to 1."""
    if part == "fraction":
        return visible_fraction(level_deg, height_deg, radius_deg)
    offset = {"centre": 0.0, "any": 1.0, "whole": -1.0}[part]
    # The step is linear over one node of the table, so that interpolation is unbiased.
    return np.clip((height_deg + offset * radius_deg - level_deg) / _STEP_DEG + 0.5, 0.0, 1.0)
