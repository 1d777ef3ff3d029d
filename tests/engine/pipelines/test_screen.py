from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from lunarsite.engine import moon, report, stages
from lunarsite.engine.context import Context
from lunarsite.engine.errors import (
    BusyError,
    CancelledError,
    CrsError,
    InputError,
    LunarSiteError,
    ParameterError,
)
from lunarsite.engine.provenance import sha256
from lunarsite.engine.scoring import bundle
from lunarsite.engine.scoring.features import columns

PROCESS = Path(__file__).parent / "screen_process.py"
QUICK = {
    "azimuths": 36,
    "cell_m": 400.0,
    "stop": "2027-07-01",
    "step_hours": 24.0,
    "draws": 20,
    "folds": 2,
    "min_distance_m": 1000.0,
    "roughness_windows_px": "3,5,7",
    "position_window_px": 7,
    "threads": 1,
}
HIDDEN = (".lunarsite-known.json",)


def stand_in(folder, _values, manifest, context):
    context.progress(0.5, "report")
    content = {key: manifest[key] for key in ("warnings", "parameters", "inputs")}
    (Path(folder) / "report.html").write_text(json.dumps(content, sort_keys=True))


def bare(patch):
    patch.setattr(report, "write_report", stand_in, raising=False)
    patch.setattr(bundle, "FOLDER", Path("none"))


@pytest.fixture(autouse=True)
def _no_pictures_and_no_scorer(monkeypatch):
    bare(monkeypatch)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    dem = folder / "dem.tif"
    values = {"out": str(dem), "size_px": 48, "pixel_m": 200.0}
    stages.load("synthesize").run(values, Context(threads=1))
    return dem


def screen(dem, out, context=None, **more):
    values = QUICK | {"dem": str(dem), "out": str(out)} | more
    values.pop("threads")
    return stages.load("screen").run(values, context or Context(threads=1))


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in HIDDEN
    }


@pytest.fixture(scope="module")
def finished(given, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        bare(patch)
        result = screen(given, out)
    assert result["ran"] == [
        "terrain",
        "lighting",
        "landing",
        "disc-light",
        "features",
        "train-scorer",
        "score",
        "report",
    ]
    return out


@pytest.fixture
def run(finished, tmp_path):
    """Return a copy of the finished run to work on, with what is known of its files."""
    return shutil.copytree(finished, tmp_path / "run")


def test_a_run_writes_its_declared_outputs(finished):
    declared = [o.path for o in stages.load("screen").outputs]
    assert all((finished / path).exists() for path in declared)
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["finished"] is True
    assert manifest["parameters"]["dem"] == "dem.tif"
    assert str(finished.parent) not in (finished / "manifest.json").read_text()
    assert manifest["scorer"]["trained_on"] == "this area"
    assert manifest["inputs"][0]["role"] == "dem"
    assert not list(finished.rglob(".*partial*"))


def test_an_unchanged_run_repeats_no_step(given, run, tmp_path):
    before = contents(run)
    first = screen(given, run)
    assert first["ran"] == []
    assert contents(run) == before
    moved = shutil.copy(given, tmp_path / "dem.tif")
    assert screen(moved, run, Context(threads=2, memory_limit_bytes=2**30))["ran"] == []
    assert contents(run) == before
    assert any("No trained scorer" in w for w in json.loads(before["manifest.json"])["warnings"])


@pytest.mark.parametrize(
    ("changed", "steps"),
    [
        ({"max_sites": 3}, ["score", "report"]),
        (
            {"horizon_error_deg": 0.2},
            ["landing", "disc-light", "features", "train-scorer", "score", "report"],
        ),
        (
            {"profile": "hls"},
            ["landing", "disc-light", "features", "train-scorer", "score", "report"],
        ),
        (
            {"relief_window_px": 5},
            ["terrain", "landing", "disc-light", "features", "train-scorer", "score", "report"],
        ),
        ({"north_limit_deg": -85.0}, ["features", "train-scorer", "score"]),
    ],
)
def test_a_changed_parameter_repeats_dependent_steps_only(given, run, changed, steps):
    ran = screen(given, run, **changed)["ran"]
    assert [step for step in ran if step != "report"] == [s for s in steps if s != "report"]
    assert ran[-1] == "report"


def test_a_changed_run_equals_one_in_a_new_folder(given, run, tmp_path):
    screen(given, run, max_sites=3, profile="hls")
    screen(given, tmp_path / "new", max_sites=3, profile="hls")
    assert contents(run) == contents(tmp_path / "new")


def test_deleted_and_damaged_layers_are_computed_again(given, run):
    before = contents(run)
    (run / "layers" / "slope_deg.tif").unlink()
    (run / "sites.gpkg").write_bytes(b"nothing")
    assert screen(given, run)["ran"] == ["terrain", "score"]
    assert contents(run) == before


def test_a_lost_manifest_or_scorer_is_written_again(given, run):
    before = contents(run)
    (run / "scorer.json").write_text("{}")
    assert screen(given, run)["ran"] == ["train-scorer"]
    (run / "manifest.json").write_text('{"steps": [')
    (run / ".lunarsite-known.json").unlink()
    assert screen(given, run)["ran"][0] == "terrain"
    assert contents(run) == before


def test_a_table_of_a_version_with_fewer_features_is_replaced(given, run, finished, monkeypatch):
    known = columns.table_columns()
    with monkeypatch.context() as before:
        before.setattr(columns, "table_columns", lambda: known[:-1])
        assert "features" in screen(given, run)["ran"]
    assert screen(given, run)["ran"][0] == "features"
    assert contents(run) == contents(finished)


def published(layer, path):
    """Copy a layer without saying that it is LunarSite's: then it is taken for what it is given."""
    with rasterio.open(layer) as source, rasterio.open(path, "w", **source.profile) as target:
        target.write(source.read())
        target.units = source.units
    return str(path)


def test_user_maps_replace_lighting_and_changed_maps_are_detected(given, finished, run, tmp_path):
    maps = {}
    for name, file in (
        ("illumination", "illumination_pct.tif"),
        ("earth_visibility", "earth_visibility_pct.tif"),
        ("psr", "psr.tif"),
    ):
        maps[name] = published(finished / "layers" / file, tmp_path / file)
    first = screen(given, run, **maps)
    assert first["ran"] == ["landing", "features", "train-scorer", "score", "report"]
    for name in ("illumination_pct.tif", "disc_darkest_month_pct.tif"):
        assert (finished / "layers" / name).exists()
        assert not (run / "layers" / name).exists()
    assert "lighting" not in json.loads((run / "manifest.json").read_text())["steps"]
    screen(given, tmp_path / "new", **maps)
    assert contents(run) == contents(tmp_path / "new")
    swapped = maps | {"illumination": maps["earth_visibility"]}
    swapped["earth_visibility"] = maps["illumination"]
    assert "features" in screen(given, run, **swapped)["ran"]


def test_the_sun_is_followed_at_discs_or_in_the_middle_of_cells(given, finished, run):
    of_cells = [run / "layers" / columns.LAYER_FILES[source] for source in columns.DISC_LIGHT_FILES]
    of_discs = [run / "layers" / name for name in columns.DISC_LIGHT_FILES.values()]
    assert [path.is_file() for path in (*of_discs, *of_cells)] == [True, True, False, False]
    table = pd.read_parquet(run / "features.parquet")
    assert "lighting" not in screen(given, run, cell_m=600.0)["ran"]
    assert "lighting" in screen(given, run, place="cell")["ran"]
    assert [path.is_file() for path in (*of_discs, *of_cells)] == [False, False, True, True]
    middle = pd.read_parquet(run / "features.parquet")
    for name in ("darkest_month_pct", "longest_night_days"):
        assert middle[name].notna().all()
        assert not np.array_equal(middle[name], table[name])
    screen(given, run)
    assert contents(run) == contents(finished)


@pytest.mark.parametrize(
    ("role", "value", "said"),
    [
        ("illumination", 1234.0, "a share of time lies within 0 to 100 %"),
        ("psr", 3.0, "1 is permanent shadow, 0 is none"),
        ("elevation_error", -5.0, "errors of heights lie within"),
    ],
)
def test_a_wrong_layer_is_refused_before_any_work(given, finished, tmp_path, role, value, said):
    path = published(finished / "layers" / "slope_deg.tif", tmp_path / "given.tif")
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as layer:
        values = np.zeros((1, *layer.shape), np.float32)
        values[0, 40:44, 40:44] = value
        layer.write(values)
        layer.units = ("m",) if role == "elevation_error" else ("",)
        layer.nodata = None
    with pytest.raises(InputError, match=said):
        screen(given, tmp_path / "new", **{role: path})
    assert not list((tmp_path / "new").glob("layers/*"))


def test_a_map_in_another_role_is_another_run(given, run, finished, tmp_path):
    one = published(finished / "layers" / "illumination_pct.tif", tmp_path / "one.tif")
    assert "features" in screen(given, run, illumination=one)["ran"]
    assert "features" in screen(given, run, earth_visibility=one)["ran"]


def test_changed_raster_metadata_are_detected(given, run, tmp_path):
    dem = shutil.copy(given, tmp_path / "dem.tif")
    screen(dem, run)
    (tmp_path / "dem.tif.ovr").write_bytes(b"")
    assert screen(dem, run)["ran"] == []
    (tmp_path / "dem.tif.ovr").unlink()
    metadata = "<PAMDataset><PAMRasterBand band='1'>{}</PAMRasterBand></PAMDataset>"
    beside = tmp_path / "dem.tif.aux.xml"
    beside.write_text(metadata.format("<Metadata><MDI key='STATISTICS_MEAN'>3</MDI></Metadata>"))
    assert screen(dem, run)["ran"] == []
    beside.write_text(metadata.format("<Scale>1.001</Scale>"))
    assert screen(dem, run)["ran"][:2] == ["terrain", "lighting"]


def test_a_user_scorer_is_named_and_training_reports_the_agreement(given, run, tmp_path):
    for end in ("ubj", "json", "sha256"):
        shutil.copy(run / f"scorer.{end}", tmp_path / f"mine.{end}")
    mine = str(tmp_path / "mine.ubj")
    used = screen(given, run, scorer=mine)
    assert used["scorer"]["trained_on"] == "another area (mine.ubj)"
    assert not (run / "scorer.ubj").exists()
    trained = screen(given, run, scorer=mine, train=True)
    assert trained["scorer"]["agreement"] == {"spearman": 1.0, "best_hundredth_shared": 1.0}
    assert screen(given, run, scorer=mine, train=True)["scorer"] == trained["scorer"]


def test_the_bundled_scorer_is_used_unless_one_is_trained(given, run, tmp_path, monkeypatch):
    for end in ("ubj", "json"):
        shutil.copy(run / f"scorer.{end}", tmp_path / f"scorer-cassa.{end}")
    sums = [f"{sha256(path)}  {path.name}\n" for path in tmp_path.glob("scorer-*")]
    (tmp_path / "SHA256SUMS").write_text("".join(sums))
    monkeypatch.setattr(bundle, "FOLDER", tmp_path)
    context = Context(threads=1)
    used = screen(given, run, context)
    assert used["scorer"]["trained_on"] == "the synthetic polar cap"
    assert not any("No trained scorer" in w for w in context.warnings)
    trained = screen(given, run, train=True)
    assert trained["ran"] == ["train-scorer", "report"]  # it is the same scorer
    assert trained["scorer"]["agreement"]["spearman"] == 1.0


def test_unmeetable_criteria_are_named_without_training(given, run, tmp_path):
    place = {"crs": moon.SOUTH_POLAR, "transform": from_origin(15.0, -15.0, 5.0, 5.0)}
    (tmp_path / "rocks").mkdir()
    for name, dtype, count in (("classes", "uint8", 1), ("probabilities", "float32", 4)):
        path = tmp_path / "rocks" / f"{name}.tif"
        options = {"width": 20, "height": 20, "count": count, "dtype": dtype} | place
        with rasterio.open(path, "w", driver="GTiff", **options) as file:
            file.write(np.full((count, 20, 20), 0 if count == 1 else 0.25, dtype))
    profile = tmp_path / "rocky.yaml"
    profile.write_text("criteria: [{feature: rock_coverage_pct, at_most: 5, softness: 2}]")
    context = Context(threads=1)
    with pytest.raises(InputError, match=r"needs 200, and rock_coverage_pct is known in 0\."):
        screen(
            given,
            run,
            context,
            profile=str(profile),
            rocks=str(tmp_path / "rocks"),
            place="cell",
        )
    assert any(
        "The image of rocks covers less than half of every cell" in w for w in context.warnings
    )
    assert not any("trained on this area" in w for w in context.warnings)


def test_a_single_site_is_in_singular(given, run):
    assert screen(given, run, max_sites=1)["summary"][0].endswith(" criterion, 1 site")


def test_a_region_between_landing_discs_is_told_of_its_cells(given, run, tmp_path):
    regions = tmp_path / "regions.gpkg"
    shape, large = shapely.box(-150, -150, -50, -50), shapely.box(-4000, -4000, 4000, 4000)
    frame = gpd.GeoDataFrame(
        {"name": ["small", "large"]}, geometry=[shape, large], crs=moon.SOUTH_POLAR
    )
    frame.to_file(regions)
    context = Context(threads=1)
    features = pd.read_parquet(run / "features.parquet")
    assert not shapely.contains_xy(shape, features["x_m"], features["y_m"]).any()
    screen(given, run, context, regions=str(regions))
    wanted = "'small' holds no scored cell: it is about 100 m across, and a cell is 400 m. Draw it"
    assert any(wanted in warning for warning in context.warnings)
    frame[:1].to_file(regions)
    wanted = r"No region holds .*: it is about 100 m across, and a cell is 400 m\. Draw it larger"
    with pytest.raises(InputError, match=wanted):
        screen(given, run, regions=str(regions))


def test_a_scorer_for_too_few_cells_is_refused_before_the_work(given, tmp_path):
    profile = tmp_path / "own.yaml"
    profile.write_text("criteria: [{feature: slope_mean_deg, at_most: 5, softness: 1}]")
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"area has 25 cells, and training .* needs 200"):
        screen(given, out, profile=str(profile), cell_m=2000.0)
    assert not out.exists()


def test_regions_are_ranked_within(given, run, tmp_path):
    regions = tmp_path / "regions.gpkg"
    shapes = [shapely.box(-4000, -4000, 0, 0), shapely.box(0, 0, 4000, 4000)]
    shapes.append(shapely.box(1e5, 1e5, 2e5, 2e5))
    frame = gpd.GeoDataFrame({"name": ["a", "b", "far"]}, geometry=shapes, crs=moon.SOUTH_POLAR)
    frame.to_file(regions)
    context = Context(threads=1)
    assert screen(given, run, context, regions=str(regions))["ran"] == ["score", "report"]
    assert any("'far' holds no scored cell." in w for w in context.warnings)
    inside = gpd.read_file(run / "sites.gpkg", layer="sites_in_regions")
    assert set(inside["region"]) == {"a", "b"}
    for name, shape in zip("ab", shapes, strict=False):
        part = inside[inside["region"] == name]
        assert part.within(shape).all()
        assert part["rank_in_region"].iloc[0] == 1
        assert part["rank_in_region"].is_monotonic_increasing
    frame.assign(name=["a", "a", "far"]).to_file(regions)
    screen(given, run, regions=str(regions))
    inside = gpd.read_file(run / "sites.gpkg", layer="sites_in_regions")
    assert inside["rank_in_region"].is_unique
    assert len(set(inside["cells_in_region"])) == 1
    frame.iloc[[2]].to_file(regions)
    with pytest.raises(InputError, match="overlap"):
        screen(given, run, regions=str(regions))


def test_another_layer_of_the_same_file_is_scored_again(given, run, tmp_path):
    regions = tmp_path / "regions.gpkg"
    west, south, east, north = gpd.read_parquet(run / "features.parquet").total_bounds
    middle = (west + east) / 2
    for name, box in (
        ("left", shapely.box(west, south, middle, north)),
        ("right", shapely.box(middle, south, east, north)),
    ):
        frame = gpd.GeoDataFrame({"name": [name]}, geometry=[box], crs=moon.SOUTH_POLAR)
        frame.to_file(regions, layer=name)
    with pytest.raises(InputError, match="several layers: left, right"):
        screen(given, run, regions=str(regions))
    for name in ("left", "right"):
        assert "score" in screen(given, run, regions=f"{regions}|layername={name}")["ran"]
        inside = gpd.read_file(run / "sites.gpkg", layer="sites_in_regions")
        assert set(inside["region"]) == {name}
        manifest = json.loads((run / "manifest.json").read_text())
        assert manifest["parameters"]["regions"] == f"regions.gpkg|layername={name}"


def test_two_runs_in_one_folder_are_refused(given, run):
    code = (
        "import sys; from lunarsite.engine import output_paths as o\n"
        "with o.locked({sys.argv[1]: ['*']}, [], print): print('locked', flush=True); input()"
    )
    other = [sys.executable, "-c", code, str(run)]
    with subprocess.Popen(other, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"locked\n"
        with pytest.raises(BusyError, match=r"Another run works in .*choose another folder"):
            screen(given, run)
        process.kill()
    assert screen(given, run)["ran"] == []
    assert not list(run.rglob("*.lock"))


@pytest.mark.parametrize(
    ("more", "kind", "message"),
    [
        ({"profile": "casa"}, ParameterError, "Choose 'cassa' or 'hls'"),
        ({"psr": "none.tif"}, InputError, "--psr: there is no file none.tif"),
        ({"far_field": ["none.tif"]}, InputError, "--far-field: there is no file none.tif"),
        ({"regions": "none.gpkg"}, InputError, "--regions: there is no file"),
        ({"cell_m": 100.0}, InputError, "smaller than a pixel of 200 m"),
        ({"cell_m": 50_000.0}, InputError, "as large as the whole DEM"),
        ({"north_limit_deg": -90.0}, InputError, "the southernmost lies at -89."),
        ({"roughness_windows_px": "3,4,5"}, ParameterError, "not an odd number"),
        ({"stop": "2026-01-01"}, ParameterError, "2026-01-01"),
    ],
)
def test_invalid_inputs_leave_no_folder(given, tmp_path, more, kind, message):
    with pytest.raises(kind, match=message):
        screen(given, tmp_path / "out", **more)
    assert not (tmp_path / "out").exists()


def test_a_criterion_without_its_layer_is_refused_before_the_work(given, tmp_path):
    profile = tmp_path / "mine.yaml"
    profile.write_text("criteria: [{feature: crater_count, at_most: 3, softness: 1}]")
    with pytest.raises(InputError, match=r"crater_count.*not given.*--craters"):
        screen(given, tmp_path / "out", profile=str(profile))
    assert not (tmp_path / "out").exists()


def test_a_screening_uses_rocks_and_detects_changed_ones(given, tmp_path):
    profile = tmp_path / "mine.yaml"
    profile.write_text("criteria: [{feature: rock_coverage_pct, at_most: 5, softness: 2}]")
    cells = {"profile": str(profile), "place": "cell"}
    with pytest.raises(InputError, match=r"rock_coverage_pct.*not given.*--rocks"):
        screen(given, tmp_path / "out", profile=str(profile))
    rocks = tmp_path / "rocks"
    rocks.mkdir()
    with pytest.raises(InputError, match=r"--rocks: there is no file .*classes.tif"):
        screen(given, tmp_path / "out", rocks=str(rocks), **cells)
    assert not (tmp_path / "out").exists()
    with rasterio.open(given) as dem:
        place = {"crs": dem.crs, "transform": dem.transform * dem.transform.scale(0.25)}
        place |= {"width": dem.width * 4, "height": dem.height * 3}

    def segment(rock):
        named = np.zeros((place["height"], place["width"]), np.uint8)
        named[:, : rock * 8] = 2
        shares = np.where(named == np.arange(4)[:, None, None], 0.97, 0.01).astype(np.float32)
        for name, values in (("classes", named[None]), ("probabilities", shares)):
            more = {"count": len(values), "dtype": values.dtype, **place}
            with rasterio.open(rocks / f"{name}.tif", "w", driver="GTiff", **more) as target:
                target.write(values)

    segment(10)
    asked = cells | {"rocks": str(rocks), "rock_image": str(rocks / "classes.tif")}
    with pytest.raises(InputError, match=r"No criterion of 'mine' tells one.*--place cell"):
        screen(given, tmp_path / "out", **asked | {"place": "disc"})
    result = screen(given, tmp_path / "out", **asked)
    cells = gpd.read_parquet(tmp_path / "out" / "features.parquet")
    scores = pd.read_parquet(tmp_path / "out" / "scores.parquet")
    assert result["cells"] == len(cells) == 576
    assert result["unknown_cells"] == 144
    assert scores["score"].isna().equals(cells["rock_coverage_pct"].isna())
    rocky = cells["column"] < 10
    assert scores["score"][rocky].max() < 0.2
    assert scores["score"][~rocky].min() > 0.6
    assert (cells["shadow_coverage_pct"].dropna() == 100.0).all()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    roles = [(found["role"], found["name"]) for found in manifest["inputs"]]
    assert ("rocks", "probabilities.tif") in roles
    assert ("rock_image", "classes.tif") in roles
    assert screen(given, tmp_path / "out", **asked)["ran"] == []
    segment(5)
    again = screen(given, tmp_path / "out", **asked)["ran"]
    assert again == ["features", "train-scorer", "score", "report"]


def test_a_cancelled_screening_reports_how_it_resumes(given, tmp_path):
    context = Context()
    context.cancelled.set()
    stage = stages.load("screen")
    with pytest.raises(CancelledError, match="goes on after the last finished step"):
        stage.run({"dem": str(given), "out": str(tmp_path / "out"), "cell_m": 400.0}, context)


def test_files_of_the_wrong_type_leave_no_folder(given, finished, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("hello")
    earth = tmp_path / "earth.tif"
    size = {"width": 5, "height": 5, "count": 1, "dtype": "uint8"}
    where = {"crs": "EPSG:32633", "transform": from_origin(0.0, 0.0, 10.0, 10.0)}
    with rasterio.open(earth, "w", driver="GTiff", **size, **where) as target:
        target.write(np.ones((1, 5, 5), np.uint8))
    for name in ("psr", "regions", "scorer", "craters", "far_field", "dem"):
        value = [str(text)] if name == "far_field" else str(text)
        with pytest.raises(LunarSiteError, match=r"text.txt"):
            screen(**{"dem": given, "out": tmp_path / "out", name: value})
    with pytest.raises(CrsError, match="lies on the Earth"):
        screen(given, tmp_path / "out", psr=str(earth))
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="is written by this run itself"):
        screen(given, finished, psr=str(finished / "layers" / "psr.tif"))


def cli(*words, **options):
    return subprocess.run(
        [sys.executable, str(PROCESS), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        **options,
    )


def options_of(values):
    words = []
    for name, value in values.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def test_an_unchanged_run_imports_no_heavy_packages(given, run):
    code = (
        "import sys\nfrom pathlib import Path\nfrom lunarsite.engine.frontends import cli\n"
        "from lunarsite.engine.scoring import bundle\nbundle.FOLDER = Path('none')\n"
        "assert cli.main(sys.argv[1:]) == 0\n"
        "heavy = {'numba', 'xgboost', 'geopandas', 'scipy', 'matplotlib', 'pandas', 'woodelf'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    words = ["screen", *options_of(QUICK | {"dem": given, "out": run}), "--json"]
    found = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["ran"] == []


def killed_and_taken_up(given, finished, out, shares):
    values = QUICK | {"dem": str(given), "out": str(out)}
    for share in shares:
        found = cli(json.dumps(values), env=os.environ | {"KILL_AT": str(share)})
        assert found.returncode == -signal.SIGKILL, found.stderr
    screen(given, out)
    assert contents(out) == contents(finished)


def test_a_killed_run_resumes_to_the_same_bytes(given, finished, tmp_path):
    killed_and_taken_up(given, finished, tmp_path / "run", [0.685])


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.01, 0.09, 0.4, 0.69, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97])
def test_a_run_killed_at_any_time_resumes_to_the_same_bytes(given, finished, tmp_path, share):
    killed_and_taken_up(given, finished, tmp_path / "run", [share])


@pytest.mark.slow
def test_a_repeatedly_killed_run_resumes_to_the_same_bytes(given, finished, tmp_path):
    killed_and_taken_up(given, finished, tmp_path / "run", [0.05, 0.68, 0.72, 0.8, 0.9, 0.96])


@pytest.mark.slow
@pytest.mark.parametrize("size_kib", [400, 700])
def test_a_full_disk_leaves_no_incomplete_file_and_the_run_resumes(
    given, finished, tmp_path, size_kib
):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["/usr/bin/mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small tmpfs cannot be mounted here")
    try:
        out = small / "run"
        found = cli("screen", *options_of(QUICK | {"dem": given, "out": out}), "--json")
        assert found.returncode == 2, found.stderr
        error = json.loads(found.stdout)["error"]
        assert error["type"] == "OutputError"
        assert "is full" in error["problem"]
        assert not [p for p in out.rglob("*") if "partial" in p.name or "scratch" in p.name]
        for path in out.rglob("*.tif"):
            with rasterio.open(path) as source:
                source.read(1)
        subprocess.run(["/usr/bin/mount", "-o", "remount,size=64m", str(small)], check=True)
        screen(given, out)
        assert contents(out) == contents(finished)
    finally:
        subprocess.run(["/usr/bin/umount", str(small)], check=True)


def test_a_part_of_a_model_is_screened_and_resumed(tmp_path):
    dem, out = tmp_path / "dem.tif", tmp_path / "run"
    values = {"out": str(dem), "size_px": 120, "pixel_m": 200.0}
    stages.load("synthesize").run(values, Context(threads=1))
    first = screen(dem, out, aoi="0,-90,5")
    assert first["ran"][0] == "terrain"
    with rasterio.open(out / "layers" / "slope_deg.tif") as layer:
        assert layer.shape == (50, 50)
        edges = ",".join(f"{edge:.15g}" for edge in layer.bounds)
    told = json.loads((out / "manifest.json").read_text())
    assert told["parameters"]["aoi"] == edges
    assert [each["name"] for each in told["inputs"]] == ["dem.tif"]
    assert screen(dem, out, aoi="0,-90,5")["ran"] == []
    before = contents(out)
    assert screen(dem, out, aoi="0,-90,4.95")["ran"] == []  # the same pixels
    assert screen(dem, out, aoi="0,-90,6")["ran"][0] == "terrain"
    assert contents(out) != before
    # A pixel of the part changes the run; nothing else of the file needs to be read whole.
    with rasterio.open(dem, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as source:
        heights = source.read(1)
        heights[60, 60] += 30.0
        source.write(heights, 1)
    assert screen(dem, out, aoi="0,-90,6")["ran"][0] == "terrain"


def test_a_model_in_an_archive_is_screened_and_resumed(given, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(given, "s/dem.tif")
    name, out = f"/vsizip/{tmp_path / 'a.zip'}/s/dem.tif", tmp_path / "run"
    assert screen(name, out)["ran"][0] == "terrain"
    assert screen(name, out)["ran"] == []
    told = json.loads((out / "manifest.json").read_text())
    assert [each["name"] for each in told["inputs"]] == ["dem.tif"]
    assert told["parameters"]["dem"] == "dem.tif"
