"""Agreement of rim rasters: intersection over union, precision and recall of rim pixels.

Reported for rims one pixel wide, as by the original LunarSite, and with a tolerance of one to three
pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.craters.circles import Circles

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]

TOLERANCES_PX = (1, 2, 3)

MOST_PIXELS = 100_000_000
"""Largest raster on which rims are drawn."""

_CHUNK = 20_000
"""Circles drawn at a time."""


def draw(circles: Circles, bounds: tuple[float, float, float, float], pixel_m: float) -> Bool:
    """Return a raster with rims one pixel wide, clipped to the bounds.

    In each row that a circle crosses steeply, and in each column that it crosses at a low angle,
    the nearest pixel is set on both sides.

    Parameters
    ----------
    circles : Circles
        The circles.
    bounds : tuple of float
        West, south, east, north, map metres.
    pixel_m : float
        Side of a pixel, metres.
    """
    shape = raster_shape(bounds, pixel_m)
    rims = np.zeros(shape, bool)
    column = (circles.x_m - bounds[0]) / pixel_m - 0.5
    row = (bounds[3] - circles.y_m) / pixel_m - 0.5
    radius = circles.radius_m / pixel_m
    for start in range(0, radius.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        for along, across, by_row in ((row, column, True), (column, row, False)):
            at, one, other = _crossings(along[part], across[part], radius[part])
            for side in (one, other):
                rows, columns = (at, side) if by_row else (side, at)
                inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
                rims[rows[inside], columns[inside]] = True
    return rims


def compare(found: Bool, known: Bool) -> dict[str, Any]:
    """Return the agreement of two rim rasters, JSON-able; None where undefined.

    Precision is the share of detected rim pixels within the tolerance of a catalogued one, recall
    the share of catalogued ones within the tolerance of a detected one.
    """
    both = int((found & known).sum())
    either = int((found | known).sum())
    sizes = int(found.sum()), int(known.sum())
    result: dict[str, Any] = {
        "found_px": sizes[0],
        "known_px": sizes[1],
        "iou": both / either if either else None,
        **_scores(both, both, sizes),
    }
    for limit in TOLERANCES_PX:
        near = (
            int((found & _around(known, limit)).sum()),
            int((known & _around(found, limit)).sum()),
        )
        result[f"within_{limit}_px"] = _scores(*near, sizes)
    return result


def raster_shape(bounds: tuple[float, float, float, float], pixel_m: float) -> tuple[int, int]:
    """Return rows and columns of a raster that covers the bounds."""
    west, south, east, north = bounds
    rows, columns = (max(1, int(np.ceil(d / pixel_m))) for d in (north - south, east - west))
    return rows, columns


def _crossings(along: Float, across: Float, radius: Float) -> tuple[Any, Any, Any]:
    """Return the pixel lines that circles cross steeply, and the crossing pixels on both sides."""
    reach = radius / np.sqrt(2.0)
    first = np.ceil(along - reach).astype(np.int64)
    count = np.maximum(np.floor(along + reach).astype(np.int64) - first + 1, 0)
    which = np.repeat(np.arange(radius.size), count)
    step = np.arange(which.size) - np.repeat(np.cumsum(count) - count, count)
    at = first[which] + step
    half = np.sqrt(np.maximum(radius[which] ** 2 - (at - along[which]) ** 2, 0.0))
    return (
        at,
        np.rint(across[which] - half).astype(np.int64),
        np.rint(across[which] + half).astype(np.int64),
    )


def _around(rims: Bool, limit_px: int) -> Bool:
    """Return the pixels within a distance of rims.

    A distance transform gives the same but takes forty times the memory.
    """
    offset = np.arange(-limit_px, limit_px + 1)
    disc = np.hypot(offset[:, None], offset) <= limit_px
    wide: Bool = ndimage.binary_dilation(rims, disc)
    return wide


def _scores(found: int, known: int, sizes: tuple[int, int]) -> dict[str, float | None]:
    precision = found / sizes[0] if sizes[0] else None
    recall = known / sizes[1] if sizes[1] else None
    total = (precision or 0.0) + (recall or 0.0)
    f1 = 2.0 * (precision or 0.0) * (recall or 0.0) / total if total else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}
