"""Multi-scale crater detection with a trained network, in elevation models of any size.

Blocks lie on a fixed grid at each scale and are processed independently, so neither their order nor
the number of threads changes a circle. Their halo covers the receptive field of the heat-map
network, so the size of the blocks changes no circle beyond rounding; nor does the extent of the
elevation model, away from its edges.
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


def find(
    levels: list[Level],
    runner: Runner,
    context: Context,
    rims: Rims | None = None,
    *,
    upside_down: bool = False,
) -> Merged:
    """Detect the craters of an elevation model at all scales.

    Parameters
    ----------
    levels : list of Level
        The elevation model at all scales, the finest first.
    runner : Runner
        The network.
    context : Context
        Progress and cancellation; its pool runs the blocks.
    rims : callable, optional
        Receives the rim probability of each block's core, float32 at half the resolution of the
        level, including what lies beyond the level.
    upside_down : bool, optional
        Whether to search the ground upside down, for `decoys`.

    Returns
    -------
    Merged
        Detections of any confidence, in map metres.
    """
    jobs = [(level, block) for level in levels for block in level.aligned_blocks()]
    sign = np.float32(-1.0 if upside_down else 1.0)
    cores = context.threads if runner.thread_safe else 1
    parts: list[Peaks] = []
    for start in range(0, len(jobs), cores):
        context.progress(start / len(jobs), "Detecting craters")
        batch = jobs[start : start + cores]
        outputs = context.pool().map(lambda job: _heads(job[0], job[1], runner, sign), batch)
        for (level, block), heads in zip(batch, outputs, strict=True):
            if heads is None:
                continue
            parts.append(_peaks_of(level, block, heads))
            if rims is not None:
                rims(level, block, _core(heads[OCTAVES]))
    found = Peaks.joined([Peaks.none(), *parts])
    # The first and last pixels of coarse scales may reach beyond the elevation model.
    west, south, east, north = levels[0].grid.bounds
    found = found.kept(
        (found.x >= west) & (found.x <= east) & (found.y >= south) & (found.y <= north)
    )
    return decoding.merge(found, [level.grid.pixel_m for level in levels])


def _heads(level: Level, block: Block, runner: Runner, sign: np.float32) -> Float32 | None:
    """Return the network's output for a block with its halo; None if it has no valid height.

    Heights are multiplied by ``sign``.
    """
    margin = pyramid.HALO_PX + inputs.HALO_PX
    rows, columns = (
        # Clipped to the level, in multiples of the network's stride.
        min(pyramid.CORE_PX, -(-(end - first) // pyramid.ALIGNED_PX) * pyramid.ALIGNED_PX)
        for first, end in zip((block.row, block.column), level.grid.shape, strict=True)
    )
    height = level.around(
        block.row - margin, block.column - margin, rows + 2 * margin, columns + 2 * margin
    )
    inner = slice(margin, -margin)
    if not np.isfinite(height[inner, inner]).any():
        return None
    channels = inputs.channels(sign * height, level.grid.pixel_m / inputs.RELIEF)
    valid = slice(inputs.HALO_PX, -inputs.HALO_PX)
    return runner(np.ascontiguousarray(channels[:, valid, valid]))


def _peaks_of(level: Level, block: Block, heads: Float32) -> Peaks:
    """Return the peaks of a block's core, in map metres."""
    # A peak belongs to the block of its pixel: by the centre of its circle, rounding could assign
    # it to two blocks, or to none.
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
    probability: Float32 = special.expit(logits[inner, inner])
    return probability
