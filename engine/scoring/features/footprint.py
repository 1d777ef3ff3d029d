"""Check of the coverage of cells by images."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.io import raster
from lunarsite.engine.scoring.features import columns, lattice, rocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.scoring.features.layers import Layers
    from lunarsite.engine.scoring.features.places import Places

    Float32 = NDArray[np.float32]


def warn_of_small_images(
    layers: Layers, features: Mapping[str, Float32], places: Places, context: Context
) -> None:
    """Warn of images that cover less than half of every place.

    Parameters
    ----------
    layers : Layers
        Sources, with the images.
    features : mapping of str to ndarray of float32, shape of the cells
        Columns with the coverage of the places, percent.
    places : Places
        Landing discs or cells.
    context : Context
        Warnings.
    """
    images = {
        "rocks": (layers.rocks and rocks.files(layers.rocks)[0], "The image of rocks"),
        "rock_image": (layers.rock_image, f"The image {Path(layers.rock_image or '').name}"),
    }
    for source, (path, what) in images.items():
        known_pct = features.get(columns.coverage_column(source))
        if not path or known_pct is None:
            continue
        most = float(known_pct.max())
        if 0.0 < most < rocks.LEAST_KNOWN_PCT:
            if places.discs is None:
                remedy = _remedy(path, what, known_pct, places.grid, places.coarse)
                evaluated = f"cell of {places.coarse.pixel_m:g} m"
            else:
                remedy = "use an image with a larger extent"
                evaluated = "landing disc"
            context.warn(
                f"{what} covers less than half of every {evaluated} (at most {most:.2g} %) and is "
                f"not used; {remedy}."
            )


def _remedy(path: str, what: str, known_pct: Float32, grid: Grid, coarse: Grid) -> str:
    """Return the remedy, with the largest cell size in whole pixels for which an image suffices."""
    known_m2 = float(known_pct.sum(dtype=np.float64)) / 100.0 * coarse.pixel_m**2
    with raster.opened(path, what) as source:
        largest_m = lattice.largest_cell_m(source, known_m2)
        smallest_m = max(lattice.smallest_cell_m(source), grid.pixel_m)
    cell_m = grid.pixel_m * math.floor(largest_m / grid.pixel_m)
    if smallest_m <= cell_m < coarse.pixel_m:
        return f"use --cell-m {cell_m:g} or smaller"
    return "use an image with a larger extent"
