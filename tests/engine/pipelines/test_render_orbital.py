"""An elevation model seen from above: brightness by geometry, and shadows by horizons."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.illumination import rendering
from lunarsite.engine.illumination.ephemeris import elevation_azimuth
from lunarsite.engine.io import cog
from lunarsite.engine.io.grid import Dem, Grid
from lunarsite.engine.stages import render_orbital

TIME = "2027-01-15T06:00"
GRID = Grid(40_000.0, 60_000.0, 50.0, 160, 140)


def written(path, heights, grid=GRID):
    cog.write_raster(path, heights.astype(np.float32), grid, description="height", unit="m")
    return path


def rendered(folder, heights, **more):
    given = {"dem": str(written(folder / "dem.tif", heights)), "out": str(folder / "image.tif")}
    result = render_orbital.STAGE.run(
        {**given, "time": TIME, "builtin_far_field": False, **more}, Context(threads=2)
    )
    with rasterio.open(folder / "image.tif") as source:
        assert source.nodata == 0
        return result, source.read(1)


def test_a_missing_elevation_model_is_refused(tmp_path):
    given = {"dem": str(tmp_path / "none.tif"), "out": str(tmp_path / "image.tif"), "time": TIME}
    with pytest.raises(InputError, match="there is no file"):
        render_orbital.STAGE.run(given, Context())
    given["dem"] = str(written(tmp_path / "dem.tif", np.zeros(GRID.shape)))
    with pytest.raises(InputError, match="there is no file"):
        render_orbital.STAGE.run({**given, "far_field": [str(tmp_path / "far.tif")]}, Context())
    assert not (tmp_path / "image.tif").exists()


# A quarter of a month apart, the Sun stands in the east and in the north of the map.
@pytest.mark.parametrize("time", [TIME, "2027-01-22T12:00", "2027-01-26T06:00"])
def test_slopes_that_face_the_sun_are_bright_and_others_dark(tmp_path, time):
    moment = rendering.parse_time(time)
    x, y = np.meshgrid(GRID.column_x_m(), GRID.row_y_m())
    lon, lat = moon.xy_to_lonlat(x, y)
    elevation, azimuth = elevation_azimuth(lon, lat, moment.sun)
    toward = np.radians(moon.map_azimuth_deg(azimuth, lon))
    # A cone: its slope of 20° looks everywhere.
    middle = (x.mean(), y.mean())
    away = np.hypot(x - middle[0], y - middle[1])
    cone = -away * np.tan(np.radians(20.0))
    _, image = rendered(tmp_path, cone, time=time)
    facing = ((x - middle[0]) * np.sin(toward) + (y - middle[1]) * np.cos(toward)) / away
    flank = (away > 500.0) & (away < 3000.0)
    sunny, dark = image[flank & (facing > 0.8)], image[flank & (facing < -0.8)]
    assert sunny.min() > 90
    assert (dark == rendering.DARKEST).all()
    assert float(elevation.mean()) < 5.0


def test_the_shadow_of_a_wall_has_the_length_of_the_solar_elevation(tmp_path):
    moment = rendering.parse_time(TIME)
    middle = moon.xy_to_lonlat(*(float(v.mean()) for v in (GRID.column_x_m(), GRID.row_y_m())))
    elevation, _ = elevation_azimuth(*map(float, middle), moment.sun)
    assert elevation[0] > 0.3
    bearing = np.radians(moment.bearing_deg)
    x, y = np.meshgrid(GRID.column_x_m(), GRID.row_y_m())
    along = x * np.sin(bearing) + y * np.cos(bearing)
    along -= along.max() - 800.0
    height = 40.0
    wall = np.where((along > 0.0) & (along < 300.0), height, 0.0)
    _, image = rendered(tmp_path, wall)
    reach = height / np.tan(np.radians(elevation[0]))
    # Away from the frame's sides, where no wall stands before the Sun.
    inner = np.abs(x - x.mean()) + np.abs(y - y.mean()) < 4_000.0
    near = inner & (along < -100.0) & (along > -0.7 * reach)
    far = inner & (along < -1.4 * reach)
    assert (image[near] <= 10).mean() > 0.95
    assert far.any()
    assert np.median(image[far]) > 60


def test_strips_are_shaded_like_the_whole():
    rng = np.random.default_rng(0)
    heights = np.cumsum(rng.standard_normal(GRID.shape), axis=0).astype(np.float32) * 10.0
    dem, moment = Dem(GRID, heights), rendering.parse_time(TIME)
    horizon = np.full(GRID.shape, -2.0, np.float32)
    whole, _ = rendering.shade(dem, horizon, slice(0, GRID.height), moment)
    parts = [
        rendering.shade(dem, horizon, slice(first, min(first + 33, GRID.height)), moment)[0]
        for first in range(0, GRID.height, 33)
    ]
    assert np.array_equal(np.concatenate(parts), whole)


def test_nodata_is_preserved_and_shadow_is_not_nodata(tmp_path):
    heights = np.zeros(GRID.shape)
    heights[20:40, 30:50] = np.nan
    heights[60:90, 60:90] = -2000.0
    result, image = rendered(tmp_path, heights)
    assert (image[22:38, 32:48] == rendering.NODATA).all()
    assert (image[70:80, 70:80] == rendering.DARKEST).all()
    assert 3.0 < result["shadow_pct"] < 60.0


def test_bytes_are_reproducible_and_coarse_pixels_give_a_warning(tmp_path):
    rng = np.random.default_rng(1)
    heights = rng.standard_normal(GRID.shape) * 5.0
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, again = (rendered(tmp_path / name, heights)[1] for name in "ab")
    assert np.array_equal(first, again)
    context = Context(threads=1)
    given = {"dem": str(tmp_path / "a" / "dem.tif"), "out": str(tmp_path / "c.tif"), "time": TIME}
    given["builtin_far_field"] = False
    render_orbital.STAGE.run(given, context)
    assert any("50 m show shadows and slopes, but no rocks" in w for w in context.warnings)


@pytest.mark.parametrize("text", ["soon", "2027-13-01", "1850-01-01", "2300-01-01"])
def test_invalid_times_are_refused(tmp_path, text):
    dem = written(tmp_path / "dem.tif", np.zeros(GRID.shape))
    given = {"dem": str(dem), "out": str(tmp_path / "o.tif"), "time": text}
    with pytest.raises(ParameterError, match="--time"):
        render_orbital.STAGE.run(given, Context())
    assert not (tmp_path / "o.tif").exists()


def test_time_zones_are_supported():
    assert (
        rendering.parse_time("2027-01-15T08:00+02:00").time == rendering.parse_time(TIME + "Z").time
    )


def test_a_model_without_data_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no data"):
        rendered(tmp_path, np.full(GRID.shape, np.nan))
    assert not (tmp_path / "image.tif").exists()
