"""The stages as Python functions, from input files to output files."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from lunarsite.engine import stages
from lunarsite.engine.context import require_context
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.frontends import execution

if TYPE_CHECKING:
    from pathlib import Path

    from lunarsite.engine.context import Context


def run(stage: str, *, context: Context | None = None, **parameters: Any) -> dict[str, Any]:
    """Run a stage by its name.

    Parameters
    ----------
    stage : str
        Such as ``"terrain"``; ``lunarsite stages`` lists them all.
    context : Context, optional
        Threads, memory, progress and cancellation.
    **parameters
        Parameters of the stage, by name; see the command-line reference.

    Returns
    -------
    dict
        The result of the stage: ``outputs`` maps names to paths, ``warnings`` is a list of
        messages.

    Raises
    ------
    ParameterError
        For an unknown stage or parameter, or an invalid value.
    LunarSiteError
        For any other user-correctable error.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> found = run("synthesize", out=f"{folder}/dem.tif", size_px=64)
    >>> sorted(found["outputs"])
    ['craters', 'dem']
    """
    if not isinstance(stage, str):
        raise ParameterError(f"stage is {stage!r}, not a name", "Give a name such as 'terrain'")
    declared = stages.load(stage.replace("_", "-"))
    if context is None:
        return execution.run_stage(declared, parameters, cancelled=threading.Event())
    return execution.run_in_context(declared, parameters, require_context(context))


def screen(
    dem: str | Path, out: str | Path, *, context: Context | None = None, **parameters: Any
) -> dict[str, Any]:
    """Screen an elevation model for landing sites, and write ranked sites and a report.

    Parameters
    ----------
    dem : path
        Elevation model: metres above the sphere, south polar stereographic (``IAU_2015:30135``).
    out : path
        Folder of the run. An interrupted run in it is resumed.
    context : Context, optional
        Threads, memory, progress, cancellation.
    **parameters
        Parameters of the stage ``screen``, such as ``far_field=["wide.tif"]``, ``profile="hls"``,
        ``cell_m=500``.

    Returns
    -------
    dict
        ``outputs`` (paths), ``best`` (the best site), ``cells``, ``sites``, ``warnings``.

    Raises
    ------
    LunarSiteError
        For a user-correctable error, with its remedy.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> made = run("synthesize", out=f"{folder}/dem.tif", size_px=64, pixel_m=100.0)
    >>> found = screen(f"{folder}/dem.tif", f"{folder}/run", stop="2027-02-01", azimuths=36)
    >>> sorted(found["best"])[:3]
    ['lat_deg', 'lon_deg', 'rank_high']
    """
    return run("screen", context=context, dem=dem, out=out, **parameters)


def explain(
    folder: str | Path, lon_deg: float, lat_deg: float, *, context: Context | None = None
) -> dict[str, Any]:
    """Explain the score of a location in a finished run.

    Parameters
    ----------
    folder : path
        A finished run of `screen`.
    lon_deg, lat_deg : float
        East longitude and latitude, degrees.
    context : Context, optional
        Caches opened runs between calls.

    Returns
    -------
    dict
        ``score`` (0 to 1), ``rank``, ``interval`` (5th and 95th percentile of the rank),
        ``contributions`` (SHAP values in score points), ``margins`` of the criteria, ``to_pass``,
        ``coverage``.

    Raises
    ------
    InputError
        If the folder does not contain a finished run, or the location is outside its cells.

    References
    ----------
    Shapley values of trees: Lundberg et al. (2020), Nat. Mach. Intell. 2:56.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> made = run("synthesize", out=f"{folder}/dem.tif", size_px=64, pixel_m=100.0)
    >>> found = screen(f"{folder}/dem.tif", f"{folder}/run", stop="2027-02-01", azimuths=36)
    >>> best = found["best"]
    >>> why = explain(f"{folder}/run", best["lon_deg"], best["lat_deg"])
    >>> round(why["base_value"] + sum(c["contribution"] for c in why["contributions"]), 3) == round(
    ...     why["score"], 3
    ... )
    True
    """
    return run("explain", context=context, run=folder, lon=lon_deg, lat=lat_deg)
