"""Crater detection by template matching."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lunarsite.engine.context import Context
from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.detection import _template_kernels, template
from lunarsite.engine.errors import CancelledError
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.synthetic import craters, profiles
from lunarsite.engine.synthetic.crater_tiles import tiles

GRID = Grid(2_000.0, 9_000.0, 50.0, 420, 400)
CURVE = template.Curve.fitted()


def stamped(height, *circles, wear=1e-3):
    """Stamp craters given as column, row and radius in pixels."""
    for column, row, radius in circles:
        one = np.zeros(1, craters.CRATER)
        one["x_m"] = GRID.x_min_m + (column + 0.5) * GRID.pixel_m
        one["y_m"] = GRID.y_max_m - (row + 0.5) * GRID.pixel_m
        one["diameter_m"] = 2.0 * radius * GRID.pixel_m
        one["fresh_depth_m"], one["wear"] = 0.3 * radius * GRID.pixel_m, wear
        craters.stamp(height, GRID, one)
    return height


def found_in(height, folder, grid=GRID, **limits):
    levels = pyramid.of(grid, height, Scratch(folder, 10**9))
    return template.find(levels, CURVE, Context(threads=2, **limits))


def off(found, column, row, radius):
    """Return how far the likeliest circle near a crater is off, in radii, and its radius' ratio."""
    x = (found.x - GRID.x_min_m) / GRID.pixel_m - 0.5
    y = (GRID.y_max_m - found.y) / GRID.pixel_m - 0.5
    away = np.hypot(x - column, y - row) / radius
    first = np.flatnonzero(away < 0.6)[0]
    return away[first], found.radius[first] / GRID.pixel_m / radius


@pytest.mark.parametrize("wear", [1e-3, 0.1])
@pytest.mark.parametrize("slope", [0.0, 0.15])
def test_craters_of_all_sizes_are_found_where_they_are(tmp_path, wear, slope):
    rng = np.random.default_rng(1)
    height = rng.normal(0.0, 0.5, GRID.shape).astype(np.float32)
    height += np.float32(slope) * GRID.column_x_m().astype(np.float32)
    circles = [(40, 50, 5.0), (140, 60, 8.0), (300, 70, 13.0), (80, 180, 21.0), (260, 230, 52.0)]
    found, chance = found_in(stamped(height, *circles, wear=wear), tmp_path)
    for column, row, radius in circles:
        # Degraded craters have the diameters that mappers draw.
        diameter = np.array([2.0 * radius * GRID.pixel_m])
        seen = radius * float(profiles.mapped_radius(diameter, np.array([wear]))[0])
        away, ratio = off(found, column, row, seen)
        assert away < 0.15
        assert 0.8 < ratio < 1.25
    assert (np.diff(chance) <= 0.0).all()
    assert (chance[:5] > CURVE.threshold).all()


def test_half_a_crater_at_a_gap_and_at_the_edge_is_found(tmp_path):
    rng = np.random.default_rng(2)
    height = rng.normal(0.0, 0.5, GRID.shape).astype(np.float32)
    stamped(height, (3, 200, 12.0), (200, 100, 12.0))
    height[:, 205:240] = np.nan
    found, chance = found_in(height, tmp_path)
    for circle in ((3, 200, 12.0), (200, 100, 12.0)):
        away, ratio = off(found, *circle)
        assert away < 0.3
        assert 0.75 < ratio < 1.3
    column = (found.x - GRID.x_min_m) / GRID.pixel_m - 0.5
    likely = chance >= CURVE.threshold
    assert not ((column > 205) & (column < 239) & likely).any()


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_flat_ground_and_nodata_have_no_craters(tmp_path, slope):
    height = np.broadcast_to(slope * GRID.column_x_m(), GRID.shape).astype(np.float32)
    found, chance = found_in(height, tmp_path)
    assert found.x.size == chance.size == 0
    found, _ = found_in(np.full(GRID.shape, np.nan, np.float32), tmp_path)
    assert found.x.size == 0


def test_hills_are_not_craters(tmp_path):
    height = -stamped(np.zeros(GRID.shape, np.float32), (120, 120, 15.0), (300, 250, 40.0))
    found, chance = found_in(height, tmp_path)
    x = (found.x - GRID.x_min_m) / GRID.pixel_m - 0.5
    assert not ((np.abs(x - 120) < 4) & (chance > CURVE.threshold)).any()


def test_circles_do_not_depend_on_threads_elevation_or_scale(tmp_path):
    made = tiles.make(5, 420)
    height = made.height_m[:400].copy()
    levels = pyramid.of(GRID, height, Scratch(tmp_path, 10**9))
    one, likely = template.find(levels, CURVE, Context(threads=1))
    more, _ = template.find(levels, CURVE, Context(threads=3))
    assert one.x.size > 20
    for name in ("x", "y", "radius", "features"):
        np.testing.assert_array_equal(getattr(one, name), getattr(more, name))
    twice = Grid(2.0 * GRID.x_min_m, 2.0 * GRID.y_max_m, 2.0 * GRID.pixel_m, 420, 400)
    larger, same = found_in(2.0 * height + np.float32(512.0), tmp_path, twice)
    sure = int((likely > 0.3).sum())
    np.testing.assert_allclose(same[:sure], likely[:sure], atol=1e-3)
    np.testing.assert_allclose(larger.radius[:sure], 2.0 * one.radius[:sure], rtol=1e-3)


def test_circles_do_not_depend_on_the_edges_of_blocks(tmp_path):
    """The same ground, cut so that its craters lie in other blocks, holds the same craters."""
    side = 2 * pyramid.CORE_PX
    made = tiles.make(9, side + 64)
    grid = Grid(0.0, 0.0, 1.0, side, side)
    height = made.height_m / np.float32(made.pixel_m)
    circles = []
    for cut in (0, 64):
        part = np.ascontiguousarray(height[cut : cut + side, cut : cut + side])
        found, chance = found_in(part, tmp_path, grid)
        place = np.column_stack([found.x + cut, found.y - cut, found.radius])
        # Circles near the edge see another edge.
        inner = (place[:, 0] > 164) & (place[:, 0] < side - 100)
        inner &= (place[:, 1] < -164) & (place[:, 1] > 100 - side) & (place[:, 2] < 16)
        circles.append(place[inner & (chance > 0.4)])
    apart = np.abs(circles[0][:, None] - circles[1]).max(axis=2)
    assert len(circles[0]) > 20
    assert (apart.min(axis=1) < 1e-3).mean() > 0.95


def test_a_cancelled_search_stops(tmp_path):
    context = Context(threads=1)
    context.cancelled.set()
    levels = pyramid.of(GRID, np.zeros(GRID.shape, np.float32), Scratch(tmp_path, 10**9))
    with pytest.raises(CancelledError):
        template.find(levels, CURVE, context)


def test_an_even_rim_is_even_on_a_slope_and_half_a_rim_is_not():
    row, column = np.indices((80, 80), np.float64)
    away = np.hypot(row - 40, column - 40)
    bowl = np.minimum(away / 20.0, 1.0) ** 2
    place = np.array([[40.0, 40.0, 20.0]])
    slopes = (0.0, 0.02)
    even = [
        _template_kernels.evenness((bowl + s * column).astype(np.float32), place)[0] for s in slopes
    ]
    assert even == pytest.approx([1.0, 1.0], abs=0.05)
    half = np.where(column < 40, bowl, 0.0).astype(np.float32)
    assert _template_kernels.evenness(half, place)[0] < 0.8
    assert _template_kernels.evenness(-bowl.astype(np.float32), place)[0] == 0.0
    gone = np.where(column < 50, bowl, np.nan).astype(np.float32)
    assert _template_kernels.evenness(gone, place)[0] == pytest.approx(1.0, abs=0.05)


def test_the_curve_that_ships_names_the_data_it_was_fitted_to():
    result = json.loads(template.FITTED.read_text(encoding="utf-8"))
    assert result["tiles_version"] == tiles.VERSION
    assert result["data"] == tiles.DATA
    assert 0.5 < result["metrics"]["f1"] < 1.0
    assert 0.0 < CURVE.threshold < 1.0
    assert CURVE.alike > 0.0
