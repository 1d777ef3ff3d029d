"""Craters without a network: normalised correlation with a crater's profile at all scales.

The measure that a network has to beat. At every place and for every radius the slopes of the
ground are compared with those of craters, bowl and raised rim, fresh and worn (`profiles`).
Slopes, not heights: a rim has little height and much slope, and wide slopes have much height. They
are compared in a ring around the rim, since later craters lie inside; their mean is taken out, and
what is unknown has no weight, so that neither a hillside nor a gap nor the frame's edge shifts a
correlation. Each octave of radius is looked at on the scale where it has 8 to 16 pixels; the
finest scale takes the smaller ones as well, the coarsest the larger.

How likely it is a crater follows from correlation, depth, evenness of the rim and size by a
logistic curve, fitted to generated ground (`template.json`, written by ``make template``). Needs
no torch.
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
from lunarsite.engine.craters.detection import _template_kernels as template_kernels
from lunarsite.engine.craters.detection import _template_slopes as template_slopes
from lunarsite.engine.craters.detection import confidence, decoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.pyramid import Block, Level

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int = NDArray[np.int64]

FITTED = Path(__file__).with_name("template.json")
"""The curve that comes along, and what it reaches."""

LEAST_PX = 4.0
"""Radius at which the finest scale begins."""

OCTAVE_PX = (8.0, 16.0)
"""Radii that every scale looks for."""

PER_OCTAVE = 4
"""Radii tried in an octave."""

FLOOR = 0.3
"""Least correlation of a match."""

LEAST_DEPTH = 0.006
"""Least depth of a match, in diameters."""

UNLIKELY = 0.02
"""Matches of less confidence are dropped before the likelier ones suppress them."""


@dataclass(frozen=True, slots=True, eq=False)
class Matches(CircleTable):
    """Where the ground looks like a crater.

    Parameters
    ----------
    x, y, radius : ndarray of float64, shape (matches,)
        Map metres.
    features : ndarray of float64, shape (matches, 5)
        One; Fisher's z of the correlation; the logarithm of the depth in diameters; how evenly the
        rim stands up around; log2 of the radius in pixels of the finest scale, from 2 to 6.
    """

    x: Float
    y: Float
    radius: Float
    features: Float


@dataclass(frozen=True, slots=True)
class Curve:
    """From features to probability, and the probability from which on a circle is reported."""

    constant: float
    alike: float
    depth: float
    even: float
    size: float
    threshold: float

    @classmethod
    def fitted(cls) -> Self:
        """Return the curve that comes along."""
        curve: dict[str, float] = json.loads(FITTED.read_text(encoding="utf-8"))["curve"]
        return cls(**curve)

    def weights(self) -> Float:
        """Return what the features are multiplied by."""
        return np.array([self.constant, self.alike, self.depth, self.even, self.size])

    def as_dict(self) -> dict[str, float]:
        """Return it as JSON."""
        return asdict(self)


def find(levels: Sequence[Level], curve: Curve, context: Context) -> tuple[Matches, Float]:
    """Return circles of every likelihood, the most likely first, and their probabilities.

    Parameters
    ----------
    levels : sequence of Level
        The scales, the finest first.
    curve : Curve
        From features to probability.
    context : Context
        Is told the progress and may cancel; its pool works on the blocks.
    """
    jobs = [(level, block) for level in levels for block in level.blocks()]
    last, finest_m = levels[-1].number, levels[0].grid.pixel_m
    parts: list[Matches] = []
    for start in range(0, len(jobs), context.threads):
        context.progress(start / len(jobs), "Looking for craters")
        some = jobs[start : start + context.threads]
        parts += context.pool().map(
            lambda job: _of_block(job[0], job[1], radii(job[0].number, last), finest_m, curve), some
        )
    found = Matches.joined(parts)
    score = found.features @ curve.weights()
    best = decoding.suppressed(found.x, found.y, found.radius, score, shared=confidence.COVERED)
    chance: Float = special.expit(score[best])
    return found.kept(best), chance


def radii(number: int, last: int) -> Float:
    """Return the radii that a scale looks for, in its pixels."""
    low = LEAST_PX if number == 0 else OCTAVE_PX[0]
    high = pyramid.LEAST_SIDE_PX if number == last else OCTAVE_PX[1]
    steps = int(np.ceil(PER_OCTAVE * np.log2(high / low)))
    tried: Float = low * 2.0 ** (np.arange(steps) / PER_OCTAVE)
    return tried


def _of_block(level: Level, block: Block, tried: Float, finest_m: float, curve: Curve) -> Matches:
    """Return the matches that are not unlikely and have their centres in a block's core."""
    grid = level.grid
    rows = min(pyramid.CORE_PX, grid.height - block.row)
    columns = min(pyramid.CORE_PX, grid.width - block.column)
    # One pixel more on each side tells whether a match at the core's edge is a top.
    margin = int(np.ceil(template_slopes.RING[1] * tried[-1])) + 5
    core_px = min(pyramid.CORE_PX, max(grid.shape))
    side = int(fft.next_fast_len(core_px + 2 * margin, real=True))
    height = level.around(block.row - margin, block.column - margin, side, side)
    height /= np.float32(grid.pixel_m)
    core = slice(margin - 1, margin + rows + 1), slice(margin - 1, margin + columns + 1)
    if not np.isfinite(height[core]).any():
        return Matches(np.empty(0), np.empty(0), np.empty(0), np.empty((0, 5)))
    slopes = template_slopes.Slopes(height)
    alike, depth = (np.stack(v) for v in zip(*(slopes.alike(r, core) for r in tried), strict=True))
    row, column, radius, alike, depth = _tops(alike, depth, tried)
    place = np.column_stack([column + margin - 1, row + margin - 1, radius])
    pixel = grid.pixel_m
    features = np.column_stack(
        [
            np.ones_like(alike),
            np.arctanh(np.minimum(alike, 0.999)),
            np.log(depth),
            template_kernels.evenness(height, place),
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


def _tops(alike: Float, depth: Float, tried: Float) -> Float:
    """Return the peaks of every radius inside the outer pixels.

    Tops are those of one radius: on crowded ground few craters stand out among radii as well. Which
    of several radii is taken is left to the suppression.

    Returns
    -------
    ndarray of float64, shape (5, peaks)
        Row, column, radius, correlation, depth in diameters.
    """
    top = ndimage.maximum_filter(alike, (1, 3, 3), mode="constant", cval=-np.inf)
    k, row, column = np.nonzero((alike >= top) & (alike > FLOOR) & (depth > LEAST_DEPTH))
    _, rows, columns = alike.shape
    inner = (row > 0) & (row < rows - 1) & (column > 0) & (column < columns - 1)
    k, row, column = k[inner], row[inner], column[inner]
    at = alike[k, row, column]
    south = _between(alike[k, row - 1, column], at, alike[k, row + 1, column])
    east = _between(alike[k, row, column - 1], at, alike[k, row, column + 1])
    below, above = np.maximum(k - 1, 0), np.minimum(k + 1, tried.size - 1)
    smaller, larger = alike[below, row, column], alike[above, row, column]
    stands_out = (below < k) & (above > k) & (at >= smaller) & (at >= larger)
    step = np.where(stands_out, _between(smaller, at, larger), 0.0)
    radius = tried[k] * 2.0 ** (step / PER_OCTAVE)
    return np.stack([row + south, column + east, radius, at, depth[k, row, column]])


def _between(before: Float, at: Float, after: Float) -> Float:
    """Return where the parabola through three samples has its top, from the middle one."""
    bend = before - 2.0 * at + after
    # Beside what is unknown the correlation is -1, and no parabola goes through it.
    smooth = (bend < 0.0) & (np.minimum(before, after) > -1.0)
    shift = np.where(smooth, 0.5 * (before - after) / np.where(smooth, bend, 1.0), 0.0)
    within: Float = np.clip(shift, -0.5, 0.5)
    return within
