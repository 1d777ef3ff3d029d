"""Discs and their statistics, against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.scoring.landing import disc_statistics
from lunarsite.engine.scoring.landing.discs import Disc


def raster(rows=37, columns=29, seed=3):
    random = np.random.default_rng(seed)
    values = random.gamma(2.0, 4.0, (rows, columns)).astype(np.float32)
    values[random.random(values.shape) < 0.05] = np.nan
    return values


def around(values, row, column, disc):
    """Return the known pixels whose centres are within the radius of a pixel's centre."""
    j, i = np.indices(values.shape)
    near = np.hypot(j - row, i - column) * disc.pixel_m <= disc.radius_m * (1 + 1e-9)
    return values[near & np.isfinite(values)].astype(np.float64)


@pytest.mark.parametrize(("radius_m", "pixel_m", "pixels"), [(100, 25, 49), (300, 200, 9)])
def test_a_disc_holds_the_pixels_whose_centres_are_within_its_radius(radius_m, pixel_m, pixels):
    disc = Disc(radius_m, pixel_m)
    assert disc.pixels == disc.mask.sum() == pixels
    j, i = np.indices(disc.mask.shape) - disc.reach
    np.testing.assert_array_equal(disc.mask, np.hypot(j, i) * pixel_m <= radius_m)


def test_a_radius_below_one_and_a_half_pixels_is_raised():
    assert Disc.of(100.0, 200.0) == Disc(300.0, 200.0)
    assert Disc.of(100.0, 20.0) == Disc(100.0, 20.0)


@pytest.mark.parametrize("radius_m", [15.0, 40.0, 55.0, 90.0])
def test_statistics_are_those_of_the_known_pixels(radius_m):
    values, disc = raster(), Disc(radius_m, 10.0)
    padded = np.pad(values, disc.reach, constant_values=np.nan)
    half, least = disc.half_widths, 1
    mean = disc_statistics.disc_mean(padded, half, least)
    greatest = disc_statistics.disc_greatest(padded, half, least)
    spread = disc_statistics.disc_deviation(padded, half, least)
    places = [(0, 0), (5, 7), (18, 14), (36, 28), (36, 3)]
    row, column = np.array(places).T
    at = disc_statistics.statistics_at(padded, half, row + disc.reach, column + disc.reach)
    for n, (j, i) in enumerate(places):
        known = around(values, j, i, disc)
        assert mean[j, i] == pytest.approx(known.mean(), rel=1e-6)
        assert greatest[j, i] == known.max().astype(np.float32)
        assert spread[j, i] == pytest.approx(known.std(), rel=1e-5)
        wanted = [len(known), known.mean(), known.std(), known.min(), known.max()]
        np.testing.assert_allclose(at[:, n], wanted, rtol=1e-5)


def test_discs_with_too_few_known_pixels_are_unknown():
    values = raster()
    values[:20] = np.nan
    disc = Disc(40.0, 10.0)
    padded = np.pad(values, disc.reach, constant_values=np.nan)
    least = int(np.ceil(0.9 * disc.pixels))
    counts = np.array([[len(around(values, j, i, disc)) for i in range(29)] for j in range(37)])
    for made in (disc_statistics.disc_mean, disc_statistics.disc_greatest):
        np.testing.assert_array_equal(
            np.isfinite(made(padded, disc.half_widths, least)), counts >= least
        )
    assert 0 < (counts >= least).sum() < counts.size
