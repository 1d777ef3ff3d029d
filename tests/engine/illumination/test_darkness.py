"""Darkest month and longest darkness of hand-made series, against loops in plain Python."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest

from lunarsite.engine.context import Context
from lunarsite.engine.illumination import series
from lunarsite.engine.illumination.darkness import darkness_at_points
from lunarsite.engine.illumination.ephemeris import Body, Ephemeris
from lunarsite.engine.illumination.lighting import threshold_encoding

RADIUS_DEG = 0.27
STEP_DAYS = 0.25


def followed(elevation_deg, monkeypatch, window):
    """Return darkest month and longest darkness at the pole under a level horizon."""
    monkeypatch.setattr(series, "SYNODIC_MONTH_DAYS", window * STEP_DAYS)
    low, scale = threshold_encoding()
    thresholds = np.full((4, 1), round((0.0 - low) * scale) - 32767, np.int16)
    count = len(elevation_deg)
    # The Sun is above the pole's horizon by as much as it is south of the equator; so far away that
    # there is no parallax, and over one bearing all the time.
    sun = Body(
        np.full(count, 45.0) - 1e-6 * np.arange(count),
        -np.asarray(elevation_deg, np.float64),
        np.full(count, 1e18),
        np.full(count, RADIUS_DEG),
    )
    sky = Ephemeris(dt.date(2027, 1, 1), 24 * STEP_DAYS, STEP_DAYS * np.arange(count), sun, sun)
    month, darkness = darkness_at_points(thresholds, sky, Context())
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
    ends = [*elevation_deg, 2 * elevation_deg[-1] - elevation_deg[-2]]
    fine = np.interp(np.arange(0, len(elevation_deg), 1e-3), np.arange(len(ends)), ends)
    runs = "".join("d" if each <= -RADIUS_DEG else " " for each in fine).split()
    return min(months), STEP_DAYS * 1e-3 * max(map(len, runs), default=0)


@pytest.mark.parametrize("dark", ["first", "last", "middle"])
def test_every_month_is_looked_at(dark, monkeypatch):
    elevation = np.full(50, 1.0)
    start = {"first": 0, "middle": 19, "last": 40}[dark]
    elevation[start : start + 10] = -1.0
    month, darkness = followed(elevation, monkeypatch, 10)
    assert month == pytest.approx(0.0, abs=1e-4)
    assert darkness == pytest.approx(by_hand(elevation, 10)[1], abs=0.002)


def test_a_series_of_twilight_agrees_with_chords_of_the_disc(monkeypatch):
    elevation = np.random.default_rng(4).normal(0.05, 0.3, 120)
    elevation[:20] -= 0.15  # the darkest month is the first
    month, darkness = followed(elevation, monkeypatch, 20)
    wanted_month, wanted_darkness = by_hand(elevation, 20)
    assert month == pytest.approx(wanted_month, abs=0.05)
    assert darkness == pytest.approx(wanted_darkness, abs=0.002)
