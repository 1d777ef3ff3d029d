"""Input channels of the crater network, generated tiles, batches, targets and recipes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.model import inputs
from lunarsite.engine.craters.training import batches, recipe, targets
from lunarsite.engine.errors import InputError
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.synthetic.crater_tiles import tiles

SIDE = 160


@pytest.fixture(scope="module")
def tile():
    return tiles.make(11, SIDE)


def test_a_seed_gives_the_same_tile_and_another_seed_another(tile):
    again = tiles.make(11, SIDE)
    assert again.height_m.tobytes() == tile.height_m.tobytes()
    np.testing.assert_array_equal(again.circles, tile.circles)
    assert again.pixel_m == tile.pixel_m
    assert tiles.make(12, SIDE).pixel_m != tile.pixel_m


def test_tiles_keep_their_limits_and_craters_have_valid_centres():
    for seed in range(30):
        made = tiles.make(seed, 96)
        assert tiles.PIXEL_M[0] <= made.pixel_m <= tiles.PIXEL_M[1]
        x, y, radius, certain = made.circles[:, :4].T
        assert (radius >= tiles.MIN_RADIUS_PX).all()
        assert set(certain) <= {0.0, 1.0}
        inside = (x >= 0) & (x <= 95) & (y >= 0) & (y <= 95)
        at = np.rint(made.circles[inside, :2]).astype(int)
        assert np.isfinite(made.height_m[at[:, 1], at[:, 0]]).all()


def test_craters_of_a_tile_are_depressions():
    deeper = []
    for seed in range(40, 54):
        made = tiles.make(seed, SIDE)
        for x, y, radius, certain, _ in made.circles:
            reach = round(radius)
            low, high = reach + 1, SIDE - reach - 2
            if certain and radius >= 6 and low <= x <= high and low <= y <= high:
                angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
                column = np.rint(x + radius * np.cos(angle)).astype(int)
                row = np.rint(y + radius * np.sin(angle)).astype(int)
                rim = made.height_m[row, column]
                middle = made.height_m[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
                deeper.append(np.nanmean(rim) - np.nanmean(middle))
    assert len(deeper) >= 40
    assert np.mean(np.array(deeper) > 0) > 0.97


def test_tiles_are_cached_in_a_folder(tmp_path):
    made = tiles.load(3, 96, tmp_path)
    (kept,) = tmp_path.iterdir()
    written = kept.stat().st_mtime_ns
    read = tiles.load(3, 96, tmp_path)
    assert kept.stat().st_mtime_ns == written
    np.testing.assert_array_equal(read.height_m, made.height_m)
    np.testing.assert_array_equal(read.circles, made.circles)
    assert read.pixel_m == made.pixel_m
    np.testing.assert_array_equal(tiles.load(3, 96, None).height_m, made.height_m)


def test_channels_of_a_window_are_the_window_of_the_channels():
    made = tiles.make(21, 420)
    whole = inputs.channels(made.height_m, made.pixel_m)
    edge = inputs.HALO_PX
    row, column, side = 130, 150, 64
    part = made.height_m[row - edge : row + side + edge, column - edge : column + side + edge]
    seen = inputs.channels(part, made.pixel_m)[:, edge:-edge, edge:-edge]
    np.testing.assert_allclose(seen, whole[:, row : row + side, column : column + side], atol=2e-3)


def test_channels_are_invariant_to_elevation_and_scale(tile):
    plain = inputs.channels(tile.height_m, tile.pixel_m)
    lifted = inputs.channels(tile.height_m + np.float32(512.0), tile.pixel_m)
    np.testing.assert_allclose(lifted, plain, atol=5e-3)
    larger = inputs.channels(tile.height_m * np.float32(2.0), 2.0 * tile.pixel_m)
    np.testing.assert_allclose(larger, plain, atol=1e-5)


def test_channels_are_zero_on_flat_ground_and_in_gaps():
    flat = np.full((64, 64), 1234.5, np.float32)
    seen = inputs.channels(flat, 20.0)
    np.testing.assert_allclose(seen[:-1], 0.0, atol=1e-4)
    assert (seen[-1] == 1.0).all()
    flat[10:20, 5:50] = np.nan
    seen = inputs.channels(flat, 20.0)
    assert np.isfinite(seen).all()
    assert (seen[:, 10:20, 5:50] == 0.0).all()
    np.testing.assert_allclose(seen[:-1], 0.0, atol=1e-3)
    assert not inputs.channels(np.full((32, 32), np.nan, np.float32), 20.0).any()


@pytest.mark.parametrize("way", range(8))
def test_circles_rotate_with_the_channels(way):
    # A disc for each circle, so that the circle can be read off the rotated channels.
    circles = np.array([[20.0, 9.0, 5.0, 1.0, 0.0], [40.0, 50.0, 7.0, 1.0, 0.0]])
    row, column = np.indices((64, 64))
    picture = np.zeros((2, 64, 64), np.float32)
    for n, (x, y, radius, *_) in enumerate(circles):
        picture[n] = np.hypot(column - x, row - y) <= radius
    rotated, moved = batches.rotate(picture, circles, way)
    for n, (x, y, radius, *_) in enumerate(moved):
        expected = np.hypot(column - x, row - y) <= radius
        np.testing.assert_array_equal(rotated[n].astype(bool), expected)


def test_a_key_gives_the_same_batch_and_the_tile_ends_in_nodata():
    source = batches.generated_tiles(5, 96, None, 10**9)
    first = batches.draw(source, 3, 4, 64, [7, 1])
    again = batches.draw(batches.generated_tiles(5, 96, None, 0), 3, 4, 64, [7, 1])
    for name in ("channels", "heat", "weight", "shape", "rim"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    other = batches.draw(source, 3, 4, 64, [7, 2])
    assert not np.array_equal(first.channels, other.channels)
    beyond = first.channels[:, -1] == 0.0
    assert beyond.any()
    assert not first.channels[np.broadcast_to(beyond[:, None], first.channels.shape)].any()
    heat = first.heat.max(axis=1) == 1.0
    assert heat.any()
    assert not (heat & beyond[:, ::2, ::2] & beyond[:, 1::2, 1::2]).any()


def test_uncertain_craters_are_ignored_in_the_targets():
    circles = np.array([[30.0, 30.0, 6.0, 0.0, 0.0], [90.0, 60.0, 20.0, 1.0, 0.0]])
    drawn = targets.draw(circles, 128)
    assert drawn.heat[0].max() == 0.0
    assert drawn.weight[0, 15, 15] == 0.0
    assert drawn.weight[0, 40, 40] == 1.0
    assert drawn.heat[2].max() == 1.0
    assert np.unravel_index(drawn.heat[2].argmax(), (64, 64)) == (30, 45)
    assert drawn.weight[2].min() == 1.0
    assert drawn.rim[0].sum() > 40
    assert (drawn.rim[1][drawn.rim[0] > 0] == 1.0).all()
    assert (drawn.rim[1] == 0.0).any()


def test_coarser_levels_average_valid_heights(tmp_path):
    height = np.arange(200 * 131, dtype=np.float32).reshape(200, 131)
    height[0, 0] = np.nan
    height[4:6, 6:8] = np.nan
    grid = Grid(-80.0, 880.0, 10.0, 131, 200)
    levels = pyramid.of(grid, height, Scratch(tmp_path, 10**9))
    assert [level.grid.shape for level in levels] == [(200, 131), (100, 66), (50, 33)]
    assert [level.grid.pixel_m for level in levels] == [10.0, 20.0, 40.0]
    coarse = levels[1].height_m
    assert coarse[10, 20] == pytest.approx(height[20:22, 40:42].mean())
    assert coarse[0, 0] == pytest.approx(np.nanmean(height[:2, :2]))
    assert np.isnan(coarse[2, 3])
    assert coarse[10, 65] == pytest.approx(height[20:22, 130].mean())


def test_levels_do_not_depend_on_the_storage_of_work_arrays(tmp_path):
    height = tiles.make(2, 300).height_m
    grid = Grid(0.0, 0.0, 1.0, 300, 300)
    for one, other in zip(
        pyramid.of(grid, height, Scratch(tmp_path, 10**9)),
        pyramid.of(grid, height, Scratch(tmp_path, 0)),
        strict=True,
    ):
        np.testing.assert_array_equal(one.height_m, other.height_m)


def test_a_window_beyond_the_edge_is_nodata_there(tmp_path):
    level = pyramid.of(Grid(0, 0, 1.0, 50, 40), np.ones((40, 50), np.float32), Scratch(tmp_path, 0))
    seen = level[0].around(-5, 30, 20, 30)
    assert np.isnan(seen[:5]).all()
    assert np.isnan(seen[:, 20:]).all()
    assert (seen[5:, :20] == 1.0).all()
    assert np.isnan(level[0].around(100, 100, 4, 4)).all()


def test_invalid_recipes_are_refused(tmp_path):
    file = tmp_path / "own.yaml"
    for text, words in (
        ("steps: 0", "steps is 0"),
        ("stepz: 5", "unknown key"),
        ("tile_px: 100", "multiple of 32"),
        ("crop_px: 640", "larger than the tile"),
        ("widths: [8, a]", "widths is"),
        ("learning_rate: fast", "learning_rate is 'fast'"),
        ("- 1", "holds no values"),
        ("a: [", "not YAML"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=words):
            recipe.read(str(file))
    with pytest.raises(InputError, match="no recipe 'absent'"):
        recipe.read("absent")


def test_the_recipes_that_ship_are_read():
    assert "heat-maps" in recipe.names()
    for name in recipe.names():
        read = recipe.read(name)
        assert read.name == name
        assert json.dumps(read.as_dict())
