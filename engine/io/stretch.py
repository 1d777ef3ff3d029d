"""Contrast of an image: the values that are mapped to black and white, and the fill at its edge."""

from __future__ import annotations

import shlex
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import display_name
from lunarsite.engine.io import fill

if TYPE_CHECKING:
    import rasterio
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.fill import Fill
    from lunarsite.engine.io.image_bands import Bands

    Bool = NDArray[np.bool_]

_CLIPPED_PCT = 0.1
_STATISTICS_PX = 2048
"""Maximum rows and columns of the overview from which percentiles are computed."""


class Stretch(NamedTuple):
    """The values of an image that are mapped to black and white.

    Parameters
    ----------
    low, high : float
        Values that are mapped to 0 and 255.
    edge : Fill or None
        Area of one value at the edge that is nodata.
    black_edge : float
        Share of the image that is exactly black in an area at its edge: shadow, or fill.
    fills : tuple of float
        Fill values by convention, wherever they are in the image.
    unused : float or None
        A stored value that the image does not contain, if there is one; None without ``edge``.
    constant : bool
        Whether all pixels that are known are the same.
    """

    low: float
    high: float
    edge: Fill | None
    black_edge: float
    fills: tuple[float, ...] = ()
    unused: float | None = None
    constant: bool = False


def of(bands: Bands, *, sky: bool) -> Stretch:
    """Return the stretch of an image.

    Parameters
    ----------
    bands : Bands
        Its bands.
    sky : bool
        Whether a large area of exactly one value at the edge may be sky, which is kept unless it
        is negative. In images from orbit it is nodata, but for black in eight bits: that may be
        shadow.

    Raises
    ------
    InputError
        If every pixel is nodata.
    """
    shape = _overview(bands.source)
    values, known = bands.read(shape=shape)
    fills = () if bands.table is not None else fill.usual_fills(values[:, known])
    known &= ~fill.special_pixels(values, fills).any(axis=0)
    edge = None if bands.declares_nodata else fill.at_edge(values, known)
    black_edge = 0.0
    if edge is not None:
        is_black = bands.is_8_bit and not any(edge.values)
        black_edge = edge.share if is_black else 0.0
        if is_black or (sky and min(edge.values) >= 0.0):
            edge = None
    if edge is not None:
        known &= ~is_edge(values, edge)
    unused = None
    if edge is not None:
        # The values of a colour table are its colours.
        unused = _unused(bands.source.read(bands.numbers, out_shape=(len(bands.numbers), *shape)))
    if not known.any():
        raise InputError(
            f"The image {bands.source.name} holds no data: every pixel is nodata",
            "Check its nodata value",
        )
    seen = values[:, known]
    constant = bool((seen == seen[:, :1]).all())
    if bands.is_8_bit:
        white = 255.0 if bands.table is not None else float(bands.white)
        return Stretch(0.0, white, edge, black_edge, fills, unused, constant)
    low, high = np.percentile(seen.astype(np.float64), [_CLIPPED_PCT, 100.0 - _CLIPPED_PCT])
    # A constant image stays dark, without a division by zero.
    top = float(high if high > low else low + 1.0)
    return Stretch(float(low), top, edge, black_edge, fills, unused, constant)


def is_edge(values: NDArray[Any], edge: Fill) -> Bool:
    """Return which pixels of stored values (bands, rows, columns) hold the fill at the edge."""
    fills = np.array(edge.values).astype(values.dtype)
    same: Bool = (values == fills[:, None, None]).all(axis=0)
    return same


def warn(
    source: rasterio.DatasetReader, edge: Fill, unused: float | None, context: Context
) -> None:
    """Warn that an area of one value at the edge is taken as nodata.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The image.
    edge : Fill
        The area.
    unused : float or None
        A value that the image does not contain: it may be declared as nodata without harm. If there
        is none, a type with more values is suggested.
    context : Context
        Takes the warning.
    """
    shown = ", ".join(f"{value:g}" for value in edge.values)
    nodata = "-ot Int32 -a_nodata -1" if unused is None else f"-a_nodata {unused:.15g}"
    context.warn(
        f"{100.0 * edge.share:.0f} % of the image {display_name(source.name)} is exactly {shown} "
        "in an area at its edge, and is taken as nodata. If it was measured, declare another "
        f"nodata value: gdal_translate {nodata} {shlex.quote(source.name)} measured.tif"
    )


def _unused(stored: NDArray[Any]) -> float | None:
    """Return a number that stored values do not contain, None if they contain all of their type.

    It is -9999, or the middle of the widest gap between integers: what little a sample lacks, such
    as saturated pixels, is rather at its ends.
    """
    if stored.dtype.kind not in "iu":
        return -9999.0 if not (stored == -9999.0).any() else float(np.finfo(stored.dtype).min)
    limits = np.iinfo(stored.dtype)
    if limits.min <= -9999 and not (stored == -9999).any():
        return -9999.0
    present = [limits.min - 1, *(int(value) for value in np.unique(stored)), limits.max + 1]
    gap, below = max((after - before, before) for before, after in pairwise(present))
    return float(below + gap // 2) if gap > 1 else None


def _overview(source: rasterio.DatasetReader) -> tuple[int, int]:
    step = max(1, -(-max(source.width, source.height) // _STATISTICS_PX))
    return -(-source.height // step), -(-source.width // step)
