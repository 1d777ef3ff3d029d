"""The stages score, train-scorer and explain, on a made feature table."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from lunarsite.engine import moon, stages
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.io import cog
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.provenance import sha256
from lunarsite.engine.report import facts
from lunarsite.engine.scoring import explanation, finished_run, profiles, tables
from lunarsite.engine.scoring.features import columns

DRAWS = 30


def run(name, context=None, **values):
    return stages.load(name).run(values, context or Context(threads=1))


def saved(table, folder):
    half = 200.0
    squares = shapely.box(
        table["x_m"] - half, table["y_m"] - half, table["x_m"] + half, table["y_m"] + half
    )
    frame = gpd.GeoDataFrame(table, geometry=squares, crs=moon.SOUTH_POLAR)
    tables.write_features(folder / "features.parquet", frame)
    return str(folder / "features.parquet")


@pytest.fixture(scope="module")
def cells(random_cells):
    table = random_cells()
    table.loc[[7, 8], "avg_illumination_pct"] = np.float32(np.nan)
    table.loc[9, "coverage_illumination_pct"] = np.float32(40.0)
    return table.drop(index=11).reset_index(drop=True)


@pytest.fixture(scope="module")
def scored(cells, tmp_path_factory):
    """Return a folder that explain takes for a finished run."""
    folder = tmp_path_factory.mktemp("scored")
    features = saved(cells, folder)
    scorer = str(folder / "scorer.ubj")
    run("train-scorer", features=features, out=scorer, draws=DRAWS, folds=2)
    context = Context(threads=1)
    result = run("score", context, features=features, scorer=scorer, out=str(folder), draws=DRAWS)
    assert [warning[:27] for warning in context.warnings] == ["3 cells have no score: a la"]
    assert (result["cells"], result["unknown_cells"]) == (599, 3)
    (folder / "manifest.json").write_text(json.dumps(manifest_of(folder)))
    return folder


def manifest_of(folder):
    outputs = {name: sha256(folder / name) for name in finished_run.TABLES}
    step = {"key": "", "outputs": outputs, "result": {}, "warnings": []}
    profile = profiles.load("cassa").as_dict()
    return {"finished": True, "profile": profile, "steps": {"score": step}}


def test_rasters_have_the_grid_of_the_cells(scored, cells):
    scores = pd.read_parquet(scored / "scores.parquet")
    for name in ("score", "rank", "probability"):
        with rasterio.open(scored / f"{name}.tif") as source:
            assert source.transform == from_origin(1000.0, 9000.0, 400.0, 400.0)
            values = source.read(1)
        assert values.shape == (24, 25)
        found = values[cells["row"], cells["column"]]
        np.testing.assert_array_equal(found, scores[name].to_numpy(np.float32))
        assert np.isnan(values[0, 11])
        assert np.isnan(values[0, 7])


def test_tables_contain_ranks_margins_and_the_least_coverage(scored, cells):
    scores = pd.read_parquet(scored / "scores.parquet")
    assert sorted(scores["rank"].dropna()) == list(range(1, 597))
    np.testing.assert_allclose(scores["margin_slope_mean_deg"], 5.0 - cells["slope_mean_deg"])
    assert scores["coverage_pct"].iloc[9] == 40.0
    assert scores["passes"].tolist() == profiles.load("cassa").passes(cells).tolist()
    shap = pd.read_parquet(scored / "shap.parquet")
    total = shap.iloc[:, 2:].sum(axis=1) + shap["base_log_odds"]
    known = scores["log_odds"].notna()
    np.testing.assert_allclose(total[known], scores["log_odds"][known], atol=1e-4)


def test_sites_have_reasons_and_margins(scored):
    sites = gpd.read_file(scored / "sites.gpkg", layer="sites")
    assert moon.is_south_polar(sites.crs)
    assert sites["site"].tolist() == list(range(1, len(sites) + 1))
    assert sites["rank"].iloc[0] == 1
    assert sites["score"].is_monotonic_decreasing
    assert {"margin_slope_mean_deg", "slope_mean_deg", "reason_3", "reason_3_points"} <= set(sites)
    titles = {feature.title for feature in columns.FEATURES}
    assert set(sites["reason_1"]) <= titles
    assert sites["reason_1_points"].abs().ge(sites["reason_2_points"].abs()).all()


def test_the_same_call_gives_the_same_bytes_and_no_paths(scored, tmp_path):
    features, scorer = str(scored / "features.parquet"), str(scored / "scorer.ubj")
    run("score", features=features, scorer=scorer, out=str(tmp_path), draws=DRAWS)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (scored / path.name).read_bytes(), path.name
    again = str(tmp_path / "again" / "scorer.ubj")
    run("train-scorer", features=features, out=again, draws=DRAWS, folds=2)
    for name in ("scorer.ubj", "scorer.json"):
        assert (tmp_path / "again" / name).read_bytes() == (scored / name).read_bytes()
    with rasterio.open(tmp_path / "score.tif") as source:
        assert "/" not in source.tags()["LUNARSITE"].replace("0-1/", "")


def test_the_path_of_a_custom_profile_is_not_in_the_rasters(scored, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("criteria: [{feature: slope_mean_deg, at_most: 5, softness: 1}]")
    features, scorer = str(scored / "features.parquet"), str(tmp_path / "mine.ubj")
    run("train-scorer", features=features, out=scorer, profile=str(mine), draws=DRAWS, folds=2)
    run("score", features=features, scorer=scorer, out=str(tmp_path), profile=str(mine), draws=20)
    with rasterio.open(tmp_path / "score.tif") as source:
        record = json.loads(source.tags()["LUNARSITE"])
    assert record["parameters"]["profile"]["criteria"][0]["threshold"] == 5.0
    assert str(tmp_path) not in json.dumps(record)


def test_unscorable_tables_are_refused_with_the_reason(scored, cells, tmp_path):
    features, scorer = str(scored / "features.parquet"), str(scored / "scorer.ubj")
    dark = saved(cells.assign(avg_illumination_pct=np.float32(np.nan)), tmp_path)
    with pytest.raises(InputError, match=r"avg_illumination_pct is missing everywhere"):
        run("score", features=dark, scorer=scorer, out=str(tmp_path / "out"))
    with pytest.raises(InputError, match="other criteria"):
        run("score", features=features, scorer=scorer, profile="hls", out=str(tmp_path / "out"))
    with pytest.raises(ParameterError, match=r"does not end in .ubj"):
        run("train-scorer", features=features, out=str(tmp_path / "out" / "x.json"))
    mine = tmp_path / "mine.yaml"
    mine.write_text("criteria: [{feature: relief_mean_m, at_most: 5, softness: 1}]")
    with pytest.raises(InputError, match=r"No trained scorer comes with LunarSite.*'mine'"):
        run("score", features=features, profile=str(mine), out=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def place(cells, index):
    return {"lon": float(cells["lon_deg"][index]), "lat": float(cells["lat_deg"][index])}


def test_explain_adds_up_and_is_complete(scored, cells):
    scores = pd.read_parquet(scored / "scores.parquet")
    for index in (0, 300, int(scores["rank"].idxmin())):
        answer = run("explain", run=str(scored), **place(cells, index))
        total = answer["base_value"] + sum(c["contribution"] for c in answer["contributions"])
        assert total == pytest.approx(answer["score"], abs=1e-6)
        assert answer["score"] == pytest.approx(scores["score"][index])
        assert answer["rank"] == scores["rank"][index]
        assert answer["interval"] == [scores["rank_low"][index], scores["rank_high"][index]]
        assert answer["percentile"] == pytest.approx(100 * (597 - answer["rank"]) / 596)
        assert answer["cell"]["cell_id"] == cells["cell_id"][index]
        assert {m["feature"] for m in answer["margins"]} == {
            "slope_mean_deg",
            "avg_illumination_pct",
            "earth_visibility_pct",
        }
        assert set(answer["coverage"]) == set(columns.SOURCES)
        assert answer["to_pass"]["passes"] == bool(scores["passes"][index])
        json.dumps(answer, allow_nan=False)


def test_explain_repeats_what_the_run_warned_of(scored, cells, tmp_path):
    run_folder = shutil.copytree(scored, tmp_path / "run")
    manifest = json.loads((run_folder / "manifest.json").read_text())
    manifest["warnings"] = ["The DEM is in feet."]
    (run_folder / "manifest.json").write_text(json.dumps(manifest))
    context = Context(threads=1)
    place = {"lon": float(cells["lon_deg"].iloc[5]), "lat": float(cells["lat_deg"].iloc[5])}
    run("explain", context, run=str(run_folder), **place)
    assert context.warnings == ["The DEM is in feet."]


def test_explain_of_an_unknown_cell_has_no_score(scored, cells):
    answer = run("explain", run=str(scored), **place(cells, 7))
    assert answer["score"] is answer["rank"] is answer["interval"] is None
    assert answer["contributions"] == []
    assert answer["to_pass"]["passes"] is False
    needed = {change["feature"]: change["needed"] for change in answer["to_pass"]["changes"]}
    assert needed["avg_illumination_pct"] == 33.0


def test_a_cell_without_a_score_does_not_pass(scored, cells):
    index = int(np.flatnonzero(cells["coverage_illumination_pct"] < 50.0)[0])
    profile = profiles.load("cassa")
    limits = tuple(
        replace(c, threshold=90.0 if c.sense == "at_most" else 0.0) for c in profile.criteria
    )
    easy = profile.with_criteria(limits)
    passing = explanation.Passing.of(easy, cells)
    assert not explanation.to_pass(easy, cells, index, passing)["passes"]
    near = explanation.to_pass(easy, cells, index, passing)["nearest_passing"]
    assert near["cell_id"] != cells["cell_id"][index]
    assert explanation.to_pass(easy, cells, index + 1, passing)["passes"]
    answer = run("explain", run=str(scored), **place(cells, index))
    assert not answer["to_pass"]["passes"]


def test_of_two_limits_on_a_feature_the_nearer_decides(cells, tmp_path):
    path = tmp_path / "band.yaml"
    path.write_text(
        "criteria:\n"
        "  - {feature: elevation_mean_m, at_least: 40, softness: 5}\n"
        "  - {feature: elevation_mean_m, at_most: 60, softness: 5}\n"
        "  - {feature: slope_mean_deg, at_most: 8, softness: 1}\n"
    )
    features, scorer = saved(cells, tmp_path), str(tmp_path / "band.ubj")
    more = {"profile": str(path), "draws": DRAWS}
    run("train-scorer", features=features, out=scorer, folds=2, **more)
    run("score", features=features, scorer=scorer, out=str(tmp_path), **more)
    table = tables.read_table(tmp_path / "scores.parquet", "x")
    height = cells["elevation_mean_m"].to_numpy(np.float64)
    expected = np.minimum(height - 40.0, 60.0 - height)
    np.testing.assert_allclose(table["margin_elevation_mean_m"], expected)
    holds = (table["margin_elevation_mean_m"] >= 0) & (table["margin_slope_mean_deg"] >= 0)
    assert holds.equals(table["passes"])
    assert 0 < holds.sum() < len(holds)
    sites = gpd.read_file(tmp_path / "sites.gpkg")
    profile = profiles.load(str(path))
    for row in facts.site_rows(sites, profile, 20):
        low, high = row["criteria"][:2]
        assert low["margin"] == pytest.approx(row["elevation_mean_m"] - 40.0)
        assert high["margin"] == pytest.approx(60.0 - row["elevation_mean_m"])


def test_explain_outside_and_in_a_gap(scored):
    with pytest.raises(InputError, match=r"There is no cell at 200°, -85°.*no data"):
        run("explain", run=str(scored), lon=200.0, lat=-85.0)
    lon, lat = moon.xy_to_lonlat(1000.0 + 11.5 * 400.0, 8800.0)
    with pytest.raises(InputError, match="There is no cell at"):
        run("explain", run=str(scored), lon=float(lon), lat=float(lat))


def test_explain_needs_a_finished_run(scored, tmp_path):
    with pytest.raises(InputError, match=r"no manifest.json.*lunarsite screen"):
        run("explain", run=str(tmp_path), lon=0.0, lat=-89.0)
    manifest = json.loads((scored / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"finished": False}))
    with pytest.raises(InputError, match="is not finished"):
        run("explain", run=str(tmp_path), lon=0.0, lat=-89.0)
    for name in ("features", "scores", "shap"):
        (tmp_path / f"{name}.parquet").write_bytes((scored / f"{name}.parquet").read_bytes())
    tables.write_table(tmp_path / "scores.parquet", pd.read_parquet(scored / "scores.parquet")[1:])
    (tmp_path / "manifest.json").write_text(json.dumps(manifest_of(tmp_path)))
    with pytest.raises(InputError, match="do not belong together"):
        run("explain", run=str(tmp_path), lon=0.0, lat=-89.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "it has no 'finished'"),
        ("", "Expecting value"),
        ("[]", "list indices"),
        ("[" * 100_000, "recursion"),
        ('{"finished": true}', "it has no 'profile'"),
        ('{"finished": true, "profile": 3}', "not subscriptable"),
        ('{"finished": true, "profile": {"name": 1}}', "it has no 'title'"),
        (b"\xff\xfe", "codec"),
    ],
)
def test_explain_says_what_is_wrong_with_a_manifest(tmp_path, text, reason):
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=rf"damaged, or of another program: .*{reason}") as caught:
        run("explain", run=str(tmp_path), lon=0.0, lat=-89.0)
    assert "Run lunarsite screen again" in caught.value.remedy


@pytest.mark.parametrize("steps", [3, [], {"score": 3}, {"score": {"outputs": ["shap.parquet"]}}])
def test_explain_says_that_a_manifest_names_no_steps(scored, tmp_path, steps):
    (tmp_path / "manifest.json").write_text(json.dumps(manifest_of(scored) | {"steps": steps}))
    with pytest.raises(InputError, match="damaged, or of another program"):
        run("explain", run=str(tmp_path), lon=0.0, lat=-89.0)


def test_explain_names_the_table_that_is_not_the_run_s(scored, cells, tmp_path):
    folder = shutil.copytree(scored, tmp_path / "run")
    answer = run("explain", run=str(folder), **place(cells, 0))
    table = folder / "shap.parquet"
    whole = table.read_bytes()
    table.write_bytes(whole[:-900] + bytes([whole[-900] ^ 4]) + whole[-899:])
    with pytest.raises(InputError, match=r"shap\.parquet is not what the run has written"):
        run("explain", run=str(folder), **place(cells, 0))
    table.unlink()
    with pytest.raises(InputError, match=r"shap\.parquet is missing"):
        run("explain", run=str(folder), **place(cells, 0))
    (tmp_path / "elsewhere").write_bytes(whole)
    table.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"is a link to .*elsewhere, outside the run"):
        run("explain", run=str(folder), **place(cells, 0))
    table.unlink()
    table.write_bytes(whole)
    assert run("explain", run=str(folder), **place(cells, 0)) == answer
    manifest = manifest_of(folder)
    del manifest["steps"]["score"]["outputs"]["scores.parquet"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"does not name scores\.parquet"):
        run("explain", run=str(folder), **place(cells, 0))


def test_explain_of_an_earlier_layout_asks_for_the_screening(scored, cells, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(scored, folder)
    saved(cells.drop(columns="cell_x_m"), folder)
    (folder / "manifest.json").write_text(json.dumps(manifest_of(folder)))
    with pytest.raises(InputError, match=r"lacks the columns cell_x_m.*lunarsite screen again"):
        run("explain", run=str(folder), **place(cells, 0))


def test_an_open_run_is_cached_until_its_manifest_changes(scored, cells, monkeypatch):
    context = Context(threads=1)
    first = run("explain", context, run=str(scored), **place(cells, 0))
    (held,) = context.warm.values()
    with monkeypatch.context() as patch:
        patch.setattr(tables, "read_table", lambda *_, **__: pytest.fail("read again"))
        assert run("explain", context, run=str(scored), **place(cells, 0)) == first
    assert next(iter(context.warm.values())) is held
    status = (scored / "manifest.json").stat()
    os.utime(scored / "manifest.json", ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    run("explain", context, run=str(scored), **place(cells, 0))
    assert next(iter(context.warm.values())) is not held
    context.warm |= {("run", str(n)): (0, None) for n in range(5)}
    context.warm.pop(("run", str(scored)))
    run("explain", context, run=str(scored), **place(cells, 0))
    assert len(context.warm) == 3


def test_the_worker_reads_a_run_once(scored, cells):
    once = (
        "from lunarsite.engine.frontends import worker\n"
        "from lunarsite.engine.scoring import finished_run\n"
        "readings = iter([finished_run._read])\n"
        "finished_run._read = lambda *files: next(readings)(*files)\n"
        "worker.serve()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", once],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        answers = []
        for number in (1, 2):
            params = {"run": str(scored), **place(cells, 0)}
            line = json.dumps({"id": number, "method": "explain", "params": params})
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            while "result" not in (reply := json.loads(process.stdout.readline())):
                assert "error" not in reply
            answers.append(reply["result"])
        process.stdin.close()
    assert answers[0] == answers[1]


def cli(*words):
    command = "from lunarsite.engine.frontends.cli import main; raise SystemExit(main())"
    found = subprocess.run(
        [sys.executable, "-c", command, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return found.returncode, found.stdout, found.stderr


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """Return rasters that must be refused, and the message for each."""
    folder = tmp_path_factory.mktemp("bad")
    heights = np.random.default_rng(1).normal(0.0, 300.0, (20, 20)).astype(np.float32)

    def write(name, values, crs=moon.SOUTH_POLAR, transform=None, **options):
        shape = {"width": values.shape[1], "height": values.shape[0], "count": 1}
        shape |= {"dtype": values.dtype, "crs": crs}
        shape["transform"] = transform or from_origin(0.0, 4000.0, 200.0, 200.0)
        with rasterio.open(folder / name, "w", driver="GTiff", **shape, **options) as target:
            target.write(values, 1)
        return folder / name

    found = {
        "no_crs": (write("no_crs.tif", heights, crs=None), "no coordinate system"),
        "earth": (write("earth.tif", heights, crs="EPSG:3031"), "WGS 84 / Antarctic Polar"),
        "degrees": (
            write("deg.tif", heights, moon.GEOGRAPHIC, from_origin(0, -85, 0.01, 0.01)),
            "in degrees",
        ),
        "km": (write("km.tif", heights / 1000), "plausible in kilometres"),
        "empty": (write("empty.tif", np.full_like(heights, -9999), nodata=-9999), "no data"),
        "nan": (write("nan.tif", np.full_like(heights, np.nan)), "no data"),
        "lowest": (write("lowest.tif", np.full_like(heights, -3.4e38)), "no data"),
        "tiny": (write("tiny.tif", heights[:2, :2]), "2 × 2 pixels"),
        "none": (folder / "none.tif", "none.tif"),
    }
    whole = write("cut.tif", heights)
    whole.write_bytes(whole.read_bytes()[:900])
    return found | {"cut": (whole, "cut.tif")}


@pytest.mark.parametrize(
    "case", ["no_crs", "earth", "degrees", "km", "empty", "nan", "lowest", "tiny", "none", "cut"]
)
def test_an_invalid_dem_is_refused_by_every_stage(bad, case, tmp_path):
    dem, message = bad[case]
    (tmp_path / "layers").mkdir()
    for stage in ("screen", "lighting", "features"):
        out = tmp_path / ("features.parquet" if stage == "features" else stage)
        values = {"dem": str(dem), "out": str(out)}
        if stage == "features":
            values |= {"layers": str(tmp_path / "layers"), "place": "cell"}
        with pytest.raises(InputError, match=message):
            run(stage, **values)
        left = list(out.rglob("*")) if out.is_dir() else []
        assert not [p for p in left if p.is_file()], stage
        assert not out.is_file()


def test_the_command_prints_one_line_and_exits_with_2(bad, tmp_path):
    dem, _ = bad["km"]
    for stage in ("screen", "lighting"):
        code, out, err = cli(stage, "--dem", dem, "--out", tmp_path / "out", "--json")
        assert code == 2
        assert json.loads(out)["error"]["type"] == "InputError"
        assert err.count("gdal_translate -a_scale 1000") == 1
        assert "Traceback" not in err
    code, _, err = cli("score", "--features", dem, "--out", tmp_path / "out", "--quiet")
    assert code == 2
    assert err.startswith("lunarsite score: The feature table")
    code, _, err = cli("scren", "--dem", dem)
    assert (code, "'screen'" in err) == (2, True)


def test_a_far_field_that_is_too_small_gives_a_warning(tmp_path):
    near, far = Grid(0.0, 8000.0, 400.0, 20, 20), Grid(0.0, 120_000.0, 4000.0, 30, 30)
    random = np.random.default_rng(1)
    for name, grid in (("near", near), ("far", far)):
        heights = random.normal(0.0, 200.0, grid.shape).astype(np.float32)
        cog.write_raster(tmp_path / f"{name}.tif", heights, grid, description="x", unit="m")
    context = Context(threads=1)
    values = {"dem": str(tmp_path / "near.tif"), "far_field": [str(tmp_path / "far.tif")]}
    values |= {"azimuths": 36, "stop": "2027-03-01", "step_hours": 24.0}
    values["builtin_far_field"] = False
    run("lighting", context, out=str(tmp_path / "layers"), **values)
    assert any("horizon_coverage_pct.tif shows" in warning for warning in context.warnings)
    with rasterio.open(tmp_path / "layers" / "horizon_coverage_pct.tif") as source:
        covered = source.read(1)
    assert 0.0 < covered.min() <= covered.max() < 99.5


def test_every_table_and_layer_has_its_provenance(scored) -> None:
    for name in ("scores.parquet", "shap.parquet"):
        told = json.loads(pq.read_schema(scored / name).metadata[b"LUNARSITE"])
        assert told["stage"] == "score"
        assert len(told["inputs"][0]["sha256"]) == 64
    info = pyogrio.read_info(scored / "sites.gpkg", layer="sites")
    assert json.loads(info["layer_metadata"]["LUNARSITE"])["stage"] == "score"


def points_at(path, scored, extra=()):
    table = scored_cells(scored)
    places = [*table[["x_m", "y_m"]].to_numpy()[:3], *extra]
    frame = gpd.GeoDataFrame(
        {"Name": [f"P{k}" for k in range(len(places))]},
        geometry=[shapely.Point(*place) for place in places],
        crs=moon.SOUTH_POLAR,
    )
    frame.to_file(path)
    return str(path)


def scored_cells(scored):
    """Return the scores with their places."""
    places = tables.read_features(scored / "features.parquet")[["cell_id", "x_m", "y_m"]]
    return tables.read_table(scored / "scores.parquet", "scores").merge(places, on="cell_id")


def test_points_have_the_scores_of_their_cells(scored, tmp_path):
    table = scored_cells(scored)
    unknown = table.loc[table["score"].isna(), ["x_m", "y_m"]].to_numpy()[0]
    context = Context(threads=1)
    points = points_at(tmp_path / "p.gpkg", scored, extra=[(-5e5, -5e5), unknown])
    result = run(
        "score-points", context, run=str(scored), points=points, out=str(tmp_path / "o.gpkg")
    )
    assert result["scored"] == 3
    assert context.warnings == ["2 of 5 points have no score: see the column state."]
    found = gpd.read_file(tmp_path / "o.gpkg")
    assert found["name"].tolist() == ["P0", "P1", "P2", "P3", "P4"]
    assert found["state"].tolist() == ["scored"] * 3 + ["outside", "no score"]
    assert found["score"].isna().tolist() == [False] * 3 + [True] * 2
    for row in found.iloc[:3].to_dict("records"):
        answer = run("explain", run=str(scored), lon=row["lon_deg"], lat=row["lat_deg"])
        assert row["score"] == pytest.approx(answer["score"])
        assert [row["rank_low"], row["rank_high"]] == answer["interval"]
        assert row["reason_1"] == answer["contributions"][0]["title"]
        assert row["reason_1_points"] == pytest.approx(answer["contributions"][0]["contribution"])
        for margin in answer["margins"]:
            assert row[f"margin_{margin['feature']}"] == pytest.approx(margin["margin"])
        assert row["passes"] == answer["to_pass"]["passes"]


def test_points_from_a_table_of_degrees(scored, tmp_path):
    table = scored_cells(scored)
    lon, lat = moon.xy_to_lonlat(table["x_m"].to_numpy()[:2], table["y_m"].to_numpy()[:2])
    path = tmp_path / "p.csv"
    pd.DataFrame({"lon_deg": lon, "lat_deg": lat}).to_csv(path, index=False)
    run("score-points", run=str(scored), points=str(path), out=str(tmp_path / "o.gpkg"))
    found = gpd.read_file(tmp_path / "o.gpkg")
    assert found["cell_id"].tolist() == table["cell_id"].tolist()[:2]
    assert found["name"].tolist() == ["point 1", "point 2"]


def test_points_of_a_named_layer_are_scored_and_an_unnamed_one_is_asked_for(scored, tmp_path):
    path = points_at(tmp_path / "p.gpkg", scored, extra=[])
    points = gpd.read_file(path)
    both = tmp_path / "both.gpkg"
    points.iloc[:1].to_file(both, layer="way/points")
    points.iloc[1:].to_file(both, layer="candidates")
    out = str(tmp_path / "o.gpkg")
    with pytest.raises(InputError, match="several layers: way/points, candidates") as caught:
        run("score-points", run=str(scored), points=str(both), out=out)
    named = shlex.split(caught.value.remedy)[-1]
    assert named == f"{both}|layername=way/points"
    assert run("score-points", run=str(scored), points=named, out=out)["points"] == 1
    record = json.loads(pyogrio.read_info(out)["layer_metadata"]["LUNARSITE"])
    assert record["inputs"][0]["name"] == "both.gpkg|layername=way/points"
    with pytest.raises(ParameterError, match="overwrite an input of --points"):
        run("score-points", run=str(scored), points=named, out=str(both))


def test_points_outside_the_run_are_refused(scored, tmp_path):
    points = tmp_path / "p.csv"
    for place, message in (
        ("10,-75", "None of the 1 points is in a cell"),
        ("-89.5,10", "has longitude and latitude swapped"),
        ("10,89.5", "lies in the north"),
        ("-4400,-8010", "its lon_deg lies between -4,400.00 and -4,400.00"),
    ):
        points.write_text(f"lon_deg,lat_deg\n{place}\n")
        with pytest.raises(InputError, match=message):
            run("score-points", run=str(scored), points=str(points), out=str(tmp_path / "o.gpkg"))
    assert not (tmp_path / "o.gpkg").exists()


def test_a_scoring_compared_with_itself_does_not_differ(scored, tmp_path):
    result = run("compare", first=str(scored), second=str(scored), best=20, out=str(tmp_path))
    assert result["spearman"] == 1.0
    assert result["shared_best"] == 20
    with rasterio.open(tmp_path / "rank_change.tif") as source:
        change = source.read(1)
    assert np.nanmax(np.abs(change)) == 0.0
    best = gpd.read_file(tmp_path / "comparison.gpkg")
    assert set(best["best_of"]) == {"both"}
    assert not best["differ"].any()


def test_ranks_are_compared_cell_by_cell(scored, tmp_path):
    table = scored_cells(scored)
    hls = tmp_path / "hls"
    run(
        "score", features=str(scored / "features.parquet"), profile="hls", out=str(hls), draws=DRAWS
    )
    result = run("compare", first=str(scored), second=str(hls), best=20, out=str(tmp_path))
    other = tables.read_table(hls / "scores.parquet", "scores")
    known = table["rank"].notna() & other["rank"].notna()
    assert result["spearman"] == pytest.approx(
        np.corrcoef(table.loc[known, "rank"], other.loc[known, "rank"])[0, 1], abs=1e-4
    )
    best = gpd.read_file(tmp_path / "comparison.gpkg")
    with rasterio.open(tmp_path / "rank_change.tif") as source:
        sampled = [
            value[0] for value in source.sample(zip(best.geometry.x, best.geometry.y, strict=True))
        ]
    np.testing.assert_allclose(sampled, best["rank_change"])
    assert set(best.loc[best["rank_first"] <= 20, "best_of"]) <= {"both", "first"}
    apart = (best["rank_low_first"] > best["rank_high_second"]) | (
        best["rank_low_second"] > best["rank_high_first"]
    )
    assert best["differ"].astype(bool).tolist() == apart.tolist()


def test_scorings_of_different_cells_are_refused(scored, random_cells, tmp_path):
    features = saved(random_cells(rows=10, across=10), tmp_path)
    run("score", features=features, profile="hls", out=str(tmp_path / "other"), draws=DRAWS)
    with pytest.raises(InputError, match="do not score the same cells"):
        run("compare", first=str(scored), second=str(tmp_path / "other"), out=str(tmp_path / "o"))
    assert not (tmp_path / "o").exists()


def test_swapped_longitude_and_latitude_are_suspected(scored):
    place = scored_cells(scored).iloc[0]
    lon, lat = (float(value) for value in moon.xy_to_lonlat(place["x_m"], place["y_m"]))
    with pytest.raises(InputError, match="There is no cell") as caught:
        run("explain", run=str(scored), lon=lat, lat=lon)
    assert "swapped" in caught.value.remedy
    with pytest.raises(InputError, match="There is no cell") as caught:
        run("explain", run=str(scored), lon=120.0, lat=-80.0)
    assert "swapped" not in caught.value.remedy
