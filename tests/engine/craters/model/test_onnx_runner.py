"""Inference of the heat-map network without torch, checkpoints and calibration."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.context import Context
from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.detection import multiscale
from lunarsite.engine.craters.model import inputs, weights
from lunarsite.engine.craters.model import onnx_runner as running
from lunarsite.engine.craters.model.architecture import HEADS, Architecture
from lunarsite.engine.craters.training import calibration, held_out
from lunarsite.engine.errors import CancelledError, InputError
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.synthetic.crater_tiles import tiles
from lunarsite.engine.training import checkpoint_files

SMALL = Architecture(widths=(8, 8, 8, 8, 8))


@pytest.fixture(scope="module")
def state(hot_weights):
    return hot_weights(SMALL)


@pytest.fixture(scope="module")
def runner(state):
    return running.OnnxRunner(state, SMALL)


@pytest.fixture
def levels(tmp_path):
    made = tiles.make(5, 500)
    grid = Grid(1000.0, 9000.0, made.pixel_m, 500, 470)
    return pyramid.of(grid, made.height_m[:470].copy(), Scratch(tmp_path, 10**9))


def test_the_network_predicts_at_half_the_resolution(runner):
    out = runner(np.zeros((len(inputs.CHANNELS), 64, 96), np.float32))
    assert out.shape == (HEADS, 32, 48)
    assert out.dtype == np.float32


def test_an_unknown_architecture_is_refused():
    with pytest.raises(InputError, match="no crater network 'other'"):
        Architecture("other").check()
    with pytest.raises(InputError, match="with 2 levels"):
        Architecture(widths=(4, 4)).check()


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_no_circle(runner, levels, threads):
    found = multiscale.find(levels, runner, Context(threads=threads))
    one = multiscale.find(levels, runner, Context(threads=2))
    assert found.x.size > 20
    for name in ("x", "y", "radius", "best", "total", "scales"):
        np.testing.assert_array_equal(getattr(found, name), getattr(one, name))


def test_circles_lie_in_the_elevation_model_and_never_on_nodata(runner, levels):
    found = multiscale.find(levels, runner, Context(threads=2))
    west, south, east, north = levels[0].grid.bounds
    assert ((found.x >= west) & (found.x <= east)).all()
    assert ((found.y >= south) & (found.y <= north)).all()
    for level in levels:
        level.height_m[:] = np.nan
    empty = multiscale.find(levels, runner, Context(threads=2))
    assert empty.x.size == 0


def test_rims_are_predicted_for_every_core_up_to_the_edge_of_the_level(runner, levels):
    seen = {}

    def keep(level, block, chance):
        assert ((chance > 0.0) & (chance < 1.0)).all()
        seen[level.number, block.row, block.column] = chance

    multiscale.find(levels, runner, Context(threads=2), keep)
    for level in levels:
        for block in level.aligned_blocks():
            places = zip((block.row, block.column), level.grid.shape, strict=True)
            steps = [min(384, -(-(end - first) // 32) * 32) // 2 for first, end in places]
            assert seen.pop((level.number, block.row, block.column)).shape == tuple(steps)
    assert seen == {}


def test_a_cancelled_search_stops(runner, levels):
    context = Context(threads=1)
    context.cancelled.set()
    with pytest.raises(CancelledError):
        multiscale.find(levels, runner, context)


@pytest.fixture
def checkpoint(state, tmp_path):
    path = tmp_path / "net.safetensors"
    card = {"architecture": SMALL.as_dict(), "seed": 1}
    checkpoint_files.save(path, state, card)
    return path


def test_a_checkpoint_stores_weights_in_16_bits(state, checkpoint):
    loaded = weights.load(checkpoint)
    assert loaded.card["seed"] == 1
    assert loaded.architecture == SMALL
    assert set(loaded.state) == set(state)
    for name, value in state.items():
        np.testing.assert_array_equal(loaded.state[name], value.astype(np.float16))
        assert loaded.state[name].dtype == np.float32


def test_the_same_weights_are_the_same_bytes(state, checkpoint, tmp_path):
    again = tmp_path / "again.safetensors"
    checkpoint_files.save(again, state, checkpoint_files.read_card(checkpoint, ""))
    assert again.read_bytes() == checkpoint.read_bytes()


def test_a_changed_checkpoint_is_refused(checkpoint):
    whole = checkpoint.read_bytes()
    for changed in (whole[:-100], whole[:-1] + bytes([whole[-1] ^ 1])):
        checkpoint.write_bytes(changed)
        with pytest.raises(InputError, match="checksum differs"):
            weights.load(checkpoint)
    checkpoint.unlink()
    with pytest.raises(InputError, match="no file"):
        weights.load(checkpoint)


def test_a_missing_card_or_checksum_is_reported(checkpoint):
    checkpoint.with_suffix(".sha256").unlink()
    with pytest.raises(InputError, match="no list of checksums") as caught:
        weights.load(checkpoint)
    own = checkpoint.with_suffix(".sha256").name
    assert f"neither {own} nor SHA256SUMS" in caught.value.problem
    assert "three files that belong together" in caught.value.remedy
    assert caught.value.remedy.count(own) == 1
    checkpoint.with_suffix(".json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="not JSON"):
        weights.load(checkpoint)


def test_a_checkpoint_of_another_architecture_is_refused(state, checkpoint):
    for card, words in (
        (
            {"architecture": {"name": "heat-maps", "widths": [4] * 5}},
            "does not match the architecture",
        ),
        ({"architecture": {"name": "unheard-of", "widths": [4] * 5}}, "no crater network"),
        ({}, "does not describe a crater network"),
    ):
        checkpoint_files.save(checkpoint, state, card)
        with pytest.raises(InputError, match=words):
            weights.load(checkpoint)


def evaluation(probability, outcomes, target_count):
    logit = np.log(probability / (1.0 - probability))
    zero = np.zeros_like(logit)
    features = np.column_stack([zero + 1.0, 2.0 * logit + 1.0, zero, zero])
    radius = np.full(logit.size, 9.0)
    return held_out.Evaluation(features, logit, outcomes, radius, target_count)


def test_calibration_finds_the_probability_behind_an_overconfident_score():
    rng = np.random.default_rng(0)
    probability = rng.uniform(0.02, 0.98, 20_000)
    outcomes = (rng.random(probability.size) < probability).astype(np.int64)
    fitted = calibration.fit(evaluation(probability, outcomes, 12_000))
    assert fitted.best == pytest.approx(0.5, abs=0.03)
    assert fitted.constant == pytest.approx(-0.5, abs=0.06)
    reached = calibration.measure(evaluation(probability, outcomes, 12_000), fitted)
    assert reached["calibration_error"] < 0.02
    f1 = []
    for threshold in np.linspace(0.05, 0.95, 19):
        taken = probability >= threshold
        f1.append(2.0 * outcomes[taken].sum() / (taken.sum() + 12_000))
    assert reached["f1"] >= max(f1) - 0.01


def test_a_network_that_finds_nothing_can_be_calibrated():
    nothing = evaluation(np.empty(0), np.empty(0, np.int64), 10)
    fitted = calibration.fit(nothing)
    assert np.isfinite(fitted.weights()).all()
    assert calibration.measure(nothing, fitted)["f1"] == 0.0


def test_uncertain_and_small_craters_are_ignored():
    circles = np.array(
        [[100.0, 100.0, 10.0, 1.0], [200.0, 200.0, 10.0, 0.0], [300.0, 300.0, 4.2, 1.0]]
    )
    x = np.array([101.0, 200.0, 300.0, 400.0, 500.0, 102.0])
    radius = np.array([10.5, 10.0, 4.2, 12.0, 4.5, 11.0])
    outcome, target_count = held_out.outcomes(x, x.copy(), radius, circles, 640)
    assert target_count == 1
    assert list(outcome) == [1, -1, -1, 0, -1, 0]
