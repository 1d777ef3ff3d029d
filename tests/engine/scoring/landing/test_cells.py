"""The best disc of every cell, the ground around it, and shifted lattices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, special

from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import cog
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.scoring.landing import _cell_kernels, cells

GRID = Grid(2000.0, 9000.0, 20.0, 47, 34)
COARSE = Grid(2000.0, 9000.0, 200.0, 5, 4)
SIDE = 10


@pytest.fixture
def layers(tmp_path):
    random = np.random.default_rng(5)
    rough = ndimage.gaussian_filter(random.standard_normal(GRID.shape), 2.0)
    suitability = special.expit(8.0 * rough).astype(np.float32)
    suitability[:6, :12] = np.nan
    probability = np.where(np.isnan(suitability), np.nan, suitability > 0.6).astype(np.float32)
    paths = []
    for name, values in (("suitability", suitability), ("probability", probability)):
        paths.append(tmp_path / f"{name}.tif")
        tags = {cells.RADIUS_TAG: "60.0"}
        cog.write_raster(paths[-1], values, GRID, description=name, tags=tags)
    return paths, suitability, probability


def blocks(values):
    """Yield the cells of a raster by row and column."""
    for r in range(COARSE.height):
        for c in range(COARSE.width):
            yield r, c, values[r * SIDE : (r + 1) * SIDE, c * SIDE : (c + 1) * SIDE]


def test_the_best_pixel_of_every_cell_is_found(layers):
    paths, suitability, _ = layers
    found = cells.best_discs(*paths, GRID, COARSE, SIDE, Context())
    assert found.disc.radius_m == 60.0
    for r, c, part in blocks(suitability):
        if not np.isfinite(part).any():
            assert found.row[r, c] == found.column[r, c] == -1
            continue
        j, i = np.unravel_index(np.nanargmax(part), part.shape)
        assert (found.row[r, c], found.column[r, c]) == (r * SIDE + j, c * SIDE + i)


def test_landable_ground_is_counted(layers):
    paths, _, probability = layers
    found = cells.best_discs(*paths, GRID, COARSE, SIDE, Context())
    for r, c, part in blocks(probability):
        known = np.isfinite(part)
        if not known.any():
            continue
        good = part >= 0.5
        assert found.columns["landable_pct"][r, c] == pytest.approx(
            100.0 * good.sum() / known.sum()
        )
        _, areas = ndimage.label(good, np.ones((3, 3)))
        assert found.columns["landable_areas"][r, c] == areas
        inside = ndimage.distance_transform_edt(np.pad(good, 1)).max()
        radius = max(inside - 0.5, 0.0) * GRID.pixel_m
        assert found.columns["landing_circle_m"][r, c] == pytest.approx(radius)


def test_strips_give_what_the_whole_gives(layers, monkeypatch):
    paths, _, _ = layers
    whole = cells.best_discs(*paths, GRID, COARSE, SIDE, Context())
    monkeypatch.setattr(cells, "_STRIP_PX", 1)
    strips = cells.best_discs(*paths, GRID, COARSE, SIDE, Context())
    np.testing.assert_array_equal(strips.row, whole.row)
    np.testing.assert_array_equal(strips.column, whole.column)
    for name, values in whole.columns.items():
        np.testing.assert_array_equal(strips.columns[name], values, name)


def test_shifted_cells_hold_their_pixels(layers):
    _, suitability, _ = layers
    size = (COARSE.height + 1, COARSE.width + 1)
    best, where = np.full(size, np.nan, np.float32), np.full(size, -1, np.int64)
    known = np.zeros(size, np.int64)
    _cell_kernels.best_of_cells(suitability, 0, 3, 7, SIDE, best, where, known)
    for r in range(size[0]):
        for c in range(size[1]):
            rows = slice(max(0, r * SIDE - 3), max(0, (r + 1) * SIDE - 3))
            columns = slice(max(0, c * SIDE - 7), max(0, (c + 1) * SIDE - 7))
            part = suitability[rows, columns]
            assert known[r, c] == np.isfinite(part).sum()
            if known[r, c]:
                assert best[r, c] == np.nanmax(part)


def test_the_draws_of_the_lattice_are_those_of_ranks(layers):
    """With cells of one pixel nothing moves; otherwise a disc keeps or betters its value."""
    paths, _, _ = layers
    one = cells.best_discs(*paths, GRID, GRID, 1, Context())
    moved = np.stack([one.columns[f"lattice_draw_{n}"] for n in range(1, 9)])
    np.testing.assert_allclose(moved[:, one.found], 0.0, atol=1e-5)
    ten = cells.best_discs(*paths, GRID, COARSE, SIDE, Context())
    moved = np.stack([ten.columns[f"lattice_draw_{n}"] for n in range(1, 9)])
    assert np.isfinite(moved[:, ten.found]).all()
    assert np.isnan(moved[:, ~ten.found]).all()
    assert moved[:, ten.found].std() > 0.0


def test_other_rasters_are_refused(tmp_path):
    cog.write_raster(tmp_path / "x.tif", np.ones(GRID.shape, np.float32), GRID, description="x")
    with pytest.raises(InputError, match="not a layer that lunarsite landing has written"):
        cells.radius_of(tmp_path / "x.tif")
