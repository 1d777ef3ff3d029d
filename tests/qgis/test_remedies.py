"""The commands that errors print: pasted into a shell, their results are what was meant.

They are GDAL's own programs, which come with QGIS.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, osr

ROOT = Path(__file__).parents[2]
gdal.DontUseExceptions()  # GDAL 3.11 warns until it is told

PYTHON = ROOT / ".venv" / "bin" / "python"
MAIN = "import sys; from lunarsite.engine.frontends.cli import main; sys.exit(main())"
POLE = ROOT / "resources" / "moon" / "lola_70S_1600m.tif"
SOUTH = "+proj=stere +lat_0=-90 +lon_0=0 +k=1 +R=1737400 +units=m"
PIXEL_M = 1600.0
FIRST, SIDE = 340, 82
"""Where the pieces of the real pole begin, and their size, in pixels."""


pytestmark = pytest.mark.skipif(
    shutil.which("gdal_translate") is None, reason="GDAL's programs are not installed"
)


def piece():
    """Return heights of a piece of the real pole, and its upper left corner."""
    source = gdal.Open(str(POLE))
    heights = source.ReadAsArray(FIRST, FIRST, SIDE, SIDE).astype(np.float32)
    place = source.GetGeoTransform()
    return heights, (place[0] + FIRST * PIXEL_M, place[3] - FIRST * PIXEL_M)


def write(path, bands, *, crs=SOUTH, transform=None, scale=None, offset=None, unit=None):
    bands = bands if bands.ndim == 3 else bands[None]
    _, (left, top) = piece()
    kind = {"float32": gdal.GDT_Float32, "float64": gdal.GDT_Float64, "int16": gdal.GDT_Int16}
    count, rows, columns = bands.shape
    made = gdal.GetDriverByName("GTiff").Create(
        str(path), columns, rows, count, kind[bands.dtype.name]
    )
    made.SetGeoTransform(transform or (left, PIXEL_M, 0.0, top, 0.0, -PIXEL_M))
    reference = osr.SpatialReference()
    reference.SetFromUserInput(crs)
    made.SetProjection(reference.ExportToWkt())
    for number, values in enumerate(bands, 1):
        band = made.GetRasterBand(number)
        band.WriteArray(values)
        if scale is not None:
            band.SetScale(scale)
            band.SetOffset(offset)
        if unit is not None:
            band.SetUnitType(unit)
    made.FlushCache()
    return path


def terrain(dem, folder):
    """Return the answer of the stage ``terrain``: its outputs, or its error."""
    done = subprocess.run(
        [PYTHON, "-c", MAIN, "terrain", "--dem", str(dem), "--out", str(folder / "out"), "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    return json.loads(done.stdout)


def paste(remedy, folder):
    """Run the command of a remedy in a shell; return the file that it writes."""
    command = remedy[remedy.index("gdal") :].rstrip(".")
    subprocess.run(command, shell=True, check=True, cwd=folder, capture_output=True)  # noqa: S602  what users do
    made = [path for path in folder.glob("dem*.tif") if path.name != "dem.tif"]
    return made[0] if made else folder / "dem.tif"


def mended(dem, folder, problem):
    """Return the raster that the error's command makes of an elevation model, and check it."""
    error = terrain(dem, folder)["error"]
    assert problem in error["problem"]
    made = paste(error["remedy"], folder)
    answer = terrain(made, folder)
    assert "error" not in answer
    return gdal.Open(str(made)), answer


@pytest.mark.parametrize(
    ("stored", "scale", "offset"),
    [
        (lambda h: h.astype("f8") + 1737400.0, None, None),
        (lambda h: h.astype("f8") / 1000 + 1737.4, None, None),
        (lambda h: np.round(h / 0.5).astype("i2"), 0.0005, 1737.4),
    ],
)
def test_radii(tmp_path, stored, scale, offset):
    heights, _ = piece()
    dem = write(tmp_path / "dem.tif", stored(heights), scale=scale, offset=offset)
    made, _ = mended(dem, tmp_path, "holds radii")
    band = made.GetRasterBand(1)
    found = band.ReadAsArray() * (band.GetScale() or 1.0) + (band.GetOffset() or 0.0)
    assert np.abs(found - heights).max() < 0.3


def test_kilometres(tmp_path):
    heights, _ = piece()
    dem = write(tmp_path / "dem.tif", (heights / 1000).astype("f4"))
    made, _ = mended(dem, tmp_path, "plausible in kilometres")
    assert made.GetRasterBand(1).GetScale() == 1000.0


def test_an_unknown_unit(tmp_path):
    dem = write(tmp_path / "dem.tif", piece()[0], unit="counts")
    made, _ = mended(dem, tmp_path, "is in 'counts'")
    assert made.GetRasterBand(1).GetUnitType() == "m"


def test_heights_in_another_band(tmp_path):
    heights, _ = piece()
    dem = write(tmp_path / "dem.tif", np.stack([np.full_like(heights, 7.0), heights]))
    made, _ = mended(dem, tmp_path, "2 bands")
    assert np.array_equal(made.ReadAsArray(), heights)


def test_no_coordinate_system(tmp_path):
    heights, _ = piece()
    dem = write(tmp_path / "dem.tif", heights)
    subprocess.run(["gdal_edit.py", "-a_srs", "", str(dem)], check=True)
    error = terrain(dem, tmp_path)["error"]
    assert "has no coordinate system" in error["problem"]


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("+proj=stere +lat_0=-90 +lon_0=30 +R=1737400 +units=m", None),
        (SOUTH, (-65_600.0, 1600.0, 0.0, 65_600.0, 0.0, -1600.8)),
        (SOUTH, (-65_600.0, 1600.0, 0.0, -65_600.0, 0.0, 1600.0)),
        ("+proj=longlat +R=1737400", (20.0, 0.05, 0.0, -83.0, 0.0, -0.05)),
    ],
)
def test_another_map_is_warped_and_gaps_stay_gaps(tmp_path, crs, transform):
    heights, _ = piece()
    dem = write(tmp_path / "dem.tif", heights, crs=crs, transform=transform)
    made, answer = mended(dem, tmp_path, "dem.tif")
    values = made.ReadAsArray()
    known = np.isfinite(values)
    assert known.mean() > 0.15
    assert answer["valid_share"]["dem"] == pytest.approx(known.mean(), abs=1e-4)
    # Zeros in the place of gaps would be a third of the turned maps.
    assert (values[known] == 0.0).mean() < 0.001
    low, high = float(heights.min()), float(heights.max())
    assert low - 1.0 <= values[known].min() <= values[known].max() <= high + 1.0
    place = made.GetGeoTransform()
    assert place[1] == -place[5]
    if crs == SOUTH and transform[5] < 0.0:
        assert np.nanmax(np.abs(values[2 : SIDE - 2, 2:-2] - heights[2:-2, 2:-2])) < 150.0
        assert abs(float(values[known].mean()) - float(heights.mean())) < 5.0


LABEL = """OBJECT = IMAGE
  SAMPLE_TYPE = LSB_INTEGER
  SAMPLE_BITS = 16
  UNIT = METER
  SCALING_FACTOR = 0.5
  OFFSET = 1737400.
END_OBJECT = IMAGE
"""


@pytest.mark.parametrize(
    ("crs", "scale", "south_up"),
    [(SOUTH, 1.0, True), (SOUTH.replace("=m", "=km"), 0.001, False)],
)
def test_a_raster_on_the_map_keeps_its_pixels(tmp_path, crs, scale, south_up):
    heights, _ = piece()
    side, left, top = 123.456 * scale, -3456.7 * scale, 9876.5 * scale
    first, step = (top - SIDE * side, side) if south_up else (top, -side)
    place = (left, side, 0.0, first, 0.0, step)
    dem = write(tmp_path / "dem.tif", heights, crs=crs, transform=place)
    error = terrain(dem, tmp_path)["error"]
    made = gdal.Open(str(paste(error["remedy"], tmp_path)))
    expected = (-3456.7, 123.456, 0.0, 9876.5, 0.0, -123.456)
    assert made.GetGeoTransform() == pytest.approx(expected)
    assert np.abs(made.ReadAsArray() - (heights[::-1] if south_up else heights)).max() < 0.01


def test_what_a_label_says_goes_along_when_a_raster_is_warped(tmp_path):
    heights, _ = piece()
    turned = "+proj=stere +lat_0=-90 +lon_0=30 +R=1737400 +units=m"
    dem = write(tmp_path / "dem.tif", np.round(heights / 0.5).astype("i2"), crs=turned)
    (tmp_path / "dem.lbl").write_text(LABEL)
    error = terrain(dem, tmp_path)["error"]
    subprocess.run(  # noqa: S602  as in `paste`
        error["remedy"][error["remedy"].index("gdal") :],
        shell=True,
        check=True,
        cwd=tmp_path,
        capture_output=True,
    )
    made = gdal.Open(str(tmp_path / "dem_metres_south_polar.tif"))
    band = made.GetRasterBand(1)
    values = band.ReadAsArray() * (band.GetScale() or 1.0) + (band.GetOffset() or 0.0)
    low, high = np.nanmin(values), np.nanmax(values)
    assert heights.min() - 1.0 <= low < heights.min() + 300.0
    assert heights.max() - 300.0 < high <= heights.max() + 1.0
    assert "error" not in terrain(made.GetDescription(), tmp_path)


def test_an_undeclared_fill_value_is_not_interpolated_when_a_raster_is_warped(tmp_path):
    heights, _ = piece()
    heights[20:40, 20:40] = -9999.0
    turned = "+proj=stere +lat_0=-90 +lon_0=30 +R=1737400 +units=m"
    dem = write(tmp_path / "dem.tif", heights, crs=turned)
    made, _ = mended(dem, tmp_path, "not in the Moon's south polar")
    assert np.nanmin(made.ReadAsArray()) >= heights[heights > -9000.0].min() - 1.0


def test_an_undeclared_fill_value(tmp_path):
    heights, _ = piece()
    heights[:, :25] = 0.0
    dem = write(tmp_path / "dem.tif", heights)
    before = terrain(dem, tmp_path)
    (warning,) = (each for each in before["warnings"] if "one exact value" in each)
    paste(warning, tmp_path)
    after = terrain(dem, tmp_path)
    assert not [each for each in after["warnings"] if "one exact value" in each]
    assert after["valid_share"]["dem"] == pytest.approx((SIDE - 25) / SIDE, abs=1e-3)


def test_half_metres(tmp_path):
    heights, _ = piece()
    dem = write(tmp_path / "dem.tif", np.round(heights / 0.5).astype("i2"))
    before = terrain(dem, tmp_path)
    (warning,) = (each for each in before["warnings"] if "half metres" in each)
    made = gdal.Open(str(paste(warning, tmp_path)))
    assert made.GetRasterBand(1).GetScale() == 0.5
    assert terrain(made.GetDescription(), tmp_path)["warnings"] == []


READ_POINTS = """
import json, sys
from lunarsite.engine.context import Context
from lunarsite.engine.errors import CrsError
from lunarsite.engine.io.vectors import vector
try:
    found = vector.read_points(sys.argv[1], "The points", Context())
    print(json.dumps([[point.x, point.y] for point in found.geometry]))
except CrsError as error:
    print(json.dumps(error.as_dict()))
"""


def test_a_layer_in_radians(tmp_path):
    layer = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": c}}
            for c in (np.radians([10.0, -89.0]).tolist(), np.radians([-120.0, -88.5]).tolist())
        ],
    }
    (tmp_path / "sites.geojson").write_text(json.dumps(layer))

    def read(name):
        command = [PYTHON, "-c", READ_POINTS, tmp_path / name]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    error = read("sites.geojson")
    assert "is in radians" in error["problem"]
    command = error["remedy"][error["remedy"].index("ogr2ogr") :]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path, capture_output=True)  # noqa: S602  what users do
    for (x, y), (lon, lat) in zip(read("sites_deg.gpkg"), [(10, -89), (-120, -88.5)], strict=True):
        distance = 2.0 * 1737400.0 * np.tan(np.radians(90.0 + lat) / 2.0)
        assert x == pytest.approx(distance * np.sin(np.radians(lon)), abs=0.1)
        assert y == pytest.approx(distance * np.cos(np.radians(lon)), abs=0.1)
