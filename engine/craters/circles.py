"""Craters as circles on the map: what is compared, wherever it comes from."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.craters.detection import decoding

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Int = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Circles:
    """Circles on the map.

    Parameters
    ----------
    x_m, y_m, radius_m : ndarray of float64, shape (circles,)
        On the map, so that distances and radii are of one kind.
    score : ndarray of float64, shape (circles,)
        How sure it is that it is a crater; 1 in a catalogue.
    depth_m : ndarray of float64, shape (circles,)
        NaN where unknown.
    """

    x_m: Float
    y_m: Float
    radius_m: Float
    score: Float
    depth_m: Float

    @classmethod
    def of_ground(
        cls,
        x_m: ArrayLike,
        y_m: ArrayLike,
        diameter_m: ArrayLike,
        score: ArrayLike | None = None,
        depth_m: ArrayLike | None = None,
    ) -> Self:
        """Return circles whose diameters are given on the ground, as in tables."""
        x, y, diameter = (np.array(v, np.float64).ravel() for v in (x_m, y_m, diameter_m))
        return cls(
            x,
            y,
            diameter / 2.0 * moon.map_scale(x, y),
            np.ones(x.size) if score is None else np.array(score, np.float64).ravel(),
            np.full(x.size, np.nan) if depth_m is None else np.array(depth_m, np.float64).ravel(),
        )

    def __len__(self) -> int:
        return int(self.x_m.size)

    @property
    def diameter_m(self) -> Float:
        """On the ground: the map is too large by its scale."""
        diameter: Float = 2.0 * self.radius_m / moon.map_scale(self.x_m, self.y_m)
        return diameter

    def kept(self, which: Bool | Int) -> Self:
        """Return some of the circles."""
        return type(self)(*(getattr(self, f.name)[which] for f in fields(self)))

    def inside(self, bounds: tuple[float, float, float, float]) -> Bool:
        """Say which centres lie inside west, south, east, north, its edges included."""
        west, south, east, north = bounds
        within: Bool = (
            (self.x_m >= west) & (self.x_m <= east) & (self.y_m >= south) & (self.y_m <= north)
        )
        return within


def iou(one: Circles, other: Circles, i: Int, j: Int) -> Float:
    """Return the intersection over union of circles ``i`` of one with circles ``j`` of another."""
    x, y, radius = (
        np.concatenate([getattr(one, name), getattr(other, name)])
        for name in ("x_m", "y_m", "radius_m")
    )
    return decoding.overlap(x, y, radius, i, j + len(one))
