"""Craters of an elevation model of any size, by a trained network at all scales.

Blocks lie on a fixed grid of each scale and are worked on one by one, so neither the order nor the
number of threads can change a circle. The heat-map network sees all that its answer depends on, so
the size of the blocks changes no circle either, beyond rounding; nor does the frame, away from its
edges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.detection import decoding
from lunarsite.engine.craters.detection.decoding import Merged, Peaks
from lunarsite.engine.craters.model import inputs
from lunarsite.engine.craters.model.architecture import OCTAVES, STRIDE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.model.onnx_runner import Runner
    from lunarsite.engine.craters.pyramid import Block, Level

    Float32 = NDArray[np.float32]
    Rims = Callable[[Level, Block, Float32], None]


def find(levels: list[Level], runner: Runner, context: Context, rims: Rims | None = None) -> Merged:
    """Return the craters of a pyramid, in map metres.

    Parameters
    ----------
    levels : list of Level
        The scales.
    runner : Runner
        The network.
    context : Context
        Is told the progress and may cancel; its pool works on the blocks.
    rims : callable, optional
        Gets the rim probability of each block's core, float32 at half the level's resolution;
        what lies beyond the level is among it.
    """
    jobs = [(level, block) for level in levels for block in level.aligned_blocks()]
    cores = context.threads if runner.at_once else 1
    parts: list[Peaks] = []
    for start in range(0, len(jobs), cores):
        context.progress(start / len(jobs), "Looking for craters")
        some = jobs[start : start + cores]
        answers = context.pool().map(lambda job: _answer(job[0], job[1], runner), some)
        for (level, block), heads in zip(some, answers, strict=True):
            if heads is None:
                continue
            parts.append(_peaks_of(level, block, heads))
            if rims is not None:
                rims(level, block, _core(heads[OCTAVES]))
    found = Peaks.joined([Peaks.none(), *parts])
    # A coarser scale's first and last pixels may reach beyond the frame.
    west, south, east, north = levels[0].grid.bounds
    found = found.kept(
        (found.x >= west) & (found.x <= east) & (found.y >= south) & (found.y <= north)
    )
    return decoding.merge(found, [level.grid.pixel_m for level in levels])


def _answer(level: Level, block: Block, runner: Runner) -> Float32 | None:
    """Return the heads over a block with its halo; None where nothing is known of it."""
    margin = pyramid.HALO_PX + inputs.HALO_PX
    rows, columns = (
        # No more than the level goes on, in whole steps of the network.
        min(pyramid.CORE_PX, -(-(end - first) // pyramid.ALIGNED_PX) * pyramid.ALIGNED_PX)
        for first, end in zip((block.row, block.column), level.grid.shape, strict=True)
    )
    height = level.around(
        block.row - margin, block.column - margin, rows + 2 * margin, columns + 2 * margin
    )
    inner = slice(margin, -margin)
    if not np.isfinite(height[inner, inner]).any():
        return None
    channels = inputs.channels(height, level.grid.pixel_m / inputs.RELIEF)
    seen = slice(inputs.HALO_PX, -inputs.HALO_PX)
    return runner(np.ascontiguousarray(channels[:, seen, seen]))


def _peaks_of(level: Level, block: Block, heads: Float32) -> Peaks:
    """Return the peaks of a block's core, in map metres."""
    # A peak belongs to the block of its pixel: where its circle lies, rounding could have it be
    # of two blocks, or of none.
    found = decoding.peaks(heads, level.number, edge=pyramid.HALO_PX // STRIDE)
    column = found.x + block.column - pyramid.HALO_PX
    row = found.y + block.row - pyramid.HALO_PX
    inside = (column > -0.5) & (column < level.grid.width - 0.5)
    inside &= (row > -0.5) & (row < level.grid.height - 0.5)
    pixel, grid = level.grid.pixel_m, level.grid
    x = grid.x_min_m + (column + 0.5) * pixel
    y = grid.y_max_m - (row + 0.5) * pixel
    return Peaks(x, y, found.radius * pixel, found.logit, found.level).kept(inside)


def _core(logits: Float32) -> Float32:
    """Return the rim probability of a block's core."""
    inner = slice(pyramid.HALO_PX // STRIDE, -pyramid.HALO_PX // STRIDE)
    chance: Float32 = special.expit(logits[inner, inner])
    return chance
