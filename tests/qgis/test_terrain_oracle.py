"""Terrain layers against gdaldem's: another implementation of the same definitions.

gdaldem knows no map scale and no geographic north. Both are added here by the closed forms of the
polar stereographic map of a sphere, k = 1 + ρ² / 4R² and longitude = atan2(x, y).
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, osr

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv" / "bin" / "python"
MAIN = "import sys; from lunarsite.engine.frontends.cli import main; sys.exit(main())"
RADIUS_M, PIXEL_M = 1_737_400.0, 40.0
SOUTH = f"+proj=stere +lat_0=-90 +lon_0=0 +k=1 +R={RADIUS_M} +units=m"
gdal.DontUseExceptions()  # GDAL 3.11 warns until it is told


def ground(rows, columns, left, top):
    """Return heights without any symmetry, and the map coordinates of the pixels."""
    x, y = np.meshgrid(
        left + (np.arange(columns) + 0.5) * PIXEL_M, top - (np.arange(rows) + 0.5) * PIXEL_M
    )
    u, v = (x - left) / 1000.0, (top - y) / 1000.0
    height = 90.0 * u - 40.0 * v + 60.0 * np.sin(2.1 * u + 0.7 * v) * np.cos(1.3 * v - 0.4 * u)
    height -= 300.0 * np.exp(-((u - 1.1) ** 2 + 2.0 * (v - 2.2) ** 2))
    height += np.random.default_rng(4).normal(0.0, 1.5, height.shape)
    return height.astype(np.float32), x, y


@pytest.fixture(
    scope="module", params=[(-61_000.0, 183_000.0), (140_000.0, -9_000.0), (900.0, 900.0)]
)
def layers(request, tmp_path_factory):
    """Return our layers, gdaldem's, and the map coordinates, at one of several places."""
    folder = tmp_path_factory.mktemp("oracle")
    left, top = request.param
    height, x, y = ground(97, 131, left, top)
    dem = folder / "dem.tif"
    write(dem, height, left, top)
    words = ["--relief-window-px", "3", "--position-window-px", "3", "--json"]
    command = [PYTHON, "-c", MAIN, "terrain", "--dem", str(dem), "--out", str(folder / "out")]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert "error" not in json.loads(done.stdout)
    ours = {path.stem: read(path) for path in (folder / "out").glob("*.tif")}
    theirs = {}
    for kind in ("slope", "aspect", "Roughness", "TPI"):
        target = folder / f"{kind}.tif"
        done = gdal.DEMProcessing(str(target), str(dem), kind)
        del done  # it is written when it is closed
        theirs[kind] = read(target)
    return ours, theirs, x, y


def write(path, height, left, top):
    rows, columns = height.shape
    made = gdal.GetDriverByName("GTiff").Create(str(path), columns, rows, 1, gdal.GDT_Float32)
    made.SetGeoTransform((left, PIXEL_M, 0.0, top, 0.0, -PIXEL_M))
    reference = osr.SpatialReference()
    reference.SetFromUserInput(SOUTH)
    made.SetProjection(reference.ExportToWkt())
    made.GetRasterBand(1).WriteArray(height)
    made.FlushCache()


def read(path):
    source = gdal.Open(str(path))  # a band does not hold it
    band = source.GetRasterBand(1)
    values = band.ReadAsArray().astype(np.float64)
    values[values == band.GetNoDataValue()] = np.nan
    return values


def test_slopes_are_those_of_gdaldem_on_the_ground(layers):
    ours, theirs, x, y = layers
    scale = 1.0 + (x**2 + y**2) / (4.0 * RADIUS_M**2)
    expected = np.degrees(np.arctan(scale * np.tan(np.radians(theirs["slope"]))))
    inner = np.s_[1:-1, 1:-1]
    assert np.isfinite(expected[inner]).all()
    assert np.abs(ours["slope_deg"] - expected)[inner].max() < 1e-3
    assert expected[inner].max() > 15.0


def test_aspects_are_those_of_gdaldem_from_geographic_north(layers):
    ours, theirs, x, y = layers
    expected = theirs["aspect"] - np.degrees(np.arctan2(x, y))
    difference = (ours["aspect_deg"] - expected + 180.0) % 360.0 - 180.0
    steep = theirs["slope"] > 0.1
    assert np.isfinite(difference[steep]).all()
    assert np.abs(difference[steep]).max() < 0.05
    assert np.ptp(theirs["aspect"][steep]) > 300.0


def test_relief_is_the_roughness_of_gdaldem(layers):
    ours, theirs, _, _ = layers
    inner = np.s_[1:-1, 1:-1]
    assert np.abs(ours["relief_m"] - theirs["Roughness"])[inner].max() < 1e-3


def test_the_position_index_is_that_of_gdaldem(layers):
    """gdaldem's mean is that of the eight neighbours, ours that of the whole window."""
    ours, theirs, _, _ = layers
    inner = np.s_[1:-1, 1:-1]
    assert np.abs(ours["position_index_m"] - theirs["TPI"] * 8.0 / 9.0)[inner].max() < 1e-3
