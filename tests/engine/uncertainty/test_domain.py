"""Distance of an image from the images that a network was trained on."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.uncertainty import domain
from lunarsite.engine.uncertainty.domain import Domain

SIZE = 6


def drawn(count, seed, *, shift=0.0):
    """Return numbers that depend on each other, and of very different scales."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((count, SIZE))
    values[:, 1] = 0.95 * values[:, 0] + 0.05 * values[:, 1]
    return 2.0 + (values + shift) * np.array([0.05, 0.05, 1.0, 1.0, 50.0, 0.1])


@pytest.fixture(scope="module")
def fitted():
    return Domain.fit(drawn(400, 1), drawn(400, 2))


def test_distances_are_mahalanobis_distances_of_standardised_numbers(fitted):
    training, other = drawn(400, 1), drawn(20, 3)
    mean, scale = training.mean(axis=0), training.std(axis=0)
    inverse = np.linalg.inv(domain.shrunk_covariance((training - mean) / scale))
    off = (other - mean) / scale
    expected = np.sqrt(np.einsum("ij,jk,ik->i", off, inverse, off) / SIZE)
    found = [fitted.distance(numbers) for numbers in other]
    np.testing.assert_allclose(found, expected, rtol=0.02)  # they are rounded to 16 bits


def test_one_in_twenty_images_of_the_same_kind_is_unusual_and_most_shifted_ones_are(fitted):
    same, other = (
        np.mean([fitted.familiarity(fitted.distance(each)).is_unusual for each in images])
        for images in (drawn(1000, 4), drawn(1000, 5, shift=2.0))
    )
    assert same == pytest.approx(0.05, abs=0.03)
    assert other > 0.9


def test_an_image_against_the_usual_relation_of_two_numbers_is_unusual(fitted):
    numbers = drawn(400, 1).mean(axis=0)
    numbers[:2] += [0.075, -0.075]  # each by itself is within two standard deviations
    assert fitted.familiarity(fitted.distance(numbers)).is_unusual


def test_familiarity_counts_the_held_out_images_that_lie_nearer(fitted):
    found = fitted.familiarity(float(fitted.usual[200]))
    assert found.share_nearer == pytest.approx(0.5, abs=0.01)
    assert found.times_usual == pytest.approx(1.0, abs=0.01)
    assert not found.is_unusual
    assert found.as_dict()["unlike_training"] is False
    assert "1.0 times as far" in found.sentence()


def test_a_domain_of_few_images_is_refused():
    with pytest.raises(ValueError, match="32 images"):
        Domain.fit(drawn(31, 1), drawn(400, 2))
    with pytest.raises(ValueError, match="32 images"):
        Domain.fit(drawn(400, 1), drawn(31, 2))


def test_a_number_that_is_the_same_in_all_training_images_does_not_decide_alone():
    training, held_out = drawn(64, 1), drawn(64, 2)
    training[:, 2] = held_out[:, 2] = 7.0
    found = Domain.fit(training, held_out)
    assert np.isfinite(found.root).all()
    assert np.isfinite(found.usual).all()
    assert (found.usual > 0.0).all()


@pytest.mark.parametrize(("count", "size"), [(8, 30), (40, 12), (500, 5)])
def test_the_shrunk_covariance_is_that_of_ledoit_and_wolf(count, size):
    reference = pytest.importorskip("sklearn.covariance")
    rng = np.random.default_rng(count)
    values = rng.standard_normal((count, size)) @ rng.standard_normal((size, size))
    values -= values.mean(axis=0)
    expected, _ = reference.ledoit_wolf(values, assume_centered=True)
    np.testing.assert_allclose(domain.shrunk_covariance(values), expected, rtol=1e-9, atol=1e-12)


def test_the_shrunk_covariance_of_equal_images_is_finite():
    assert not domain.shrunk_covariance(np.zeros((40, 3))).any()


def test_a_triangle_is_unpacked_as_it_was_packed(fitted):
    packed = domain.packed(fitted.root)
    assert packed.shape == (SIZE * (SIZE + 1) // 2,)
    np.testing.assert_array_equal(domain.unpacked(packed, SIZE), np.tril(fitted.root))
    assert not np.triu(fitted.root, 1).any()


def test_numbers_are_means_and_spreads_where_pixels_are_valid():
    rng = np.random.default_rng(0)
    fine, coarse = (
        rng.standard_normal((channels, 32 // stride, 64 // stride)).astype(np.float32)
        for channels, stride in ((3, 4), (5, 8))
    )
    known = np.ones((32, 64), bool)
    whole = domain.numbers([fine, coarse], known)
    assert whole.shape == (16,)
    np.testing.assert_allclose(whole[:3], fine.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(np.exp(whole[3:6]), fine.std(axis=(1, 2)), rtol=5e-3)
    np.testing.assert_allclose(whole[6:11], coarse.mean(axis=(1, 2)), rtol=1e-5)
    known[:, 32:] = False
    expected = domain.numbers([fine[:, :, :8], coarse[:, :, :4]], known[:, :32])
    fine[:, :, 8:], coarse[:, :, 4:] = 1e6, 1e6
    np.testing.assert_array_equal(domain.numbers([fine, coarse], known), expected)
    assert np.isnan(domain.numbers([fine, coarse], np.zeros((32, 64), bool))).all()


def test_images_that_do_not_differ_have_no_domain():
    with pytest.raises(ValueError, match="do not differ"):
        Domain.fit(np.ones((40, 3)), np.ones((40, 3)))
