from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.segmentation import TINY, noise, picture, random_weights, saved, segmented

from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import (
    evaluation,
    onnx_runner,
    weights,
)
from lunarsite.engine.uncertainty import measures
from lunarsite.engine.uncertainty.calibration import Temperatures


def test_passes_converge_to_the_closed_form():
    state = random_weights(TINY)
    state["head.weight"] *= 0.1
    seen = np.random.default_rng(1).standard_normal((3, 64, 96)).astype(np.float32)
    # The expansion is of second order: exact if each channel changes the logits little.
    mild = replace(TINY, dropout=0.1)

    def run(passes, seed=0):
        return onnx_runner.OnnxRunner(state, mild, uncertain=True, passes=passes, seed=seed)(seen)

    many, closed = run(4000), run(0)
    few = [np.abs(run(20, seed)[:4] - many[:4]).mean() for seed in range(4)]
    assert np.abs(closed[:4] - many[:4]).mean() < np.mean(few)
    shared = [measures.entropy(each[:4]) - each[4] for each in (closed, many)]
    assert np.corrcoef(shared[0].ravel(), shared[1].ravel())[0, 1] > 0.97
    assert shared[0].mean() == pytest.approx(shared[1].mean(), rel=0.15)
    assert np.array_equal(run(7, 2), run(7, 2))


def test_without_uncertainty_the_mean_entropy_is_the_entropy():
    runner = onnx_runner.OnnxRunner(random_weights(TINY), TINY)
    answer = runner(np.random.default_rng(1).standard_normal((3, 32, 32)).astype(np.float32))
    np.testing.assert_allclose(answer[4], measures.entropy(answer[:4]), atol=1e-5)
    np.testing.assert_allclose(answer[:4].sum(axis=0), 1.0, rtol=1e-5)


def test_a_temperature_changes_the_confidence_and_not_the_class():
    seen = np.random.default_rng(1).standard_normal((3, 32, 32)).astype(np.float32)
    cold, warm = (
        onnx_runner.OnnxRunner(random_weights(TINY), TINY, temperatures=Temperatures(t, t))(seen)
        for t in (1.0, 3.0)
    )
    assert np.array_equal(cold[:4].argmax(axis=0), warm[:4].argmax(axis=0))
    assert warm[:4].max(axis=0).mean() < cold[:4].max(axis=0).mean()


@pytest.mark.parametrize("drawn", [{}, {"uncertain": True}, {"uncertain": True, "passes": 3}])
def test_rocks_have_a_temperature_of_their_own(drawn):
    seen = np.random.default_rng(1).standard_normal((3, 64, 64)).astype(np.float32)
    weights_of = random_weights(TINY)

    def run(common, rare):
        warmth = Temperatures(common, rare)
        return onnx_runner.OnnxRunner(weights_of, TINY, temperatures=warmth, **drawn)(seen)

    alike, own = run(2.0, 2.0), run(2.0, 5.0)
    plain = onnx_runner.OnnxRunner(weights_of, TINY)(seen)
    rock = np.isin(plain[:4].argmax(axis=0), evaluation.ROCKS)
    assert 0.05 < rock.mean() < 0.95
    assert own[:4].max(axis=0)[rock].mean() < 0.9 * alike[:4].max(axis=0)[rock].mean()
    if "passes" not in drawn:
        np.testing.assert_array_equal(own[:, ~rock], alike[:, ~rock])
        # The predicted class selects the temperature that the expansion uses.
        np.testing.assert_allclose(own[:, rock], run(5.0, 5.0)[:, rock], atol=1e-6)


def test_flip_augmentation_is_equivariant_to_mirroring():
    runner = onnx_runner.with_test_time_augmentation(
        onnx_runner.OnnxRunner(random_weights(TINY), TINY), "flip"
    )
    seen = np.random.default_rng(1).standard_normal((3, 32, 64)).astype(np.float32)
    one = runner(seen)
    other = runner(np.ascontiguousarray(seen[:, :, ::-1]))
    np.testing.assert_allclose(one, other[:, :, ::-1], atol=1e-5)
    scaled = onnx_runner.with_test_time_augmentation(runner, "scales")(seen)
    assert scaled.shape == one.shape
    np.testing.assert_allclose(scaled[:4].sum(axis=0), 1.0, rtol=1e-4)


def test_mc_dropout_needs_a_network_with_dropout(tmp_path):
    path = saved(tmp_path / "dry.safetensors", replace(TINY, dropout=0.0))
    image = picture(tmp_path / "a.tif", noise(40, 50))
    with pytest.raises(InputError, match="has no dropout"):
        segmented(image, tmp_path / "out", path)
    segmented(image, tmp_path / "out", path, uncertainty="none")


@pytest.mark.parametrize("seed", range(3))
def test_temperatures_change_hardly_a_class_of_the_mean_over_masks(tmp_path, seed):
    state = random_weights(TINY, seed)
    # Logits of the size that trained networks have, where the closed form holds.
    state["head.weight"] *= np.float32(0.1)
    network = weights.load(saved(tmp_path / "net.safetensors", TINY, state=state))
    seen = np.random.default_rng(seed).standard_normal((3, 32, 32)).astype(np.float32)
    cold = network.runner(uncertain=True, temperatures=Temperatures())(seen)[:4]
    warm = network.runner(uncertain=True, temperatures=Temperatures(1.5, 2.5))(seen)[:4]
    assert np.abs(cold - warm).max() > 0.01
    assert (cold.argmax(axis=0) == warm.argmax(axis=0)).mean() > 0.99
