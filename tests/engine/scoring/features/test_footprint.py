"""Images that are too small for the cells, and the warnings about them."""

from __future__ import annotations

import re

import numpy as np
import pytest
import rasterio
from affine import Affine

from lunarsite.engine import moon, stages
from lunarsite.engine.context import Context
from lunarsite.engine.io import cog
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.scoring import tables

PIXEL_M = 10.0
DEM = Grid(2000.0, 9000.0, PIXEL_M, 96, 96)
CELL_M = 320.0


@pytest.fixture
def given(tmp_path):
    row, column = np.indices(DEM.shape)
    heights = (5.0 * row + column).astype(np.float32)
    cog.write_raster(tmp_path / "dem.tif", heights, DEM, description="height")
    (tmp_path / "layers").mkdir()
    folders = {"dem": str(tmp_path / "dem.tif"), "layers": str(tmp_path / "layers")}
    return folders | {"place": "cell"}


def image(folder, west_m, north_m, across_m, down_m, pixel_m=2.0, turned_deg=0.0):
    """Write an image whose upper left corner lies so far within the DEM."""
    path = folder / "photo.tif"
    corner = Affine.translation(2000.0 + west_m, 9000.0 - north_m)
    place = corner * Affine.rotation(turned_deg) * Affine.scale(pixel_m, -pixel_m)
    sides = {"width": round(across_m / pixel_m), "height": round(down_m / pixel_m), "count": 1}
    options = {"driver": "GTiff", "dtype": "uint8", "crs": moon.SOUTH_POLAR, "transform": place}
    with rasterio.open(path, "w", **options, **sides) as file:
        file.write(np.full((1, sides["height"], sides["width"]), 90, np.uint8))
    return str(path)


def shadow_and_warnings(folder, given, photo, cell_m=CELL_M):
    context = Context(threads=1)
    out = {"out": str(folder / "f.parquet"), "cell_m": cell_m, "rock_image": photo}
    stages.load("features").run(given | out, context)
    warnings = [w for w in context.warnings if "covers less than half" in w]
    return tables.read_features(folder / "f.parquet")["shadow_coverage_pct"], warnings


@pytest.mark.parametrize(
    "place",
    [
        {"west_m": 220.0, "north_m": 220.0, "across_m": 200.0, "down_m": 200.0},
        {"west_m": 10.0, "north_m": 30.0, "across_m": 210.0, "down_m": 200.0},
        {"west_m": 40.0, "north_m": 290.0, "across_m": 130.0, "down_m": 64.0},
        {"west_m": 40.0, "north_m": 11.0, "across_m": 800.0, "down_m": 40.0},
        {"west_m": 60.0, "north_m": 320.0, "across_m": 200.0, "down_m": 200.0, "turned_deg": 45.0},
    ],
)
def test_the_suggested_cell_size_is_small_enough(tmp_path, given, place):
    photo = image(tmp_path, **place)
    shadow, warnings = shadow_and_warnings(tmp_path, given, photo)
    assert shadow.isna().all()
    assert len(warnings) == 1
    found = re.fullmatch(
        r"The image photo.tif covers less than half of every cell of 320 m \(at most [\d.]+ %\) "
        r"and is not used; use --cell-m (\d+) or smaller\.",
        warnings[0],
    )
    offered_m = float(found[1])
    assert offered_m >= min(place["across_m"], place["down_m"]) / 2.0
    for cell_m in np.arange(offered_m, 3.0 * PIXEL_M, -PIXEL_M):
        shadow, warnings = shadow_and_warnings(tmp_path, given, photo, cell_m)
        assert shadow.notna().any()
        assert warnings == []


def test_an_image_that_is_too_small_for_any_cells_gives_a_warning(tmp_path, given):
    photo = image(tmp_path, 100.0, 100.0, 12.0, 12.0)
    _, warnings = shadow_and_warnings(tmp_path, given, photo)
    assert len(warnings) == 1
    assert warnings[0].endswith("use an image with a larger extent.")


def test_an_image_that_covers_half_of_a_cell_gives_no_warning(tmp_path, given):
    photo = image(tmp_path, 0.0, 0.0, 160.0, 320.0)
    shadow, warnings = shadow_and_warnings(tmp_path, given, photo)
    assert shadow.notna().sum() == 1
    assert warnings == []


def test_small_rock_images_give_a_warning_too(tmp_path, given):
    folder = tmp_path / "rocks"
    folder.mkdir()
    place = Affine(2.0, 0.0, 2100.0, 0.0, -2.0, 8900.0)
    options = {"driver": "GTiff", "crs": moon.SOUTH_POLAR, "transform": place}
    options |= {"width": 60, "height": 60}
    for name, dtype, count in (("classes", "uint8", 1), ("probabilities", "float32", 4)):
        values = np.full((count, 60, 60), 0 if count == 1 else 0.25, dtype)
        with rasterio.open(folder / f"{name}.tif", "w", dtype=dtype, count=count, **options) as f:
            f.write(values)
    context = Context(threads=1)
    more = {"out": str(tmp_path / "f.parquet"), "cell_m": CELL_M, "rocks": str(folder)}
    stages.load("features").run(given | more, context)
    assert [w for w in context.warnings if w.startswith("The image of rocks covers")]
