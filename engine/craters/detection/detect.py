"""Crater detection in an elevation model in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import device
from lunarsite.engine.context import Context, require_context
from lunarsite.engine.craters import output, pyramid
from lunarsite.engine.craters.detection import search, template
from lunarsite.engine.craters.error_curves import ErrorCurves
from lunarsite.engine.craters.model import weights
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.io.grid import Dem, require_dem, require_number

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd

PRECISION = 0.75
"""Default of the estimated precision that is kept."""

METHODS = ("network", "template")


def detect_craters(
    dem: Dem,
    *,
    min_diameter_m: float | None = None,
    min_confidence: float | None = None,
    precision: float = PRECISION,
    method: str = "network",
    checkpoint: str | Path | None = None,
    context: Context | None = None,
) -> gpd.GeoDataFrame:
    """Detect craters in an elevation model.

    Parameters
    ----------
    dem : Dem
        The elevation model; NaN for nodata.
    min_diameter_m : float, optional
        Least diameter on the ground, metres; ten pixels by default.
    min_confidence : float, optional
        Least confidence, 0 to 1. By default the network's is chosen for the elevation model, by
        ``precision``, and that of the template is fixed.
    precision : float, optional
        Least precision of the detections, 0 to 1, as a second search in the ground upside down
        estimates it, or their mean confidence if that is higher; without effect if
        ``min_confidence`` is given.
    method : {"network", "template"}, optional
        The trained network, or template matching without one.
    checkpoint : path, optional
        Network trained with ``train-craters``, instead of the one that ships.
    context : Context, optional
        Threads, device, progress, cancellation; receives warnings.

    Returns
    -------
    GeoDataFrame
        A point for each crater on the south polar stereographic map, the most confident first:
        ``lon_deg``, ``lat_deg``, ``x_m``, ``y_m``, ``diameter_m``, ``depth_m``, ``confidence``,
        ``rim_height_m``, ``diameter_error_m``, ``depth_error_m``, ``cut_by_edge``. Its ``attrs``
        hold the threshold and the estimated precision.

    Raises
    ------
    ParameterError
        If an argument is of the wrong type or out of range.
    InputError
        If the checkpoint cannot be used.

    References
    ----------
    Centre heat maps by size octave, merged across scales; gates and tiles after Silburt et al.
    (2019), Icarus 317:27.

    Examples
    --------
    A parabolic bowl 4 km wide with a raised rim:

    >>> import numpy as np
    >>> axis_m = np.arange(-80, 80) * 100.0 + 50.0
    >>> radius = np.hypot(axis_m[None, :], axis_m[:, None]) / 2000.0
    >>> rim = 150.0 * np.exp(-np.abs(radius - 1.0) * 4.0)
    >>> bowl = np.where(radius < 1.0, -600.0 * (1.0 - radius**2), 0.0) + rim
    >>> dem = Dem.from_array(bowl, pixel_m=100.0, x_min_m=-8000.0, y_max_m=8000.0)
    >>> craters = detect_craters(dem, min_diameter_m=2000.0)
    >>> len(craters), bool(abs(craters["diameter_m"].iloc[0] / 4000.0 - 1.0) < 0.25)
    (1, True)
    """
    require_dem(dem)
    if method not in METHODS:
        raise ParameterError(f"method is {method!r}", f"Choose one of: {', '.join(METHODS)}")
    if min_diameter_m is not None:
        require_number("min_diameter_m", min_diameter_m, 0.0, 1e7)
    if min_confidence is not None:
        require_number("min_confidence", min_confidence, 0.0, 1.0)
    require_number("precision", precision, 0.0, 1.0)
    search.check_pixel(dem.grid)
    surroundings = require_context(context)
    least_m = search.least_diameter_m(min_diameter_m, dem.grid, surroundings)
    levels = pyramid.of(dem.grid, dem.height_m, np.zeros)
    if method == "template":
        default = template.Curve.fitted().threshold
        found = search.find_by_template(levels, surroundings)
        chosen = search.Threshold(default, search.CALIBRATED, None)
        if min_confidence is not None:
            chosen = search.Threshold(min_confidence, search.GIVEN, None)
        errors = None
    else:
        trained = weights.load(checkpoint or weights.BUNDLED)
        calibration, errors = search.calibration_of(trained), ErrorCurves.of(trained.card)
        search.warn_of_calibration(trained, surroundings)
        searches = 2 if min_confidence is None else 1
        cpu_s = search.cpu_s(dem.grid, surroundings, searches=searches)
        runner = trained.runner(device.for_networks(surroundings, cpu_s).kind, surroundings)
        found, chosen = search.find_listed(
            levels,
            runner,
            calibration,
            surroundings,
            precision=precision,
            least_m=least_m,
            min_confidence=min_confidence,
            by_confidence=search.is_calibrated_on_real_ground(trained),
        )
    table = output.table(found.at_least(least_m, chosen.confidence), levels, errors)
    table.attrs |= chosen.as_dict()
    return table
