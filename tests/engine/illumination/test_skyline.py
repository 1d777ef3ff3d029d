from __future__ import annotations

import os

import numpy as np
import pytest
import rasterio

from lunarsite.engine import moon, stages
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.illumination.ephemeris import ephemeris
from lunarsite.engine.illumination.skyline import (
    has_ground,
    periods,
    skyline,
    tracks,
)
from lunarsite.engine.io.cog import write_raster
from lunarsite.engine.io.grid import Dem, Grid
from lunarsite.engine.pipelines import skyline as pipeline


@pytest.fixture
def wall(tmp_path):
    """Return a plain at the pole with a wall 1 km high 10 km to the east."""
    grid = Grid(-20e3, 20e3, 200.0, 200, 200)
    height = np.zeros((200, 200), np.float32)
    height[:, 150:153] = 1000.0
    write_raster(tmp_path / "dem.tif", height, grid, description="height")
    return tmp_path / "dem.tif", Dem(grid, height)


def test_a_wall_in_the_east_raises_the_horizon_there(wall) -> None:
    line = skyline(wall[1], 0.0, -89.99, mast_height_m=0.0)
    # At longitude 0 north points along +y, so that east is +x.
    east = line.horizon_deg[line.azimuth_deg == 90.0][0]
    assert east == pytest.approx(np.degrees(np.arctan2(1000.0, 10_100.0)), abs=0.2)
    assert line.horizon_deg[line.azimuth_deg == 270.0][0] == pytest.approx(0.0, abs=0.05)
    assert line.distance_m[line.azimuth_deg == 90.0][0] == pytest.approx(10_150, abs=150)
    assert len(line.azimuth_deg) == 720


def test_azimuths_rotate_with_the_longitude(wall) -> None:
    line = skyline(wall[1], 90.0, -89.99)
    # At longitude 90 the wall lies to the north.
    highest = line.azimuth_deg[np.argmax(line.horizon_deg)]
    assert min(highest, 360 - highest) < 5


def test_the_stage_returns_tracks_windows_and_darkness(wall) -> None:
    context = Context()
    answer = stages.load("skyline").run(
        {"dem": str(wall[0]), "lon": 0.0, "lat": -89.99, "stop": "2027-03-01"}
        | {"builtin_far_field": False},
        context,
    )
    # All of the wall's terrain lies within 40 km.
    assert any("out to 90 km in 0 % of the directions only" in each for each in context.warnings)
    assert len(answer["azimuth_deg"]) == len(answer["horizon_deg"]) == 720
    dark_days = 59 - sum(span["days"] for span in answer["sun_up"])
    assert dark_days >= answer["longest_night_days"] > 0
    assert set(answer["sun"]) == {"time", "azimuth_deg", "elevation_deg", "visible_fraction"}
    assert answer["best_windows"] == sorted(answer["best_windows"], key=lambda w: -w["days"])
    line = skyline(wall[1], 0.0, -89.99)
    sun, _ = tracks(line, ephemeris("2027-01-01", "2027-03-01", step_hours=1))
    assert answer["illumination_pct"] == pytest.approx(100 * sun.shown.mean(), abs=0.001)


def test_models_are_read_once_while_the_files_are_unchanged(wall) -> None:
    context = Context()
    values = {"dem": str(wall[0]), "lon": 0.0, "lat": -89.99, "stop": "2027-01-10"}
    values["builtin_far_field"] = False
    stages.load("skyline").run(values, context)
    cache = dict(context.warm)
    stages.load("skyline").run(values, context)
    assert all(context.warm[key] is cache[key] for key in cache)
    assert cache


def test_other_dates_are_not_answered_from_the_cache(wall) -> None:
    context = Context()
    values = {"dem": str(wall[0]), "lon": 0.0, "lat": -89.99, "stop": "2027-01-10"}
    values["builtin_far_field"] = False
    other = values | {"start": "2027-06-01", "stop": "2027-06-20", "step_hours": 2.0}
    first = stages.load("skyline").run(values, context)
    assert stages.load("skyline").run(other, context) == stages.load("skyline").run(
        other, Context()
    )
    assert stages.load("skyline").run(values, context) == first


def test_a_location_next_to_a_gap_is_refused(wall) -> None:
    dem = wall[1]
    dem.height_m[100, 100] = np.nan
    x, y = dem.grid.column_x_m()[101], dem.grid.row_y_m()[101]
    assert has_ground(dem, x + 10, y - 10)
    assert not has_ground(dem, x - 10, y + 10)
    assert not has_ground(dem, -30e3, 0.0)
    lon, lat = moon.xy_to_lonlat(x - 10, y + 10)
    with pytest.raises(InputError, match="next to it"):
        skyline(dem, float(lon), float(lat))


def test_a_location_outside_is_refused(wall) -> None:
    lon, lat = moon.xy_to_lonlat(30e3, 0.0)
    with pytest.raises(InputError, match="no height"):
        skyline(wall[1], float(lon), float(lat))


def test_of_a_large_model_only_the_surroundings_of_the_place_are_read(
    tmp_path, monkeypatch
) -> None:
    stages.load("synthesize").run(
        {"out": str(tmp_path / "dem.tif"), "size_px": 700, "pixel_m": 300.0}, Context()
    )
    place = {"dem": str(tmp_path / "dem.tif"), "lon": 40.0, "lat": -89.2, "stop": "2027-02-01"}
    whole = stages.load("skyline").run(place, Context())
    monkeypatch.setattr(pipeline, "_LARGE_PX", 10_000)
    context = Context()
    near = stages.load("skyline").run(place, context)
    (key,) = (key for key in context.warm if key[0] == "elevation models")
    _, (dem, around, _) = context.warm[key]
    assert dem.grid.shape == (200, 200)
    assert [model.grid.pixel_m for model in around.models] == [300.0]
    off = np.subtract(near["horizon_deg"], whole["horizon_deg"])
    assert np.abs(off).max() < 0.05
    beside = place | {"lon": 40.5}
    stages.load("skyline").run(beside, context)
    assert context.warm[key][1][0] is dem


def test_a_changed_part_of_a_model_is_read_again(tmp_path) -> None:
    path = tmp_path / "dem.tif"
    stage = stages.load("skyline")
    place = {"dem": str(path), "aoi": "0,-90,5", "lon": 40.0, "lat": -89.95, "stop": "2027-02-01"}
    context = Context()
    heights = []
    for seed in (1, 2):
        stages.load("synthesize").run(
            {"out": str(path), "size_px": 80, "pixel_m": 300.0, "seed": seed}, Context()
        )
        os.utime(path, ns=(seed, seed))
        heights.append(stage.run(place, context)["eye_height_m"])
    assert heights[0] != heights[1]


def test_periods_do_not_depend_on_the_time_step(wall) -> None:
    line = skyline(wall[1], 0.0, -89.99)
    skies = [ephemeris("2027-01-01", "2027-07-01", step_hours=step) for step in (6.0, 0.25)]
    coarse, fine = (periods(line, sky) for sky in skies)
    for name in ("light", "darkness", "contact", "windows"):
        one, other = getattr(coarse, name), getattr(fine, name)
        assert len(one) == len(other) > 0
        assert [p["days"] for p in one] == pytest.approx([p["days"] for p in other], abs=1 / 48)
        assert [p["start"][:10] for p in one] == [p["start"][:10] for p in other]
    assert sum(p["days"] for p in [*coarse.light, *coarse.darkness]) == pytest.approx(
        181.0, abs=1e-3
    )
    # The state at each of the fine steps, summed, is what the windows add up to.
    sun, earth = tracks(line, skies[1])
    both = (sun.shown > 0.0) & (earth.clear > 0.0)
    assert sum(p["days"] for p in coarse.windows) == pytest.approx(both.sum() / 96.0, abs=0.1)
    assert coarse.windows == sorted(coarse.windows, key=lambda p: p["start"])
    assert 0.0 < sum(p["days"] for p in coarse.contact) < 181.0


def test_the_skyline_of_a_site_and_the_layer_under_it_agree(tmp_path) -> None:
    stages.load("synthesize").run(
        {"out": str(tmp_path / "dem.tif"), "size_px": 120, "pixel_m": 200.0}, Context()
    )
    same = {"dem": str(tmp_path / "dem.tif"), "stop": "2028-01-01"}
    stages.load("lighting").run(same | {"out": str(tmp_path / "o"), "posting_m": 4000.0}, Context())
    layers = {}
    for name in ("illumination_pct", "earth_visibility_pct", "illumination_method"):
        with rasterio.open(tmp_path / f"o/{name}.tif") as layer:
            layers[name], place = layer.read(1), layer.transform
    with rasterio.open(tmp_path / "o/longest_night_days.tif") as layer:
        darkness = layer.read(1)
    rows, columns = np.nonzero(layers["illumination_method"] == 1)
    for row, column in list(zip(rows, columns, strict=True))[:: max(1, len(rows) // 5)]:
        sky = _at(place, row, column, same)
        assert sky["illumination_pct"] == pytest.approx(
            layers["illumination_pct"][row, column], abs=0.25
        )
        assert sky["earth_visibility_pct"] == pytest.approx(
            layers["earth_visibility_pct"][row, column], abs=0.5
        )
    for row, column in ((1, 1), (3, 2), (4, 4)):
        sky = _at(place, 20 * row + 10, 20 * column + 10, same)
        assert sky["longest_night_days"] == pytest.approx(darkness[row, column], abs=1 / 24)


def _at(place, row, column, values):
    """Return the skyline of the centre of a pixel, with the steps of a layer."""
    lon, lat = moon.xy_to_lonlat(*(place * (column + 0.5, row + 0.5)))
    values = values | {"lon": float(lon), "lat": float(lat)}
    return stages.load("skyline").run(
        values | {"step_hours": 6.0, "azimuth_step_deg": 1.0}, Context()
    )
