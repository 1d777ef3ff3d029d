"""Detections do not depend on blocks, their order, the extent or the storage."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from lunarsite.engine.context import Context
from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.detection import multiscale
from lunarsite.engine.craters.detection import search as searching
from lunarsite.engine.craters.model import inputs, onnx_runner, weights
from lunarsite.engine.craters.model.architecture import LEAST_RADIUS_PX, Architecture
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.pipelines import detect_craters
from lunarsite.engine.synthetic.crater_tiles import tiles

SIDE_PX = 850
PIXEL_M = 100.0
LISTED = 0.03
REACH_PX = pyramid.HALO_PX + inputs.HALO_PX
SMALL = Architecture(widths=(8, 8, 8, 8, 8))


@pytest.fixture(scope="module")
def height():
    return tiles.make(9, SIDE_PX, pixel_m=PIXEL_M).height_m


def levels_of(folder, height_m, row=0, column=0):
    """Return the scales of a part of the ground that begins at a row and a column."""
    grid = Grid(
        -40_000.0 + column * PIXEL_M, 37_000.0 - row * PIXEL_M, PIXEL_M, *height_m.shape[::-1]
    )
    return pyramid.of(grid, height_m.copy(), Scratch(folder, 10**9))


@pytest.fixture
def levels(height, tmp_path):
    return levels_of(tmp_path, height)


@pytest.fixture(scope="module")
def search():
    """Return a detector with the network that ships, for craters of any confidence."""
    loaded = weights.load(weights.BUNDLED)
    network, fitted = loaded.runner(), searching.calibration_of(loaded)
    return lambda levels, context: searching.find(levels, network, fitted, context)


@pytest.fixture(scope="module")
def whole(height, search, tmp_path_factory):
    levels = levels_of(tmp_path_factory.mktemp("whole"), height)
    return search(levels, Context(threads=2))


def assert_same(found, expected, where=None):
    """Check that craters are equal within 1e-3 pixels of their scale, and in confidence.

    Very unlikely ones need not be in both: rounding moves some across the floor.
    """
    for one, other in ((found, expected), (expected, found)):
        listed = one.confidence >= LISTED
        if where is not None:
            listed &= where(one)
        x, y, radius, confidence = (
            getattr(one, name)[listed] for name in ("x_m", "y_m", "radius_m", "confidence")
        )
        off = np.hypot(x[:, None] - other.x_m, y[:, None] - other.y_m)
        off = (off + np.abs(radius[:, None] - other.radius_m)) / radius[:, None]
        nearest = off.argmin(axis=1)
        assert x.size > 4
        assert off.min(axis=1).max() < 1e-3 / LEAST_RADIUS_PX
        np.testing.assert_allclose(other.confidence[nearest], confidence, atol=1e-3)


class Backwards(Context):
    """A context whose pool runs the last job first."""

    def pool(self):
        return self

    def map(self, work, items):
        return [work(item) for item in list(items)[::-1]][::-1]


def test_the_order_of_blocks_changes_nothing(whole, levels, search):
    found = search(levels, Backwards(threads=5))
    assert whole.x_m.size > 100
    for field in fields(whole):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(whole, field.name))


@pytest.mark.parametrize("core_px", [256, 576])
def test_the_size_of_blocks_changes_nothing_but_rounding(
    whole, levels, search, monkeypatch, core_px
):
    assert core_px % pyramid.ALIGNED_PX == 0
    monkeypatch.setattr(pyramid, "CORE_PX", core_px)
    assert_same(search(levels, Context(threads=2)), whole)


@pytest.mark.parametrize(("row", "column"), [(32, 64), (17, 45)])
def test_a_part_has_the_craters_of_the_whole(whole, height, search, tmp_path, row, column):
    side = 780
    part = levels_of(tmp_path, height[row : row + side, column : column + side], row, column)
    west, south, east, north = part[0].grid.bounds

    def away(craters):
        """Return which craters lie farther from the edges than the receptive field."""
        x, y = craters.x_m, craters.y_m
        # Scales have peaks a little below their least radius too.
        finest = 1.2 * craters.radius_m / PIXEL_M / LEAST_RADIUS_PX
        scale = 2.0 ** np.maximum(np.floor(np.log2(finest)), 0.0)
        margin = scale * PIXEL_M * REACH_PX
        inside = (x > west + margin) & (x < east - margin)
        return inside & (y > south + margin) & (y < north - margin)

    assert_same(search(part, Context(threads=2)), whole, away)


@pytest.mark.parametrize(("x_m", "y_m"), [(-50.0, 930.0), (-55.0, 925.0), (12.3, -7.9)])
def test_coarse_pixels_are_aligned_with_the_map(tmp_path, x_m, y_m):
    random = np.random.default_rng(1)
    height = random.normal(0.0, 9.0, (260, 240)).astype(np.float32)
    grid = Grid(x_m, y_m, 10.0, 240, 260)
    part = Grid(x_m + 70.0, y_m - 30.0, 10.0, 233, 257)
    wide = pyramid.of(grid, height, Scratch(tmp_path, 10**9))
    narrow = pyramid.of(part, height[3:, 7:].copy(), Scratch(tmp_path, 10**9))
    for one, other in zip(wide, narrow, strict=True):
        assert pyramid.origin(one.grid) == tuple(
            n // 2**one.number for n in pyramid.origin(wide[0].grid)
        )
        column = (other.grid.x_min_m - one.grid.x_min_m) / one.grid.pixel_m
        row = (one.grid.y_max_m - other.grid.y_max_m) / one.grid.pixel_m
        assert row == pytest.approx(round(row))
        assert column == pytest.approx(round(column))
        rows, columns = other.grid.shape
        same = one.around(round(row), round(column), rows, columns)
        # The first row and column of the part average fewer pixels.
        np.testing.assert_array_equal(same[1:, 1:], other.height_m[1:, 1:])
        for block in one.aligned_blocks():
            for at, first in zip((block.row, block.column), pyramid.origin(one.grid), strict=True):
                assert (at + first) % pyramid.ALIGNED_PX == 0


@pytest.fixture(scope="module")
def hot(hot_weights):
    """Return a network of random weights, for which distant pixels count as much as near ones."""
    return onnx_runner.OnnxRunner(hot_weights(SMALL), SMALL)


def test_the_halo_covers_the_receptive_field(levels, hot, monkeypatch):
    def rims_of(core_px):
        monkeypatch.setattr(pyramid, "CORE_PX", core_px)
        row, column = (n // pyramid.ALIGNED_PX for n in pyramid.origin(levels[0].grid))
        out = np.zeros((1000, 1000), np.float32)

        def keep(level, block, probability):
            assert level.number == 0
            top, left = (
                (first + at) // 2 - n * pyramid.ALIGNED_PX // 2
                for first, at, n in zip(
                    pyramid.origin(level.grid),
                    (block.row, block.column),
                    (row, column),
                    strict=True,
                )
            )
            rows, columns = probability.shape
            out[top : top + rows, left : left + columns] = probability

        multiscale.find(levels[:1], hot, Context(threads=2), keep)
        return out

    one, other = rims_of(256), rims_of(448)
    assert np.count_nonzero(one) >= (SIDE_PX // 2) ** 2
    both = (one > 0.0) & (other > 0.0)
    assert np.ptp(one[both]) > 0.3
    np.testing.assert_allclose(one[both], other[both], atol=1e-3)


def test_rims_of_a_part_are_those_of_the_whole(levels, height, hot, tmp_path):
    """The raster of rims takes blocks that begin before the frame, at every scale."""

    def rims_of(scales):
        grid = pyramid.coarser(scales[0].grid)
        rims = detect_craters._Rims(np.empty(grid.shape, np.uint8), grid)
        multiscale.find(scales, hot, Context(threads=2), rims)
        return grid, rims.values

    grid, values = rims_of(levels[:1])
    row, column, side = 33, 51, 780
    part = levels_of(tmp_path, height[row : row + side, column : column + side], row, column)
    other, seen = rims_of(part[:1])
    down = round((grid.y_max_m - other.y_max_m) / grid.pixel_m)
    right = round((other.x_min_m - grid.x_min_m) / grid.pixel_m)
    edge = REACH_PX // 2
    inner = seen[edge:-edge, edge:-edge].astype(int)
    same = values[down + edge :, right + edge :][: inner.shape[0], : inner.shape[1]].astype(int)
    assert np.ptp(inner) > 50
    assert np.abs(inner - same).max() <= 1
    # Coarser scales are resampled onto it: a constant field of theirs covers everything.
    for level in part[1:]:
        rims = detect_craters._Rims(np.empty(other.shape, np.uint8), other)
        rims.values[:] = 0
        half = pyramid.CORE_PX // 2
        for block in level.aligned_blocks():
            rims(level, block, np.full((half, half), 0.5, np.float32))
        assert (rims.values == 125).all()
