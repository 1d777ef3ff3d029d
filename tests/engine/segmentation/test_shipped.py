"""The networks that ship, on every device, and images in one tile."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import rasterio
from support.segmentation import noise, picture, saved

from lunarsite.engine.context import Context
from lunarsite.engine.segmentation import evaluation, inference, tiling, weights
from lunarsite.engine.segmentation.architecture import Architecture
from lunarsite.engine.segmentation.segment import segment
from lunarsite.engine.stages import segment_terrain

WIDE = Architecture("unet-efficientnet-lite0", (6, 6, 8, 8, 8))


def test_the_ensemble_that_ships_predicts_the_same_on_a_gpu():
    pytest.importorskip("torch", reason="networks need the ml group")
    from support.emulated_cuda import emulated_cuda  # noqa: PLC0415  imports torch

    loaded = weights.load("segmenter-surface")
    names = [each.architecture.name for each in loaded.members]
    assert names == ["unet-light", "unet-efficientnet-lite0"]
    seen = np.random.default_rng(5).standard_normal((3, 64, 96)).astype(np.float32)
    for asked in ({}, {"uncertain": True}):
        on_cpu = loaded.runner("cpu", **asked)(seen)
        context = Context()
        with emulated_cuda() as gpu:
            on_gpu = loaded.runner("cuda", context, **asked)(seen)
        np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-4)
        assert gpu.tiles == [(1, 3, 64, 96)] * 2
        assert context.devices() == "cuda"


def test_the_library_warns_of_a_network_of_the_other_view_too():
    image = np.random.default_rng(0).integers(30, 250, (64, 64, 3)).astype(np.uint8)
    for view in ("surface", "orbital"):
        context = Context()
        segment(image, view=view, checkpoint="segmenter-orbital", context=context)
        about = any("trained on the orbital view" in each for each in context.warnings)
        assert about == (view == "surface")


def test_a_long_image_at_the_training_resolution_is_predicted_in_one_piece(tmp_path):
    # Its receptive field is wider than the margins of these tiles.
    path = saved(tmp_path / "net.safetensors", WIDE, recipe={"view": "surface", "side_px": 64})
    values = noise(128, 2560)
    image = picture(tmp_path / "image.tif", values)
    given = {"image": str(image), "out": str(tmp_path / "out"), "view": "surface"}
    given |= {"checkpoint": [str(path)], "tile_px": 512, "uncertainty": "none"}
    context = Context(threads=2)
    segment_terrain.STAGE.run(given, context)
    assert not any("predicted in tiles" in each for each in context.warnings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(tmp_path / "out" / "probabilities.tif") as file:
            found = file.read()
    whole = evaluation.predict(weights.load(path).runner(), np.moveaxis(values, 0, 2))
    np.testing.assert_allclose(found, whole[:4], atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "gib", "side"),
    [((160, 236), 4.0, 512), ((160, 5000), 4.0, 5024), ((5000, 160), 4.0, 5024)],
)
def test_the_tile_of_an_image_holds_it(shape, gib, side):
    context = Context(memory_limit_bytes=int(gib * 2**30))
    cut = tiling.Tiling(side=512)
    found = inference.tiles_of_reduced(cut, shape, context)
    assert found.side == side
    assert len(found.starts(shape[0])) == len(found.starts(shape[1])) == 1


def test_an_image_that_memory_does_not_hold_is_cut_into_tiles(tmp_path):
    path = saved(tmp_path / "net.safetensors", WIDE, recipe={"view": "surface", "side_px": 64})
    image = picture(tmp_path / "image.tif", noise(128, 2560))
    given = {"image": str(image), "out": str(tmp_path / "out"), "view": "surface"}
    given |= {"checkpoint": [str(path)], "tile_px": 512, "uncertainty": "none"}
    context = Context(threads=2, memory_limit_bytes=2**26)
    segment_terrain.STAGE.run(given, context)
    about = [each for each in context.warnings if "predicted in tiles" in each]
    assert len(about) == 1
    assert "1280 × 64 pixels" in about[0]
    small = Context(memory_limit_bytes=2**30)
    cut = tiling.Tiling(side=512)
    assert inference.tiles_of_reduced(cut, (160, 5000), small) is cut
