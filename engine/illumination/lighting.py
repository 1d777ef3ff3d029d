"""Average illumination, Earth visibility and permanent shadow of a whole raster.

For each bearing, the sweep of `horizon` gives the latitude south of which a body at that longitude
is visible from each pixel. The positions of Sun and Earth at that bearing over the span of dates
are tabulated once: the share of time during which the body is visible as a function of that
threshold. A pixel then costs one look-up per bearing, independent of the length of the span.

Sun and Earth are up to 1.6° and 6.9° from the equator, but are treated as in the plane of the great
circle to the equator below them. The error in azimuth is sin(τ) times that angle, where τ is the
angle of the pixel from the pole across the line of sight: 0.28° for the Sun at 80°S, symmetric to
the left and right.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import stages
from lunarsite.engine.context import Context, require_context
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.illumination import _gather_kernels
from lunarsite.engine.illumination.ephemeris import Body, ephemeris, visible_fraction
from lunarsite.engine.illumination.horizon import Sweep, chunks
from lunarsite.engine.io.grid import Dem, require_dem, require_dems, require_number
from lunarsite.engine.moon import RADIUS_M

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.illumination._horizon_kernels import Slopes
    from lunarsite.engine.illumination.ephemeris import Ephemeris
    from lunarsite.engine.io.workspace import Allocator

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

EARTH_PARTS = ("centre", "any", "whole")
"""What must be above the horizon for the Earth to count as visible: centre, any part or all."""

_STEP_DEG = 0.01
_REACH_M = 90_000.0
_COMPLETE_PCT = 99.5
_REACH_EVERY = 5
"""The coverage of the terrain changes slowly with the bearing: every fifth one is evaluated."""
_TILT_DEG = 0.1
"""Half of the interval for the derivative with respect to the horizon, degrees."""


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

    def response(self, bearing: int) -> _gather_kernels.Response:
        """Return the table of one bearing for the kernels."""
        return _gather_kernels.Response(self.share[bearing], self.low, self.per_step)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Pixels whose horizons are stored for layers that need the whole time series.

    Parameters
    ----------
    row, column : ndarray of int64, shape (points,)
        Position in the grid.
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]


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
    thresholds : ndarray of int16, shape (bearings, points)
        Encoded horizons of `Points`; see `decode_thresholds`.
    """

    illumination_pct: Float32
    illumination_sensitivity: Float32
    earth_visibility_pct: Float32
    earth_sensitivity: Float32
    horizon_coverage_pct: Float32
    psr: NDArray[np.bool_]
    thresholds: NDArray[np.int16] = field(default_factory=lambda: np.zeros((0, 0), np.int16))


def sun_tables(sky: Ephemeris, azimuths: int) -> Tables:
    """Return the tables of the Sun: the visible fraction of its disc, averaged over time."""
    return _tables(sky.sun, azimuths, part="fraction")


def earth_tables(sky: Ephemeris, azimuths: int, part: str = "centre") -> Tables:
    """Return the tables of the Earth, for its centre, any part of its disc or all of it."""
    return _tables(sky.earth, azimuths, part=part)


def light(
    sweep: Sweep,
    sky: Ephemeris,
    context: Context,
    *,
    azimuths: int = 360,
    earth_part: str = "centre",
    required_reach_m: float = _REACH_M,
    points: Points | None = None,
    scratch: Allocator = np.zeros,
) -> Light:
    """Return average illumination, Earth visibility and permanent shadow over a span of dates.

    Parameters
    ----------
    sweep : Sweep
        The terrain.
    sky : Ephemeris
        Sun and Earth over the span.
    context : Context
        Threads, progress and cancellation.
    azimuths : int, optional
        Number of bearings.
    earth_part : str, optional
        One of `EARTH_PARTS`.
    required_reach_m : float, optional
        Ground distance to which terrain must be known for a bearing to count as covered, metres.
    points : Points, optional
        Pixels whose horizons are stored.
    scratch : callable, optional
        Allocates the arrays of the layers and of the stored horizons, filled with zeros.

    Returns
    -------
    Light
        All layers.
    """
    sun, earth = sun_tables(sky, azimuths), earth_tables(sky, azimuths, earth_part)
    shape = sweep.grid.shape
    layers = [scratch(shape, np.float32) for _ in range(5)]
    sunlit, sun_loss, earthlit, earth_loss, covered = layers
    facing_earth = set(earth.active().tolist())
    sunny = set(sun.active().tolist())
    count = 0 if points is None else len(points.row)
    thresholds = scratch((azimuths if count else 0, count), np.int16)
    thresholds[:] = -32768
    required = float(np.tan(required_reach_m / RADIUS_M))
    reach_share = 100.0 / len(range(0, azimuths, _REACH_EVERY))
    for k in range(azimuths):
        context.progress(k / azimuths, "horizons")
        slopes = sweep.slopes(float(sun.bearing_deg[k]), context)

        def gather(rows: tuple[int, int], k: int = k, slopes: Slopes = slopes) -> None:
            if k in sunny:
                _gather_kernels.gather_light(slopes, sun.response(k), *rows, sunlit, sun_loss)
            if k in facing_earth:
                _gather_kernels.gather_light(slopes, earth.response(k), *rows, earthlit, earth_loss)
            if k % _REACH_EVERY == 0:
                _gather_kernels.gather_reach(slopes, required, reach_share, *rows, covered)

        for _ in context.pool().map(gather, chunks(shape[0], context.threads)):
            context.check()
        if points is not None and count:
            _gather_kernels.gather_points(
                slopes, points.row, points.column, threshold_encoding(), thresholds[k]
            )
    missing = ~np.isfinite(sweep.own_height_m)
    psr = (sunlit == 0.0) & ~missing
    for layer in layers:
        layer[missing] = np.nan
    return Light(sunlit, sun_loss, earthlit, earth_loss, covered, psr, thresholds)


def illumination(
    dem: Dem,
    start: str = "2027-01-01",
    stop: str | None = None,
    *,
    far_field: Sequence[Dem] = (),
    mast_height_m: float = 0.0,
    step_hours: float = 6.0,
    azimuths: int = 360,
    earth_part: str = "centre",
    context: Context | None = None,
) -> Light:
    """Return average illumination, Earth visibility and permanent shadow over a span of dates.

    Parameters
    ----------
    dem : Dem
        The area.
    start, stop : str, optional
        Dates, YYYY-MM-DD, 0 h UTC. ``stop`` defaults to one lunar nodal cycle of 18.6 years after
        ``start``, when the paths of Sun and Earth repeat.
    far_field : sequence of Dem, optional
        Coarser models around it: near the pole, terrain 100 km away casts shadows.
    mast_height_m : float, optional
        Height of the solar panel or antenna above the ground, metres.
    step_hours : float, optional
        Time between two positions of Sun and Earth, hours.
    azimuths : int, optional
        Number of directions for which horizons are computed.
    earth_part : {"centre", "any", "whole"}, optional
        Part of the Earth's disc that must be above the horizon for it to count as visible.
    context : Context, optional
        Threads, progress, cancellation.

    Returns
    -------
    Light
        Layers of float32, shape of the grid: ``illumination_pct``, ``earth_visibility_pct``,
        ``horizon_coverage_pct`` and sensitivities, NaN where unknown; ``psr``, bool.

    Raises
    ------
    ParameterError
        If an argument is of the wrong type, or the dates are outside 1972 to 2100.

    References
    ----------
    Mazarico et al. (2011), Icarus 211:1066; horizons by Dozier, Bruno & Downey (1981).

    Examples
    --------
    At the pole the floor of a deep bowl is in permanent shadow, but its rim is sunlit:

    >>> import numpy as np
    >>> axis_m = np.arange(-20, 20) * 500.0 + 250.0
    >>> radius_m = np.hypot(axis_m[None, :], axis_m[:, None])
    >>> bowl = np.where(radius_m < 6e3, -3000.0 * (1.0 - (radius_m / 6e3) ** 2), 0.0)
    >>> dem = Dem.from_array(bowl, pixel_m=500.0, x_min_m=-1e4, y_max_m=1e4)
    >>> light = illumination(dem, "2027-01-01", "2028-01-01", azimuths=72)
    >>> bool(light.psr[20, 20]), bool(light.illumination_pct.max() > 30.0)
    (True, True)
    """
    require_dem(dem)
    far = require_dems(far_field)
    if earth_part not in EARTH_PARTS:
        raise ParameterError(
            f"earth_part is {earth_part!r}", f"Choose one of: {', '.join(EARTH_PARTS)}"
        )
    count = int(require_number("azimuths", azimuths, *stages.limits("lighting", "azimuths")))
    if count != azimuths:
        raise ParameterError(f"azimuths is {azimuths!r}", "Give a whole number")
    mast = require_number(
        "mast_height_m", mast_height_m, *stages.limits("lighting", "mast_height_m")
    )
    sky = ephemeris(start, stop, step_hours=step_hours)
    sweep = Sweep(dem, far, mast_height_m=mast)
    context = require_context(context)
    layers = light(sweep, sky, context, azimuths=count, earth_part=earth_part)
    known = int(np.isfinite(dem.height_m).sum())
    short_pct = 100.0 * float((layers.horizon_coverage_pct < _COMPLETE_PCT).sum()) / known
    if short_pct > 0.0:
        context.warn(
            f"Terrain is not known out to {_REACH_M / 1000.0:g} km in every direction for "
            f"{short_pct:.1f} % of the pixels: their horizons may be too low. Give a far_field "
            "that surrounds the DEM; horizon_coverage_pct has the pixels."
        )
    return layers


def threshold_encoding() -> _gather_kernels.Encoding:
    """Return the encoding of horizons, for the latitudes of the Sun: ±2.5°."""
    low = -np.tan(np.radians(2.5))
    return _gather_kernels.Encoding(float(low), float(65_534.0 / (-2.0 * low)))


def decode_thresholds(encoded: NDArray[np.int16]) -> Float32:
    """Decode stored horizons to threshold latitudes of the Sun.

    Parameters
    ----------
    encoded : ndarray of int16, shape (bearings, points)
        ``thresholds`` of `Light`.

    Returns
    -------
    ndarray of float32, shape (bearings, points)
        Degrees north, clipped to ±2.5°: the centre of the Sun is visible when it is farther south.
        NaN where unknown.
    """
    low, scale = threshold_encoding()
    tangent = (encoded.astype(np.float32) + np.float32(32_767.0)) / np.float32(scale) + np.float32(
        low
    )
    out = -np.degrees(np.arctan(tangent))
    out[encoded == -32768] = np.nan
    return np.asarray(out, dtype=np.float32)


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
