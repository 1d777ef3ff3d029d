from __future__ import annotations

import json

import numpy as np
import pytest
from support.segmentation import TINY, pairs, picture, saved

from lunarsite.engine.context import Context
from lunarsite.engine.segmentation import (
    weights,
)
from lunarsite.engine.stages import calibrate, evaluate_segmentation
from lunarsite.engine.training import checkpoint_files


@pytest.fixture
def checkpoint(tmp_path):
    return saved(tmp_path / "net.safetensors", TINY)


def test_images_are_evaluated_and_distinguished_from_others(tmp_path, checkpoint):
    image_glob, mask_glob = pairs(tmp_path)
    (tmp_path / "black").mkdir()
    picture(tmp_path / "black" / "a.png", np.zeros((48, 64), np.uint8), driver="PNG")
    given = {
        "images": image_glob,
        "masks": mask_glob,
        "outside": str(tmp_path / "black" / "*.png"),
        "out": str(tmp_path / "figures.json"),
        "picture": str(tmp_path / "reliable.png"),
        "checkpoint": [str(checkpoint)],
    }
    result = evaluate_segmentation.STAGE.run(given, Context(threads=2))
    assert result["images"] == 4
    written = json.loads((tmp_path / "figures.json").read_text())
    assert written["iou"] == result["iou"]
    assert written["provenance"]["inputs"]
    assert 0.0 <= result["out_of_distribution"]["entropy"]["auroc"] <= 1.0
    assert (tmp_path / "reliable.png").stat().st_size > 5_000


def test_calibration_lowers_the_error_and_changes_no_class(tmp_path, checkpoint):
    image_glob, mask_glob = pairs(tmp_path, 8)
    out = tmp_path / "warm.safetensors"
    given = {
        "checkpoint": str(checkpoint),
        "images": image_glob,
        "masks": mask_glob,
        "out": str(out),
    }
    result = calibrate.STAGE.run(given, Context(threads=2))
    # Random classes cannot be predicted, so the network must become less certain.
    assert result["temperature"] > 1.5
    assert result["temperature_of_rocks"] > 1.5
    assert result["ece_after"] < result["ece_before"]
    before, after = weights.load(checkpoint), weights.load(out)
    fitted = (result["temperature"], result["temperature_of_rocks"])
    assert after.temperatures == pytest.approx(fitted, abs=1e-3)
    seen = np.random.default_rng(0).standard_normal((3, 32, 32)).astype(np.float32)
    one, other = before.runner()(seen), after.runner()(seen)
    assert np.array_equal(one[:4].argmax(axis=0), other[:4].argmax(axis=0))


def test_a_calibrated_copy_keeps_its_bits_and_no_figures_of_other_temperatures(
    tmp_path, checkpoint
):
    image_glob, mask_glob = pairs(tmp_path, 8)
    loaded = weights.load(checkpoint)
    small = tmp_path / "small.safetensors"
    card = loaded.card | {"held_out": {"renders": {"precision_of_rocks": 0.4}}}
    checkpoint_files.save(small, loaded.state, card, bits=8)
    out = tmp_path / "warm.safetensors"
    given = {"checkpoint": str(small), "images": image_glob, "masks": mask_glob, "out": str(out)}
    calibrate.STAGE.run(given, Context(threads=2))
    before, after = weights.load(small), weights.load(out)
    assert after.card["weights"]["bits"] == 8
    assert "held_out" not in after.card
    for name, values in before.state.items():
        np.testing.assert_allclose(after.state[name], values, atol=1e-6)
