"""Files that no sane program writes are told in one sentence, whatever library stumbles."""

from __future__ import annotations

import os
import re
import struct
import zlib

import numpy as np
import pytest
import rasterio
import shapely
from geopandas import GeoDataFrame
from rasterio.transform import from_origin

from lunarsite.engine import moon, read_catalogue, run
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError, LunarSiteError, ParameterError
from lunarsite.engine.io.raster import opened
from lunarsite.engine.io.vectors.vector import read_polygons

NAN, INF = float("nan"), float("inf")


def raster(path, dtype="float32", **options):
    made = {"driver": "GTiff", "width": 40, "height": 40, "count": 1, "dtype": dtype}
    place = {"crs": moon.SOUTH_POLAR, "transform": from_origin(0, 200, 5, 5)}
    values = np.random.default_rng(1).normal(0, 9, (40, 40))
    kind = "complex64" if dtype.startswith("complex") else dtype
    with rasterio.open(path, "w", **made | place | options) as target:
        target.write(values.astype(kind), 1)
        target.units = ("m",)
    return path


@pytest.mark.parametrize("dtype", ["complex_int16", "complex64", "complex128"])
def test_complex_rasters_are_told_with_the_command_for_their_magnitude(tmp_path, dtype):
    words = r"holds complex numbers.*gdal_translate -ot Float32 DERIVED_SUBDATASET:AMPLITUDE:"
    with pytest.raises(InputError, match=words):
        run("terrain", dem=str(raster(tmp_path / "a.tif", dtype)), out=str(tmp_path / "out"))


@pytest.mark.parametrize("place", [(1e308, 1e308, 1e300), (NAN, 0.0, 5.0), (INF, 0.0, 5.0)])
def test_places_beyond_any_map_are_refused(tmp_path, place):
    x, y, pixel = place
    dem = raster(tmp_path / "a.tif", transform=from_origin(x, y, pixel, pixel))
    with pytest.raises(InputError, match="lies beyond any map"):
        run("terrain", dem=str(dem), out=str(tmp_path / "out"))


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize("at", [NAN, INF, -INF])
def test_coordinates_that_are_no_numbers_are_told(tmp_path, at):
    path = tmp_path / "a.gpkg"
    ring = [(0, 0), (at, 1), (1, 1), (0, 0)]
    shapes = [shapely.box(0, 0, 9, 9), shapely.Polygon(ring)]
    GeoDataFrame({"name": ["a", "b"]}, geometry=shapes, crs=moon.SOUTH_POLAR).to_file(path)
    words = r"coordinates of 1 feature are no finite numbers, the first is number 2"
    with pytest.raises(InputError, match=words):
        read_polygons(path, "The regions", Context())
    with pytest.raises(InputError, match=words):
        read_catalogue(path)


def test_a_ring_that_is_not_closed_is_told(tmp_path):
    path = tmp_path / "a.geojson"
    path.write_text(
        '{"type": "Polygon", "coordinates": [[[NaN, -89], [1, -89], [1, -88], [NaN, -89]]]}'
    )
    with pytest.raises(InputError, match=r"a\.geojson cannot be read"):
        read_polygons(path, "The regions", Context())


@pytest.mark.parametrize(
    ("diameter", "message"), [("1e12", "largest basin"), ("1e-9", "less than a grain of dust")]
)
def test_impossible_craters_are_told(tmp_path, diameter, message):
    path = tmp_path / "a.csv"
    path.write_text(f"lon,lat,diameter_m\n10,-89,{diameter}\n")
    with pytest.raises(InputError, match=message):
        read_catalogue(path)


@pytest.mark.skipif(os.name == "nt", reason="names are bytes on POSIX only")
def test_names_that_are_not_utf_8_are_told(tmp_path):
    dem = os.fsencode(tmp_path) + b"/\xff\xe9.tif"
    os.rename(raster(tmp_path / "a.tif"), dem)  # noqa: PTH104  the name is bytes
    name, out = os.fsdecode(dem), str(tmp_path / "out")
    with pytest.raises(ParameterError, match=r"not UTF-8.*Rename the file"):
        run("terrain", dem=name, out=out)
    with pytest.raises(ParameterError, match=r"--out: .*not UTF-8"):
        run("terrain", dem=str(tmp_path / "a.tif"), out=name)
    with pytest.raises(InputError, match="not UTF-8"), opened(name, "The DEM"):
        pass


@pytest.mark.parametrize("length", [300, 5000])
def test_names_that_are_too_long_are_told(tmp_path, length):
    name = str(tmp_path / ("n" * length))
    for call in (
        lambda: opened(f"{name}.tif", "The DEM").__enter__(),
        lambda: read_catalogue(f"{name}.csv"),
        lambda: read_polygons(f"{name}.gpkg", "The regions", Context()),
        lambda: run("terrain", dem=f"{name}.tif", out=str(tmp_path / "out")),
        lambda: run("synthesize", out=f"{name}.tif", size_px=64),
    ):
        with pytest.raises(LunarSiteError, match=re.compile("too long|longer than", re.IGNORECASE)):
            call()


def png_of(width, height):
    """Return the beginning of a PNG: its header says how large it is."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b""))
    text = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + text


def test_images_that_are_decoded_whole_are_refused_by_their_header(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png_of(20_000, 20_000))
    words = r"20,000 × 20,000 pixels.*at most 250 million.*gdal_translate -co TILED=YES"
    with pytest.raises(InputError, match=words), opened(path, "The image"):
        pass
    path.write_bytes(png_of(15_000, 15_000))
    with opened(path, "The image") as source:
        assert source.shape == (15_000, 15_000)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_huge_tile_is_refused_by_its_header(tmp_path):
    path = tmp_path / "a.tif"
    blocks = {"blockxsize": 2**14, "blockysize": 2**14}
    size = {"width": 20_000, "height": 20_000, "count": 1, "dtype": "uint8", "sparse_ok": True}
    with rasterio.open(path, "w", driver="GTiff", tiled=True, **blocks, **size):
        pass
    with pytest.raises(InputError, match="268 million at a time"), opened(path, "The image"):
        pass
    with rasterio.open(path, "w", driver="GTiff", tiled=True, **size):
        pass
    with opened(path, "The image") as source:
        assert source.shape == (20_000, 20_000)
