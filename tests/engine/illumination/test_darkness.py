"""Darkest month and longest darkness of hand-made series, against loops in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lunarsite.engine.illumination import _darkness_kernels
from lunarsite.engine.illumination.lighting import threshold_encoding

RADIUS_DEG = 0.27
FLAT = 0


def followed(elevation_deg, window):
    """Return darkest month and longest darkness under a level horizon."""
    steps = len(elevation_deg)
    encoding = threshold_encoding()
    low, scale = encoding
    thresholds = np.full((4, 1), round((0.0 - low) * scale) - 32767, np.int16)
    sun = _darkness_kernels.SunPath(
        bearing=np.zeros(steps, np.int32),
        fraction=np.zeros(steps, np.float32),
        # The kernel takes the latitude of the sub-solar point, so that the Sun is above the horizon
        # where that lies beyond it.
        latitude=-np.asarray(elevation_deg, np.float32),
        radius=np.full(steps, RADIUS_DEG, np.float32),
        window=window,
        step_days=0.25,
    )
    month, darkness = np.full(1, np.nan, np.float32), np.full(1, np.nan, np.float32)
    _darkness_kernels.follow_sun(thresholds, encoding, sun, 0, 1, month, darkness)
    return float(month[0]), float(darkness[0])


def share(elevation_deg):
    """Return the visible share of a disc by adding thin chords."""
    offsets = (np.arange(20_000) + 0.5) / 10_000 - 1.0
    chords = np.sqrt(1.0 - offsets**2)
    return chords[offsets * RADIUS_DEG + elevation_deg > 0.0].sum() / chords.sum()


def by_hand(elevation_deg, window):
    shares = [share(each) for each in elevation_deg]
    months = [
        100.0 * math.fsum(shares[first : first + window]) / window
        for first in range(len(shares) - window + 1)
    ]
    runs = "".join("d" if each <= -RADIUS_DEG else " " for each in elevation_deg).split()
    return min(months), 0.25 * max(map(len, runs), default=0)


@pytest.mark.parametrize("dark", ["first", "last", "middle"])
def test_every_month_is_looked_at(dark):
    elevation = np.full(50, 1.0)
    start = {"first": 0, "middle": 19, "last": 40}[dark]
    elevation[start : start + 10] = -1.0
    month, darkness = followed(elevation, 10)
    assert month == pytest.approx(0.0, abs=1e-4)
    assert darkness == 2.5


def test_a_series_of_twilight_agrees_with_chords_of_the_disc():
    elevation = np.random.default_rng(4).normal(0.05, 0.3, 120)
    elevation[:20] -= 0.15  # the darkest month is the first
    month, darkness = followed(elevation, 20)
    wanted_month, wanted_darkness = by_hand(elevation, 20)
    assert month == pytest.approx(wanted_month, abs=0.05)
    assert darkness == wanted_darkness
