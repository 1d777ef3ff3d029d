"""Crater detection by template matching: normalised correlation with crater profiles.

The baseline that a network has to beat. At every pixel and for every radius, the slopes of the
ground are correlated with those of craters with bowl and raised rim, fresh and degraded
(`profiles`). Slopes are used instead of heights, since a rim has little relief but steep slopes,
whereas long hillsides have much relief. They are compared in a ring around the rim, since later
craters lie inside; their mean is removed and nodata has zero weight, so that neither a regional
slope nor a gap nor the edge of the elevation model biases the correlation. Each octave of radius
is searched at the scale where it has 8 to 16 pixels; the finest scale also takes smaller radii, the
coarsest larger ones.

A logistic curve maps correlation, depth, evenness of the rim and size to the probability of a
crater. It is fitted to generated terrain (`template.json`, written by ``make template``). Does not
need torch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy import fft, ndimage, special

from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.circles import CircleTable
from lunarsite.engine.craters.detection import (
    _template_kernels,
    _template_slopes,
    confidence,
    decoding,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.pyramid import Block, Level

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int = NDArray[np.int64]

FITTED = Path(__file__).with_name("template.json")
"""The fitted curve that ships, with its metrics."""

LEAST_PX = 4.0
"""Radius at which the finest scale begins."""

OCTAVE_PX = (8.0, 16.0)
"""Radii that every scale searches, pixels."""

PER_OCTAVE = 4
"""Radii tried per octave."""

FLOOR = 0.3
"""Least correlation of a match."""

LEAST_DEPTH = 0.006
"""Least depth of a match, in diameters."""

UNLIKELY = 0.02
"""Matches of less confidence are dropped before the likelier ones suppress them."""


@dataclass(frozen=True, slots=True, eq=False)
class Matches(CircleTable):
    """Matches of the ground with a crater profile, as circles.

    Parameters
    ----------
    x, y, radius : ndarray of float64, shape (matches,)
        Map metres.
    features : ndarray of float64, shape (matches, 5)
        One; Fisher's z of the correlation; logarithm of the depth in diameters; evenness of the rim
        (`_template_kernels.evenness`); log2 of the radius in pixels of the finest scale, 2 to 6.
    """

    x: Float
    y: Float
    radius: Float
    features: Float


@dataclass(frozen=True, slots=True)
class Curve:
    """Coefficients of the logistic curve, and the default threshold.

    Parameters
    ----------
    constant, alike, depth, even, size : float
        Coefficients of the features, `Matches.features`; ``alike`` is that of the correlation.
    threshold : float
        Least probability of a reported circle.
    """

    constant: float
    alike: float
    depth: float
    even: float
    size: float
    threshold: float

    @classmethod
    def fitted(cls) -> Self:
        """Return the curve that ships with LunarSite."""
        curve: dict[str, float] = json.loads(FITTED.read_text(encoding="utf-8"))["curve"]
        return cls(**curve)

    def weights(self) -> Float:
        """Return the coefficients of the features."""
        return np.array([self.constant, self.alike, self.depth, self.even, self.size])

    def as_dict(self) -> dict[str, float]:
        """Return the curve as JSON."""
        return asdict(self)


def find(levels: Sequence[Level], curve: Curve, context: Context) -> tuple[Matches, Float]:
    """Detect craters by template matching.

    Parameters
    ----------
    levels : sequence of Level
        The elevation model at all scales, the finest first.
    curve : Curve
        Maps features to probability.
    context : Context
        Progress and cancellation; its pool runs the blocks.

    Returns
    -------
    matches : Matches
        Circles of any probability, the most likely first.
    probability : ndarray of float64, shape (matches,)
        Their probabilities.
    """
    jobs = [(level, block) for level in levels for block in level.blocks()]
    last, finest_m = levels[-1].number, levels[0].grid.pixel_m
    parts: list[Matches] = []
    for start in range(0, len(jobs), context.threads):
        context.progress(start / len(jobs), "Detecting craters")
        batch = jobs[start : start + context.threads]
        parts += context.pool().map(
            lambda job: _of_block(job[0], job[1], radii(job[0].number, last), finest_m, curve),
            batch,
        )
    found = Matches.joined(parts)
    score = found.features @ curve.weights()
    best = decoding.suppressed(found.x, found.y, found.radius, score, max_iou=confidence.MAX_IOU)
    probability: Float = special.expit(score[best])
    return found.kept(best), probability


def radii(number: int, last: int) -> Float:
    """Return the radii that a scale searches, in its pixels.

    Parameters
    ----------
    number, last : int
        Numbers of the scale and of the coarsest one.
    """
    low = LEAST_PX if number == 0 else OCTAVE_PX[0]
    high = pyramid.LEAST_SIDE_PX if number == last else OCTAVE_PX[1]
    steps = int(np.ceil(PER_OCTAVE * np.log2(high / low)))
    tried: Float = low * 2.0 ** (np.arange(steps) / PER_OCTAVE)
    return tried


def _of_block(level: Level, block: Block, tried: Float, finest_m: float, curve: Curve) -> Matches:
    """Return the matches in a block's core whose probability exceeds `UNLIKELY`."""
    grid = level.grid
    rows = min(pyramid.CORE_PX, grid.height - block.row)
    columns = min(pyramid.CORE_PX, grid.width - block.column)
    # One more pixel on each side, to tell whether a match at the edge of the core is a peak.
    margin = int(np.ceil(_template_slopes.RING[1] * tried[-1])) + 5
    core_px = min(pyramid.CORE_PX, max(grid.shape))
    side = int(fft.next_fast_len(core_px + 2 * margin, real=True))
    height = level.around(block.row - margin, block.column - margin, side, side)
    height /= np.float32(grid.pixel_m)
    core = slice(margin - 1, margin + rows + 1), slice(margin - 1, margin + columns + 1)
    if not np.isfinite(height[core]).any():
        return Matches(np.empty(0), np.empty(0), np.empty(0), np.empty((0, 5)))
    slopes = _template_slopes.Slopes(height)
    correlation, depth = (
        np.stack(v) for v in zip(*(slopes.correlate(r, core) for r in tried), strict=True)
    )
    row, column, radius, correlation, depth = _peaks(correlation, depth, tried)
    place = np.column_stack([column + margin - 1, row + margin - 1, radius])
    pixel = grid.pixel_m
    features = np.column_stack(
        [
            np.ones_like(correlation),
            np.arctanh(np.minimum(correlation, 0.999)),
            np.log(depth),
            _template_kernels.evenness(height, place),
            np.log2(np.clip(radius * pixel / finest_m, 4.0, 64.0)),
        ]
    )
    likely = special.expit(features @ curve.weights()) > UNLIKELY
    found = Matches(
        grid.x_min_m + (block.column + column - 0.5) * pixel,
        grid.y_max_m - (block.row + row - 0.5) * pixel,
        radius * pixel,
        features,
    )
    return found.kept(likely)


def _peaks(correlation: Float, depth: Float, tried: Float) -> Float:
    """Return the peaks of the correlation for each radius, inside the outer pixels.

    Peaks are maxima over position alone: on densely cratered ground few craters are maxima over
    radius as well. The choice between radii is left to the suppression.

    Returns
    -------
    ndarray of float64, shape (5, peaks)
        Row, column, radius, correlation, depth in diameters.
    """
    maximum = ndimage.maximum_filter(correlation, (1, 3, 3), mode="constant", cval=-np.inf)
    k, row, column = np.nonzero(
        (correlation >= maximum) & (correlation > FLOOR) & (depth > LEAST_DEPTH)
    )
    _, rows, columns = correlation.shape
    inner = (row > 0) & (row < rows - 1) & (column > 0) & (column < columns - 1)
    k, row, column = k[inner], row[inner], column[inner]
    at = correlation[k, row, column]
    south = _vertex(correlation[k, row - 1, column], at, correlation[k, row + 1, column])
    east = _vertex(correlation[k, row, column - 1], at, correlation[k, row, column + 1])
    below, above = np.maximum(k - 1, 0), np.minimum(k + 1, tried.size - 1)
    smaller, larger = correlation[below, row, column], correlation[above, row, column]
    stands_out = (below < k) & (above > k) & (at >= smaller) & (at >= larger)
    step = np.where(stands_out, _vertex(smaller, at, larger), 0.0)
    radius = tried[k] * 2.0 ** (step / PER_OCTAVE)
    return np.stack([row + south, column + east, radius, at, depth[k, row, column]])


def _vertex(before: Float, at: Float, after: Float) -> Float:
    """Return the position of the vertex of the parabola through three samples, from the second."""
    bend = before - 2.0 * at + after
    # Next to nodata the correlation is -1, and no parabola fits.
    smooth = (bend < 0.0) & (np.minimum(before, after) > -1.0)
    shift = np.where(smooth, 0.5 * (before - after) / np.where(smooth, bend, 1.0), 0.0)
    within: Float = np.clip(shift, -0.5, 0.5)
    return within
