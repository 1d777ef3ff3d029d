"""The stage evaluate-craters."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.craters import detections
from lunarsite.engine.craters.evaluation import protocol
from lunarsite.engine.errors import CrsError, InputError, ParameterError
from lunarsite.engine.frontends import cli
from lunarsite.engine.io import cog
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.vectors import vector
from lunarsite.engine.stages import evaluate_craters

BOUNDS = "-20000,-20000,20000,20000"


def table(*rows):
    """Return craters of x, y, diameter in km, confidence and depth in m."""
    x, y, diameter, confidence, depth = np.array(rows, np.float64).reshape(-1, 5).T
    return pd.DataFrame(
        {
            "x_m": 1000 * x,
            "y_m": 1000 * y,
            "diameter_m": 1000 * diameter,
            "depth_m": depth,
            "confidence": confidence,
        }
    )


def write_detections(path, frame, tags=None, layer="craters"):
    points = gpd.GeoDataFrame(
        frame, geometry=gpd.points_from_xy(frame["x_m"], frame["y_m"]), crs=moon.SOUTH_POLAR
    )
    vector.write_geopackage(path, {layer: points}, tags)
    return path


def write_catalogue(path, frame):
    frame.drop(columns=["confidence"], errors="ignore").to_csv(path, index=False)
    return path


def evaluate(folder, found, known, **more):
    given = {
        "detections": str(write_detections(folder / "found.gpkg", found)),
        "catalogue": str(write_catalogue(folder / "known.csv", known)),
        "bounds": BOUNDS,
        **more,
    }
    context = Context()
    return evaluate_craters.STAGE.run(given, context), context


KNOWN = table(
    (0, 0, 4, 1, 400),
    (10, 0, 2.1, 1, 200),
    (0, 10, 1.9, 1, 190),
    (-10, 0, 8, 1, 900),
    (20.2, 0, 3, 1, 300),
)
FOUND = table(
    (0.1, 0, 4.1, 0.9, 390),  # a hit
    (10, 0, 1.8, 0.8, 180),  # a hit, though it is smaller than the cut
    (0, 10, 2.05, 0.7, 170),  # matches a crater below the cut
    (19.9, 0, 3, 0.7, 310),  # matches a crater whose centre lies outside
    (-10, 10, 1.7, 0.6, 100),  # new, though it is smaller than the cut
    (10, 10, 3, 0.5, 280),  # new
    (30, 0, 3, 0.9, 280),  # outside
    (5, -10, 1.5, 0.9, 100),  # too small to take part
)


def test_detections_and_craters_count_by_the_protocol(tmp_path):
    result, context = evaluate(tmp_path, FOUND, KNOWN)
    assert context.warnings == []
    assert result["catalogued"] == 3
    for gate in result["gates"].values():
        assert (gate["hits"], gate["misses"], gate["new"]) == (2, 1, 2)
        assert gate["recall"]["value"] == pytest.approx(2 / 3)
        assert gate["precision"]["value"] == pytest.approx(2 / 4)
        assert gate["f1"]["value"] == pytest.approx(4 / 7)
        assert [row["hits"] for row in gate["bins"]] == [1, 1, 0]
        assert [row["misses"] for row in gate["bins"]] == [0, 0, 1]
        assert [row["new"] for row in gate["bins"]] == [1, 0, 0]
        assert gate["bins"][-1]["to_m"] is None
        assert gate["average_precision"]["value"] == pytest.approx(2 / 3)
        assert gate["random_circles"]["recall"]["mean"] < gate["recall"]["value"]
        assert all(row["random_circles"]["draws"] == 100 for row in gate["bins"])
        assert gate["depth"]["craters"] == 2
    json.dumps(result, allow_nan=False)
    assert result["rims"]["recall"] < result["rims"]["within_3_px"]["recall"] <= 1.0


def test_the_layer_and_the_page_show_hits_misses_and_new_ones(tmp_path):
    out, page = tmp_path / "out" / "compared.gpkg", tmp_path / "out" / "page.md"
    result, _ = evaluate(tmp_path, FOUND, KNOWN, out=str(out), report=str(page))
    assert result["outputs"] == {"compared": str(out), "report": str(page)}
    points, circles = (gpd.read_file(out, layer=name) for name in ("craters", "circles"))
    kinds = points["kind"].tolist()
    assert sorted(kinds) == ["hit", "hit", "miss", "new", "new"]
    assert circles["kind"].tolist() == kinds
    by_kind = points.set_index("kind")
    assert by_kind.loc["miss", "x_m"] == -10_000.0
    assert by_kind.loc["miss", "catalogue_diameter_m"] == 8000.0
    assert np.isnan(by_kind.loc["miss", "confidence"])
    assert set(by_kind.loc["new", "x_m"]) == {10_000.0, -10_000.0}
    assert by_kind.loc["new", "catalogue_diameter_m"].isna().all()
    hits = by_kind.loc["hit"].sort_values("x_m")
    assert hits["catalogue_diameter_m"].tolist() == [4000.0, 2100.0]
    assert hits["iou"].iloc[1] == pytest.approx((1.8 / 2.1) ** 2)
    wide = points["diameter_m"] * moon.map_scale(points["x_m"], points["y_m"])
    np.testing.assert_allclose(circles.area, np.pi * (wide / 2) ** 2, rtol=5e-3)
    text = page.read_text("utf-8")
    shown = ("Criterion: DeepMoon's", "| 4 to 8 km |", "8 km and more", "found.gpkg", "lower bound")
    for word in shown:
        assert word in text
    rows = [line for line in text.splitlines() if line.startswith("| all ")]
    assert len(rows) == 3
    assert "| 2 | 1 | 2 | 0.67 [" in rows[0]
    assert any("IoU ≥ 0.5 criterion: recall 0.67" in line for line in result["summary"])


def test_results_do_not_depend_on_the_order_of_the_files(tmp_path):
    result, _ = evaluate(tmp_path, FOUND, KNOWN)
    turned, _ = evaluate(tmp_path, FOUND[::-1], KNOWN[::-1])
    assert result == turned
    other, _ = evaluate(tmp_path, FOUND, KNOWN, seed=8)
    assert other["gates"]["iou"]["recall"]["value"] == result["gates"]["iou"]["recall"]["value"]
    assert other != result


def test_of_two_equal_circles_the_more_confident_is_the_hit(tmp_path):
    found = table((0, 0, 4, 0.2, 390), (0, 0, 4, 0.9, 390))
    out = tmp_path / "compared.gpkg"
    _, context = evaluate(tmp_path, found, KNOWN, out=str(out))
    points = gpd.read_file(out, layer="craters").set_index("kind")
    assert points.loc["hit", "confidence"] == 0.9
    assert "new" not in points.index
    assert any("1 detection of the same place and diameter" in each for each in context.warnings)


@pytest.mark.parametrize("stretched", [1.0, 1.01])
def test_craters_that_are_listed_twice_count_once_or_are_warned_of(tmp_path, stretched):
    plain, _ = evaluate(tmp_path, FOUND, KNOWN)
    again = KNOWN.assign(diameter_m=stretched * KNOWN["diameter_m"])
    for found, known in (
        (FOUND, pd.concat([KNOWN, again])),
        (pd.concat([FOUND, FOUND.assign(diameter_m=stretched * FOUND["diameter_m"])]), KNOWN),
    ):
        result, context = evaluate(tmp_path, found, known)
        if stretched == 1.0:
            assert result["gates"] == plain["gates"]
            assert sum("same place and diameter" in each for each in context.warnings) == 1
        else:
            assert sum("are nearly the same" in each for each in context.warnings) == 1


def test_bounds_beyond_the_elevation_model_are_cut_to_it(tmp_path):
    grid = Grid(-16_000.0, 18_000.0, 100.0, 300, 320)
    rims = np.zeros(grid.shape, np.uint8)
    cog.write_raster(tmp_path / "found.rims.tif", rims, grid, description="rims", nodata=255)
    result, context = evaluate(tmp_path, FOUND, KNOWN, bounds="-160000,-140000,140000,180000")
    assert result["bounds_m"] == [-16_000.0, -14_000.0, 14_000.0, 18_000.0]
    assert any("Of the bounds 1 % are covered" in each for each in context.warnings)
    pasted = next(each for each in context.warnings if "--bounds=" in each)
    pasted = pasted.split("--bounds=")[1].rstrip(".")
    again, context = evaluate(tmp_path, FOUND, KNOWN, bounds=pasted)
    assert again["gates"] == result["gates"]
    assert not any("Of the bounds" in each for each in context.warnings)
    far = (90e3, 90e3, 160e3, 160e3)
    with pytest.raises(ParameterError, match="give --bounds=100000,100000,150000,150000"):
        protocol.check_overlap((100.0, 100.0, 150.0, 150.0), far, "the DEM")
    with pytest.raises(ParameterError) as caught:
        protocol.check_overlap((1e3, 1e3, 2e3, 2e3), far, "the DEM")
    assert "kilometres" not in str(caught.value)


def test_detections_that_begin_far_above_the_cut_say_how_many_cannot_be_found(tmp_path):
    record = {"parameters": {"min_diameter_m": 3201.7}}
    path = write_detections(tmp_path / "f.gpkg", FOUND, {"LUNARSITE": json.dumps(record)})
    context = Context()
    given = {"detections": str(path), "bounds": BOUNDS}
    given["catalogue"] = str(write_catalogue(tmp_path / "k.csv", KNOWN))
    evaluate_craters.STAGE.run(given, context)
    about = [each for each in context.warnings if "begin at 3,202 m" in each]
    assert "1 of the 3 catalogued craters cannot be among them" in about[0]
    context = Context()
    pasted = about[0].split("--min-diameter-m ")[1].rstrip(".")
    evaluate_craters.STAGE.run({**given, "min_diameter_m": float(pasted)}, context)
    assert not any("begin at" in each for each in context.warnings)


def test_kilometres_taken_for_metres_are_named(tmp_path):
    small = FOUND.assign(diameter_m=FOUND["diameter_m"] / 1000.0)
    _, context = evaluate(tmp_path, small, KNOWN)
    assert any("All detections, 4.1 m at the most" in each for each in context.warnings)
    assert any("diameter_km" in each for each in context.warnings)
    with pytest.raises(InputError, match="diameter_km"):
        flat = KNOWN.drop(columns="depth_m")
        evaluate(tmp_path, FOUND, flat.assign(diameter_m=KNOWN["diameter_m"] / 1000.0))
    with pytest.raises(ParameterError, match="--bounds=-20000,-20000,20000,20000"):
        evaluate(tmp_path, FOUND, KNOWN[1:], bounds="-20,-20,20,20")
    many = table(*np.random.default_rng(1).uniform(2, 9, (20, 5)))
    near = many.assign(x_m=many["x_m"] / 1000.0, y_m=many["y_m"] / 1000.0)
    with pytest.raises(InputError, match="x_km and y_km"):
        evaluate(tmp_path, FOUND, near.assign(depth_m=100.0))
    # So many that they spread over more than their width.
    many = table(*np.random.default_rng(1).uniform(1, 2, (2000, 5)) * [2000, 2000, 1, 1, 1])
    near = many.assign(x_m=many["x_m"] / 1000.0, y_m=many["y_m"] / 1000.0)
    assert np.ptp(near["x_m"]) > near["diameter_m"].median()
    with pytest.raises(InputError, match="x_km and y_km"):
        evaluate(tmp_path, FOUND, near.assign(depth_m=100.0))


def test_the_bounds_that_are_suggested_for_a_partial_catalogue_are_not_warned_of(tmp_path):
    random = np.random.default_rng(5)
    places = random.uniform(-19, 19, (400, 2))
    everywhere = table(*(np.r_[place, 2.2, 0.9, 200] for place in places))
    known = table(*(np.r_[place, 2.2, 1, 200] for place in places if max(place) > 0.0))
    _, context = evaluate(tmp_path, everywhere, known)
    about = next(each for each in context.warnings if "lists no crater in" in each)
    _, context = evaluate(
        tmp_path, everywhere, known, bounds=about.split("--bounds=")[1].rstrip(".")
    )
    assert not any("lists no crater in" in each for each in context.warnings)


def test_a_catalogue_against_itself_is_perfect(tmp_path):
    random = np.random.default_rng(2)
    rows = np.column_stack(
        [
            random.uniform(-19, 19, (60, 2)),
            2.0 * 2 ** random.uniform(0, 2, 60),
            random.uniform(0, 1, 60),
            random.uniform(100, 900, 60),
        ]
    )
    result, _ = evaluate(tmp_path, table(*rows), table(*rows))
    for gate in result["gates"].values():
        for name in ("recall", "precision", "f1", "average_precision"):
            assert gate[name] == {"value": 1.0, "low": 1.0, "high": 1.0}
        assert gate["diameter_ratio"] == pytest.approx(1.0)
        assert gate["center_off_radii"] == pytest.approx(0.0, abs=1e-9)
        assert gate["depth"]["correlation"] == pytest.approx(1.0)
    assert result["rims"]["iou"] == 1.0


def test_no_detections_are_a_recall_of_zero(tmp_path):
    result, context = evaluate(tmp_path, FOUND[:0], KNOWN, out=str(tmp_path / "a.gpkg"))
    assert any("There are no detections" in each for each in context.warnings)
    _, context = evaluate(tmp_path, FOUND, KNOWN, min_confidence=0.99)
    assert not any("There are no detections" in each for each in context.warnings)
    for gate in result["gates"].values():
        assert gate["recall"]["value"] == gate["average_precision"]["value"] == 0.0
        assert gate["precision"]["value"] is None
        assert gate["random_circles"]["recall"]["mean"] == 0.0
    assert set(gpd.read_file(tmp_path / "a.gpkg", layer="craters")["kind"]) == {"miss"}
    with pytest.raises(ParameterError, match="nothing says where"):
        evaluate(tmp_path, FOUND[:0], KNOWN, bounds=None)


def test_the_least_confidence_is_applied(tmp_path):
    result, _ = evaluate(tmp_path, FOUND, KNOWN, min_confidence=0.85)
    assert (result["gates"]["iou"]["hits"], result["gates"]["iou"]["new"]) == (1, 0)


def test_bounds_default_to_the_rim_raster_or_to_the_detections(tmp_path):
    result, context = evaluate(tmp_path, FOUND, KNOWN, bounds=None)
    assert result["bounds_m"] == [-10_000.0, -10_000.0, 30_000.0, 10_000.0]
    assert any("--bounds" in warning for warning in context.warnings)
    grid = Grid(-16_000.0, 18_000.0, 100.0, 300, 200)
    rims = np.zeros(grid.shape, np.uint8)
    cog.write_raster(tmp_path / "found.rims.tif", rims, grid, description="rims", nodata=255)
    result, context = evaluate(tmp_path, FOUND, KNOWN, bounds=None)
    assert result["bounds_m"] == [-16_000.0, -2_000.0, 14_000.0, 18_000.0]
    assert context.warnings == []


def test_detections_that_begin_above_the_cut_are_warned_of(tmp_path):
    record = {"parameters": {"min_diameter_m": 2500.0}}
    path = write_detections(tmp_path / "f.gpkg", FOUND, {"LUNARSITE": json.dumps(record)})
    assert detections.read(path, Context()).smallest_m == 2500.0
    context = Context()
    given = {"detections": str(path), "bounds": BOUNDS}
    given["catalogue"] = str(write_catalogue(tmp_path / "k.csv", KNOWN))
    evaluate_craters.STAGE.run(given, context)
    assert any("begin at 2,500 m" in warning for warning in context.warnings)


def test_polygons_are_read_as_centres_in_metres_or_degrees(tmp_path):
    points = gpd.GeoDataFrame(
        FOUND, geometry=gpd.points_from_xy(FOUND["x_m"], FOUND["y_m"]), crs=moon.SOUTH_POLAR
    )
    rings = points.set_geometry(points.buffer(points["diameter_m"] / 2.0))
    rings.to_file(tmp_path / "map.gpkg", layer="rings")
    rings.to_crs(moon.GEOGRAPHIC).to_file(tmp_path / "degrees.gpkg", layer="rings")
    for name in ("map.gpkg", "degrees.gpkg"):
        read = detections.read(tmp_path / name, Context()).circles
        np.testing.assert_allclose(read.x_m, FOUND["x_m"], atol=1.0)
        np.testing.assert_allclose(read.y_m, FOUND["y_m"], atol=1.0)
        np.testing.assert_allclose(read.diameter_m, FOUND["diameter_m"])


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ("1,2,3", "not west,south,east,north"),
        ("a,b,c,d", "not west,south,east,north"),
        ("5,0,1,9", "not west,south,east,north"),
        ("0,0,nan,9", "not west,south,east,north"),
    ],
)
def test_invalid_bounds_are_refused(tmp_path, bounds, expected):
    with pytest.raises(ParameterError, match=expected):
        evaluate(tmp_path, FOUND, KNOWN, bounds=bounds)


def test_a_least_detection_above_the_cut_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="more than the cut"):
        evaluate(tmp_path, FOUND, KNOWN, min_detected_diameter_m=2500.0)


def test_too_large_rim_rasters_are_skipped_with_a_warning(tmp_path):
    result, context = evaluate(tmp_path, FOUND, KNOWN, rim_pixel_m=1.0)
    assert result["rims"] is None
    assert any("--rim-pixel-m" in warning for warning in context.warnings)


def test_catalogues_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(InputError, match="no column diameter_m or diameter_km"):
        evaluate(tmp_path, FOUND, KNOWN.drop(columns="diameter_m"))
    with pytest.raises(InputError, match="lists no crater"):
        evaluate(tmp_path, FOUND, KNOWN[:0])
    with pytest.raises(CrsError, match=r"in the north of the Moon, at latitudes of 7.90 to 8.32"):
        evaluate(tmp_path, FOUND, KNOWN.assign(x_m=KNOWN["x_m"] + 4e6))
    moved = KNOWN.assign(x_m=KNOWN["x_m"] + 1e6)
    with pytest.raises(InputError, match="lies inside the bounds") as caught:
        evaluate(tmp_path, FOUND, moved)
    assert "stereographic" in str(caught.value)
    with pytest.raises(InputError, match=r"largest crater .* has 8,000 m, the cut is 9,000 m"):
        evaluate(tmp_path, FOUND, KNOWN, min_diameter_m=9000.0)


def test_a_catalogue_in_another_coordinate_system_is_refused(tmp_path):
    lon, lat = moon.xy_to_lonlat(KNOWN["x_m"], KNOWN["y_m"])
    both = KNOWN.assign(lon_deg=lon, lat_deg=lat)
    evaluate(tmp_path, FOUND, both)
    with pytest.raises(CrsError, match="another coordinate system"):
        evaluate(tmp_path, FOUND, both.assign(x_m=both["x_m"] + 500_000.0))


def test_detections_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(InputError, match="has no column diameter_m"):
        evaluate(tmp_path, FOUND.drop(columns="diameter_m"), KNOWN)
    with pytest.raises(InputError, match="1 features without"):
        evaluate(tmp_path, FOUND.assign(diameter_m=[*FOUND["diameter_m"][1:], np.nan]), KNOWN)
    given = {"catalogue": str(tmp_path / "known.csv"), "bounds": BOUNDS}
    for name, text, result in (
        ("no.gpkg", None, "no file"),
        ("bad.gpkg", "words", "cannot be read"),
    ):
        path = tmp_path / name
        if text:
            path.write_text(text)
        with pytest.raises(InputError, match=result):
            evaluate_craters.STAGE.run({**given, "detections": str(path)}, Context())
    earth = gpd.GeoDataFrame(FOUND, geometry=gpd.points_from_xy([0] * 8, [1] * 8), crs=4326)
    earth.to_file(tmp_path / "earth.gpkg")
    with pytest.raises(CrsError, match="lies on the Earth"):
        evaluate_craters.STAGE.run({**given, "detections": str(tmp_path / "earth.gpkg")}, Context())


def test_detections_without_confidence_are_warned_of(tmp_path):
    _, context = evaluate(tmp_path, FOUND.drop(columns="confidence"), KNOWN)
    assert any("no confidence" in warning for warning in context.warnings)


def test_negative_bounds_are_parsed_on_the_command_line():
    words = ["evaluate-craters", "--detections", "a", "--catalogue", "b", "--bounds", BOUNDS]
    assert cli.parse(words)["bounds"] == BOUNDS


@pytest.mark.realdata
def test_the_real_catalogue_has_22_craters_of_2_km_where_it_is_complete(tmp_path, real):
    given = {
        "detections": str(write_detections(tmp_path / "found.gpkg", FOUND)),
        "catalogue": str(real / "craters" / "lu1319373_80S.csv"),
        "bounds": "-30000,-10600,21200,15000",
    }
    assert evaluate_craters.STAGE.run(given, Context())["catalogued"] == 22
