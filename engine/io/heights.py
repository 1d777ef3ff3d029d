"""Plausibility of heights on the Moon, in metres above the sphere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

_STEEPEST = 6.0
"""Largest relief of an elevation model, in units of its longer side: 80° from edge to edge."""

LOWEST_M, HIGHEST_M = -9_900.0, 12_000.0
"""Limits of plausible heights; those of the Moon are from -9.2 to +10.8 km, so not -9999."""


class Frame(Protocol):
    """Size of a raster on the map."""

    @property
    def width(self) -> int:
        """Columns."""
        ...

    @property
    def height(self) -> int:
        """Rows."""
        ...

    @property
    def pixel_m(self) -> float:
        """Pixel size, metres."""
        ...


def check_heights(
    height_m: Float32,
    frame: Frame,
    what: str,
    command: Callable[[float, float], str] | None = None,
    declare: Callable[[float], str] | None = None,
) -> None:
    """Raise `InputError` if all heights are missing, or not metres above the lunar sphere.

    Heights in kilometres are detected by a relief of less than a thousandth of the side of the
    frame: even the flattest mare has more. A map in kilometres is detected by a relief of more than
    six times that side.

    Parameters
    ----------
    height_m : ndarray of float32
        Heights; NaN for nodata.
    frame : Frame
        Size of the raster.
    what : str
        Name of the raster in the message.
    command : callable, optional
        Takes a factor and a shift in metres, and returns the command that applies both to the
        raster; without it the remedy is in words.
    declare : callable, optional
        Takes a height and returns the command that declares it as nodata.

    Raises
    ------
    InputError
        With the remedy.
    """
    finite = np.isfinite(height_m)
    if not finite.any():
        raise InputError(f"{what} holds no data: every pixel is nodata", "Check the nodata value")
    low = float(np.min(height_m, where=finite, initial=np.inf))
    high = float(np.max(height_m, where=finite, initial=-np.inf))
    for unit, factor in (("m", 1.0), ("km", 1000.0)):
        if low * factor > moon.RADIUS_M - 2e4 and high * factor < moon.RADIUS_M + 2e4:
            figures = f"{low:,.0f} to {high:,.0f}" if unit == "m" else f"{low:.3f} to {high:.3f}"
            raise InputError(
                f"{what} holds radii ({figures} {unit}), not heights above the sphere",
                f"Subtract {moon.RADIUS_M / factor:,.10g} {unit} from it"
                + ("" if factor == 1.0 else f" and multiply it by {factor:g}")
                if command is None
                else f"Say what the numbers mean: {command(factor, -moon.RADIUS_M)}",
            )
    if low < LOWEST_M or high > HIGHEST_M:
        with np.errstate(invalid="ignore"):
            beyond = np.unique(height_m[(height_m < LOWEST_M) | (height_m > HIGHEST_M)])
        raise InputError(
            f"{what} ranges from {low:,.0f} to {high:,.0f}; heights on the Moon lie within "
            f"{LOWEST_M:,.0f} and {HIGHEST_M:,.0f} m",
            f"Only {float(beyond[0]):,.10g} lies beyond. If it is a fill value, declare it: "
            f"{declare(float(beyond[0]))}"
            if declare is not None and len(beyond) == 1
            else "Check its unit (metres are needed), its scale and offset, and its nodata value",
        )
    side_m = max(frame.width, frame.height) * frame.pixel_m
    if high - low > _STEEPEST * side_m:
        fill = ""
        if 0.0 in (low, high) and declare is not None:
            fill = f". If 0 is a fill value, declare it: {declare(0.0)}"
        raise InputError(
            f"{what} is {frame.width * frame.pixel_m:,.4g} × {frame.height * frame.pixel_m:,.4g} m "
            f"large, with pixels of {frame.pixel_m:g} m, but its heights range from {low:,.0f} to "
            f"{high:,.0f} m: its map is not in metres, or a fill value is not declared",
            "Give the pixel size in metres, and NaN where there are no heights"
            if command is None
            else "If the map is in kilometres, multiply the pixel size and the corner of its "
            "geotransform by 1000 (gdal_translate -a_ullr WEST NORTH EAST SOUTH, in metres)" + fill,
        )
    if max(-low, high) < HIGHEST_M / 1000 and 0.0 < high - low < 1e-3 * side_m:
        raise InputError(
            f"{what} ranges from {low:.3f} to {high:.3f}: that is plausible in kilometres, not "
            "in metres",
            "Multiply it by 1000"
            if command is None
            else f"Say what the numbers mean: {command(1000.0, 0.0)}",
        )
