from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import special
from support.segmentation import TINY, noise, picture, random_weights, saved, segmented

from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import (
    _dropout_kernels,
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
    mild = replace(TINY, dropout=0.1)

    def run(passes, seed=0):
        return onnx_runner.OnnxRunner(state, mild, uncertain=True, passes=passes, seed=seed)(seen)

    many, closed = run(4000), run(0)
    few = [np.abs(run(20, seed)[:4] - many[:4]).mean() for seed in range(4)]
    assert np.abs(closed[:4] - many[:4]).mean() < np.mean(few)
    shared = [measures.entropy(each[:4]) - each[4] for each in (closed, many)]
    assert np.corrcoef(shared[0].ravel(), shared[1].ravel())[0, 1] > 0.97
    assert shared[0].mean() == pytest.approx(shared[1].mean(), rel=0.1)
    assert np.array_equal(run(7, 2), run(7, 2))


def test_the_closed_form_is_that_of_normal_logits():
    """Against drawn normal logits with the covariance of the passes, where these are normal."""
    random = np.random.default_rng(2)
    features = random.uniform(0.0, 1.0, (64, 4, 5)).astype(np.float32)
    weight = (0.3 * random.standard_normal((4, 64))).astype(np.float32)
    bias = random.standard_normal(4).astype(np.float32)
    odds = 0.1 / 0.9
    found = _dropout_kernels.closed_form(features, weight, bias, odds, 1.0, 1.0)
    flat = features.reshape(64, -1).T.astype(float)
    covariance = odds * np.einsum("nc,kc,mc->nkm", flat**2, weight, weight)
    for n, (mean, spread) in enumerate(zip(flat @ weight.T + bias, covariance, strict=True)):
        logits = random.multivariate_normal(mean, spread, 20_000)
        share = special.softmax(logits, axis=1)
        own = found[:, n // 5, n % 5]
        np.testing.assert_allclose(own[:4], share.mean(axis=0), atol=0.02)
        entropy = -(share * np.log(share)).sum(axis=1).mean()
        information = measures.entropy(share.mean(axis=0)) - entropy
        assert measures.entropy(own[:4]) - own[4] == pytest.approx(information, rel=0.12)


def test_the_softmax_of_the_closed_form_is_that_of_numpy():
    """Without a spread the eight points are one: exponential and logarithm are polynomials."""
    random = np.random.default_rng(3)
    features = random.uniform(0.0, 1.0, (8, 6, 7)).astype(np.float32)
    for size in (0.1, 3.0, 40.0):
        weight = (size * random.standard_normal((4, 8))).astype(np.float32)
        bias = random.standard_normal(4).astype(np.float32)
        found = _dropout_kernels.closed_form(features, weight, bias, 0.0, 0.7, 1.0)
        wanted = _dropout_kernels.softmax(features, weight, bias, 0.7)
        np.testing.assert_allclose(found, wanted, atol=3e-6)


def test_the_factor_scales_the_mutual_information_up_to_the_entropy():
    state = random_weights(TINY)
    seen = np.random.default_rng(1).standard_normal((3, 32, 32)).astype(np.float32)
    own = {}
    for factor in (1.0, 1.5, 1e6):
        found = onnx_runner.OnnxRunner(state, TINY, uncertain=True, information=factor)(seen)
        own[factor] = measures.entropy(found[:4]) - found[4], found
    np.testing.assert_array_equal(own[1.0][1][:4], own[1.5][1][:4])
    small = 1.5 * own[1.0][0] < measures.entropy(own[1.0][1][:4]) - 1e-4
    np.testing.assert_allclose(own[1.5][0][small], 1.5 * own[1.0][0][small], atol=2e-6)
    assert (own[1e6][1][4] >= -1e-6).all()


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
        # The predicted class selects the temperature that the closed form uses.
        np.testing.assert_allclose(own[:, rock], run(5.0, 5.0)[:, rock], atol=2e-6)


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
