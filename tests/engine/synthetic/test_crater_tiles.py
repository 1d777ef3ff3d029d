"""Generated tiles: which craters count as certain, doubtful or erased."""

import numpy as np
import pytest

from lunarsite.engine.synthetic import profiles
from lunarsite.engine.synthetic.crater_tiles import _tile_kernels, tiles

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


def test_a_regional_slope_does_not_hide_craters():
    level, sloped = (_tile_kernels.rim_evidence(h, CENTRE)[0] for h in (bowl(), bowl() + tilt(0.2)))
    assert level[1] == sloped[1] == 1.0
    assert sloped[0] == pytest.approx(level[0], abs=0.05)
    assert _tile_kernels.clarity(bowl() + tilt(0.2), CENTRE)[0] == pytest.approx(
        _tile_kernels.clarity(bowl(), CENTRE)[0], abs=1e-3
    )


def test_rough_terrain_hides_craters():
    clarity = [_tile_kernels.clarity(bowl() + noise(s), CENTRE)[0] for s in (0.0, 1.0, 3.0, 10.0)]
    assert clarity[0] > 0.95
    assert clarity == sorted(clarity, reverse=True)
    assert clarity[-1] < tiles.MIN_CLARITY[0]


def test_terrain_without_craters_has_low_clarity():
    assert _tile_kernels.clarity(noise(1.0), CENTRE)[0] < tiles.MIN_CLARITY[1]
    assert _tile_kernels.clarity(tilt(0.2), CENTRE)[0] < tiles.MIN_CLARITY[1]
    assert _tile_kernels.clarity(np.zeros((SIDE, SIDE), np.float32), CENTRE)[0] == 0.0


def test_clarity_of_a_crater_at_the_edge_uses_the_pixels_inside():
    cut = np.ascontiguousarray(bowl()[:, 60:])
    assert _tile_kernels.clarity(cut, np.array([[0.0, 60.0, 20.0]]))[0] > 0.7


def test_younger_craters_erase_older_ones():
    cleared = np.full(2, 0.85)
    small, large = [60.0, 60.0, 6.0], [62.0, 60.0, 20.0]
    under, over = _tile_kernels.survival(np.array([small, large]), cleared)
    assert under < tiles.MIN_SURVIVAL[1]
    assert over == 1.0
    older_is_larger = _tile_kernels.survival(np.array([large, small]), cleared)
    assert older_is_larger[0] > 0.8
    assert older_is_larger[1] == 1.0
    apart = _tile_kernels.survival(np.array([small, [120.0, 60.0, 20.0]]), cleared)
    assert list(apart) == [1.0, 1.0]


def test_mapped_radius_grows_with_degradation_but_less_than_the_crest():
    wear = np.array([profiles.WEAR_MIN, 0.1, profiles.WEAR_MAX])
    grown = profiles.mapped_radius(np.full(3, profiles.SIMPLE_M), wear)
    assert grown[0] == pytest.approx(1.0, abs=0.02)
    assert (np.diff(grown) >= 0.0).all()
    assert 1.02 < grown[-1] < 1.5


def test_certain_craters_are_visible_and_tiles_deterministic():
    tile = tiles.make(7, 320)
    certain = tile.circles[tile.circles[:, 3] > 0]
    assert len(certain) > 5
    known = np.isfinite(tile.height_m).all()
    height = tile.height_m if known else np.nan_to_num(tile.height_m)
    clarity = _tile_kernels.clarity(height, np.ascontiguousarray(certain[:, :3]))
    assert (clarity >= tiles.MIN_CLARITY[0] - 1e-6).mean() > (0.999 if known else 0.8)
    again = tiles.make(7, 320)
    np.testing.assert_array_equal(again.height_m, tile.height_m)
    np.testing.assert_array_equal(again.circles, tile.circles)
