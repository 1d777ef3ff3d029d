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
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy import fft, ndimage, special

from lunarsite.engine.craters import decode, pyramid, template_kernels
from lunarsite.engine.synthetic import profiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.pyramid import Block, Level

    Complex = NDArray[np.complex128]
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

RING = (0.5, 1.3)
"""Where slopes are compared, in radii."""

WEARS = (0, 22)
"""Profiles that are tried, fresh and worn: columns of `profiles.tables`. Wear moves the crest
outwards, so with the fresh one alone worn craters would come out a quarter too large."""

SMOOTH_PX = 0.6
"""Sigma of the Gaussian that ground and profile are smoothed with."""

KNOWN = 0.55
"""Least share of the ring that must be known."""

FLOOR = 0.3
"""Least correlation of a match."""

LEAST_DEPTH = 0.006
"""Least depth of a match, in diameters."""

UNLIKELY = 0.02
"""Matches of less confidence are dropped before the likelier ones suppress them."""

COVERED = 0.3
"""Of two circles with a larger share in common the less likely is dropped."""

_FLAT = 1e-9
"""Mean square of slopes below which the ground is flat."""


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
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

    def kept(self, which: NDArray[np.bool_] | Int) -> Matches:
        """Return some of the matches."""
        return Matches(*(getattr(self, field.name)[which] for field in fields(self)))


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
    found = Matches(
        *(
            np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Matches)
        )
    )
    score = found.features @ curve.weights()
    best = decode.suppressed(found.x, found.y, found.radius, score, shared=COVERED)
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
    margin = int(np.ceil(RING[1] * tried[-1])) + 5
    core_px = min(pyramid.CORE_PX, max(grid.shape))
    side = int(fft.next_fast_len(core_px + 2 * margin, real=True))
    height = level.around(block.row - margin, block.column - margin, side, side)
    height /= np.float32(grid.pixel_m)
    core = slice(margin - 1, margin + rows + 1), slice(margin - 1, margin + columns + 1)
    if not np.isfinite(height[core]).any():
        return Matches(np.empty(0), np.empty(0), np.empty(0), np.empty((0, 5)))
    slopes = _Slopes(height)
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


class _Slopes:
    """The slopes of a square piece of ground, ready to be compared."""

    def __init__(self, height: Float32) -> None:
        known = np.isfinite(height)
        share = ndimage.gaussian_filter(known.astype(np.float64), SMOOTH_PX, mode="constant")
        level = height[known].mean(dtype=np.float64)
        smooth = ndimage.gaussian_filter(
            np.where(known, height - level, 0.0), SMOOTH_PX, mode="constant"
        )
        smooth = np.where(known, smooth / np.maximum(share, 1e-9), np.nan)
        south, east = np.gradient(smooth)
        sloping = np.isfinite(south) & np.isfinite(east)
        south, east = (np.where(sloping, v, 0.0) for v in (south, east))
        self.side = height.shape[0]
        self.known = known
        self.whole = bool(sloping.all())
        self.weight = fft.rfft2(sloping.astype(np.float64))
        self.east, self.south = fft.rfft2(east), fft.rfft2(south)
        self.square = fft.rfft2(east**2 + south**2)

    def alike(self, radius: np.float64, core: tuple[slice, slice]) -> tuple[Float, Float]:
        """Return the correlation at every place of the core, and the depth in diameters there.

        With the mean slopes of ground and profile in the ring taken out, the products are
        <f, g> - Σf Σg / n. The correlation is -1 where the ground is flat or too little known.
        """
        ring = _ring(self.side, float(radius))[1]
        full = ring[0, 0].real
        east, south = self._over(self.east * ring, core), self._over(self.south * ring, core)
        count = np.full_like(east, full)
        if not self.whole:
            count = np.maximum(self._over(self.weight * ring, core), 1e-3)
        left = self._over(self.square * ring, core) - (east**2 + south**2) / count
        good = self.known[core] & (count >= KNOWN * full) & (left > _FLAT * count)
        left = np.where(good, left, 1.0)
        best, depth = np.full_like(east, -1.0), np.zeros_like(east)
        for wear in WEARS:
            to_east, to_south, power = _kernels(self.side, float(radius), wear)
            common = self._over(self.east * to_east + self.south * to_south, core)
            own = np.full_like(east, power[0, 0].real)
            if not self.whole:
                own_east = self._over(self.weight * to_east, core)
                own_south = self._over(self.weight * to_south, core)
                common -= (east * own_east + south * own_south) / count
                own = self._over(self.weight * power, core) - (own_east**2 + own_south**2) / count
            own = np.where(good, own, 1.0)
            alike = common / np.sqrt(left * own)
            better = good & (alike > best)
            best = np.where(better, alike, best)
            # The profile's depth is one radius, and half a diameter.
            depth = np.where(better, 0.5 * common / own, depth)
        return best, depth

    def _over(self, spectrum: Complex, core: tuple[slice, slice]) -> Float:
        values: Float = fft.irfft2(spectrum, (self.side, self.side))[core]
        return values


@lru_cache(maxsize=24)
def _ring(side: int, radius: float) -> tuple[Float, Complex]:
    """Return the ring's weights and their conjugate spectrum."""
    at = fft.fftfreq(side, 1.0 / side) / radius
    distance = np.hypot(at[:, None], at[None, :])
    # Edges are two pixels soft, or small rings would be ragged.
    inside, outside = (np.clip((distance - r) * radius / 2.0 + 0.5, 0.0, 1.0) for r in RING)
    ring = inside - outside
    return ring, np.conj(fft.rfft2(ring))


@lru_cache(maxsize=24 * len(WEARS))
def _kernels(side: int, radius: float, wear: int) -> tuple[Complex, Complex, Complex]:
    """Return conjugate spectra of a profile's slopes in the ring: east, south, and squared."""
    at = fft.fftfreq(side, 1.0 / side) / radius
    distance = np.hypot(at[:, None], at[None, :])
    slope = _profile_slope(distance, SMOOTH_PX / radius, wear)
    away = _ring(side, radius)[0] * slope / np.maximum(distance, 1e-9)
    east, south = fft.rfft2(away * at[None, :]), fft.rfft2(away * at[:, None])
    return np.conj(east), np.conj(south), np.conj(fft.rfft2(away * slope * distance))


def _profile_slope(distance: Float, smooth: float, wear: int) -> Float:
    """Return the slope of a crater one radius deep, outwards, at distances in radii."""
    profile = profiles.tables()[0, wear].astype(np.float64)
    profile /= profile.max() - profile.min()
    step = profiles.REACH / (profiles.RADII - 1)
    through = ndimage.gaussian_filter1d(
        np.concatenate([profile[:0:-1], profile]), smooth / step, mode="nearest"
    )
    slope = np.gradient(through, step)[profiles.RADII - 1 :]
    found: Float = np.interp(distance, step * np.arange(profiles.RADII), slope)
    return found
