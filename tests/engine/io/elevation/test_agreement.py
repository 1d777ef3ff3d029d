"""Whether two elevation models are of the same ground."""

from __future__ import annotations

import re

import numpy as np
import pytest
import rasterio

from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.io.elevation import agreement
from lunarsite.engine.io.elevation.builtin import BUILTIN, builtin_far_field
from lunarsite.engine.io.elevation.dem import read_dem
from lunarsite.engine.io.grid import Dem, Grid


@pytest.fixture(scope="module")
def pair():
    """Return a part of the real pole, resampled to pixels of 400 m, and what surrounds it."""
    with rasterio.open(BUILTIN) as source:
        values = source.read(1)[350:400, 350:400].astype(np.float32)
        x, y = source.transform * (350, 350)
    rows = (np.arange(200) + 0.5) / 4 - 0.5
    low = np.clip(np.floor(rows).astype(int), 0, 48)
    share = (rows - low).astype(np.float32)
    down = values[low] * (1 - share[:, None]) + values[low + 1] * share[:, None]
    fine = down[:, low] * (1 - share) + down[:, low + 1] * share
    dem = Dem(Grid(x, y, 400.0, 200, 200), fine)
    return dem, builtin_far_field(dem.grid)


def checked(one, other):
    context = Context()
    agreement.check(one, "The DEM", other, "the far field", context)
    return context.warnings


def test_models_of_the_same_ground_agree(pair):
    found = agreement.compare(*pair)
    assert found.cells == 2500
    assert abs(found.offset_m) < 5.0
    assert found.correlation > 0.99
    assert checked(*pair) == []


def test_the_real_frame_agrees_with_the_model_that_ships(real):
    dem = read_dem(real / "dem/shackleton_ridge_25m.tif")
    found = agreement.compare(dem, builtin_far_field(dem.grid))
    assert found.offset_m == pytest.approx(1.1, abs=0.2)
    assert found.spread_m == pytest.approx(4.3, abs=0.3)
    assert found.shift_m == (0.0, 0.0)


@pytest.mark.parametrize("offset_m", [-600.0, 120.0])
def test_another_datum_gives_a_warning_with_the_offset(pair, offset_m):
    dem, other = pair
    (warning,) = checked(Dem(dem.grid, dem.height_m + np.float32(offset_m)), other)
    found = re.search(r"median offset ([+-]\d+) m over 2500 common cells", warning)
    assert float(found[1]) == pytest.approx(offset_m, abs=3.0)


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (lambda h: h[::-1], "north and south are exchanged"),
        (lambda h: h[:, ::-1], "east and west are exchanged"),
        (lambda h: h.T, "rows and columns are exchanged"),
        (lambda h: h[::-1, ::-1], "turned by 180°"),
    ],
)
def test_a_turned_model_is_recognised(pair, turn, words):
    dem, other = pair
    with pytest.raises(InputError, match=words):
        checked(Dem(dem.grid, np.ascontiguousarray(turn(dem.height_m))), other)


@pytest.mark.parametrize(
    ("factor", "words"),
    [(3.2808, "feet"), (2.0, "half metres"), (0.001, "kilometres"), (-1.0, "up and down")],
)
def test_a_scaled_model_is_recognised(pair, factor, words):
    dem, other = pair
    with pytest.raises(InputError, match=words):
        checked(Dem(dem.grid, dem.height_m * np.float32(factor)), other)


def test_a_shifted_model_gives_a_warning_with_the_shift(pair):
    dem, other = pair
    away = Grid(dem.grid.x_min_m + 3200.0, dem.grid.y_max_m, 400.0, 200, 200)
    (warning,) = checked(Dem(away, dem.height_m), other)
    found = re.search(r"best fit ([+-][\d,]+) m east and ([+-][\d,]+) m north", warning)
    east, north = (float(text.replace(",", "")) for text in found.groups())
    assert (east, north) == pytest.approx((3200.0, 0.0), abs=100.0)


def test_a_shift_of_less_than_a_cell_gives_a_warning(pair):
    dem, other = pair
    away = Grid(dem.grid.x_min_m - 800.0, dem.grid.y_max_m + 400.0, 400.0, 200, 200)
    (warning,) = checked(Dem(away, dem.height_m), other)
    found = re.search(r"best fit ([+-][\d,]+) m east and ([+-][\d,]+) m north", warning)
    east, north = (float(text.replace(",", "")) for text in found.groups())
    assert (east, north) == pytest.approx((-800.0, 400.0), abs=150.0)


def test_level_ground_is_not_refused_for_the_noise_of_both_models():
    random = np.random.default_rng(3)
    level = random.normal(0.0, 5.0, (40, 40)).astype(np.float32)
    noisy = level + random.normal(0.0, 4.3, level.shape).astype(np.float32)
    grid = Grid(0.0, 0.0, 1600.0, 40, 40)
    assert checked(Dem(grid, noisy), Dem(grid, level)) == []


def test_another_place_is_refused(pair):
    dem, other = pair
    away = Grid(dem.grid.x_min_m + 96_000.0, dem.grid.y_max_m - 64_000.0, 400.0, 200, 200)
    with pytest.raises(InputError, match="contradict each other"):
        checked(Dem(away, dem.height_m), other)


def test_models_without_common_ground_are_not_compared(pair):
    dem, other = pair
    away = Grid(5e6, 5e6, 400.0, 200, 200)
    assert agreement.compare(Dem(away, dem.height_m), other) is None


def test_a_coarser_first_model_is_compared_as_well(pair):
    dem, other = pair
    found = agreement.compare(other, dem)
    assert found.cells == 2500
    assert found.correlation > 0.99
