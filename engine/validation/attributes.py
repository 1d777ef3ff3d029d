"""Terrain attributes against those of other programs on the same elevation model."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess  # nosec B404  # gdaldem, a program of its own
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio

from lunarsite.engine import moon
from lunarsite.engine.io import cog
from lunarsite.engine.terrain.attributes import terrain_attributes
from lunarsite.engine.validation.checks import Check, Outcome, not_run

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lunarsite.engine.io.grid import Dem

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

NAMES = {"gdaldem": "slope-gdaldem", "xdem": "slope-xdem"}
CLAIMS = {
    "gdaldem": "Slopes are those of gdaldem.",
    "xdem": "Slopes are those of xDEM.",
}
_AGREED_DEG = 0.01
_TIMEOUT_S = 120
_MARGIN = 2


def check(program: str, dem: Dem, folder: Path, files: tuple[str, ...]) -> Check:
    """Return the differences of slopes from those of another program.

    Map scale is removed from ours first: neither program knows that a metre on the polar map is not
    one on the ground.

    Parameters
    ----------
    program : str
        ``gdaldem`` or ``xdem``.
    dem : Dem
        A part of the elevation model.
    folder : Path
        For temporary files.
    files : tuple of str
        Names of the files.
    """
    name, claim = NAMES[program], CLAIMS[program]
    made = folder / "dem.tif"
    if program == "gdaldem" and shutil.which("gdaldem") is None:
        return not_run(name, claim, "gdaldem is not on the path: install GDAL's programs.")
    if program == "xdem" and importlib.util.find_spec("xdem") is None:
        lacks = "xDEM is not installed: run pip install xdem in the environment of the engine."
        return not_run(name, claim, lacks)
    cog.write_raster(
        made, dem.height_m.astype(np.float32), dem.grid, description="Height", unit="m"
    )
    try:
        theirs = _of_gdaldem(made, folder) if program == "gdaldem" else _of_xdem(made)
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        lines = said.decode(errors="replace").strip().splitlines()
        return not_run(name, claim, f"{program} failed: {lines[-1][:200]}.")
    ours = _on_the_map(terrain_attributes(dem)["slope_deg"], dem)
    inner = np.s_[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    off = (ours - theirs)[inner]
    off = off[np.isfinite(off)]
    if off.size == 0:
        return not_run(name, claim, "The part that is compared has no heights.")
    worst, rms = float(np.abs(off).max()), float(np.sqrt(np.mean(off**2)))
    figures: dict[str, Any] = {
        "pixels": int(off.size),
        "bias_deg": round(float(off.mean()), 6),
        "rms_deg": round(rms, 6),
        "worst_deg": round(worst, 6),
    }
    return Check(
        name=name,
        claim=claim,
        outcome=Outcome.HOLDS if rms <= _AGREED_DEG else Outcome.FAILS,
        finding=f"Over {off.size:,} pixels the rms difference is {rms:.5f}°, the greatest "
        f"{worst:.4f}°, once the map scale is taken out of ours.",
        null=f"An rms difference of {_AGREED_DEG:g}°: the formula is the same (Horn 1981)",
        figures=figures,
        files=files,
    )


def _on_the_map(slope_deg: Float32, dem: Dem) -> Float:
    """Return slopes with map metres in place of those on the ground."""
    grid = dem.grid
    x = grid.x_min_m + (np.arange(grid.width) + 0.5) * grid.pixel_m
    y = grid.y_max_m - (np.arange(grid.height) + 0.5) * grid.pixel_m
    scale = moon.map_scale(x[None, :], y[:, None])
    return np.degrees(np.arctan(np.tan(np.radians(slope_deg.astype(np.float64))) / scale))


def _of_gdaldem(made: Path, folder: Path) -> Float:
    target = folder / "gdaldem.tif"
    program = shutil.which("gdaldem") or "gdaldem"
    subprocess.run(  # noqa: S603  # nosec B603  # no shell; arguments are our own files
        [program, "slope", "-q", str(made), str(target)],
        check=True,
        capture_output=True,
        timeout=_TIMEOUT_S,
    )
    with rasterio.open(target) as source:
        return np.ma.filled(source.read(1, masked=True).astype(np.float64), np.nan)


def _of_xdem(made: Path) -> Float:
    xdem = importlib.import_module("xdem")  # optional, and slow to load
    slope = xdem.terrain.slope(xdem.DEM(str(made)), method="Horn")
    return np.ma.filled(np.ma.asarray(slope.data, np.float64), np.nan)
