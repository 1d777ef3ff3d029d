from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
from rasterio.transform import from_origin

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import cog
from lunarsite.engine.io.elevation.dem import posting
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.vectors import vector
from lunarsite.engine.scoring import tables
from lunarsite.engine.scoring.features import columns, craters, feature_table
from lunarsite.engine.scoring.features.layers import Layers
from lunarsite.engine.scoring.features.places import Places
from lunarsite.engine.scoring.landing.cells import Discs
from lunarsite.engine.scoring.landing.discs import Disc

GRID = Grid(2000.0, 9000.0, 100.0, 30, 22)
SIDE = 4


def layer(path, values, grid=GRID, **options):
    cog.write_raster(path, values.astype(np.float32), grid, description="x", **options)
    return str(path)


def plain(path, values, grid=GRID, crs=moon.SOUTH_POLAR, transform=None, scale=1.0, **options):
    """Write a raster as others do: integers with scale and offset, other grids."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=values.shape[1],
        height=values.shape[0],
        count=1,
        dtype=values.dtype,
        crs=crs,
        transform=transform or grid.transform,
        **options,
    ) as target:
        target.write(values, 1)
        target.scales = (scale,)
    return str(path)


@pytest.fixture
def dem(tmp_path):
    row, column = np.indices(GRID.shape)
    return layer(tmp_path / "dem.tif", 5.0 * row + column)


def build(dem, context=None, cell_m=400.0, craters=None, north=-80.0, **rasters):
    return feature_table.build(
        Layers(dem, rasters, craters),
        cell_m=cell_m,
        north_limit_deg=north,
        context=context or Context(),
    )


def test_the_cap_of_80_m_has_315_034_cells_of_960_m_south_of_80():
    cap = Grid(-304_000.0, 304_000.0, 80.0, 7600, 7600)
    coarse, side = posting(cap, 960.0)
    assert side == 12
    assert (feature_table._positions(Places.of_cells(coarse))["lat_deg"] < -80.0).sum() == 315_034


def test_cells_are_aligned_to_the_first_pixel_and_listed_row_by_row(dem):
    table = build(dem)
    assert len(table) == 6 * 8
    assert table["cell_id"].tolist() == list(range(48))
    first = table.iloc[0]
    assert (first["x_m"], first["y_m"]) == (2200.0, 8800.0)
    assert first["geometry"].bounds == (2000.0, 8600.0, 2400.0, 9000.0)
    assert feature_table.cell_grid(table) == Grid(2000.0, 9000.0, 400.0, 8, 6)
    lon, lat = moon.xy_to_lonlat(2200.0, 8800.0)
    assert (first["lon_deg"], first["lat_deg"]) == pytest.approx((lon, lat))
    assert list(table)[: len(columns.POSITION)] == list(columns.POSITION)


def test_missing_layers_are_nan_and_cells_that_stick_out_have_part_coverage(dem):
    table = build(dem)
    assert table["elevation_mean_m"].iloc[0] == pytest.approx(5 * 1.5 + 1.5)
    # 30 x 22 pixels in cells of 4: half of the last column and of the last row stick out.
    inside = np.where(table["column"] == 7, 0.5, 1.0) * np.where(table["row"] == 5, 0.5, 1.0)
    np.testing.assert_array_equal(table["coverage_elevation_pct"], 100.0 * inside)
    assert table["slope_mean_deg"].isna().all()
    assert (table["coverage_slope_pct"] == 0.0).all()
    assert table["psr_distance_m"].isna().all()
    assert {f.name for f in columns.FEATURES} <= set(table)


def test_gaps_reduce_the_coverage_and_empty_cells_are_left_out(tmp_path):
    heights = np.full(GRID.shape, 100.0)
    heights[:4, :4] = np.nan
    heights[:2, 4:8] = np.nan
    table = build(layer(tmp_path / "gap.tif", heights))
    assert len(table) == 47
    assert table["coverage_elevation_pct"].iloc[0] == 50.0
    assert table["cell_id"].iloc[0] == 1


def test_user_maps_with_scale_and_as_fractions(tmp_path, dem):
    values = np.full(GRID.shape, 4250, np.int16)
    values[0, 0] = -9999
    scaled = plain(tmp_path / "scaled.tif", values, scale=0.01, nodata=-9999)
    fractions = layer(tmp_path / "fraction.tif", np.full(GRID.shape, 0.55))
    context = Context()
    table = build(dem, context, illumination=scaled, earth_visibility=fractions)
    assert table["avg_illumination_pct"].to_numpy() == pytest.approx(42.5)
    assert table["illumination_min_pct"].iloc[0] == pytest.approx(42.5)
    assert table["coverage_illumination_pct"].iloc[0] == pytest.approx(100 * 15 / 16)
    assert table["earth_visibility_pct"].to_numpy() == pytest.approx(55.0)
    assert any("fraction.tif" in w and "fractions" in w for w in context.warnings)


def test_a_dark_area_in_percent_is_not_multiplied(tmp_path, dem):
    dark = layer(tmp_path / "dark.tif", np.full(GRID.shape, 0.8), unit="%")
    table = build(dem, illumination=dark)
    assert table["avg_illumination_pct"].to_numpy() == pytest.approx(0.8)


def test_shares_above_100_percent_and_invalid_masks_are_refused(tmp_path, dem):
    much = layer(tmp_path / "much.tif", np.full(GRID.shape, 255.0))
    with pytest.raises(InputError, match=r"much.tif .*0 to 255.*within 0 to 100 %"):
        build(dem, illumination=much)
    with pytest.raises(InputError, match=r"holds the value 255; 1 is permanent shadow"):
        build(dem, psr=much)


def test_other_results_of_lunarsite_are_refused_as_layers(tmp_path, dem):
    tag = '{"stage": "lighting"}'
    for source, described in (
        ("illumination", "Earth visibility"),
        ("illumination", "Permanent shadow"),
        ("psr", "Average illumination"),
        ("elevation_error", "Slope"),
    ):
        path = plain(tmp_path / "own.tif", np.full(GRID.shape, 1.0, np.float32))
        with rasterio.open(path, "r+") as own:
            own.update_tags(LUNARSITE=tag)
            own.descriptions = (described,)
        with pytest.raises(InputError, match=f"a result of LunarSite that holds '{described}'"):
            build(dem, **{source: path})
    with rasterio.open(path, "r+") as own:
        own.descriptions = ("Average illumination",)
    assert build(dem, illumination=path)["avg_illumination_pct"].notna().all()


def test_a_mask_whose_zeros_are_nodata_is_refused(tmp_path, dem):
    path = plain(tmp_path / "psr.tif", np.eye(*GRID.shape, dtype=np.uint8), nodata=0)
    with pytest.raises(InputError, match="declares 0, no permanent shadow, as nodata") as caught:
        build(dem, psr=path)
    assert f"gdal_edit.py -unsetnodata {path}" in caught.value.remedy


def test_errors_of_heights_are_converted_to_metres_and_checked(tmp_path, dem):
    path = plain(tmp_path / "error.tif", np.full(GRID.shape, 50.0, np.float32))
    for unit, metres in (("cm", 0.5), ("m", 50.0), ("", 50.0)):
        with rasterio.open(path, "r+") as source:
            source.units = (unit,)
        assert (build(dem, elevation_error=path)["elevation_error_mean_m"] == metres).all()
    with rasterio.open(path, "r+") as source:
        source.units = ("deg",)
    with pytest.raises(InputError, match="is in 'deg'"):
        build(dem, elevation_error=path)
    for value in (-5.0, 4000.0):
        path = layer(tmp_path / "heights.tif", np.full(GRID.shape, value))
        with pytest.raises(InputError, match="errors of heights lie within 0 and 1000 m"):
            build(dem, elevation_error=path)


def test_layers_of_several_bands_and_with_undeclared_fill(tmp_path, dem):
    values = np.full(GRID.shape, 40.0, np.float32)
    values[:4, :4] = -9999.0
    table = build(dem, illumination=layer(tmp_path / "fill.tif", values))
    assert table["coverage_illumination_pct"].iloc[0] == 0.0
    assert (table["avg_illumination_pct"].iloc[1:] == 40.0).all()
    with rasterio.open(
        tmp_path / "two.tif",
        "w",
        driver="GTiff",
        width=GRID.width,
        height=GRID.height,
        count=2,
        dtype="float32",
        crs=moon.SOUTH_POLAR,
        transform=GRID.transform,
    ) as target:
        target.write(np.stack([values, values]))
    with pytest.raises(InputError, match=r"two\.tif has 2 bands") as caught:
        build(dem, illumination=str(tmp_path / "two.tif"))
    assert "gdal_translate -b 2" in caught.value.remedy


def test_a_scaled_map_in_another_crs_is_warped_with_a_warning(tmp_path, dem):
    lon, lat = moon.xy_to_lonlat(3500.0, 8000.0)
    step = 0.02
    values = np.full((100, 4000), 6000, np.int16)
    degrees = plain(
        tmp_path / "degrees.tif",
        values,
        crs=moon.GEOGRAPHIC,
        transform=from_origin(lon - 2000 * step, lat + 50 * step, step, step),
        scale=0.01,
        nodata=-1,
    )
    other = Grid(1000.0, 10_000.0, 250.0, 20, 20)
    shadow = layer(tmp_path / "other.tif", np.ones(other.shape), other)
    context = Context()
    table = build(dem, context, illumination=degrees, psr=shadow)
    assert table["avg_illumination_pct"].to_numpy() == pytest.approx(60.0, abs=0.01)
    assert table["psr_fraction"].to_numpy() == pytest.approx(1.0)
    assert len([w for w in context.warnings if "was warped to that of the DEM" in w]) == 2


def test_a_layer_of_another_posting_is_sampled_with_a_warning(tmp_path, dem):
    warned = []
    for posting_m in (400.0, 1000.0):
        grid = posting(GRID, posting_m)[0]
        night = layer(tmp_path / f"{posting_m:g}.tif", np.full(grid.shape, 9.0), grid)
        context = Context()
        table = build(dem, context, longest_night=night)
        assert (table["longest_night_days"].dropna() == 9.0).sum() >= 42
        warned.append(any("nearest neighbours" in warning for warning in context.warnings))
    assert warned == [False, True]


def test_distance_to_and_area_of_a_round_shadow(tmp_path):
    grid = Grid(-8000.0, 8000.0, 50.0, 320, 320)
    flat = layer(tmp_path / "flat.tif", np.zeros(grid.shape), grid)
    x, y = np.meshgrid(grid.column_x_m(), grid.row_y_m())
    disc = np.hypot(x - 1000.0, y) <= 1500.0
    psr = layer(tmp_path / "psr.tif", disc, grid)
    table = build(flat, psr=psr, cell_m=200.0)
    away = np.hypot(table["x_m"] - 1000.0, table["y_m"])
    wanted = np.maximum(away - 1500.0, 0.0)
    edge = 8000.0 - np.maximum(np.abs(table["x_m"]), np.abs(table["y_m"]))
    # Where the edge is nearer, there may be shadow beyond it that is nearer still.
    sure, unsure = wanted < edge - 60.0, wanted > edge + 60.0
    assert np.abs(table["psr_distance_m"] - wanted)[sure].max() < 60.0
    assert table["psr_distance_m"][unsure].isna().all()
    assert (sure.sum(), unsure.sum()) > (1000, 1000)
    assert (table["psr_distance_m"][away < 1400.0] == 0.0).all()
    whole = np.pi * 1.5**2
    assert table["psr_area_2km_km2"][away < 400.0].to_numpy() == pytest.approx(whole, rel=0.01)
    assert (table["psr_area_2km_km2"][(away > 3600.0) & (edge > 2100.0)] == 0.0).all()
    assert table["psr_area_2km_km2"][edge < 1900.0].isna().all()


def test_without_shadow_the_distance_is_nan_and_the_area_zero(tmp_path):
    grid = Grid(-4000.0, 4000.0, 100.0, 80, 80)
    flat = layer(tmp_path / "flat.tif", np.zeros(grid.shape), grid)
    table = build(flat, psr=layer(tmp_path / "none.tif", np.zeros(grid.shape), grid))
    assert table["psr_distance_m"].isna().all()
    inner = np.maximum(np.abs(table["x_m"]), np.abs(table["y_m"])) < 1900.0
    assert (table["psr_area_2km_km2"][inner] == 0.0).all()
    assert table["psr_area_2km_km2"][~inner].isna().all()
    assert (table["coverage_psr_pct"] == 100.0).all()


def test_unknown_ground_hides_shadow(tmp_path):
    """A gap nearer than the nearest shadow may hold shadow that is nearer."""
    grid = Grid(-4000.0, 4000.0, 100.0, 80, 80)
    flat = layer(tmp_path / "flat.tif", np.zeros(grid.shape), grid)
    mask = np.zeros(grid.shape, np.float32)
    mask[40:44, 20:24] = 1.0
    found = {}
    for name in ("whole", "gap"):
        found[name] = build(flat, psr=layer(tmp_path / f"{name}.tif", mask, grid))
        mask[40:44, 44:48] = np.nan
    at = found["whole"].query("row == 10 and column == 10").index[0]
    assert found["whole"]["psr_distance_m"][at] == pytest.approx(1850.0, abs=60.0)
    assert np.isnan(found["gap"]["psr_distance_m"][at])
    assert np.isfinite(found["whole"]["psr_area_2km_km2"][at])
    assert np.isnan(found["gap"]["psr_area_2km_km2"][at])


def test_clearance_is_capped_and_zero_on_slopes(tmp_path, dem):
    slope = np.full(GRID.shape, 1.0)
    slope[:, 20:] = 9.0
    table = build(dem, slope=layer(tmp_path / "slope.tif", slope))
    by_column = table.groupby("column")[["clearance_5deg_m", "clearance_8deg_m"]].max()
    assert by_column["clearance_8deg_m"].loc[[0, 1, 2]].to_numpy() == pytest.approx(500.0)
    assert by_column["clearance_8deg_m"].loc[4] == pytest.approx(400.0, rel=1e-4)
    assert by_column["clearance_5deg_m"].loc[5] == 0.0


def test_crater_columns(tmp_path, dem):
    catalogue = tmp_path / "craters.csv"
    catalogue.write_text(
        "x_m,y_m,diameter_km\n2200,8800,0.2\n2250,8850,0.1\n1e9,8800,1\n2000,20000,0.5\n"
    )
    table = build(dem, craters=str(catalogue))
    first = table.iloc[0]
    assert first["crater_count"] == 2.0
    assert first["crater_max_diameter_m"] == pytest.approx(200.0)
    assert first["crater_mean_diameter_m"] == pytest.approx(150.0)
    assert first["crater_coverage_pct"] == pytest.approx(25.0, abs=7.0)
    assert table["crater_count"].sum() == 2.0
    np.testing.assert_array_equal(table["coverage_craters_pct"], table["coverage_elevation_pct"])
    assert table["crater_mean_depth_ratio"].isna().all()


def test_crater_columns_of_a_catalogue_with_depths(tmp_path, dem):
    rng = np.random.default_rng(5)
    count = 40
    x, y = rng.uniform(1500, 9000, count), rng.uniform(3000, 10500, count)
    listed = pd.DataFrame({"x_m": x, "y_m": y, "diameter_m": rng.uniform(50, 6000, count)})
    listed["depth_m"] = 0.1 * listed["diameter_m"]
    listed.loc[3, "depth_m"] = np.nan
    path = tmp_path / "craters.csv"
    listed.to_csv(path, index=False)
    table = build(dem, craters=str(path))
    px, py = table["x_m"].to_numpy(), table["y_m"].to_numpy()
    away = np.hypot(px[:, None] - x, py[:, None] - y)
    scale = moon.map_scale(px, py)
    wanted = np.abs(away - 0.5 * listed["diameter_m"].to_numpy() * moon.map_scale(x, y)).min(axis=1)
    np.testing.assert_allclose(table["crater_rim_distance_m"], wanted / scale, rtol=1e-5, atol=0.1)
    within = (away <= 5000.0 * scale[:, None]).sum(axis=1) / (np.pi * 25.0)
    np.testing.assert_allclose(table["crater_density_per_km2"], within, rtol=1e-6)
    known = table["crater_count"] > 0
    ratios = table.loc[known, "crater_mean_depth_ratio"].dropna()
    np.testing.assert_allclose(ratios, 0.1, rtol=1e-6)
    assert table.loc[~known, "crater_mean_depth_ratio"].isna().all()


@pytest.mark.parametrize("evaluated", ["disc", "cell"])
def test_the_rim_of_a_large_crater_is_where_it_is_on_the_ground(evaluated):
    # On the map the middle of a basin of 360 km lies 650 m away from the centre of its circle.
    basin = pd.DataFrame({"x_m": [138_000.0], "y_m": [-87_000.0], "diameter_m": [360_000.0]})
    # A frame across the rim, on the side of the pole.
    rim_x, rim_y = (v - 180_000.0 * share for v, share in ((138_000.0, 0.846), (-87_000.0, -0.533)))
    grid = Grid(round(rim_x, -2) - 3000.0, round(rim_y, -2) + 3000.0, 100.0, 60, 60)
    coarse = Grid(grid.x_min_m, grid.y_max_m, 500.0, 12, 12)
    disc = None
    if evaluated == "disc":
        middle = np.indices(coarse.shape) * 5 + 2
        disc = Discs(Disc.of(100.0, 100.0), middle[0], middle[1], {})
    found = craters.features(basin, Places(grid, coarse, 5, disc))
    x, y = np.meshgrid(coarse.column_x_m(), coarse.row_y_m())
    away_m = moon.RADIUS_M * moon.angular_distance_rad(138_000.0, -87_000.0, x, y)
    wanted = np.abs(away_m - 180_000.0)
    assert wanted.min() < 300.0
    np.testing.assert_allclose(found["crater_rim_distance_m"], wanted, rtol=1e-3, atol=1.0)
    clear = wanted > 360.0
    inside = np.where(away_m < 180_000.0, 100.0, 0.0)
    np.testing.assert_array_equal(found["crater_coverage_pct"][clear], inside[clear])
    if disc is not None:
        np.testing.assert_array_equal(found["crater_count"][clear], inside[clear] / 100.0)


def test_a_catalogue_may_be_a_geopackage_of_detections(tmp_path, dem):
    points = gpd.GeoSeries.from_xy([2200.0], [8800.0], crs=moon.SOUTH_POLAR)
    frame = gpd.GeoDataFrame(
        {"x_m": [2200.0], "y_m": [8800.0], "diameter_m": [200.0], "depth_m": [20.0]},
        geometry=points,
    )
    path = tmp_path / "found.gpkg"
    circles = frame.set_geometry(frame.buffer(100.0))
    vector.write_geopackage(path, {"circles": circles, "craters": frame})
    assert build(dem, craters=str(path))["crater_mean_depth_ratio"].max() == np.float32(0.1)
    vector.write_geopackage(path, {"circles": circles, "rings": frame})
    with pytest.raises(InputError, match="several layers: circles, rings"):
        build(dem, craters=str(path))
    path.write_bytes(b"no GeoPackage at all")
    with pytest.raises(InputError, match="cannot be read"):
        build(dem, craters=str(path))


def test_diameters_that_may_be_kilometres_give_a_warning(tmp_path, dem):
    for wide, warnings in ((2.5, 1), (2_500.0, 0)):
        path = tmp_path / "craters.csv"
        path.write_text(f"x_m,y_m,diameter_m\n0,0,{wide}\n", encoding="utf-8")
        context = Context()
        build(dem, context, craters=str(path))
        assert len([w for w in context.warnings if "diameter_km" in w]) == warnings


def test_cells_outside_the_searched_area_have_no_crater_features(tmp_path, dem):
    points = gpd.GeoSeries.from_xy([2200.0], [8800.0], crs=moon.SOUTH_POLAR)
    frame = gpd.GeoDataFrame(
        {"x_m": [2200.0], "y_m": [8800.0], "diameter_m": 200.0}, geometry=points
    )
    path, tags = tmp_path / "found.gpkg", {"LUNARSITE": "the same run"}
    vector.write_geopackage(path, {"craters": frame}, tags)
    whole = build(dem, craters=str(path))
    assert (whole["coverage_craters_pct"] == whole["coverage_elevation_pct"]).all()
    looked_at = Grid(2000.0, 9000.0, 50.0, 28, 44)
    rims = np.zeros(looked_at.shape, np.uint8)
    cog.write_raster(tmp_path / "found.rims.tif", rims, looked_at, description="rims", tags=tags)
    part = build(dem, craters=str(path))
    cover = part.query("row < 5").groupby("column")["coverage_craters_pct"].agg(["min", "max"])
    assert (
        cover["min"].to_list()[:6] == cover["max"].to_list()[:6] == [100.0] * 3 + [50.0, 0.0, 0.0]
    )
    beyond = part["column"] > 3
    names = [f.name for f in columns.FEATURES if f.source == "craters"]
    assert part.loc[beyond, names].isna().all(axis=None)
    pd.testing.assert_frame_equal(part.loc[~beyond, names], whole.loc[~beyond, names])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lon_deg,lat_deg\n0,-89\n", "no column diameter_m"),
        ("diameter_m\n30\n", "no positions"),
        ("x_m,y_m,diameter_m\n0,0,-3\n", "1 crater without a positive diameter"),
        ("x_m,y_m,diameter_m\n0,0,wide\n", "1 crater without a positive diameter"),
        ("x_m,y_m,diameter_m\n0,,30\n", "1 crater without a position, the first is number 1"),
        (
            "lon_deg,lat_deg,diameter_m\n1,-89,9\n1e400,-89,9\n",
            "1 crater without a position, the first is number 2",
        ),
        ("x_m,y_m,diameter_m\n0,0,inf\n", "without a finite diameter"),
        ("", "not a CSV table"),
    ],
)
def test_invalid_catalogues_are_refused_with_the_problem(tmp_path, dem, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        build(dem, craters=str(path))
    with pytest.raises(InputError, match="no file"):
        build(dem, craters=str(tmp_path / "none.csv"))


def test_cells_that_are_too_small_rounded_or_too_far_north(dem):
    with pytest.raises(InputError, match="smaller than a pixel of 100 m"):
        build(dem, cell_m=50.0)
    with pytest.raises(InputError, match=r"south of -89.9°"):
        build(dem, north=-89.9)
    context = Context()
    table = build(dem, context, cell_m=330.0)
    assert feature_table.cell_grid(table).pixel_m == 300.0
    assert "300 m wide, 3 pixels of 100 m, instead of 330 m" in context.warnings[0]


def test_an_elevation_model_smaller_than_a_cell_is_one_cell(dem):
    table = build(dem, cell_m=10_000.0)
    assert feature_table.cell_grid(table) == Grid(2000.0, 9000.0, 10_000.0, 1, 1)
    assert table["coverage_elevation_pct"].to_numpy() == pytest.approx(30 * 22 / 100.0)


def test_the_table_survives_the_round_trip_as_geoparquet(tmp_path, dem):
    path = tmp_path / "features.parquet"
    table = build(dem)
    tables.write_features(path, table)
    frame = gpd.read_parquet(path)
    assert frame.crs == pyproj.CRS(moon.SOUTH_POLAR)
    assert frame.geometry.area.to_numpy() == pytest.approx(160_000.0)
    back = tables.read_features(path)
    assert "geometry" not in back
    np.testing.assert_array_equal(back["elevation_mean_m"], table["elevation_mean_m"])
    first = path.read_bytes()
    tables.write_features(path, build(dem))
    assert path.read_bytes() == first


def test_invalid_tables_are_refused(tmp_path, dem):
    path = tmp_path / "features.parquet"
    with pytest.raises(InputError, match="no file"):
        tables.read_features(path)
    path.write_bytes(b"PAR1 not at all")
    with pytest.raises(InputError, match=r"cannot be read.*Make it again"):
        tables.read_features(path)
    tables.write_table(path, build(dem).drop(columns=["geometry", "slope_mean_deg"]))
    with pytest.raises(InputError, match="lacks the columns slope_mean_deg"):
        tables.read_features(path)
