"""The stage ``validate`` on a small screened region."""

from __future__ import annotations

import json
import re

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely

from lunarsite.engine import moon, stages
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.pipelines import validate as pipeline

QUICK = {"azimuths": 36, "stop": "2027-03-01", "step_hours": 24.0, "draws": 20}


@pytest.fixture(scope="module")
def screened(tmp_path_factory):
    """Return a folder with an elevation model, a screened run and data of others."""
    folder = tmp_path_factory.mktemp("validated")
    dem, run = folder / "dem.tif", folder / "run"
    context = Context(threads=2)
    stages.load("synthesize").run({"out": str(dem), "size_px": 128, "pixel_m": 100.0}, context)
    stages.load("screen").run(
        {"dem": str(dem), "out": str(run), "cell_m": 400.0, "min_distance_m": 800.0, **QUICK},
        context,
    )
    west, south, east, north = gpd.read_file(run / "sites.gpkg").total_bounds
    middle = (west + east) / 2
    regions = folder / "regions.gpkg"
    gpd.GeoDataFrame(
        {"name": ["<b>west</b>"]},
        geometry=[shapely.box(west, south, middle, north)],
        crs=moon.SOUTH_POLAR,
    ).to_file(regions)
    sites = folder / "sites.csv"
    best = gpd.read_file(run / "sites.gpkg", layer="sites").head(6)
    pd.DataFrame(best[["lon_deg", "lat_deg"]]).assign(name="P").to_csv(sites, index=False)
    return folder


def validate(folder, out, context=None, **values):
    given = {"run": str(folder / "run"), "out": str(out), "rotations": 99, **values}
    return stages.load("validate").run(given, context or Context(threads=1))


@pytest.fixture(scope="module")
def validated(screened):
    """Return the result, the figures and the page with everything that can be given."""
    layers = screened / "run" / "layers"
    out = screened / "validation"
    context = Context(threads=1)
    result = validate(
        screened,
        out,
        context,
        regions=str(screened / "regions.gpkg"),
        sites=str(screened / "sites.csv"),
        image=str(layers / "illumination_pct.tif"),
        illumination_map=str(layers / "illumination_pct.tif"),
        earth_map=str(layers / "earth_visibility_pct.tif"),
        dem=str(screened / "dem.tif"),
        builtin_far_field=False,
    )
    figures = json.loads((out / "validation.json").read_text(encoding="utf-8"))
    return result, figures, (out / "validation.html").read_text(encoding="utf-8")


def named(figures):
    return {check["name"]: check for check in figures["checks"]}


def test_every_claim_has_an_outcome_and_those_that_ran_a_null(validated):
    _, figures, _ = validated
    checks = named(figures)
    assert len(checks) == len(figures["checks"]) >= 17
    for check in checks.values():
        assert check["finding"]
        if check["outcome"] != "not run":
            assert check["null"]
            assert check["figures"]


def test_a_map_of_the_run_itself_agrees_with_it(validated):
    checks = named(validated[1])
    for name in ("illumination-map", "earth-map"):
        assert checks[name]["figures"]["rmse_pct"] < 0.5
        assert abs(checks[name]["figures"]["bias_pct"]) < 0.1


def test_coarser_maps_are_compared_over_their_own_pixels(screened, tmp_path):
    with rasterio.open(screened / "run" / "layers" / "illumination_pct.tif") as source:
        fine, made = source.read(1), source.profile
    side = 8
    coarse = fine.reshape(128 // side, side, 128 // side, side).mean(axis=(1, 3))
    transform = made["transform"] * rasterio.Affine.scale(side)
    path = tmp_path / "coarse.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=16,
        width=16,
        count=1,
        dtype="float32",
        crs=made["crs"],
        transform=transform,
    ) as target:
        target.write(coarse, 1)
    validate(screened, tmp_path / "out", illumination_map=str(path))
    checks = named(json.loads((tmp_path / "out" / "validation.json").read_text()))
    found = checks["illumination-map"]["figures"]
    assert found["cells"] == 256
    assert found["rmse_pct"] < 0.1


def test_the_best_sites_of_the_run_have_its_best_percentiles(validated):
    found = named(validated[1])["published-sites"]
    assert found["figures"]["median_percentile"] > 90.0
    assert found["files"] == ["sites.csv"]


def test_what_lacks_data_is_not_run_and_says_what_it_lacks(screened, tmp_path):
    result = validate(screened, tmp_path / "bare")
    checks = named(json.loads((tmp_path / "bare" / "validation.json").read_text()))
    lacking = {name: c["finding"] for name, c in checks.items() if c["outcome"] == "not run"}
    for name, option in {
        "candidate-regions": "--regions",
        "published-sites": "--sites",
        "shadow-areas": "--shadow-catalogue",
        "shadow-and-image": "--image",
        "illumination-map": "--illumination-map",
        "published-light": "--dem",
        "crater-detection": "--catalogue",
        "rock-segmentation": "--masks",
    }.items():
        assert option in lacking[name]
    assert result["outcomes"]["not run"] == len(lacking)


def test_the_page_shows_all_and_loads_nothing(validated):
    _, figures, page = validated
    for check in figures["checks"]:
        assert check["claim"] in page.replace("&#39;", "'")
    assert "default-src 'none'" in page
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", page)
    assert "<b>west</b>" not in page
    assert "&lt;b&gt;west" in page


def test_files_stand_with_their_dates_and_checksums(validated):
    _, figures, page = validated
    names = {given["name"] for given in figures["provenance"]["inputs"]}
    assert {"manifest.json", "regions.gpkg", "sites.csv", "dem.tif"} <= names
    assert re.search(r"sites\.csv</td><td>\d{4}-\d\d-\d\d</td>", page)


def test_the_same_inputs_give_the_same_figures(screened, tmp_path):
    given = {"regions": str(screened / "regions.gpkg")}
    validate(screened, tmp_path / "one", **given)
    validate(screened, tmp_path / "two", **given)
    one, two = ((tmp_path / name / "validation.json").read_bytes() for name in ("one", "two"))
    assert one == two


def test_the_report_of_the_run_has_a_self_audit(screened):
    text = (screened / "run" / "report.html").read_text(encoding="utf-8")
    section = text[text.index('id="audit"') : text.index('id="provenance"')]
    for words in ("JPL Horizons", "holds by construction", "Not run", "random cells"):
        assert words.lower() in section.lower()


def test_warnings_reach_the_page_and_the_figures(screened, tmp_path):
    west, south, east, north = gpd.read_file(screened / "run" / "sites.gpkg").total_bounds
    lon, lat = moon.xy_to_lonlat([west, east, east], [south, south, north])
    shape = shapely.Polygon(np.column_stack([lon, lat]))
    path = tmp_path / "plain.geojson"
    frame = gpd.GeoDataFrame({"name": ["A"]}, geometry=[shape], crs="OGC:CRS84")
    path.write_text(frame.to_json())
    context = Context(threads=1)
    validate(screened, tmp_path / "out", context, regions=str(path))
    assert context.warnings
    figures = json.loads((tmp_path / "out" / "validation.json").read_text())
    page = (tmp_path / "out" / "validation.html").read_text()
    for warning in context.warnings:
        assert warning in figures["warnings"]
        assert warning[:40] in page


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"detections": "a.gpkg"}, "--detections is given without --catalogue"),
        ({"images": "*.png"}, "--images is given without --masks"),
    ],
)
def test_half_of_a_pair_is_refused_before_the_work(screened, tmp_path, given, words):
    with pytest.raises(ParameterError, match=words):
        validate(screened, tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_a_shadow_layer_of_other_values_is_refused(screened, tmp_path):
    other = tmp_path / "other.tif"
    with rasterio.open(screened / "run" / "layers" / "psr.tif") as source:
        profile, values = source.profile, source.read(1)
    profile |= {"driver": "GTiff"}
    with rasterio.open(other, "w", **profile) as target:
        target.write(np.full_like(values, 7), 1)
    with pytest.raises(InputError, match="1 is permanent shadow"):
        validate(screened, tmp_path / "out", shadow=str(other))


def raster_like(source, target, values, **profile):
    with rasterio.open(source) as known:
        made = known.profile | {"driver": "GTiff"} | profile
    with rasterio.open(target, "w", **made) as file:
        file.write(values.astype(made["dtype"]), 1)
    return str(target)


def test_shadow_of_other_values_is_refused_where_it_is_averaged_too(
    screened, tmp_path, monkeypatch
):
    """A large layer is compared on coarser pixels; 255 in place of 1 made 255 times its area."""
    monkeypatch.setattr("lunarsite.engine.pipelines.validate._LONGEST_SIDE_PX", 64)
    psr = screened / "run" / "layers" / "psr.tif"
    other = raster_like(psr, tmp_path / "bytes.tif", np.eye(128) * 255, nodata=7)
    with pytest.raises(InputError, match="1 is permanent shadow"):
        validate(screened, tmp_path / "out", shadow=other)
    validate(screened, tmp_path / "out", shadow=str(psr))


def test_shadow_whose_zeros_are_nodata_is_refused(screened, tmp_path):
    psr = screened / "run" / "layers" / "psr.tif"
    other = raster_like(psr, tmp_path / "ones.tif", np.eye(128), nodata=0)
    with pytest.raises(InputError, match="declares 0, no permanent shadow, as nodata"):
        validate(screened, tmp_path / "out", shadow=other)


@pytest.mark.parametrize("parameter", ["illumination_map", "earth_map", "shadow"])
def test_another_layer_of_a_run_is_not_mistaken_for_a_map(screened, tmp_path, parameter):
    """Slopes lie within 0 to 100 as shares of time do."""
    slope = screened / "run" / "layers" / "slope_deg.tif"
    with pytest.raises(InputError, match="is a result of LunarSite that holds 'Slope'"):
        validate(screened, tmp_path / "out", **{parameter: str(slope)})


@pytest.mark.parametrize("parameter", ["illumination_map", "earth_map", "shadow_catalogue"])
def test_a_damaged_file_is_named_once(screened, tmp_path, parameter):
    (tmp_path / "empty.tif").touch()
    with pytest.raises(InputError) as refused:
        validate(screened, tmp_path / "out", **{parameter: str(tmp_path / "empty.tif")})
    assert refused.value.problem.split("cannot be read")[0].count("empty.tif") == 1


def test_an_elevation_model_other_than_that_of_the_run_is_warned_of(screened, tmp_path):
    with rasterio.open(screened / "dem.tif") as source:
        heights = source.read(1)
    other = raster_like(screened / "dem.tif", tmp_path / "other.tif", heights + 1.0)
    context = Context(threads=1)
    validate(screened, tmp_path / "out", context, dem=other, builtin_far_field=False)
    assert any("other.tif is not that of the run, dem.tif" in text for text in context.warnings)


def test_the_elevation_model_of_which_a_part_was_screened_is_not_warned_of(screened, tmp_path):
    with rasterio.open(screened / "dem.tif") as source:
        west, south, east, north = source.bounds
    edge = 1600.0
    area = f"{west + edge},{south + edge},{east - edge},{north - edge}"
    given = {"dem": str(screened / "dem.tif"), "out": str(tmp_path / "run"), "aoi": area, **QUICK}
    stages.load("screen").run({**given, "cell_m": 400.0}, Context(threads=2))
    context = Context(threads=1)
    stages.load("validate").run(
        {
            "run": str(tmp_path / "run"),
            "out": str(tmp_path / "out"),
            "dem": str(screened / "dem.tif"),
            "rotations": 99,
            "builtin_far_field": False,
        },
        context,
    )
    assert not any("not that of the run" in text for text in context.warnings)


def test_the_elevation_model_of_the_run_is_not_warned_of(validated):
    assert not any("not that of the run" in text for text in validated[1]["warnings"])


def test_a_folder_without_a_run_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no finished run"):
        stages.load("validate").run(
            {"run": str(tmp_path / "empty"), "out": str(tmp_path / "out")}, Context(threads=1)
        )


def test_no_figure_of_the_json_is_nan(validated, screened):
    def refuse(word):
        raise AssertionError(word)

    text = (screened / "validation" / "validation.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse) == validated[1]


def test_a_large_shadow_layer_of_other_values_is_refused_too(screened, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "_LONGEST_SIDE_PX", 32)
    own = screened / "run" / "layers" / "psr.tif"
    with rasterio.open(own) as source:
        profile, values = source.profile | {"driver": "GTiff"}, source.read(1)
    for name, factor in (("percent.tif", 100), ("mask.tif", 1)):
        with rasterio.open(tmp_path / name, "w", **profile) as target:
            target.write((values == 1).astype(values.dtype) * factor, 1)
    with pytest.raises(InputError, match="1 is permanent shadow"):
        validate(screened, tmp_path / "out", shadow=str(tmp_path / "percent.tif"))
    validate(screened, tmp_path / "out", shadow=str(tmp_path / "mask.tif"))


def test_evaluations_take_the_seed_and_show_no_folders(screened, tmp_path, monkeypatch):
    seen = {}

    def evaluated(values, _context):
        seen[values["seed"]] = values
        return {
            "images": 1,
            "miou": 0.5,
            "any_rock": None,
            "iou": {},
            "calibration": {"ece_called_rocks": float("nan"), "ece": 0.1},
        }

    monkeypatch.setattr(pipeline.evaluate_segmentation, "run", evaluated)
    images = str(tmp_path / "photos" / "*.png")
    validate(screened, tmp_path / "out", images=images, masks=images, seed=11)
    assert set(seen) == {11}
    text = (tmp_path / "out" / "validation.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert str(tmp_path / "photos") not in text
    assert named(json.loads(text))["rock-segmentation"]["files"] == ["*.png", "*.png"]
