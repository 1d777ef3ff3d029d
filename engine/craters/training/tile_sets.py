"""Tiles of real ground to learn from, whatever they are cut from.

Tiles are read when first asked for and kept while there is room. How they are divided into those
that are learned from and those that nobody learns from, `sectors` says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lunarsite.engine.craters.model import inputs
from lunarsite.engine.craters.training.batches import Sample
from lunarsite.engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.craters.training.sectors import Sector

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int = NDArray[np.int64]


class Piece(Protocol):
    """A tile that can be read."""

    def sample(self) -> Sample:
        """Return its channels and circles."""
        ...


@dataclass(slots=True, eq=False)
class Kept:
    """Samples by number, read when first asked for and kept while there is room.

    Parameters
    ----------
    pieces : sequence of Piece
        What the samples are made of.
    room_bytes : int
        What may be held in memory.
    """

    pieces: Sequence[Piece]
    room_bytes: int
    _kept: dict[int, Sample] = field(default_factory=dict)

    def __call__(self, number: int) -> Sample:
        """Return a sample."""
        found = self._kept.get(number)
        if found is None:
            found = self.pieces[number].sample()
            if (len(self._kept) + 1) * found.channels.nbytes <= self.room_bytes:
                self._kept[number] = found
        return found


@dataclass(frozen=True, slots=True)
class Split:
    """Tiles to learn from, and tiles that nobody learns from."""

    learn: list[Piece]
    unseen: list[Piece]


def split(
    pieces: Sequence[Piece],
    spans: Sequence[tuple[float, float]],
    sector: Sector,
    shown: Sequence[Int] = (),
) -> Split:
    """Return which tiles are learned from, and which are not.

    Parameters
    ----------
    pieces : sequence of Piece
        The tiles.
    spans : sequence of (float, float)
        Western longitude and width of each, degrees.
    sector : Sector
        What nobody learns from.
    shown : sequence of ndarray of int64, optional
        Which craters each shows. Near the pole a gap in degrees is short, and a large crater
        reaches over it: a tile with a crater of the other side is not learned from.

    Raises
    ------
    InputError
        If there are none on a side.
    """
    west, width = np.array(spans, np.float64).reshape(-1, 2).T
    unseen, learn = sector.inside(west, width), sector.outside(west, width)
    if shown and unseen.any():
        apart = np.unique(
            np.concatenate([shown[number] for number in np.flatnonzero(unseen).tolist()])
        )
        learn &= np.array([not np.isin(some, apart).any() for some in shown])
    parts = []
    for chosen, where, rest in (
        (learn, "beyond the gaps of", ", without a crater that reaches into it"),
        (unseen, "inside", ""),
    ):
        if not chosen.any():
            raise InputError(
                f"Of {len(pieces)} tiles with craters none lies {where} the sector from "
                f"{sector.west_deg:g}° to {sector.east_deg:g}° (gap {sector.gap_deg:g}°){rest}",
                "Choose another --sector or a smaller --gap-deg, or let tiles overlap",
            )
        # Whoever takes the first ones takes them from everywhere.
        order = np.random.default_rng(0).permutation(np.flatnonzero(chosen))
        parts.append([pieces[number] for number in order])
    return Split(*parts)


def sample_of(height_m: Float32, pixel_m: float, circles: Float, least_px: float) -> Sample:
    """Return heights and circles as networks learn from them.

    Parameters
    ----------
    height_m : ndarray of float32, shape (side, side)
        Metres, NaN for nodata.
    pixel_m : float
        Side of a pixel.
    circles : ndarray of float64, shape (craters, 3)
        Column, row and radius in pixels.
    least_px : float
        Radius from which on all craters are listed.
    """
    # Centres that nobody sees are not asked for; those beyond the edge have rims in the tile.
    outside = ~_within(circles, height_m)
    known = circles[outside | seen(circles, height_m)]
    # A catalogue is sure of its craters, and how deep they are is not learned.
    count = len(known)
    sure = np.column_stack([known, np.ones(count), np.full(count, np.nan)])
    return Sample(
        inputs.channels(height_m, pixel_m / inputs.RELIEF).astype(np.float16), sure, least_px
    )


def seen(circles: Float, height_m: Float32) -> NDArray[np.bool_]:
    """Return which circles have their centres where a tile's heights are known.

    Parameters
    ----------
    circles : ndarray of float64, shape (craters, 3 or more)
        Column, row and radius in pixels.
    height_m : ndarray of float32, shape (rows, columns)
        NaN for nodata.
    """
    known = _within(circles, height_m)
    column, row = np.rint(circles[known, :2].T).astype(np.int64)
    known[known] = np.isfinite(height_m[row, column])
    return known


def _within(circles: Float, height_m: Float32) -> NDArray[np.bool_]:
    """Return which circles have their centres in a tile."""
    column, row = np.rint(circles[:, :2].T)
    rows, columns = height_m.shape
    inside: NDArray[np.bool_] = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    return inside
