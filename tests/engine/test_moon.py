from __future__ import annotations

import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunarsite.engine import moon
from lunarsite.engine.errors import CrsError

longitudes = st.floats(-180, 180)
polar_latitudes = st.floats(-89.9999, -60)
metres = st.floats(-500_000, 500_000)


@settings(deadline=None)
@given(lon=longitudes, lat=polar_latitudes)
def test_positions_survive_the_round_trip(lon, lat):
    back_lon, back_lat = moon.xy_to_lonlat(*moon.lonlat_to_xy(lon, lat))
    assert back_lat == pytest.approx(lat, abs=1e-10)
    assert (float(back_lon) - lon + 180) % 360 - 180 == pytest.approx(0, abs=1e-8)


@settings(deadline=None)
@given(x=metres, y=metres)
def test_map_points_survive_the_round_trip(x, y):
    back_x, back_y = moon.lonlat_to_xy(*moon.xy_to_lonlat(x, y))
    assert back_x == pytest.approx(x, abs=1e-6)
    assert back_y == pytest.approx(y, abs=1e-6)


def test_positions_agree_with_proj_to_a_millimetre():
    lon, lat = np.meshgrid(np.linspace(-180, 180, 73), np.linspace(-89.99, -70, 41))
    proj = pyproj.Transformer.from_crs(moon.GEOGRAPHIC, moon.SOUTH_POLAR, always_xy=True)
    theirs = proj.transform(lon, lat)
    ours = moon.lonlat_to_xy(lon, lat)
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, reference, atol=1e-3)


@settings(deadline=None)
@given(lon=longitudes, lat=st.floats(-89.9, -60))
def test_the_map_scale_is_the_map_distance_over_the_ground_distance(lon, lat):
    step_deg = 1e-5
    x0, y0 = moon.lonlat_to_xy(lon, lat)
    x1, y1 = moon.lonlat_to_xy(lon, lat + step_deg)
    ground_m = moon.RADIUS_M * np.radians(step_deg)
    assert np.hypot(x1 - x0, y1 - y0) / ground_m == pytest.approx(
        float(moon.map_scale(x0, y0)), rel=1e-5
    )


def test_the_map_scale_is_the_secant_squared_of_half_the_colatitude():
    lat = np.linspace(-90, -60, 31)
    k = moon.map_scale(*moon.lonlat_to_xy(10.0, lat))
    np.testing.assert_allclose(k, 1 / np.cos(np.radians(90 + lat) / 2) ** 2, rtol=1e-12)


@settings(deadline=None)
@given(lon=longitudes, lat=st.floats(-90, -60), radius_m=st.floats(1.0, 400_000.0))
def test_a_circle_on_the_ground_is_a_circle_on_the_map(lon, lat, radius_m):
    x, y = (float(v) for v in moon.lonlat_to_xy(lon, lat))
    x0, y0, radius = (float(v) for v in moon.map_circle(x, y, radius_m))
    around = np.linspace(0.0, 2.0 * np.pi, 12)
    rim = x0 + radius * np.cos(around), y0 + radius * np.sin(around)
    ground_m = moon.RADIUS_M * moon.angular_distance_rad(x, y, *rim)
    np.testing.assert_allclose(ground_m, radius_m, rtol=1e-6, atol=1e-3)


@settings(deadline=None)
@given(lon=longitudes, lat=st.floats(-89, -60), azimuth=st.floats(0, 359.99))
def test_a_map_azimuth_is_the_direction_of_a_small_step(lon, lat, azimuth):
    step_deg = 1e-4
    north = step_deg * np.cos(np.radians(azimuth))
    east = step_deg * np.sin(np.radians(azimuth)) / np.cos(np.radians(lat))
    x0, y0 = moon.lonlat_to_xy(lon, lat)
    x1, y1 = moon.lonlat_to_xy(lon + east, lat + north)
    direction = np.degrees(np.arctan2(x1 - x0, y1 - y0))
    off = (direction - float(moon.map_azimuth_deg(azimuth, lon)) + 180) % 360 - 180
    assert abs(off) < 0.02


@settings(deadline=None)
@given(x=metres, y=metres, u=metres, v=metres)
def test_angular_distance_agrees_with_the_geodesic_on_the_sphere(x, y, u, v):
    geod = pyproj.Geod(a=moon.RADIUS_M, b=moon.RADIUS_M)
    lon0, lat0 = moon.xy_to_lonlat(x, y)
    lon1, lat1 = moon.xy_to_lonlat(u, v)
    _, _, apart_m = geod.inv(float(lon0), float(lat0), float(lon1), float(lat1))
    angle = float(moon.angular_distance_rad(x, y, u, v))
    assert angle * moon.RADIUS_M == pytest.approx(apart_m, abs=0.1)


@pytest.mark.parametrize(
    "label",
    [
        moon.SOUTH_POLAR,
        "+proj=stere +lat_0=-90 +lon_0=0 +k=1 +x_0=0 +y_0=0 +R=1737400 +units=m +no_defs",
        "+proj=stere +lat_0=-90 +lat_ts=-90 +lon_0=0 +a=1737400 +b=1737400 +units=m",
    ],
)
def test_the_polar_map_is_recognised_in_any_notation(label):
    crs = pyproj.CRS.from_user_input(label)
    assert moon.is_south_polar(crs)
    moon.check_south_polar(crs, "The DEM")


def test_the_polar_map_is_recognised_by_its_wkt():
    wkt = moon.south_polar_crs().to_wkt()
    assert moon.is_south_polar(pyproj.CRS.from_wkt(wkt))


@pytest.mark.parametrize(
    "label",
    [
        "+proj=stere +lat_0=-90 +lon_0=90 +R=1737400 +units=m",
        "+proj=stere +lat_0=-90 +lon_0=0 +x_0=1000 +R=1737400 +units=m",
        "+proj=stere +lat_0=-90 +lon_0=0 +k=0.994 +R=1737400 +units=m",
        "+proj=stere +lat_0=-90 +lat_ts=-80 +lon_0=0 +R=1737400 +units=m",
        "+proj=stere +lat_0=-90 +lon_0=0 +R=1737400 +units=km",
        "+proj=eqc +R=1737400 +units=m",
    ],
)
def test_other_lunar_maps_are_refused(label):
    crs = pyproj.CRS.from_user_input(label)
    with pytest.raises(
        CrsError, match=r"not in (metres|the Moon's south polar stereographic grid)"
    ) as caught:
        moon.check_south_polar(crs, "The DEM")
    assert "gdalwarp -t_srs '+proj=stere +lat_0=-90" in caught.value.remedy


def test_the_north_polar_map_is_called_that():
    with pytest.raises(CrsError, match="The DEM is on the Moon's north polar map") as caught:
        moon.check_south_polar(pyproj.CRS.from_user_input(moon.NORTH_POLAR), "The DEM")
    assert "south pole" in caught.value.remedy


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("EPSG:3031", "WGS 84 / Antarctic Polar Stereographic"),
        ("EPSG:4326", "WGS 84"),
        ("EPSG:32633", "WGS 84 / UTM zone 33N"),
    ],
)
def test_a_terrestrial_crs_is_refused_by_name(label, words):
    with pytest.raises(CrsError) as caught:
        moon.check_south_polar(pyproj.CRS.from_user_input(label), "The DEM")
    assert "lies on the Earth" in caught.value.problem
    assert words in caught.value.problem
    assert "6,378.1 km" in caught.value.problem
    assert "IAU_2015:30135 for metres on the south polar map" in caught.value.remedy


def test_another_body_is_refused():
    with pytest.raises(CrsError, match=r"lies on another body.*3,396"):
        moon.check_body(pyproj.CRS.from_proj4("+proj=longlat +R=3396190"), "The DEM")


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        ("+R=1738000", "a radius of 1,738 km"),
        ("+a=1738100 +b=1736000", "a radius of 1,736 and 1,738.1 km"),
    ],
)
def test_a_map_of_another_sphere_is_refused(figure, words):
    crs = pyproj.CRS.from_proj4(f"+proj=stere +lat_0=-90 +lon_0=0 {figure} +units=m")
    with pytest.raises(CrsError, match=words):
        moon.check_south_polar(crs, "The DEM")


def test_lunar_degrees_are_refused():
    with pytest.raises(CrsError, match="is in degrees"):
        moon.check_south_polar(pyproj.CRS.from_user_input(moon.GEOGRAPHIC), "The DEM")


@pytest.mark.parametrize("place", [(np.inf, -89.0), (0.0, -np.inf), (0.0, np.inf)])
def test_infinite_degrees_are_nowhere(place):
    """Without a warning, which would reach the terminal beside the message of who reads them."""
    x, y = moon.lonlat_to_xy(*place)
    assert np.isnan(x)
    assert np.isnan(y)
