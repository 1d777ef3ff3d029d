from __future__ import annotations

import json

import numpy as np
import pytest
from support.segmentation import TINY, random_weights, saved

from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import (
    weights,
)
from lunarsite.engine.training import checkpoint_files
from lunarsite.engine.uncertainty.calibration import Temperatures


def test_networks_of_other_classes_or_damaged_are_refused(tmp_path, checkpoint):
    path = saved(tmp_path / "five.safetensors", TINY, classes=["a", "b", "c", "d", "e"])
    with pytest.raises(InputError, match="has 5 classes"):
        weights.load(path)
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[:-10])
    with pytest.raises(InputError, match="checksum differs"):
        weights.load(checkpoint)
    wide = saved(tmp_path / "wide.safetensors", TINY)
    card = json.loads(wide.with_suffix(".json").read_text())
    card["architecture"]["widths"] = [12] * 6
    checkpoint_files.save(wide, random_weights(TINY), card)
    with pytest.raises(InputError, match="does not match the architecture on its card"):
        weights.load(wide)


def test_values_that_overflow_16_bits_are_stored_in_32(tmp_path):
    state = random_weights(TINY)
    state["down.0.0.1.running_var"][0] = 3e6
    path = saved(tmp_path / "large.safetensors", TINY, state=state)
    again = weights.load(path).state
    stored = checkpoint_files.as_stored(state)
    for name, values in again.items():
        assert np.array_equal(values, stored[name])
        np.testing.assert_allclose(values, state[name], rtol=1e-3, atol=1e-6)


def test_a_card_keeps_both_temperatures(tmp_path):
    warmth = Temperatures(0.8, 1.7)
    path = saved(tmp_path / "a.safetensors", TINY, calibration=weights.Checkpoint.as_card(warmth))
    assert weights.load(path).temperatures == warmth
    old = saved(tmp_path / "b.safetensors", TINY, calibration={"temperature": 1.4})
    assert weights.load(old).temperatures == Temperatures(1.4, 1.4)


def test_weights_in_eight_bits_come_back_within_half_a_step(tmp_path):
    rng = np.random.default_rng(4)
    state = {
        "down.weight": rng.normal(0.0, 0.3, (6, 3, 3, 3)).astype(np.float32),
        "norm.running_var": rng.random(6).astype(np.float32),
        "norm.num_batches_tracked": np.array([7]),
        "empty.weight": np.zeros((2, 3, 1, 1), np.float32),
    }
    path = tmp_path / "n.safetensors"
    card = checkpoint_files.save(path, state, {"x": 1}, bits=8)
    assert card["weights"]["bits"] == 8
    found, _ = checkpoint_files.load(path, "lunarsite train-segmenter")
    assert set(found) == set(state)
    largest = np.abs(state["down.weight"]).reshape(6, -1).max(axis=1)
    off = np.abs(found["down.weight"] - state["down.weight"]).reshape(6, -1).max(axis=1)
    assert (off <= 0.5001 * largest / 127.0).all()
    assert off.max() > 0.0
    assert np.array_equal(found["empty.weight"], state["empty.weight"])
    assert found["norm.num_batches_tracked"].item() == 7
    for name, values in checkpoint_files.as_stored(state, bits=8).items():
        assert np.array_equal(values, found[name])
    checkpoint_files.save(tmp_path / "m.safetensors", state, {"x": 1})
    assert path.stat().st_size < (tmp_path / "m.safetensors").stat().st_size + 300
