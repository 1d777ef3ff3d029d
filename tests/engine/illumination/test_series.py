"""The series of Sun and Earth above the horizons of places."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.illumination import _series_kernels, series
from lunarsite.engine.illumination.ephemeris import ephemeris

COUNT = 24


def rugged(bearings, seed):
    """Return observers from 70 to 90°S under horizons of hills and walls."""
    random = np.random.default_rng(seed)
    lon, lat = random.uniform(-180.0, 180.0, COUNT), random.uniform(-90.0, -70.0, COUNT)
    x, y = moon.lonlat_to_xy(lon, lat)
    degrees = random.normal(0.0, 4.0, (COUNT, bearings))
    kernel = np.ones(max(bearings // 30, 1)) / max(bearings // 30, 1)
    smooth = np.array([np.convolve(np.tile(row, 3), kernel, "same") for row in degrees])
    middle = smooth[:, bearings : 2 * bearings] + random.uniform(-4.0, 12.0, (COUNT, 1))
    walls = random.uniform(size=(COUNT, bearings)) < 0.04
    walls |= np.roll(walls, 1, axis=1)
    return series.observers(
        x,
        y,
        np.ones(COUNT),
        np.tan(np.radians(middle + walls * random.uniform(1.0, 25.0, (COUNT, 1)))),
    )


@pytest.mark.parametrize("bearings", [36, 90, 360])
def test_the_sun_is_not_seen_where_it_is_never_looked_for(bearings) -> None:
    times = series.series_of(ephemeris("2027-01-01", "2033-01-01", step_hours=6.0), bearings)
    places = rugged(bearings, bearings)
    moves = _series_kernels.range_of(times.sun)
    flagged, seen = 0, 0
    for n in range(COUNT):
        never = np.zeros(bearings, np.bool_)
        _series_kernels.never_seen(moves, places, n, never)
        flagged += never.sum()
        for path in (times.sun, times.crossings):
            for t in range(0, len(path.place), 7):
                clear, _ = _series_kernels.above_horizon(
                    *(values[t] for values in path[:6]), places, n
                )
                if clear + path.radius[t] > 0.0:
                    seen += 1
                    assert not never[min(int(path.place[t]), bearings - 1)]
    assert seen > 1_000
    # Otherwise nothing is gained.
    assert flagged > 0.2 * COUNT * bearings


def plain(times, places, n):
    """Return all periods of darkness of a place, from the heights at all steps and bearings."""
    step, count = times.times.step_days, len(times.times.first) - 1
    days, heights = [], []
    for path, when in (
        (times.sun, np.arange(count + 1) * step),
        (times.crossings, times.times.when()),
    ):
        days.append(when)
        heights.append(
            [
                _series_kernels.above_horizon(*(v[t] for v in path[:6]), places, n)[0]
                + path.radius[t]
                for t in range(len(when))
            ]
        )
    day, height = np.concatenate(days), np.concatenate(heights)
    order = np.argsort(day, kind="stable")
    day, height = day[order], height[order]
    found, begun = [], 0.0 if height[0] <= 0.0 else None
    for k in np.flatnonzero((height[1:] > 0.0) != (height[:-1] > 0.0)):
        turn = day[k] + (day[k + 1] - day[k]) * height[k] / (height[k] - height[k + 1])
        if height[k] > 0.0:
            begun = turn
        else:
            found.append(turn - begun)
            begun = None
    if begun is not None:
        found.append(count * step - begun)
    return np.sort(found)[::-1]


@pytest.mark.parametrize("bearings", [90, 360])
def test_darkness_is_that_of_a_test_at_every_bearing(bearings) -> None:
    times = series.series_of(ephemeris("2027-01-01", "2028-01-01", step_hours=6.0), bearings)
    places = rugged(bearings, 7)
    results = series.follow(times, places, "centre", Context())
    several = 0
    for n in range(COUNT):
        wanted = plain(times, places, n)
        longest = wanted[0] if len(wanted) else 0.0
        assert results.darkness[n] == pytest.approx(longest, rel=1e-6)
        kept = np.sort(results.dark[n, :, 1] - results.dark[n, :, 0])[::-1]
        # Those within a step may be passed over.
        wanted = wanted[: len(kept)][wanted[: len(kept)] > 0.5]
        assert kept[: len(wanted)] == pytest.approx(wanted, abs=1e-9)
        several += len(wanted) > 5
    assert several > 5
