"""Features of cells from imagery: rocks, confidence of the network, and shadow."""

from __future__ import annotations

import math
import shlex
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.windows import Window
from scipy.spatial import cKDTree

from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import display_name
from lunarsite.engine.io import images, raster
from lunarsite.engine.scoring.features import columns, lattice, rock_groups
from lunarsite.engine.segmentation import classes
from lunarsite.engine.uncertainty.domain import TAG as OUT_OF_DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.scoring.features.places import Places

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

LEAST_KNOWN_PCT = 50.0
"""Minimum coverage of a cell for features from imagery, percent."""


def files(folder: str) -> list[str]:
    """Return the files that are read from an output folder of ``segment-terrain``."""
    return [str(Path(folder) / name) for name in columns.ROCK_FILES]


def check(folder: str) -> None:
    """Check the outputs of ``segment-terrain`` without reading pixels.

    Raises
    ------
    CrsError
        If they are not georeferenced on the Moon.
    InputError
        If they are missing, or not outputs of that stage.
    """
    with _opened(folder):
        pass


def check_image(path: str) -> None:
    """Check an image without reading pixels.

    Raises
    ------
    CrsError
        If it is not georeferenced on the Moon.
    InputError
        If it cannot be read as an image.
    """
    with raster.opened(path, images.WHAT) as source:
        raster.crs_of(source, images.WHAT)


def features(folder: str, places: Places, context: Context) -> dict[str, Float32]:
    """Return the rock features of every place.

    A large rock is an 8-connected component of large-rock pixels of the whole raster. It is counted
    where its centroid is: on a landing disc, or in a cell; a centroid on a border belongs to the
    cell to its east or south.

    Parameters
    ----------
    folder : str
        Output folder of ``segment-terrain``.
    places : Places
        Landing discs or cells.
    context : Context
        Progress and warnings.

    Returns
    -------
    dict of ndarray of float32, shape of the cells
        ``rock_coverage_pct``: percentage of the valid pixels with small or large rocks;
        ``large_rock_count``; ``segmentation_confidence``: mean probability of the predicted class,
        0 to 1; and the coverage, percent. NaN if less than half of a place is covered.

    Raises
    ------
    CrsError
        If the rasters are not georeferenced on the Moon.
    InputError
        If they are missing, not outputs of that stage, or too coarse for the cells.
    """
    with _opened(folder) as (named, shares):
        if OUT_OF_DISTRIBUTION in named.tags():
            context.warn(
                f"The rocks of {display_name(folder)} were predicted in an image that is out of "
                "distribution: it is unlike those that the network was trained on, and rocks "
                "and confidence may be wrong. Check them by eye."
            )

        def read(fine: Grid) -> Iterator[tuple[Window, Float, NDArray[np.bool_]]]:
            with (
                lattice.resampled_to(named, fine, 255) as class_raster,
                lattice.resampled_to(shares, fine, math.nan) as probability_raster,
            ):
                for window in fine.tiles(lattice.TILE_PX):
                    number = class_raster.read(1, window=window)
                    share = probability_raster.read(window=window)
                    known = (number != classes.NODATA) & np.isfinite(share).all(axis=0)
                    _check_values(number[known], share[:, known], folder)
                    rock = (number == classes.SMALL) | (number == classes.LARGE)
                    yield window, np.stack([100.0 * rock, share.max(axis=0)]), known

        known_pct, (rock, confidence) = lattice.means_by_cell(
            named, places, read, 2, "The image of rocks", context
        )
        row, column = rock_groups.centroids(named, classes.LARGE)
        count = _counted(named, row, column, places)
    features = {
        "rock_coverage_pct": rock,
        "large_rock_count": count,
        "segmentation_confidence": confidence,
    }
    return _with_coverage(features, known_pct, "rocks")


def shadow(path: str, places: Places, context: Context) -> dict[str, Float32]:
    """Return the percentage of every place that is in shadow in an image.

    Returns
    -------
    dict of ndarray of float32, shape of the cells
        ``shadow_coverage_pct``: percentage of the valid pixels that are darker than
        `images.Image.dark_grey`; and the coverage, percent. NaN if less than half of a cell is
        covered.

    Raises
    ------
    CrsError
        If the image is not georeferenced on the Moon.
    InputError
        If it cannot be read as an image, or is too coarse for the cells.
    """
    check_image(path)
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "dark.tif"
        _write_dark(path, mask, context)
        with raster.opened(mask, images.WHAT) as source:

            def read(fine: Grid) -> Iterator[tuple[Window, Float, NDArray[np.bool_]]]:
                with lattice.resampled_to(source, fine, 255) as warped:
                    for window in fine.tiles(lattice.TILE_PX):
                        dark = warped.read(1, window=window)
                        yield window, 100.0 * (dark == 1)[None], dark != 255

            what = f"{images.WHAT} {Path(path).name}"
            known_pct, (dark,) = lattice.means_by_cell(source, places, read, 1, what, context)
    return _with_coverage({"shadow_coverage_pct": dark}, known_pct, "rock_image")


@contextmanager
def _opened(folder: str) -> Iterator[tuple[rasterio.DatasetReader, rasterio.DatasetReader]]:
    """Open the classes and their probabilities, after the checks that do not read pixels."""
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
            raster.crs_of(source, what)
        if (named.count, named.dtypes[0]) != (1, "uint8") or shares.count != len(classes.NAMES):
            raise _not_ours(folder, "are not one band of 8-bit classes and four of probabilities")
        if named.shape != shares.shape or not named.transform.almost_equals(shares.transform):
            raise _not_ours(folder, "do not have the same grid")
        yield named, shares


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
    """Write the shadow mask of an image: 1 shadow, 0 lit, 255 nodata."""
    with images.opened(path, context, sky=False) as image:
        _warn_of_black_edge(path, image.stretch.black_edge, context)
        frame = image.stored
        made = {"driver": "GTiff", "count": 1, "dtype": "uint8", "nodata": 255, "crs": frame.crs}
        made |= {"width": frame.width, "height": frame.height, "transform": frame.transform}
        rows = max(1, lattice.TILE_PX**2 // frame.width)
        # Sparse, so that it is not filled to its full size when it is cancelled.
        made |= {"compress": "zstd", "bigtiff": "IF_SAFER", "sparse_ok": True}
        with rasterio.open(mask, "w", **made) as target:
            for row in range(0, frame.height, rows):
                context.check()
                window = Window(0, row, frame.width, min(rows, frame.height - row))
                seen, known = image.read(window)
                dark = np.where(known, seen.mean(axis=2) < image.dark_grey, 255).astype(np.uint8)
                target.write(dark, 1, window=window)


def _warn_of_black_edge(path: str, share: float, context: Context) -> None:
    """Warn of exact black at the edge of an image: nothing tells shadow from fill."""
    if share > 0.0:
        context.warn(
            f"{100.0 * share:.0f} % of the image {display_name(path)} is exactly 0 in an area at "
            "its edge, and counts as shadow. If the image shows nothing there, declare it: "
            f"gdal_edit.py -a_nodata 0 {shlex.quote(str(path))}"
        )


def _counted(source: rasterio.DatasetReader, row: Float, column: Float, places: Places) -> Float:
    """Return the number of positions at each place; rows and columns count from the corner."""
    coarse = places.coarse
    x, y = lattice.to_south_polar(source, row, column)
    if places.discs is not None:
        at = np.column_stack([places.x_m.ravel(), places.y_m.ravel()])
        if len(x) == 0:
            return np.zeros(coarse.shape)
        found = cKDTree(np.column_stack([x, y])).query_ball_point(
            at, places.radius_m, return_length=True
        )
        return np.asarray(found, np.float64).reshape(coarse.shape)
    down = np.floor((coarse.y_max_m - y) / coarse.pixel_m).astype(np.int64)
    across = np.floor((x - coarse.x_min_m) / coarse.pixel_m).astype(np.int64)
    inside = (down >= 0) & (down < coarse.height) & (across >= 0) & (across < coarse.width)
    cell = down[inside] * coarse.width + across[inside]
    count = np.bincount(cell, minlength=coarse.width * coarse.height).astype(np.float64)
    return count.reshape(coarse.shape)


def _with_coverage(features: dict[str, Float], known_pct: Float, source: str) -> dict[str, Float32]:
    """Return the coverage, and the features with NaN for cells of insufficient coverage."""
    enough = known_pct >= LEAST_KNOWN_PCT
    masked = {
        name: np.where(enough, values, np.nan).astype(np.float32)
        for name, values in features.items()
    }
    return {columns.coverage_column(source): known_pct.astype(np.float32), **masked}
