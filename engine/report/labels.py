"""Placement of labels on a map, where they cover neither symbols nor each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Offset = tuple[float, float]

_POINTS_PER_INCH = 72.0
_PADDING_PT = 1.5
"""Kept free around each label, for its halo."""

_PER_POINT = 0.6
"""Square points of overlap that are as bad as a label that lies a point farther away."""

_OUTSIDE = 50.0
"""How much worse a part of a label beyond the frame is than one on another label."""


class Labels:
    """The part of a map that is taken by symbols and labels.

    Lengths are in points, 1/72 inch, from the lower left corner of the figure.

    Parameters
    ----------
    axes : Axes
        Axes in map metres, at their final place in the figure.
    """

    def __init__(self, axes: Axes) -> None:
        axes.apply_aspect()
        self._axes = axes
        figure: Any = axes.figure
        self._scale = _POINTS_PER_INCH / figure.dpi
        self._renderer = figure.canvas.get_renderer()
        self._frame = axes.get_window_extent().extents * self._scale
        self._taken = np.empty((0, 4))

    def at(self, x_m: float, y_m: float) -> Float:
        """Return where a place of the map is, points."""
        return np.asarray(self._axes.transData.transform((x_m, y_m)) * self._scale)

    def take(self, boxes: Float) -> None:
        """Take areas.

        Parameters
        ----------
        boxes : ndarray of float64, shape (areas, 4)
            Left, lower, right and upper edges, points.
        """
        self._taken = np.vstack([self._taken, boxes])

    def take_places(self, places: Float, radius_pt: float) -> None:
        """Take squares around places of the map, shape (places, 2), metres."""
        for x_m, y_m in places:
            x, y = self.at(x_m, y_m)
            self.take(np.array([[x - radius_pt, y - radius_pt, x + radius_pt, y + radius_pt]]))

    def take_text(self, text: Text) -> None:
        """Take the area of a text that is drawn already."""
        box = np.asarray(text.get_window_extent(self._renderer).extents)
        self.take(box[None] * self._scale)

    def size(self, text: Text) -> tuple[float, float]:
        """Return the width and height of a text, points."""
        box = text.get_window_extent(self._renderer)
        return float(box.width) * self._scale, float(box.height) * self._scale

    def cost_of(self, centre: Float, size: tuple[float, float]) -> float:
        """Return how bad a place for a label is; 0 if it covers nothing and is within the frame."""
        half = 0.5 * np.asarray(size) + _PADDING_PT
        low, high = centre - half, centre + half
        over = np.minimum(high, self._taken[:, 2:]) - np.maximum(low, self._taken[:, :2])
        inside = np.minimum(high, self._frame[2:]) - np.maximum(low, self._frame[:2])
        beyond = np.prod(high - low) - np.prod(np.maximum(inside, 0.0))
        return float(np.prod(np.maximum(over, 0.0), axis=1).sum() + _OUTSIDE * beyond)

    def free(
        self, x_m: float, y_m: float, size: tuple[float, float], offsets: Iterable[Offset]
    ) -> Offset | None:
        """Return the first offset at which a label covers nothing, and take its area.

        Parameters are those of `best`; None if there is none.
        """
        place = self.at(x_m, y_m)
        for offset in offsets:
            if self.cost_of(place + offset, size) == 0.0:
                self._take_at(place + offset, size)
                return offset
        return None

    def best(
        self, x_m: float, y_m: float, size: tuple[float, float], offsets: Iterable[Offset]
    ) -> Offset:
        """Return the best of several offsets of a label's centre from its place, and take its area.

        Parameters
        ----------
        x_m, y_m : float
            The place.
        size : tuple of float
            Width and height of the label, points.
        offsets : iterable of tuple of float
            To the right and up, points; of equally good ones the first is taken.

        Returns
        -------
        tuple of float
            The one at which the label covers least, and is nearest.
        """
        place = self.at(x_m, y_m)
        chosen, lowest = (0.0, 0.0), np.inf
        for offset in offsets:
            cost = self.cost_of(place + offset, size) + _PER_POINT * float(np.hypot(*offset))
            if cost < lowest - 1e-9:
                chosen, lowest = offset, cost
        self._take_at(place + chosen, size)
        return chosen

    def _take_at(self, centre: Float, size: tuple[float, float]) -> None:
        half = 0.5 * np.asarray(size)
        self.take(np.concatenate([centre - half, centre + half])[None])


def around(size: tuple[float, float], gaps_pt: Iterable[float]) -> list[Offset]:
    """Return offsets of the centre of a label to all sides of a symbol, the nearest first.

    Parameters
    ----------
    size : tuple of float
        Width and height of the label, points.
    gaps_pt : iterable of float
        Distances of its edge from the centre of the symbol, points.
    """
    angles = np.radians([0, 45, 315, 90, 270, 135, 225, 180, *range(15, 360, 30)])
    found = []
    for gap in gaps_pt:
        for angle in angles.tolist():
            east, north = float(np.cos(angle)), float(np.sin(angle))
            # At corners the corner of the label, else one of its edges, faces the symbol.
            across, up = (
                0.5 * side * float(np.clip(way * np.sqrt(2.0), -1.0, 1.0))
                for side, way in zip(size, (east, north), strict=True)
            )
            found.append((across + gap * east, up + gap * north))
    return found
