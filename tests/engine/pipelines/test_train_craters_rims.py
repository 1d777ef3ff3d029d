"""Training of the original LunarSite's rim network."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest

from lunarsite.engine.context import Context
from lunarsite.engine.craters.training import batches, targets
from lunarsite.engine.craters.training.batches import Sample
from lunarsite.engine.io import cog
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.stages import detect_craters, train_craters
from lunarsite.engine.synthetic.crater_tiles import tiles
from lunarsite.engine.training import checkpoint_files

RECIPE = """
architecture: rims-resnet34
widths: []
tiles: 2
tile_px: 64
crop_px: 64
validation_tiles: 1
steps: 2
batch: 2
validate_every: 2
"""


def test_rim_masks_are_one_pixel_wide_at_full_resolution():
    circles = np.array([[30.0, 31.0, 12.0, 1.0, 0.0], [10.0, 50.0, 6.0, 0.0, 0.0]])
    sample = Sample(np.zeros((1, 64, 64), np.float16), circles, 0.0)
    ((mask, weight),) = batches.stacked([sample], rim_stride=1).rim
    row, column = np.nonzero(mask)
    away = np.hypot(column - 30.0, row - 31.0)
    assert np.abs(away - 12.0).max() < 0.75
    # A closed line one pixel wide: at least the eight-connected circle, at most the four-connected.
    assert 8.0 / np.sqrt(2.0) * 12.0 <= row.size <= 8.0 * 12.0
    doubtful = np.argwhere(weight == 0.0)
    assert np.abs(np.hypot(doubtful[:, 1] - 10.0, doubtful[:, 0] - 50.0) - 6.0).max() < 0.75
    assert batches.stacked([sample]).rim.shape == (1, 2, 32, 32)


def test_octaves_below_the_completeness_of_the_catalogue_are_ignored():
    circles = np.array([[30.0, 31.0, 20.0, 1.0, 0.0]])
    seen = np.zeros((1, 64, 64), np.float16)
    batch = batches.stacked([Sample(seen, circles, 12.7)])
    assert not batch.weight[0, :2].any()
    assert batch.weight[0, 2:].all()
    assert batch.heat[0, 2].max() == 1.0
    assert batches.stacked([Sample(seen, circles, 0.0)]).weight[0, 0].all()


def test_the_central_square_keeps_its_circles_in_place():
    rng = np.random.default_rng(0)
    sample = Sample(rng.random((2, 96, 96)).astype(np.float16), np.array([[50.0, 40.0, 9.0]]), 3.0)
    middle = batches.centred(sample, 64)
    np.testing.assert_array_equal(middle.channels, sample.channels[:, 16:80, 16:80])
    np.testing.assert_array_equal(middle.circles, [[34.0, 24.0, 9.0]])
    assert targets.STRIDE == 2
    assert sample.circles[0, 0] == 50.0


@pytest.mark.slow
def test_the_original_recipe_trains_is_calibrated_and_detects(tmp_path):
    pytest.importorskip("torch", reason="the ResNet-34 needs the ml group")
    pytest.importorskip("segmentation_models_pytorch", reason="of the ml group")
    (tmp_path / "rims.yaml").write_text(RECIPE, encoding="utf-8")
    out = tmp_path / "rims.safetensors"
    given = {"out": str(out), "recipe": str(tmp_path / "rims.yaml"), "frames": 2}
    train_craters.STAGE.run(given, Context(threads=2))
    card = checkpoint_files.read_card(out, "")
    assert card["architecture"]["name"] == "rims-resnet34"
    assert 0.0 <= card["metrics"]["f1"] <= 1.0
    made = tiles.make(5, 128, pixel_m=100.0)
    grid = Grid(-9_000.0, 12_000.0, 100.0, 128, 128)
    cog.write_raster(tmp_path / "dem.tif", made.height_m, grid, description="height", unit="m")
    result = detect_craters.STAGE.run(
        {
            "dem": str(tmp_path / "dem.tif"),
            "out": str(tmp_path / "a.gpkg"),
            "checkpoint": str(out),
            "min_confidence": 0.0,
        },
        Context(threads=2),
    )
    assert len(gpd.read_file(tmp_path / "a.gpkg", layer="craters")) == result["craters"]
    assert (tmp_path / "a.rims.tif").exists()
