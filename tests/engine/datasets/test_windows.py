"""Parts of remote rasters: the pixels of the whole, for a few of its bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.datasets import windows
from lunarsite.engine.datasets.entries import Content
from lunarsite.engine.errors import InputError, ParameterError

SIDE, BLOCK = 4096, 64
PIXEL_M = 608_000 / SIDE
"""Of the extent of LOLA's models from 80° S, and with as many blocks as that of 20 m."""


def write(path, values, *, scale=1.0, offset=0.0, nodata=None):
    place = {"crs": moon.SOUTH_POLAR, "transform": from_origin(-304e3, 304e3, PIXEL_M, PIXEL_M)}
    tiles = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK}
    made = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "nodata": nodata}
    with rasterio.open(path, "w", dtype=values.dtype, **made, **place, **tiles) as target:
        target.write(values, 1)
        target.scales, target.offsets = (scale,), (offset,)
        target.units = ("m",)


@pytest.fixture(scope="module")
def heights():
    random = np.random.default_rng(2)
    return random.normal(0.0, 800.0, (SIDE, SIDE)).astype(np.float32)


@pytest.fixture
def remote(server, heights, made):
    write(server.folder / "big.tif", heights)
    return made(server, "big.tif", None, content=Content.HEIGHTS, windows=True)


def test_a_window_of_50_km_costs_a_fiftieth_of_the_bytes_at_most(server, remote, heights, folder):
    path = windows.fetch_window(remote, "-137.3,-89.45,25", Context())
    whole = (server.folder / "big.tif").stat().st_size
    assert server.sent_bytes <= 0.02 * whole
    with rasterio.open(path) as found:
        assert (found.width * PIXEL_M, found.height * PIXEL_M) == pytest.approx((50e3, 50e3), 0.01)
        left = round((found.bounds.left + 304e3) / PIXEL_M)
        top = round((304e3 - found.bounds.top) / PIXEL_M)
        part = heights[top : top + found.height, left : left + found.width]
        assert np.array_equal(found.read(1), part)
        told = json.loads(found.tags()[windows.TAG])
        assert found.profile["tiled"]
    assert told["address"] == remote.files[0].url
    assert path.parent == folder
    assert [each.name for each in folder.iterdir()] == [path.name]


def test_a_window_that_is_there_is_not_fetched_again(remote):
    area = "-25000,-25000,0,0"
    first = windows.fetch_window(remote, area, Context())
    written = first.stat().st_mtime_ns
    assert windows.fetch_window(remote, area, Context()) == first
    assert first.stat().st_mtime_ns == written
    assert not windows.network.is_open()


def test_a_window_of_a_file_that_is_there_needs_no_server(server, remote, folder):
    folder.mkdir()
    (server.folder / "big.tif").rename(folder / "big.tif")
    server.forget()
    assert windows.fetch_window(remote, "-25000,-25000,0,0", Context()).is_file()
    assert server.requests == []


def test_stored_numbers_become_what_the_label_says(server, made):
    stored = np.full((SIDE, SIDE), 12_500, np.int16)
    stored[: SIDE // 2] = -1
    write(server.folder / "light.tif", stored, scale=4e-5, offset=0.25, nodata=-1)
    entry = made(server, "light.tif", None, content=Content.LAYER, windows=True)
    path = windows.fetch_window(entry, "-20000,-20000,20000,20000", Context())
    with rasterio.open(path) as found:
        values = found.read(1)
        assert (found.scales[0], found.offsets[0]) == (1.0, 0.0)
    assert np.isnan(values[: len(values) // 2 - 1]).all()
    assert values[-1] == pytest.approx(12_500 * 4e-5 + 0.25)


def test_an_area_of_all_of_it_is_no_part(remote):
    assert windows.fetch_window(remote, "0,-90,900", Context()) is None


def test_an_area_elsewhere_and_one_that_is_none_are_refused(remote):
    with pytest.raises(InputError, match=r"does not overlap big\.tif"):
        windows.fetch_window(remote, "0,-45,10", Context())
    with pytest.raises(ParameterError, match=r"looks like degrees"):
        windows.fetch_window(remote, "1,2,3,4", Context())


def test_what_is_no_cog_is_refused_with_what_to_run(server, made):
    with pytest.raises(ParameterError, match=r"A is no cloud-optimised GeoTIFF") as caught:
        windows.fetch_window(made(server), "0,-90,25", Context())
    assert caught.value.remedy.endswith("lunarsite fetch A")


def test_a_server_that_is_not_there_is_told_with_the_address(made, folder):
    entry = made("http://127.0.0.1:9", "big.tif", content=Content.HEIGHTS, windows=True)
    with pytest.raises(InputError, match=r"could not be fetched from 127\.0\.0\.1:9") as caught:
        windows.fetch_window(entry, "0,-90,25", Context())
    assert str(caught.value).endswith(
        f"http://127.0.0.1:9/data/big.tif --output {folder / 'big.tif'}"
    )
