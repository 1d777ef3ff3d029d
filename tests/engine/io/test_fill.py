from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import from_origin

from lunarsite.engine.file_names import part_name
from lunarsite.engine.io import fill

ISIS_FLOAT32 = np.array(
    [0xFF7FFFFB, 0xFF7FFFFC, 0xFF7FFFFD, 0xFF7FFFFE, 0xFF7FFFFF], np.uint32
).view(np.float32)
"""Null, low representation, low instrument, high instrument, high representation saturation."""

ISIS_FLOAT64 = np.array(
    [0xFFEFFFFFFFFFFFFB, 0xFFEFFFFFFFFFFFFC, 0xFFEFFFFFFFFFFFFF], np.uint64
).view(np.float64)


@pytest.mark.parametrize(
    "special",
    [
        *ISIS_FLOAT32,
        *ISIS_FLOAT64,
        *np.array([np.nan, np.inf, -np.inf, 9.96921e36, 1e20, -3.4e38, 3.4e38], np.float32),
        *np.array([-9999, -99999, -32768, -32767], np.float32),
        *np.array([-32768, -32767, -32766, -32765, -32764, -32753, -9999], np.int16),
        *np.array([-2147483648, -32768, -9999], np.int32),
    ],
)
def test_special_pixels_are_found_whatever_their_type_and_nothing_else(special):
    values = np.arange(24).reshape(4, 6).astype(special.dtype)
    values[1, 2:5] = special
    expected = np.zeros((4, 6), bool)
    expected[1, 2:5] = True
    assert np.array_equal(fill.special_pixels(values), expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int8"])
def test_types_with_no_value_to_spare_have_no_special_pixels(dtype):
    limits = np.iinfo(dtype)
    values = np.linspace(limits.min, limits.max, 300).astype(dtype)
    assert not fill.special_pixels(values).any()


def test_the_least_valid_pixel_of_isis_is_valid():
    assert fill.special_pixels(np.array([-32752, -32753], np.int16)).tolist() == [False, True]


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_measured_values_near_a_usual_fill_keep_it(dtype):
    measured = np.linspace(-10_400, -9_600, 801).astype(dtype)
    assert -9999 in measured
    assert not fill.special_pixels(measured).any()


def test_a_fill_that_averaging_has_smeared_is_found():
    values = np.full(1000, 3.0, np.float32)
    values[:300] = -9999.0
    values[300:310] = np.linspace(-9900, -10, 10)
    assert fill.special_pixels(values).sum() == 300


@given(st.lists(st.floats(-9000.0, 2.0**63, width=32), min_size=1, max_size=30))
def test_ordinary_numbers_are_never_special(numbers):
    assert not fill.special_pixels(np.array(numbers, np.float32)).any()


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("value", [0, 7, 65535])
def test_an_area_of_one_value_at_the_edge_is_found(bands, value):
    values = np.random.default_rng(0).integers(100, 60_000, (bands, 60, 80)).astype(np.uint16)
    values[:, :, :20] = value
    values[:, 20:50, 40:70] = 99  # larger, but inside
    found = fill.at_edge(values, np.ones((60, 80), bool))
    assert found.values == (float(value),) * bands
    assert found.share == pytest.approx(0.25)


def test_no_fill_is_found_at_the_edge_of_noise_nor_in_a_constant_raster():
    known = np.ones((60, 80), bool)
    noise = np.random.default_rng(0).integers(0, 256, (1, 60, 80)).astype(np.uint8)
    assert fill.at_edge(noise, known) is None
    assert fill.at_edge(np.full((1, 60, 80), 5), known) is None
    assert fill.at_edge(noise, ~known) is None


def test_areas_inside_are_found_by_the_step_at_their_end():
    plane = np.add.outer(np.arange(60.0), np.arange(80.0) / 7)
    known = np.ones(plane.shape, bool)
    assert fill.inside(plane, known) is None
    assert fill.inside(np.round(plane / 20), known) is None
    plane[5:15, 10:30] = plane[20:22] = 500.0  # two rows are a line, not an area
    found = fill.inside(plane, known)
    assert found.values == (500.0,)
    assert found.share == pytest.approx(200 / 4800)
    assert fill.inside(plane, known & (plane == 500.0)) is None


@pytest.mark.parametrize(
    "blocks",
    [
        {"blockysize": 1},
        {"tiled": True, "blockxsize": 32, "blockysize": 32},
        {"tiled": True, "blockxsize": 64, "blockysize": 16},
    ],
)
def test_a_large_raster_is_sampled_by_blocks_spread_over_it(tmp_path, monkeypatch, blocks):
    ground = np.add.outer(np.arange(400.0), np.arange(600.0) / 7).astype(np.float32)
    ground[150:260, 200:350], ground[:, -40:] = -9999.0, 0.0
    write(tmp_path / "large.tif", ground, blocks)
    reads = count_reads(monkeypatch)
    monkeypatch.setattr(fill, "_LARGE_PX", 5000)
    monkeypatch.setattr(fill, "_READ_PX", 60_000)
    with rasterio.open(tmp_path / "large.tif") as source:
        values, known = fill.sample(source, 1)
        assert known.all()
        assert sum(reads) <= 60_000
        assert fill.undeclared(source) == (-9999.0,)
        assert fill.everywhere(source, 1)[0] == -9999.0
    edge = fill.at_edge(values[None], values != -9999.0)
    assert edge.values == (0.0,)
    # Of few blocks, those at the edge are more than their share of the raster.
    assert 0.05 < edge.share < 0.15
    assert np.mean(values == -9999.0) == pytest.approx(110 * 150 / 240_000, abs=0.05)


def test_a_part_of_a_large_raster_is_sampled_inside_it(tmp_path, monkeypatch):
    values = np.full((300, 500), -9999.0, np.float32)
    values[70:250, 90:390] = 5.0
    write(tmp_path / "large.tif", values, {"tiled": True, "blockxsize": 64, "blockysize": 64})
    monkeypatch.setattr(fill, "_LARGE_PX", 5000)
    name = part_name(tmp_path / "large.tif", 90, 70, 300, 180)
    with rasterio.open(name) as source:
        assert np.unique(fill.sample(source, 1)[0]).tolist() == [5.0]


def test_a_block_that_is_the_whole_raster_is_sampled(tmp_path, monkeypatch):
    values = np.arange(40_000, dtype=np.float32).reshape(200, 200)
    write(tmp_path / "large.tif", values, {"tiled": True, "blockxsize": 208, "blockysize": 208})
    monkeypatch.setattr(fill, "_LARGE_PX", 5000)
    monkeypatch.setattr(fill, "_READ_PX", 5000)
    with rasterio.open(tmp_path / "large.tif") as source:
        assert fill.sample(source, 1)[0].max() > 39_000


def write(path, values, blocks):
    height, width = values.shape
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 1, **blocks}
    place = from_origin(0, 0, 9, 9)
    with rasterio.open(path, "w", transform=place, dtype="float32", **profile) as target:
        target.write(values, 1)


def count_reads(monkeypatch):
    """Return a list that gets the pixels of each window that is read."""
    counts = []
    opened = fill.open_raster

    class Counting:
        def __init__(self, source):
            self._source = source

        def __getattr__(self, name):
            return getattr(self._source, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._source.close()

        def read(self, *args, window, **options):
            counts.append(window.width * window.height)
            return self._source.read(*args, window=window, **options)

    monkeypatch.setattr(fill, "open_raster", lambda name: Counting(opened(name)))
    return counts
