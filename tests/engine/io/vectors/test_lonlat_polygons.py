from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.affinity import rotate

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.errors import CrsError, InputError
from lunarsite.engine.io.vectors import vector
from lunarsite.engine.io.vectors.lonlat_polygons import on_map


def degrees(shape):
    """Return a shape of the map with its corners in degrees, -180 to 180."""
    return shapely.transform(shape, lambda xy: np.column_stack(moon.xy_to_lonlat(*xy.T)))


def iou(one, other):
    return one.intersection(other).area / one.union(other).area


def ring_area(south, north, width_deg=360.0):
    near, far = (2 * moon.RADIUS_M * np.tan(np.radians(90 + lat) / 2) for lat in (south, north))
    return np.pi * (far**2 - near**2) * width_deg / 360.0


def read(path, context=None):
    return vector.read_polygons(path, "The regions", context or Context())


def saved(tmp_path, shapes, crs=moon.GEOGRAPHIC, name="r.gpkg"):
    path = tmp_path / name
    gpd.GeoDataFrame({"name": list("abcdef"[: len(shapes)])}, geometry=shapes, crs=crs).to_file(
        path
    )
    return path


@settings(deadline=None)
@given(
    st.floats(-40_000, 40_000),
    st.floats(-40_000, 40_000),
    st.floats(100, 30_000),
    st.floats(0, 360),
    st.booleans(),
)
def test_a_square_of_the_map_survives_degrees_wherever_it_lies(x, y, side, turn, positive):
    square = rotate(shapely.box(x, y, x + side, y + side), turn)
    lonlat = degrees(square)
    if positive:
        lonlat = shapely.transform(lonlat, lambda p: np.column_stack([p[:, 0] % 360, p[:, 1]]))
    assert iou(on_map(lonlat, "r").shape, square) > 0.999999


def test_a_square_across_180_degrees_is_36_km2(tmp_path):
    square = shapely.box(-3000, -11000, 3000, -5000)
    lonlat = degrees(square)
    assert np.ptp(shapely.get_coordinates(lonlat)[:, 0]) > 300.0
    context = Context()
    found = read(saved(tmp_path, [lonlat]), context).geometry.iloc[0]
    assert found.area == pytest.approx(36e6, rel=1e-9)
    assert iou(found, square) > 0.999999
    assert "the edges of a are straight on the polar map, up to 0.8 km" in context.warnings[0]


def test_rings_round_the_pole_with_and_without_a_seam():
    circle = shapely.Point(2000.0, -1000.0).buffer(30_000.0, quad_segs=90)
    ring = shapely.get_coordinates(degrees(circle))[:-1]
    ring = ring[np.argsort(ring[:, 0])]
    seam = np.interp(180.0, [ring[-1, 0], ring[0, 0] + 360.0], [ring[-1, 1], ring[0, 1]])
    band = [(-180.0, -90.0), (-180.0, seam), *ring, (180.0, seam), (180.0, -90.0)]
    for corners in (ring, band, [(lon + 180.0, lat) for lon, lat in band]):
        found = on_map(shapely.Polygon(corners), "r").shape
        turned = found if np.min(corners, axis=0)[0] < -90.0 else rotate(found, 180, (0, 0))
        assert iou(turned, circle) > 0.999


@pytest.mark.parametrize("low", [-180.0, 0.0])
def test_a_box_from_180_to_180_is_a_cap_or_a_ring_of_parallels(low):
    cap = on_map(shapely.box(low, -90.0, low + 360.0, -88.0), "r")
    assert cap.shape.area == pytest.approx(ring_area(-90, -88), rel=1e-5)
    assert cap.shape.contains(shapely.Point(0, 0))
    ring = on_map(shapely.box(low, -89.0, low + 360.0, -88.0), "r")
    assert ring.shape.area == pytest.approx(ring_area(-89, -88), rel=1e-5)
    assert not ring.shape.contains(shapely.Point(0, 0))
    assert cap.bow_m == ring.bow_m == 0.0


def test_a_box_follows_its_parallels_across_180_degrees():
    wanted = ring_area(-89, -88, 30.0)
    beyond = on_map(shapely.box(165.0, -89.0, 195.0, -88.0), "r").shape
    parts = [shapely.box(165.0, -89.0, 180.0, -88.0), shapely.box(-180.0, -89.0, -165.0, -88.0)]
    split = on_map(shapely.MultiPolygon(parts), "r").shape
    for found in (beyond, split):
        assert found.area == pytest.approx(wanted, rel=1e-5)
        assert found.contains(shapely.Point(moon.lonlat_to_xy(-180.0, -88.5)))
    assert split.geom_type == "Polygon"
    assert on_map(shapely.box(-100.0, -89.0, 80.0, -88.0), "r").shape.area == pytest.approx(
        ring_area(-89, -88, 180.0), rel=1e-5
    )


def test_holes_and_self_crossing_rings_keep_their_area():
    outer, inner = shapely.box(-9e3, -9e3, 9e3, 9e3), shapely.box(-2e3, -2e3, 3e3, 1e3)
    found = on_map(degrees(outer.difference(inner)), "r").shape
    assert found.area == pytest.approx(outer.area - inner.area, rel=1e-9)
    bow_tie = shapely.Polygon([(0, 1e3), (2e3, 1e3), (0, 3e3), (2e3, 3e3)])
    assert on_map(degrees(bow_tie), "r").shape.area == pytest.approx(2e6, rel=1e-9)


def test_a_side_that_may_go_either_way_round_is_refused():
    with pytest.raises(InputError, match="a has a side from -170° to 170°") as caught:
        on_map(shapely.box(-170.0, -89.0, 170.0, -88.0), "a")
    assert "170 to 190" in caught.value.remedy
    assert "at 0" in caught.value.remedy
    halfway = [(-170, -89), (0, -89), (170, -89), (170, -88), (0, -88), (-170, -88)]
    assert on_map(shapely.Polygon(halfway), "a").shape.area == pytest.approx(
        ring_area(-89, -88, 340.0), rel=1e-5
    )


def test_corners_on_one_meridian_have_no_area():
    with pytest.raises(InputError, match="no area on the polar map"):
        on_map(shapely.Polygon([(-180, -88), (0, -87.5), (180, -89)]), "a")


@pytest.mark.parametrize("crs", ["+proj=eqc +R=1737400", "+proj=stere +lat_0=-90 +lon_0=30"])
def test_polygons_of_other_lunar_projections(tmp_path, crs):
    square = rotate(shapely.box(10_000, -30_000, 16_000, -24_000), 20)
    crs += "" if "+R" in crs else " +R=1737400"
    moved = gpd.GeoSeries([square], crs=moon.SOUTH_POLAR).to_crs(crs)
    found = read(saved(tmp_path, moved, crs)).geometry.iloc[0]
    assert iou(found, square) > 0.999999


def test_polygons_without_meaning_on_the_south_polar_map_are_refused(tmp_path):
    with pytest.raises(CrsError, match=r"lies in the north.*84.00 to 85.00.*negative"):
        read(saved(tmp_path, [shapely.box(10, 84, 20, 85)]))
    with pytest.raises(CrsError, match=r"swapped: its longitude is -89.00 to -88.00"):
        read(saved(tmp_path, [shapely.box(-89, 10, -88, 20)]))
    path = tmp_path / "metres.geojson"
    path.write_text(gpd.GeoSeries([shapely.box(0, 0, 1e3, 1e3)]).to_json())
    with pytest.raises(CrsError, match=r"between 0.00 and 1,000.00") as caught:
        read(path)
    assert f"ogr2ogr -a_srs {moon.SOUTH_POLAR} " in caught.value.remedy
    assert caught.value.remedy.endswith(f"metres_moon.gpkg {path}")


@pytest.mark.realdata
def test_the_regions_of_artemis_have_their_published_areas(real):
    path = real / "regions" / "artemis_iii_regions_2024_usgs.geojson"
    context = Context()
    areas = read(path, context).geometry.area / 1e6
    published = gpd.read_file(path)["Area_km2"]
    np.testing.assert_allclose(areas, published, atol=0.1)
    assert len(context.warnings) == 1  # degrees of GeoJSON are lunar
