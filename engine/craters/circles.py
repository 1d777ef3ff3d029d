"""Craters as circles on the map: detections and catalogues alike."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.spatial import KDTree

from lunarsite.engine import moon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Int = NDArray[np.int64]


_SAME, _EQUAL = 0.9, 1e-5
"""Overlap of circles that are nearly the same, and what equal ones may differ by, in diameters."""

_STEP = 1.12
"""Ratio of radii within which circles are compared at a time: more than 1 / √`_SAME`."""


@dataclass(frozen=True, slots=True, eq=False)
class CircleTable:
    """Circles as columns of equal length, which the subclasses name.

    The common base of all tables of circles in this package.
    """

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the concatenation of several tables."""
        return cls(
            *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls))
        )

    def kept(self, which: Bool | Int) -> Self:
        """Return a selection of the circles, by mask or by index."""
        return type(self)(*(getattr(self, f.name)[which] for f in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Circles(CircleTable):
    """Circles on the map: detections, or craters of a catalogue.

    Parameters
    ----------
    x_m, y_m, radius_m : ndarray of float64, shape (circles,)
        Centre and radius in map metres, polar stereographic.
    confidence : ndarray of float64, shape (circles,)
        Probability that the circle is a crater; 1 in a catalogue.
    depth_m : ndarray of float64, shape (circles,)
        Depth, metres; NaN where unknown.
    """

    x_m: Float
    y_m: Float
    radius_m: Float
    confidence: Float
    depth_m: Float

    @classmethod
    def of_ground(
        cls,
        x_m: ArrayLike,
        y_m: ArrayLike,
        diameter_m: ArrayLike,
        confidence: ArrayLike | None = None,
        depth_m: ArrayLike | None = None,
    ) -> Self:
        """Return circles from diameters on the ground, as tables list them."""
        x, y, diameter = (np.array(v, np.float64).ravel() for v in (x_m, y_m, diameter_m))
        return cls(
            x,
            y,
            diameter / 2.0 * moon.map_scale(x, y),
            np.ones(x.size) if confidence is None else np.array(confidence, np.float64).ravel(),
            np.full(x.size, np.nan) if depth_m is None else np.array(depth_m, np.float64).ravel(),
        )

    @classmethod
    def on_map(
        cls,
        x_m: Float,
        y_m: Float,
        radius_m: Float,
        confidence: Float,
        depth_m: Float | None = None,
    ) -> Self:
        """Return circles from radii in map metres; depths are NaN if not given."""
        unknown = np.full(x_m.size, np.nan)
        return cls(x_m, y_m, radius_m, confidence, unknown if depth_m is None else depth_m)

    @property
    def diameter_m(self) -> Float:
        """Diameter on the ground: that on the map divided by the map scale."""
        diameter: Float = 2.0 * self.radius_m / moon.map_scale(self.x_m, self.y_m)
        return diameter

    def at_least(self, diameter_m: float, confidence: float) -> Self:
        """Return the circles of at least a diameter on the ground and a confidence."""
        return self.kept((self.confidence >= confidence) & (self.diameter_m >= diameter_m))

    def inside(self, bounds: tuple[float, float, float, float]) -> Bool:
        """Return which centres lie within west, south, east, north, edges included."""
        west, south, east, north = bounds
        within: Bool = (
            (self.x_m >= west) & (self.x_m <= east) & (self.y_m >= south) & (self.y_m <= north)
        )
        return within


def duplicates(x_m: Float, y_m: Float, diameter_m: Float) -> tuple[Bool, int]:
    """Return which circles repeat an earlier one, and how many more are nearly the same.

    Parameters
    ----------
    x_m, y_m, diameter_m : ndarray of float64, shape (circles,)
        Circles, metres.

    Returns
    -------
    repeated : ndarray of bool, shape (circles,)
        True of circles that equal an earlier one, rounded to a hundred-thousandth of their
        diameter.
    near : int
        Pairs of the others whose circles overlap by `_SAME` of their area and more.
    """
    # In units of the diameter, rounded down to a power of two so that equal circles share it.
    unit = 2.0 ** np.floor(np.log2(diameter_m) + 1e-9) * _EQUAL
    rows = np.round(np.column_stack([x_m / unit, y_m / unit, diameter_m / unit]))
    _, first = np.unique(np.column_stack([rows, np.log2(unit)]), axis=0, return_index=True)
    repeated = np.ones(x_m.size, bool)
    repeated[first] = False
    x, y, radius = x_m[~repeated], y_m[~repeated], 0.5 * diameter_m[~repeated]
    order = np.argsort(radius)
    x, y, radius = x[order], y[order], radius[order]
    near, low = 0, 0
    while low < radius.size:
        # Circles that overlap so much differ by a tenth in radius at the most.
        high = int(np.searchsorted(radius, radius[low] * _STEP, side="right"))
        end = int(np.searchsorted(radius, radius[low] * _STEP * _STEP, side="right"))
        tree = KDTree(np.column_stack([x[low:end], y[low:end]]))
        pairs = tree.query_pairs(0.1 * radius[end - 1], output_type="ndarray")
        pairs = low + pairs[(pairs < high - low).any(axis=1)]
        near += int((overlap(x, y, radius, pairs[:, 0], pairs[:, 1]) >= _SAME).sum())
        low = high
    return repeated, near


def iou(one: Circles, other: Circles, i: Int, j: Int) -> Float:
    """Return the intersection over union of circles ``i`` of one table with ``j`` of another."""
    x, y, radius = (
        np.concatenate([getattr(one, name), getattr(other, name)])
        for name in ("x_m", "y_m", "radius_m")
    )
    return overlap(x, y, radius, i, j + len(one))


def overlap(x: Float, y: Float, radius: Float, i: Int, j: Int) -> Float:
    """Return the intersection over union of pairs of circles.

    Parameters
    ----------
    x, y, radius : ndarray of float64, shape (circles,)
        Circles, in one unit.
    i, j : ndarray of int64, shape (pairs,)
        Indices of the pairs.

    Returns
    -------
    ndarray of float64, shape (pairs,)
        Area of the intersection divided by that of the union, 0 to 1.
    """
    distance = np.hypot(x[i] - x[j], y[i] - y[j])
    a, b = radius[i], radius[j]
    apart = distance >= a + b
    within = distance <= np.abs(a - b)
    d = np.where(apart | within, 1.0, distance)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = np.clip((d**2 + a**2 - b**2) / (2 * d * a), -1.0, 1.0)
        q = np.clip((d**2 + b**2 - a**2) / (2 * d * b), -1.0, 1.0)
    lens = (-d + a + b) * (d + a - b) * (d - a + b) * (d + a + b)
    common = a**2 * np.arccos(p) + b**2 * np.arccos(q) - 0.5 * np.sqrt(np.maximum(lens, 0.0))
    common = np.where(apart, 0.0, np.where(within, np.pi * np.minimum(a, b) ** 2, common))
    share: Float = common / (np.pi * (a**2 + b**2) - common)
    return share
