"""Training and validation sets of real tiles, split by longitude (`sectors`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lunarsite.engine.craters.model import inputs
from lunarsite.engine.craters.training.batches import Sample, size_of
from lunarsite.engine.errors import InputError
from lunarsite.engine.training.sample_cache import SampleCache

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.craters.training.sectors import Sector

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int = NDArray[np.int64]


class Tile(Protocol):
    """A tile that can be read."""

    def sample(self) -> Sample:
        """Return its channels and circles."""
        ...


@dataclass(frozen=True, slots=True)
class Split:
    """The tiles of the training set and of the validation set."""

    training: list[Tile]
    validation: list[Tile]


def samples(pieces: Sequence[Tile], capacity_bytes: int) -> SampleCache[Sample]:
    """Return a source of the samples of tiles, cached up to a number of bytes."""

    def load(number: int) -> Sample:
        return pieces[number].sample()

    return SampleCache(load, size_of, capacity_bytes)


def split(
    pieces: Sequence[Tile],
    spans: Sequence[tuple[float, float]],
    sector: Sector,
    craters: Sequence[Int] = (),
) -> Split:
    """Split tiles into a training set and a validation set.

    Parameters
    ----------
    pieces : sequence of Tile
        The tiles.
    spans : sequence of (float, float)
        Western longitude and width of each tile, degrees.
    sector : Sector
        Longitudes of the validation set.
    craters : sequence of ndarray of int64, optional
        Craters that reach into each tile. Near the pole a gap in degrees is short, and a large
        crater may span it: tiles that share a crater with the validation set are left out of the
        training set.

    Raises
    ------
    InputError
        If one of the two sets is empty.
    """
    west, width = np.array(spans, np.float64).reshape(-1, 2).T
    validation, training = sector.inside(west, width), sector.outside(west, width)
    if craters and validation.any():
        held_out = np.unique(
            np.concatenate([craters[number] for number in np.flatnonzero(validation).tolist()])
        )
        training &= np.array([not np.isin(each, held_out).any() for each in craters])
    parts = []
    for chosen, where, rest in (
        (training, "beyond the gaps of", ", without a crater that reaches into it"),
        (validation, "inside", ""),
    ):
        if not chosen.any():
            raise InputError(
                f"Of {len(pieces)} tiles with craters none lies {where} the sector from "
                f"{sector.west_deg:g}° to {sector.east_deg:g}° (gap {sector.gap_deg:g}°){rest}",
                "Choose another --sector or a smaller --gap-deg, or let tiles overlap",
            )
        # Shuffled, so that the first tiles come from everywhere.
        order = np.random.default_rng(0).permutation(np.flatnonzero(chosen))
        parts.append([pieces[number] for number in order])
    return Split(*parts)


def sample_of(height_m: Float32, pixel_m: float, circles: Float, least_px: float) -> Sample:
    """Return the sample of a tile of real ground.

    Parameters
    ----------
    height_m : ndarray of float32, shape (side, side)
        Metres, NaN for nodata.
    pixel_m : float
        Side of a pixel, metres.
    circles : ndarray of float64, shape (craters, 3)
        Column, row and radius in pixels.
    least_px : float
        Radius from which the list of craters is complete, pixels.
    """
    # Craters whose centre has no height are dropped; those beyond the edge have rims in the tile.
    outside = ~_within(circles, height_m)
    listed = circles[outside | centers_valid(circles, height_m)]
    # Catalogued craters are certain; their depth is not a target.
    count = len(listed)
    certain = np.column_stack([listed, np.ones(count), np.full(count, np.nan)])
    return Sample(
        inputs.channels(height_m, pixel_m / inputs.RELIEF).astype(np.float16), certain, least_px
    )


def centers_valid(circles: Float, height_m: Float32) -> NDArray[np.bool_]:
    """Return which circles have their centre on a pixel of the tile with a valid height.

    Parameters
    ----------
    circles : ndarray of float64, shape (craters, 3 or more)
        Column, row and radius in pixels.
    height_m : ndarray of float32, shape (rows, columns)
        NaN for nodata.
    """
    valid = _within(circles, height_m)
    column, row = np.rint(circles[valid, :2].T).astype(np.int64)
    valid[valid] = np.isfinite(height_m[row, column])
    return valid


def _within(circles: Float, height_m: Float32) -> NDArray[np.bool_]:
    """Return which circles have their centre in a tile."""
    column, row = np.rint(circles[:, :2].T)
    rows, columns = height_m.shape
    inside: NDArray[np.bool_] = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    return inside
