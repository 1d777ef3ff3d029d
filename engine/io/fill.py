"""Fill values that a raster holds without declaring them as nodata.

Three kinds are found. Special pixels are known by their value alone: the numbers that ISIS, GIS and
numerical libraries write where nothing was measured. A fill at the edge is a large area of exactly
one value that touches the border, as clipping, mosaicking and projecting leave it. A fill inside is
such an area anywhere that ends in a step, as a closed gap does.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rasterio.enums import Resampling
from rasterio.windows import Window
from scipy import ndimage

from lunarsite.engine import input_versions
from lunarsite.engine.file_names import local_file, part_of
from lunarsite.engine.io.gdal_open import open_raster

if TYPE_CHECKING:
    from collections.abc import Iterable

    import rasterio
    from numpy.typing import NDArray

    Bool = NDArray[np.bool_]

HUGE = 1e20
"""Smallest magnitude of floating-point fill values: 1e20, 9.97e36 of netCDF, 3.4e38 of ISIS."""

ISIS_INT16_MIN, ISIS_INT16_MAX = -32768, -32753
"""Largest special pixel of ISIS in signed 16-bit integers; valid ones begin at -32752."""

USUAL = (-9999.0, -99999.0, -999999.0, -32767.0, -32768.0, -2147483648.0)
"""Fill values by convention. They may be measured as well, and then have neighbouring values."""

_ALONE = 500.0
_FEW = 0.1
"""A usual fill value is one if other values as close as `_ALONE` are fewer than this share of it.

Averaging leaves some between the fill and the rest.
"""

LEAST_SHARE = 0.01
"""Smallest share of a raster that a fill at its edge covers."""

_LEAST_PX = 64
"""Fewest pixels of a fill at the edge."""

_LEAST_SHARE_INSIDE = 0.002
"""Smallest share of a raster that a fill inside it covers."""

_STEP = 2.0
"""Height of the edge of a fill inside, in steps between the values that occur: heights in whole
numbers are alike over large areas as well, but those end with the next number."""

_CANDIDATES = 3

_SAMPLE_PX = 640
"""Rows and columns, at most, of the sample in which fill values are looked for."""

_LARGE_PX, _SAMPLES = 8192**2, 8

_READ_PX = 2**25
"""Pixels, at most, that are read for the sample of a large raster without overviews: 128 tiles of
512 pixels, about half a second. A single block may have more."""


class Fill(NamedTuple):
    """An area of one value.

    Parameters
    ----------
    values : tuple of float
        The value, in each band.
    share : float
        Share of the raster that it covers, 0 to 1.
    """

    values: tuple[float, ...]
    share: float


def special_pixels(values: NDArray[Any], usual: Iterable[float] | None = None) -> Bool:
    """Return which stored values are undeclared fill values, by the values alone.

    They are NaN and infinities, floating-point numbers of 1e20 and more in magnitude (the ISIS
    special pixels near -3.4e38 among them), the ISIS special pixels -32768 to -32753 of signed
    16-bit integers, and -9999 and other fill values by convention.

    Parameters
    ----------
    values : ndarray
        Stored values, before scale and offset.
    usual : iterable of float, optional
        Fill values by convention, from `usual_fills` of the whole raster, so that each part of it
        is treated alike; by default those of ``values``.

    Returns
    -------
    ndarray of bool, shape of ``values``
        True for fill values; all False for unsigned integers, which have no value to spare.

    References
    ----------
    USGS ISIS, ``SpecialPixel.h``.

    Examples
    --------
    >>> import numpy as np
    >>> special_pixels(np.array([0.1, -9999.0, -3.4028227e38, np.nan])).tolist()
    [False, True, True, True]
    >>> special_pixels(np.array([-9990.0, -9999.0])).tolist()
    [False, False]
    """
    special = _by_value(values)
    for fill in usual_fills(values) if usual is None else usual:
        special |= values == fill
    return special


def usual_fills(values: NDArray[Any]) -> tuple[float, ...]:
    """Return the fill values by convention that are not measured in a raster.

    Parameters
    ----------
    values : ndarray
        Stored values of the whole raster, or a sample of them. It need not hold the fill values:
        those of few pixels may be missing from a sample.

    Returns
    -------
    tuple of float
        Those of `USUAL` that the type can hold, of signed types of two bytes and more, where hardly
        anything else is within 500 of them; integers for integers.

    Examples
    --------
    >>> import numpy as np
    >>> usual_fills(np.array([-9990, -9999, 20], np.int16))
    (-32767, -32768)
    """
    kind = values.dtype.kind
    if kind not in "fi" or values.dtype.itemsize < 2:
        return ()
    least = np.iinfo(values.dtype).min if kind == "i" else np.finfo(values.dtype).min
    usual = [int(fill) if kind == "i" else fill for fill in USUAL if fill >= least]
    same = [values == fill for fill in usual]
    other = ~_by_value(values)
    for each in same:
        other &= ~each
    measured = values[other].astype(np.float64)
    return tuple(
        fill
        for fill, each in zip(usual, same, strict=True)
        if np.count_nonzero(np.abs(measured - fill) <= _ALONE) <= _FEW * np.count_nonzero(each)
    )


def _by_value(values: NDArray[Any]) -> Bool:
    """Return which values are fill whatever other values there are."""
    special: Bool
    if values.dtype.kind == "f":
        # NaN compares as False.
        special = ~(np.abs(values) < HUGE)
    elif values.dtype.kind == "i" and values.dtype.itemsize == 2:
        special = values <= ISIS_INT16_MAX
    else:
        special = np.zeros(values.shape, bool)
    return special


def at_edge(values: NDArray[Any], known: Bool) -> Fill | None:
    """Return the largest area of exactly one value that touches the edge.

    Parameters
    ----------
    values : ndarray, shape (bands, rows, columns)
        Stored values of the whole raster, or of every n-th pixel of it.
    known : ndarray of bool, shape (rows, columns)
        False for nodata.

    Returns
    -------
    Fill or None
        None if no area covers `LEAST_SHARE` of the raster, or nothing else is known.
    """
    border = np.zeros(known.shape, bool)
    border[[0, -1]] = border[:, [0, -1]] = True
    rim = values[:, border & known]
    if not rim.size:
        return None
    found, counts = np.unique(rim, axis=1, return_counts=True)
    best: Fill | None = None
    for at in np.argsort(-counts, kind="stable")[:_CANDIDATES]:
        same = known & (values == found[:, at, None, None]).all(axis=0)
        if same.sum() < max(_LEAST_PX, LEAST_SHARE * same.size) or not (known & ~same).any():
            continue
        areas, _ = ndimage.label(same)
        touching = np.unique(areas[border])
        share = float(np.isin(areas, touching[touching > 0]).mean())
        if share >= LEAST_SHARE and (best is None or share > best.share):
            best = Fill(tuple(float(value) for value in found[:, at]), share)
    return best


def inside(values: NDArray[Any], known: Bool) -> Fill | None:
    """Return the value of large areas of exactly one value that end in a step.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        Stored values of the whole raster, or of every n-th pixel of it.
    known : ndarray of bool, shape (rows, columns)
        False for nodata, and for the fill at the edge.

    Returns
    -------
    Fill or None
        None if no areas of one value cover 0.2 % of the raster, or nothing else is known.
    """
    found, counts = np.unique(values[known], return_counts=True)
    if len(found) < 2:
        return None
    step = _STEP * float(np.median(np.diff(found.astype(np.float64))))
    least = max(_LEAST_PX, _LEAST_SHARE_INSIDE * known.size)
    around = np.ones((3, 3), bool)
    for at in np.argsort(-counts, kind="stable")[:_CANDIDATES]:
        same = known & (values == found[at])
        # Thin lines are contours.
        areas = ndimage.binary_opening(same, around)
        if areas.sum() < least:
            continue
        rim = ndimage.binary_dilation(areas, around) & known & ~same
        height = np.abs(values[rim].astype(np.float64) - float(found[at]))
        if not rim.any() or np.median(height) > step:
            return Fill((float(found[at]),), float(areas.mean()))
    return None


def undeclared(source: rasterio.DatasetReader, band: int = 1) -> tuple[float, ...]:
    """Return the special pixels that a band does not declare, the most frequent first.

    They are looked for in a `sample`.
    """
    stored, known = sample(source, band)
    special = stored[known & special_pixels(stored)].astype(np.float64)
    numbers, counts = np.unique(special[~np.isnan(special)], return_counts=True)
    return tuple(float(number) for number in numbers[np.argsort(-counts, kind="stable")])


def possible(source: rasterio.DatasetReader, band: int) -> tuple[float, ...]:
    """Return the finite numbers that are fill values of a band wherever they stand.

    They are those that the `sample` holds, and those that it may have missed.
    """
    stored, known = sample(source, band)
    numbers = {number for number in undeclared(source, band) if np.isfinite(number)}
    numbers.update(usual_fills(stored[known]))
    if stored.dtype == np.int16:
        numbers.update(range(ISIS_INT16_MIN, ISIS_INT16_MAX + 1))
    return tuple(sorted(float(number) for number in numbers))


def everywhere(source: rasterio.DatasetReader, band: int) -> tuple[float, ...]:
    """Return the finite fill values that a band does not declare, the most frequent first.

    The whole band is read, but for large rasters, of which a `sample` must do.
    """
    if source.width * source.height > _LARGE_PX:
        return tuple(number for number in undeclared(source, band) if np.isfinite(number))
    usual = [float(number) for number in usual_fills(sample(source, band)[0])]
    counts: Counter[float] = Counter()
    for _, window in source.block_windows(band):
        raw = source.read(band, window=window, masked=True)
        stored = raw.data[~np.ma.getmaskarray(raw)]
        special = stored[special_pixels(stored, usual)].astype(np.float64)
        numbers, times = np.unique(special[np.isfinite(special)], return_counts=True)
        counts.update(dict(zip(numbers.tolist(), times.tolist(), strict=True)))
    return tuple(number for number, _ in counts.most_common())


def sample(source: rasterio.DatasetReader, band: int) -> tuple[NDArray[Any], Bool]:
    """Return a sample of the stored numbers of a band, and where they are declared to be known.

    It is read from overviews; of large rasters without any, blocks are read that are spread over
    the raster. The first and the last row and column of blocks are among them, so the edge has more
    than its share. A part of a raster has no overviews of its own, but the raster may.

    Parameters
    ----------
    source : rasterio.DatasetReader
        An open raster.
    band : int
        Number of the band, from 1.

    Returns
    -------
    values : ndarray, at most 640 rows and columns
        Stored values.
    known : ndarray of bool, shape of ``values``
        False for declared nodata.
    """
    name, part = part_of(source.name) or (source.name, (0, 0, source.width, source.height))
    file = local_file(name)
    version = None if file is None else input_versions.version(file)
    return _sample(name, version, band, part)


@lru_cache(maxsize=_SAMPLES)
def _sample(
    name: str,
    version: input_versions.Version | None,  # noqa: ARG001  a changed file is sampled again
    band: int,
    part: tuple[int, int, int, int],
) -> tuple[NDArray[Any], Bool]:
    """Return a sample of stored numbers; the same raster is opened many times, as for tiles."""
    left, top, width, height = part
    with open_raster(name) as source:
        if height * width > _LARGE_PX and not source.overviews(band):
            return _of_blocks(source, band, Window(left, top, width, height))
        side = max(1.0, max(height, width) / _SAMPLE_PX)
        raw = source.read(
            band,
            window=Window(left, top, width, height),
            out_shape=(max(1, round(height / side)), max(1, round(width / side))),
            resampling=Resampling.nearest,
            masked=True,
        )
        return raw.data, ~np.ma.getmaskarray(raw)


def _of_blocks(
    source: rasterio.DatasetReader, band: int, part: Window
) -> tuple[NDArray[Any], Bool]:
    """Return a sample of a part that consists of blocks spread evenly over it, side by side."""
    down, across = source.block_shapes[band - 1]
    most = max(1, _READ_PX // (down * across))
    wanted = math.sqrt(most * part.height / part.width)
    rows = _spread(part.row_off, part.height, down, min(round(wanted), most))
    columns = _spread(part.col_off, part.width, across, most // len(rows))
    rows = _spread(part.row_off, part.height, down, most // len(columns))
    high, wide = min(_SAMPLE_PX // len(rows), down), min(_SAMPLE_PX // len(columns), across)
    values = np.empty((high * len(rows), wide * len(columns)), source.dtypes[band - 1])
    known = np.empty(values.shape, bool)
    for row, (top, bottom) in enumerate(rows):
        for column, (left, right) in enumerate(columns):
            raw = source.read(
                band,
                window=Window(left, top, right - left, bottom - top),
                out_shape=(high, wide),
                resampling=Resampling.nearest,
                masked=True,
            )
            at = np.s_[row * high : (row + 1) * high, column * wide : (column + 1) * wide]
            values[at], known[at] = raw.data, ~np.ma.getmaskarray(raw)
    return values, known


def _spread(first: int, length: int, side: int, count: int) -> list[tuple[int, int]]:
    """Return begin and end of at most ``count`` blocks of a side, spread evenly over a length."""
    begin, end = first // side, -(-(first + length) // side)
    count = min(max(count, 1), end - begin, _SAMPLE_PX)
    blocks = np.linspace(begin, end - 1, count) if count > 1 else np.array([(begin + end) // 2])
    return [
        (max(int(block) * side, first), min((int(block) + 1) * side, first + length))
        for block in np.round(blocks)
    ]
