"""Distance of an image from the images that a network was trained on."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.uncertainty import domain
from lunarsite.engine.uncertainty.domain import Domain

SIZE = 6


def drawn(count, seed, *, shift=0.0):
    """Return statistics that depend on each other, and of very different scales."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((count, SIZE))
    values[:, 1] = 0.95 * values[:, 0] + 0.05 * values[:, 1]
    return 2.0 + (values + shift) * np.array([0.05, 0.05, 1.0, 1.0, 50.0, 0.1])


def windows(images):
    """Return images of a single window."""
    return list(images[:, None])


@pytest.fixture(scope="module")
def fitted():
    return Domain.fit(windows(drawn(400, 1)), windows(drawn(400, 2)), 64)


def test_distances_are_mahalanobis_distances(fitted):
    training, other = drawn(400, 1), drawn(20, 3)
    mean, scale = training.mean(axis=0), training.std(axis=0)
    covariance = domain.shrunk_covariance((training - mean) / scale) + 1e-3 * np.eye(SIZE)
    inverse = np.linalg.inv(covariance)
    off = (other - mean) / scale
    expected = np.sqrt(np.einsum("ij,jk,ik->i", off, inverse, off) / SIZE)
    found = [fitted.distance(described[None]) for described in other]
    np.testing.assert_allclose(found, expected, rtol=0.02)  # they are rounded to 16 bits


def test_one_in_twenty_images_of_the_same_kind_is_unusual_and_most_shifted_ones_are(fitted):
    same, other = (
        np.mean(
            [fitted.compared(fitted.distance(each[None])).is_out_of_distribution for each in images]
        )
        for images in (drawn(1000, 4), drawn(1000, 5, shift=2.0))
    )
    assert same == pytest.approx(0.05, abs=0.03)
    assert other > 0.9


def test_an_image_against_the_usual_relation_of_two_numbers_is_unusual(fitted):
    described = drawn(400, 1).mean(axis=0)
    described[:2] += [0.075, -0.075]  # each by itself is within two standard deviations
    assert fitted.compared(fitted.distance(described[None])).is_out_of_distribution


def test_a_distance_is_told_in_units_of_held_out_images(fitted):
    found = fitted.compared(0.5 * float(fitted.usual[199] + fitted.usual[200]) + 1e-9)
    assert found.share_nearer == pytest.approx(0.5, abs=0.003)  # some are equal in 16 bits
    assert found.times_median == pytest.approx(1.0, abs=0.01)
    assert found.as_dict() == {
        "times_median": round(found.times_median, 3),
        "share_nearer": round(found.share_nearer, 4),
        "out_of_distribution": False,
    }
    assert found.sentence() == (
        "Distance from the training images 1.0 times the median of held-out ones, of which 50 % "
        "are nearer"
    )


def test_the_verdict_follows_from_the_share_that_is_told(fitted):
    for distance in np.linspace(fitted.usual[360], fitted.usual[395], 300):
        found = fitted.compared(float(distance))
        assert found.is_out_of_distribution == (found.share_nearer > 0.95)
        assert found.share_nearer == np.mean(fitted.usual < distance)
    assert not fitted.compared(float(fitted.usual[380])).is_out_of_distribution
    assert fitted.compared(float(fitted.usual[390])).is_out_of_distribution


def test_a_domain_of_few_or_equal_images_or_of_nan_is_refused():
    with pytest.raises(ValueError, match="32 images"):
        Domain.fit(windows(drawn(31, 1)), windows(drawn(400, 2)), 64)
    with pytest.raises(ValueError, match="32 images"):
        Domain.fit(windows(drawn(400, 1)), windows(drawn(31, 2)), 64)
    with pytest.raises(ValueError, match="do not differ"):
        Domain.fit(windows(np.ones((40, 3))), windows(np.ones((40, 3))), 64)
    gap = drawn(40, 1)
    gap[3, 3] = np.nan
    for pair in ((gap, drawn(40, 2)), (drawn(40, 2), gap)):
        with pytest.raises(ValueError, match="finite"):
            Domain.fit(*map(windows, pair), 64)


def test_a_statistic_that_never_varied_is_left_out():
    training, held_out = drawn(64, 1), drawn(64, 2)
    training[:, 2] = held_out[:, 2] = 7.0
    found = Domain.fit(windows(training), windows(held_out), 64)
    for moved in (0.1, 1.0, 100.0):
        image = held_out[0].copy()
        image[2] += moved
        assert found.distance(image[None]) == found.distance(held_out[:1]) > 0.0


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


def test_the_distance_of_an_image_is_the_median_of_its_windows(fitted):
    images = drawn(5, 3)
    each = [fitted.distance(one[None]) for one in images]
    assert fitted.distance(images) == pytest.approx(np.median(each), rel=1e-12)
    several = Domain.fit([drawn(3, seed) for seed in range(200)], windows(drawn(400, 2)), 64)
    assert several.distance(images) == pytest.approx(fitted.distance(images), rel=0.1)


def test_statistics_are_means_and_deviations_of_valid_pixels_inside_the_margin():
    rng = np.random.default_rng(0)
    fine, coarse = (
        rng.standard_normal((channels, 96 // stride, 128 // stride)).astype(np.float32)
        for channels, stride in ((3, 4), (5, 8))
    )
    known = np.ones((96, 128), bool)
    found = domain.feature_statistics([fine, coarse], known)
    assert found.shape == (16,)
    inner, outer = fine[:, 4:20, 4:28], coarse[:, 2:10, 2:14]
    np.testing.assert_allclose(found[:3], inner.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(np.exp(found[3:6]), inner.std(axis=(1, 2)), rtol=5e-3)
    np.testing.assert_allclose(found[6:11], outer.mean(axis=(1, 2)), rtol=1e-5)
    known[:, 64:] = False
    expected = domain.feature_statistics([fine, coarse], known)
    np.testing.assert_allclose(expected[:3], fine[:, 4:20, 4:16].mean(axis=(1, 2)), rtol=1e-5)
    fine[:, :, 16:], coarse[:, :, 8:] = 1e6, 1e6
    fine[:, :, :4], coarse[:, :2] = 1e6, 1e6
    np.testing.assert_array_equal(domain.feature_statistics([fine, coarse], known), expected)
    known[:] = False
    assert np.isnan(domain.feature_statistics([fine, coarse], known)).all()
