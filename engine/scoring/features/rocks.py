"""What images say of every cell: rocks, how sure the network is of them, and shadow."""

from __future__ import annotations

import math
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import images, raster
from lunarsite.engine.scoring.features import columns, lattice, rock_groups
from lunarsite.engine.segmentation import classes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

LEAST_KNOWN_PCT = 50.0
"""Cells of which images show less have no features of images."""


def files(folder: str) -> list[str]:
    """Return the files of a folder that ``segment-terrain`` wrote and that are read here."""
    return [str(Path(folder) / name) for name in columns.ROCK_FILES]


def check(folder: str) -> None:
    """Look at the outputs of ``segment-terrain`` as far as that takes a moment.

    Raises
    ------
    CrsError
        If they have no place on the Moon.
    InputError
        If they are not there, or are not what that stage writes.
    """
    with _opened(folder):
        pass


def check_image(path: str) -> None:
    """Look at an image as far as that takes a moment.

    Raises
    ------
    CrsError
        If it has no place on the Moon.
    InputError
        If it cannot be read as an image.
    """
    with raster.opened(path, images.WHAT) as source:
        _check_place(source, images.WHAT)


def features(folder: str, coarse: Grid, context: Context) -> dict[str, Float32]:
    """Return the rock features of every cell.

    A large rock is a group of large-rock pixels that touch at sides or corners, found on the
    whole raster. It is counted once, in the cell that holds its centroid; a centroid on a border
    belongs to the cell east or south of it.

    Parameters
    ----------
    folder : str
        What ``segment-terrain`` wrote.
    coarse : Grid
        The cells.
    context : Context
        Progress, warnings.

    Returns
    -------
    dict of ndarray of float32, shape of ``coarse``
        ``rock_coverage_pct``: share of the known ground that small and large rocks cover;
        ``large_rock_count``; ``segmentation_confidence``: mean of the largest class's
        probability, 0 to 1. NaN where less than half of a cell is known; the coverage beside them
        says how much is, percent.

    Raises
    ------
    CrsError
        If the rasters have no place on the Moon.
    InputError
        If they are not there, not what that stage writes, or too coarse for the cells.
    """
    with _opened(folder) as (named, shares):

        def read(fine: Grid) -> Iterator[tuple[Window, Float, NDArray[np.bool_]]]:
            with (
                lattice.laid_on(named, fine, 255) as at,
                lattice.laid_on(shares, fine, math.nan) as how,
            ):
                for window in fine.tiles(lattice.TILE_PX):
                    number, share = at.read(1, window=window), how.read(window=window)
                    known = (number != classes.NODATA) & np.isfinite(share).all(axis=0)
                    _check_values(number[known], share[:, known], folder)
                    rock = (number == classes.SMALL) | (number == classes.LARGE)
                    yield window, np.stack([100.0 * rock, share.max(axis=0)]), known

        known_pct, (rock, confidence) = lattice.means_by_cell(
            named, coarse, read, 2, "The image of rocks", context
        )
        row, column = rock_groups.centroids(named, classes.LARGE)
        count = _counted(named, row, column, coarse)
    found = {
        "rock_coverage_pct": rock,
        "large_rock_count": count,
        "segmentation_confidence": confidence,
    }
    return _kept(found, known_pct, "rocks")


def shadow(path: str, coarse: Grid, context: Context) -> dict[str, Float32]:
    """Return the share of every cell that is dark in an image.

    Returns
    -------
    dict of ndarray of float32, shape of ``coarse``
        ``shadow_coverage_pct``: share of the known pixels that are darker than
        `images.Image.dark_grey`; NaN where less than half of a cell is known; the coverage
        beside it says how much is, percent.

    Raises
    ------
    CrsError
        If the image has no place on the Moon.
    InputError
        If it cannot be read as an image, or is too coarse for the cells.
    """
    check_image(path)
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "dark.tif"
        _write_dark(path, mask, context)
        with raster.opened(mask, images.WHAT) as source:

            def read(fine: Grid) -> Iterator[tuple[Window, Float, NDArray[np.bool_]]]:
                with lattice.laid_on(source, fine, 255) as at:
                    for window in fine.tiles(lattice.TILE_PX):
                        dark = at.read(1, window=window)
                        yield window, 100.0 * (dark == 1)[None], dark != 255

            what = f"{images.WHAT} {Path(path).name}"
            known_pct, (dark,) = lattice.means_by_cell(source, coarse, read, 1, what, context)
    return _kept({"shadow_coverage_pct": dark}, known_pct, "rock_image")


@contextmanager
def _opened(folder: str) -> Iterator[tuple[rasterio.DatasetReader, rasterio.DatasetReader]]:
    """Open the classes and their probabilities after the checks that need no pixels."""
    for path in files(folder):
        if not Path(path).is_file():
            raise InputError(
                f"The rocks: {folder} holds no {Path(path).name}",
                "Give the folder that segment-terrain wrote: lunarsite segment-terrain",
            )
    whats = [f"The rocks' {name}" for name in columns.ROCK_FILES]
    paths = files(folder)
    with raster.opened(paths[0], whats[0]) as named, raster.opened(paths[1], whats[1]) as shares:
        for source, what in zip((named, shares), whats, strict=True):
            _check_place(source, what)
        if (named.count, named.dtypes[0]) != (1, "uint8") or shares.count != len(classes.NAMES):
            raise _not_ours(folder, "are not one band of 8-bit classes and four of probabilities")
        if named.shape != shares.shape or not named.transform.almost_equals(shares.transform):
            raise _not_ours(folder, "do not lie on the same pixels")
        yield named, shares


def _check_place(source: rasterio.DatasetReader, what: str) -> None:
    crs = raster.crs_of(source, what)
    moon.check_body(crs, what)


def _check_values(number: NDArray[np.uint8], share: Float32, folder: str) -> None:
    if number.size and number.max() >= len(classes.NAMES):
        raise _not_ours(folder, f"hold the class {number.max()}, and the classes are 0 to 3")
    if share.size and not (share.min() >= -1e-3 and share.max() <= 1.001):
        raise _not_ours(
            folder, f"hold probabilities from {share.min():g} to {share.max():g}, not within 0 to 1"
        )


def _not_ours(folder: str, problem: str) -> InputError:
    return InputError(
        f"The rocks: {' and '.join(columns.ROCK_FILES)} in {folder} {problem}",
        "Make them again: lunarsite segment-terrain",
    )


def _write_dark(path: str, mask: Path, context: Context) -> None:
    """Write where an image is dark: 1 dark, 0 not, 255 unknown."""
    with images.opened(path) as image:
        frame = image.frame
        made = {"driver": "GTiff", "count": 1, "dtype": "uint8", "nodata": 255, "crs": frame.crs}
        made |= {"width": frame.width, "height": frame.height, "transform": frame.transform}
        rows = max(1, lattice.TILE_PX**2 // frame.width)
        with rasterio.open(mask, "w", compress="zstd", bigtiff="IF_SAFER", **made) as target:
            for row in range(0, frame.height, rows):
                context.check()
                window = Window(0, row, frame.width, min(rows, frame.height - row))
                seen, known = image.read(window)
                dark = np.where(known, seen.mean(axis=2) < image.dark_grey, 255).astype(np.uint8)
                target.write(dark, 1, window=window)


def _counted(source: rasterio.DatasetReader, row: Float, column: Float, coarse: Grid) -> Float:
    """Return how many places of an image lie in each cell; rows and columns count from corners."""
    x, y = lattice.on_the_map(source, row, column)
    down = np.floor((coarse.y_max_m - y) / coarse.pixel_m).astype(np.int64)
    across = np.floor((x - coarse.x_min_m) / coarse.pixel_m).astype(np.int64)
    inside = (down >= 0) & (down < coarse.height) & (across >= 0) & (across < coarse.width)
    cell = down[inside] * coarse.width + across[inside]
    count = np.bincount(cell, minlength=coarse.width * coarse.height).astype(np.float64)
    return count.reshape(coarse.shape)


def _kept(found: dict[str, Float], known_pct: Float, source: str) -> dict[str, Float32]:
    """Return features without those of cells that are too little known, and the coverage."""
    enough = known_pct >= LEAST_KNOWN_PCT
    kept = {
        name: np.where(enough, values, np.nan).astype(np.float32) for name, values in found.items()
    }
    return {columns.coverage_column(source): known_pct.astype(np.float32), **kept}
