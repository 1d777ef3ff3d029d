"""Training targets of a tile: centre heat maps and shapes by octave of size, and rims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.craters.model.architecture import LEAST_RADIUS_PX, OCTAVES, STRIDE
from lunarsite.engine.craters.training import _target_kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Targets of a tile, at the resolution of the network's output.

    Parameters
    ----------
    heat : ndarray of float32, shape (octaves, rows, columns)
        One at centres, falling off around them.
    weight : ndarray of float32, shape (octaves, rows, columns)
        Weight of the loss; zero for ignored pixels.
    shape : ndarray of float32, shape (octaves, 4, rows, columns)
        Log2 of the ratio of the radius to the octave's middle, offset of the centre east and south
        in units of the octave's middle radius, and the weight of these three.
    rim : ndarray of float32, shape (2, rows, columns)
        One on rims; and the weight of the loss, zero for ignored pixels.
    """

    heat: Float32
    weight: Float32
    shape: Float32
    rim: Float32


def draw(circles: Float, side_px: int) -> Targets:
    """Return the targets of a square tile.

    Parameters
    ----------
    circles : ndarray of float64, shape (craters, 4 or more)
        Column, row and radius in pixels; whether the crater is certain.
    side_px : int
        Side of the tile, pixels.
    """
    side = side_px // STRIDE
    heat = np.zeros((OCTAVES, side, side), np.float32)
    weight = np.ones_like(heat)
    shape = np.zeros((OCTAVES, 4, side, side), np.float32)
    _target_kernels.draw_targets(circles[:, :4], LEAST_RADIUS_PX, STRIDE, heat, weight, shape)
    rim = np.zeros((2, side, side), np.float32)
    large = circles[circles[:, 2] >= LEAST_RADIUS_PX]
    _target_kernels.draw_rims(large[:, :4], STRIDE, rim[0], rim[1])
    rim[1] = 1.0 - np.where(rim[0] > 0.0, 0.0, rim[1])
    return Targets(heat, weight, shape, rim)
