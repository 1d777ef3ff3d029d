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

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import stages
from lunarsite.engine.context import Context, require_context
from lunarsite.engine.illumination import _gather_kernels
from lunarsite.engine.illumination.crests import march_crests
from lunarsite.engine.illumination.ephemeris import ephemeris
from lunarsite.engine.illumination.horizon import NO_MAST, Sweep, chunks
from lunarsite.engine.illumination.tables import Light, earth_tables, require_sky, sun_tables
from lunarsite.engine.io.grid import Dem, require_dem, require_dems, require_number
from lunarsite.engine.moon import RADIUS_M

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.illumination._horizon_kernels import Slopes
    from lunarsite.engine.illumination.ephemeris import Ephemeris
    from lunarsite.engine.io.workspace import Allocator

    Float32 = NDArray[np.float32]

_REACH_M = 90_000.0
_COMPLETE_PCT = 99.5
_SWEPT = 0.85
"""Share of the sweep in the time of the light where crests are marched."""
_REACH_EVERY = 5
"""The coverage of the terrain changes slowly with the bearing: every fifth one is evaluated."""


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


def light(
    sweep: Sweep,
    sky: Ephemeris,
    context: Context,
    *,
    azimuths: int = 360,
    earth_part: str = "centre",
    required_reach_m: float = _REACH_M,
    points: Points | None = None,
    exact_share_pct: float = 0.0,
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
    exact_share_pct : float, optional
        Share of the pixels, the best-lit ones, whose horizons are marched exactly, percent.
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
    swept = _SWEPT if exact_share_pct > 0.0 else 1.0
    for k in range(azimuths):
        context.progress(swept * k / azimuths, "horizons")
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
    method = scratch(shape, np.uint8)
    found = Light(sunlit, sun_loss, earthlit, earth_loss, covered, psr, method, thresholds)
    if exact_share_pct > 0.0:
        march_crests(
            found,
            sweep,
            sky,
            context.part(swept, 1.0),
            (sun, earth),
            earth_part,
            exact_share_pct,
            scratch,
        )
    return found


def illumination(
    dem: Dem,
    start: str = "2027-01-01",
    stop: str | None = None,
    *,
    far_field: Sequence[Dem] = (),
    mast_height_m: float = 2.0,
    step_hours: float = 6.0,
    azimuths: int = 360,
    earth_part: str = "centre",
    exact_share_pct: float = 0.3,
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
    exact_share_pct : float, optional
        Share of the pixels whose horizons are marched exactly from their centres, percent: the
        best-lit ones, which are on crests, where the sweep errs most. ``method`` says which.
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
    count, mast = require_sky(azimuths, earth_part, mast_height_m)
    sky = ephemeris(start, stop, step_hours=step_hours)
    sweep = Sweep(dem, far, mast_height_m=mast)
    context = require_context(context)
    if mast == 0.0:
        context.warn(NO_MAST)
    share = require_number(
        "exact_share_pct", exact_share_pct, *stages.limits("lighting", "exact_share_pct")
    )
    layers = light(
        sweep, sky, context, azimuths=count, earth_part=earth_part, exact_share_pct=share
    )
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
