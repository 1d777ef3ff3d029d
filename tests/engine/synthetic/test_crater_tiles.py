"""Generated tiles: what makes a crater one that is asked for."""

import numpy as np
import pytest

from lunarsite.engine.synthetic import profiles
from lunarsite.engine.synthetic.crater_tiles import _tile_kernels as tile_kernels
from lunarsite.engine.synthetic.crater_tiles import tiles

SIDE = 121
CENTRE = np.array([[60.0, 60.0, 20.0]])


def bowl(radius: float = 20.0, depth: float = 4.0) -> np.ndarray:
    row, column = np.mgrid[:SIDE, :SIDE] - 60.0
    out = np.hypot(row, column) / radius
    inside = depth * (out**2 - 1.0)
    return np.where(out < 1.0, inside, 0.3 * depth * (np.exp(-4.0 * (out - 1.0)) - 1.0)).astype(
        np.float32
    )


def tilt(slope: float) -> np.ndarray:
    return np.broadcast_to(slope * np.arange(SIDE, dtype=np.float32), (SIDE, SIDE)).copy()


def noise(size: float) -> np.ndarray:
    return (size * np.random.default_rng(1).standard_normal((SIDE, SIDE))).astype(np.float32)


def test_a_slope_hides_no_crater():
    level, sloped = (tile_kernels.evidence(h, CENTRE)[0] for h in (bowl(), bowl() + tilt(0.2)))
    assert level[1] == sloped[1] == 1.0
    assert sloped[0] == pytest.approx(level[0], abs=0.05)
    assert tile_kernels.clarity(bowl() + tilt(0.2), CENTRE)[0] == pytest.approx(
        tile_kernels.clarity(bowl(), CENTRE)[0], abs=1e-3
    )


def test_rough_ground_hides_craters():
    clear = [tile_kernels.clarity(bowl() + noise(s), CENTRE)[0] for s in (0.0, 1.0, 3.0, 10.0)]
    assert clear[0] > 0.95
    assert clear == sorted(clear, reverse=True)
    assert clear[-1] < tiles.CLEAR[0]


def test_ground_without_a_crater_is_not_clear():
    assert tile_kernels.clarity(noise(1.0), CENTRE)[0] < tiles.CLEAR[1]
    assert tile_kernels.clarity(tilt(0.2), CENTRE)[0] < tiles.CLEAR[1]
    assert tile_kernels.clarity(np.zeros((SIDE, SIDE), np.float32), CENTRE)[0] == 0.0


def test_half_a_crater_at_the_edge_is_judged_by_what_is_inside():
    cut = np.ascontiguousarray(bowl()[:, 60:])
    assert tile_kernels.clarity(cut, np.array([[0.0, 60.0, 20.0]]))[0] > 0.7


def test_younger_craters_take_older_ones_away():
    cleared = np.full(2, 0.85)
    small, large = [60.0, 60.0, 6.0], [62.0, 60.0, 20.0]
    under, over = tile_kernels.survival(np.array([small, large]), cleared)
    assert under < tiles.LEFT[1]
    assert over == 1.0
    older_is_larger = tile_kernels.survival(np.array([large, small]), cleared)
    assert older_is_larger[0] > 0.8
    assert older_is_larger[1] == 1.0
    apart = tile_kernels.survival(np.array([small, [120.0, 60.0, 20.0]]), cleared)
    assert list(apart) == [1.0, 1.0]


def test_mappers_draw_worn_craters_larger_but_not_as_large_as_their_present_crest():
    wear = np.array([profiles.WEAR_MIN, 0.1, profiles.WEAR_MAX])
    grown = profiles.seen_radius(np.full(3, profiles.SIMPLE_M), wear)
    assert grown[0] == pytest.approx(1.0, abs=0.02)
    assert (np.diff(grown) >= 0.0).all()
    assert 1.02 < grown[-1] < 1.5


def test_all_that_is_asked_for_can_be_seen():
    tile = tiles.make(7, 320)
    certain = tile.circles[tile.circles[:, 3] > 0]
    assert len(certain) > 5
    known = np.isfinite(tile.height_m).all()
    height = tile.height_m if known else np.nan_to_num(tile.height_m)
    clear = tile_kernels.clarity(height, np.ascontiguousarray(certain[:, :3]))
    assert (clear >= tiles.CLEAR[0] - 1e-6).mean() > (0.999 if known else 0.8)
    again = tiles.make(7, 320)
    np.testing.assert_array_equal(again.height_m, tile.height_m)
    np.testing.assert_array_equal(again.circles, tile.circles)
