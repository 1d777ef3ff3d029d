"""The stages train-craters and detect-craters with a network."""

from __future__ import annotations

import importlib.util
import json
import stat

import geopandas as gpd
import numpy as np
import onnxruntime
import pyogrio
import pytest
import rasterio

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.craters import detections
from lunarsite.engine.craters.model import weights
from lunarsite.engine.craters.model.architecture import Architecture
from lunarsite.engine.craters.training import calibration
from lunarsite.engine.errors import (
    CancelledError,
    InputError,
    MissingDependencyError,
    ParameterError,
)
from lunarsite.engine.io import cog
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.stages import detect_craters, train_craters
from lunarsite.engine.synthetic.crater_tiles import tiles
from lunarsite.engine.training import checkpoint_files

RECIPE = """
widths: [8, 8, 8, 8, 8]
tiles: 4
tile_px: 128
crop_px: 64
validation_tiles: 2
steps: 3
batch: 2
validate_every: 3
"""


def write_dem(path, height, pixel_m=100.0):
    grid = Grid(-9_000.0, 12_000.0, pixel_m, height.shape[1], height.shape[0])
    cog.write_raster(path, height, grid, description="height", unit="m")
    return path


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="networks need the ml group")


@pytest.fixture(scope="module")
def dem(tmp_path_factory):
    made = tiles.make(5, 300, pixel_m=100.0)
    return write_dem(tmp_path_factory.mktemp("dem") / "dem.tif", made.height_m[:280])


@pytest.fixture(scope="module")
def trained(torch, tmp_path_factory):
    assert torch.__version__
    folder = tmp_path_factory.mktemp("training")
    (folder / "small.yaml").write_text(RECIPE, encoding="utf-8")
    out = folder / "small.safetensors"
    given = {"out": str(out), "recipe": str(folder / "small.yaml"), "frames": 2, "seed": 3}
    return given, train_craters.STAGE.run(given, Context(threads=2)), out


@pytest.fixture(scope="module")
def hot(hot_weights, tmp_path_factory):
    """Return a checkpoint whose network detects craters everywhere."""
    path = tmp_path_factory.mktemp("hot") / "hot.safetensors"
    architecture = Architecture(widths=(8, 8, 8, 8, 8))
    fitted = calibration.Calibration(0.0, 1.0, 0.0, 0.0, threshold=0.3)
    card = {"architecture": architecture.as_dict(), "calibration": fitted.as_dict()}
    checkpoint_files.save(path, hot_weights(architecture), card)
    return path


def test_training_writes_weights_a_card_and_their_checksums(trained):
    _, result, out = trained
    assert result["outputs"] == {"checkpoint": str(out), "card": str(out.with_suffix(".json"))}
    files = {path.name for path in out.parent.iterdir()}
    assert files == {"small.yaml", "small.safetensors", "small.json", "small.sha256"}
    card = weights.load(out).card
    assert card["steps"] == 3
    assert card["seed"] == 3
    assert card["recipe"]["tiles"] == 4
    assert card["licence"].startswith("CC0")
    assert card["device"]["kind"] == "cpu"
    assert set(card["calibration"]) == {"constant", "best", "mean", "size", "threshold"}
    assert 0.0 <= card["metrics"]["f1"] <= 1.0


def test_the_summary_of_a_training_names_files_and_metrics(trained):
    _, result, out = trained
    reached, calibrated, files = result["summary"]
    assert "calibrated on generated terrain alone" in calibrated
    assert f"F1 {result['metrics']['f1']:.2f} on 1 held-out generated frames" in reached
    for name in ("three files", str(out), "small.json", "small.sha256"):
        assert name in files
    modes = {stat.S_IMODE(out.with_suffix(e).stat().st_mode) for e in (".safetensors", ".json")}
    assert len(modes) == 1


def test_a_cancelled_training_says_where_the_same_command_resumes(trained, tmp_path):
    given, _, _ = trained
    given = {**given, "out": str(tmp_path / "net.safetensors"), "steps": 6}

    def cancelled_at(words):
        context = Context(threads=2)

        def report(_fraction, message):
            if message.startswith(words):
                context.cancelled.set()

        context.report = report
        with pytest.raises(CancelledError) as caught:
            train_craters.STAGE.run(given, context)
        return caught.value.remedy

    assert "the same command starts from the beginning" in cancelled_at("Step 1 ")
    assert list(tmp_path.iterdir()) == []
    assert "resumes at step 3" in cancelled_at("Step 4 ")
    assert cancelled_at("Step 3 ").endswith("resumes at step 3")


def test_a_network_of_random_weights_yields_a_complete_catalogue(hot, dem, tmp_path):
    out = tmp_path / "found.gpkg"
    given = {"dem": str(dem), "out": str(out), "checkpoint": str(hot)}
    result = detect_craters.STAGE.run({**given, "min_confidence": 0.0}, Context(threads=2))
    points = gpd.read_file(out, layer="craters")
    circles = gpd.read_file(out, layer="circles")
    assert result["craters"] == len(points) == len(circles) > 0
    assert result["min_diameter_m"] == 1000.0
    names = ["lon_deg", "lat_deg", "x_m", "y_m", "diameter_m", "depth_m", "confidence"]
    assert list(points.columns[:7]) == names
    names = ["rim_height_m", "diameter_error_m", "depth_error_m", "cut_by_edge"]
    assert list(points.columns[7:11]) == names
    # The hot checkpoint has no curves of errors on its card.
    assert points["diameter_error_m"].isna().all()
    assert points["cut_by_edge"].sum() == result["cut_by_edge"] > 0
    near = (points["x_m"] - 21_000.0).abs() < 0.45 * points["diameter_m"]
    assert points.loc[near, "cut_by_edge"].all()
    assert (points["diameter_m"] >= 1000.0).all()
    assert (np.diff(points["confidence"]) <= 0.0).all()
    _, lat = moon.xy_to_lonlat(points["x_m"], points["y_m"])
    np.testing.assert_allclose(points["lat_deg"], lat)
    np.testing.assert_allclose(points.geometry.x, points["x_m"])
    wide = points["diameter_m"] * moon.map_scale(points["x_m"], points["y_m"])
    np.testing.assert_allclose(circles.area, np.pi * (wide / 2.0) ** 2, rtol=5e-3)
    with rasterio.open(out.with_suffix(".rims.tif")) as rims:
        assert rims.shape == (140, 150)
        assert rims.nodata == 255
        assert rims.transform.a == 200.0
        assert rims.read(1).max() <= 250


def test_the_output_bytes_do_not_depend_on_threads(hot, dem, tmp_path):
    given = {"dem": str(dem), "checkpoint": str(hot), "min_confidence": 0.0}
    written = []
    for name, context in (
        ("one.gpkg", Context(threads=1)),
        ("two.gpkg", Context(threads=3, memory_limit_bytes=10**5)),
    ):
        detect_craters.STAGE.run({**given, "out": str(tmp_path / name)}, context)
        written.append((tmp_path / name).with_suffix(".rims.tif").read_bytes())
        written.append(gpd.read_file(tmp_path / name, layer="craters"))
    assert written[0] == written[2]
    assert written[1].equals(written[3])


def test_the_catalogue_carries_its_provenance(hot, dem, tmp_path):
    out = tmp_path / "found.gpkg"
    given = {"dem": str(dem), "out": str(out), "checkpoint": str(hot)}
    detect_craters.STAGE.run(given, Context(threads=2))
    tags = pyogrio.read_info(out, layer="craters")["layer_metadata"]
    record = json.loads(tags["LUNARSITE"])
    assert record["versions"]["onnxruntime"] == onnxruntime.__version__
    assert [file["name"] for file in record["inputs"]] == ["dem.tif", "hot.safetensors"]
    # The rims of the same run give the extent of the search.
    west, south, east, north = detections.read(out, Context()).frame
    assert west <= -9_000.0 < 21_000.0 <= east
    assert south <= -16_000.0 < 12_000.0 <= north


def test_the_threshold_is_chosen_by_a_search_upside_down_and_recorded(dem, tmp_path):
    out = tmp_path / "found.gpkg"
    given = {"dem": str(dem), "out": str(out), "min_diameter_m": 800.0}
    result = detect_craters.STAGE.run({**given, "precision": 0.5}, Context(threads=2))
    held = result["estimated_precision"]
    assert result["threshold_from"] == "this elevation model"
    assert held["precision"] >= 0.5
    assert held["interval"][0] <= held["precision"] <= held["interval"][1]
    assert held["detections"] == result["craters"] >= 15
    assert held["threshold"] == result["min_confidence"]
    assert "in the ground upside down" in " ".join(result["summary"])
    tags = pyogrio.read_info(out, layer="craters")["layer_metadata"]
    record = json.loads(tags["LUNARSITE"])
    assert record["threshold"]["estimated_precision"] == held
    assert record["parameters"]["min_confidence"] == result["min_confidence"]
    points = gpd.read_file(out, layer="craters")
    # With the same threshold given, one search finds the same.
    again = detect_craters.STAGE.run(
        {**given, "min_confidence": result["min_confidence"]}, Context(threads=2)
    )
    assert again["threshold_from"] == "--min-confidence"
    assert again["estimated_precision"] is None
    assert gpd.read_file(out, layer="craters").equals(points)


def test_a_network_without_calibration_on_real_ground_is_warned_of(hot, dem, tmp_path):
    out = tmp_path / "found.gpkg"
    given = {"dem": str(dem), "out": str(out), "checkpoint": str(hot), "min_confidence": 0.5}
    context = Context(threads=2)
    result = detect_craters.STAGE.run(given, context)
    assert result["calibrated_on"] == "generated frames alone"
    (warned,) = (line for line in context.warnings if "calibrated on generated terrain" in line)
    assert "hot.safetensors" in warned
    assert "--recipe mixed" in warned
    tags = pyogrio.read_info(out, layer="craters")["layer_metadata"]
    assert json.loads(tags["LUNARSITE"])["calibrated_on"] == "generated frames alone"


def test_a_precision_that_nothing_reaches_takes_the_threshold_of_the_calibration(
    hot, dem, tmp_path
):
    given = {"dem": str(dem), "out": str(tmp_path / "a.gpkg"), "checkpoint": str(hot)}
    context = Context(threads=2)
    result = detect_craters.STAGE.run({**given, "precision": 0.99}, context)
    assert result["threshold_from"] == "the calibration"
    assert result["min_confidence"] == 0.3
    assert any("no threshold reaches an estimated precision of 0.99" in w for w in context.warnings)


def test_two_searches_take_twice_as_long(hot, tmp_path):
    dem = write_dem(tmp_path / "dem.tif", np.zeros((2000, 2000), np.float32))
    given = {"dem": str(dem), "out": str(tmp_path / "a.gpkg"), "checkpoint": str(hot)}
    twice, once = (
        detect_craters.STAGE.estimate({**given, "min_confidence": least}, Context(threads=1))
        for least in (None, 0.5)
    )
    assert twice.seconds - once.seconds == pytest.approx(6.5e-6 * 4e6)


def test_least_confidence_and_diameter_are_applied(hot, dem, tmp_path):
    given = {"dem": str(dem), "checkpoint": str(hot), "out": str(tmp_path / "a.gpkg")}
    detect_craters.STAGE.run(
        {**given, "min_confidence": 0.0, "min_diameter_m": 3000.0}, Context(threads=2)
    )
    assert (gpd.read_file(given["out"], layer="craters")["diameter_m"] >= 3000.0).all()
    result = detect_craters.STAGE.run({**given, "min_confidence": 1.0}, Context(threads=2))
    assert result["craters"] == 0
    assert len(gpd.read_file(given["out"], layer="craters")) == 0


def test_a_dem_that_is_too_coarse_or_empty_is_refused(hot, tmp_path):
    given = {"checkpoint": str(hot), "out": str(tmp_path / "a.gpkg")}
    flat = np.zeros((20, 20), np.float32)
    flat[3:6] = 900.0
    coarse = write_dem(tmp_path / "coarse.tif", flat, 25_000.0)
    with pytest.raises(InputError, match="pixels of 25,000 m") as caught:
        detect_craters.STAGE.run({**given, "dem": str(coarse)}, Context())
    assert "20,000 m" in str(caught.value)
    empty = write_dem(tmp_path / "empty.tif", np.full((40, 40), np.nan, np.float32))
    with pytest.raises(InputError, match="every pixel is nodata"):
        detect_craters.STAGE.run({**given, "dem": str(empty)}, Context())
    assert not (tmp_path / "a.gpkg").exists()


def test_weights_without_a_calibration_are_refused(hot, dem, tmp_path):
    loaded = weights.load(hot)
    bare = tmp_path / "bare.safetensors"
    card = {"architecture": loaded.card["architecture"]}
    checkpoint_files.save(bare, loaded.state, card)
    with pytest.raises(InputError, match="no calibration"):
        detect_craters.STAGE.run(
            {"dem": str(dem), "out": str(tmp_path / "a.gpkg"), "checkpoint": str(bare)}, Context()
        )


@pytest.mark.usefixtures("torch")
def test_another_suffix_of_the_checkpoint_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="does not end in"):
        train_craters.STAGE.run({"out": str(tmp_path / "net.pt")}, Context())


def test_a_missing_torch_is_reported(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "torch" else found(name)
    )
    with pytest.raises(MissingDependencyError, match="needs torch") as caught:
        train_craters.STAGE.run({"out": str(tmp_path / "a.safetensors")}, Context())
    assert "ml group" in caught.value.remedy
    rims = tmp_path / "rims.safetensors"
    checkpoint_files.save(rims, {}, {"architecture": {"name": "rims-resnet34", "widths": []}})
    with pytest.raises(MissingDependencyError, match="needs torch"):
        weights.load(rims).runner()


def test_the_network_that_ships_has_its_metrics_and_licence():
    card = weights.load(weights.BUNDLED).card
    assert card["metrics"]["gate"] == "strict"
    assert card["metrics"]["f1"] >= 0.85
    assert card["licence"].startswith("CC0")
    assert "licence is not confirmed" in card["licence"]
    assert card["metrics_on_real_ground"]["test"]["calibration_error"] <= 0.05
    for name in ("diameter", "depth"):
        assert abs(card["metrics"][f"{name}_within_error"] - 0.68) < 0.05
    assert weights.BUNDLED.stat().st_size < 50e6


def test_flat_ground_and_uniform_slopes_have_no_craters(tmp_path):
    row, column = np.indices((300, 300))
    for name, height in (
        ("flat", np.zeros((300, 300)) + 1234.0),
        ("slope", 20.0 * column + 7.0 * row - 4000.0),
    ):
        path = write_dem(tmp_path / f"{name}.tif", height.astype(np.float32))
        given = {"dem": str(path), "out": str(tmp_path / f"{name}.gpkg")}
        assert detect_craters.STAGE.run(given, Context(threads=2))["craters"] == 0


def test_most_craters_of_generated_terrain_are_found_with_few_false_positives(tmp_path):
    wanted, right = [], []
    for seed in range(2_000_000_123, 2_000_000_127):
        made = tiles.make(seed, 400, pixel_m=50.0)
        path = write_dem(tmp_path / f"{seed}.tif", made.height_m, 50.0)
        given = {"dem": str(path), "out": str(tmp_path / f"{seed}.gpkg")}
        given["min_confidence"] = weights.load(weights.BUNDLED).card["calibration"]["threshold"]
        detect_craters.STAGE.run(given, Context(threads=2))
        found = gpd.read_file(given["out"], layer="craters")
        x, y, radius, certain = made.circles[:, :4].T
        column = (found["x_m"].to_numpy() + 9_000.0) / 50.0 - 0.5
        row = (12_000.0 - found["y_m"].to_numpy()) / 50.0 - 0.5
        alike = np.hypot(column[:, None] - x, row[:, None] - y) / radius < 0.5
        alike &= np.abs(found["diameter_m"].to_numpy()[:, None] / 100.0 / radius - 1) < 0.25
        asked = (certain > 0) & (radius >= 5.5)
        asked &= (np.minimum(x, y) >= 0) & (np.maximum(x, y) <= 399)
        wanted.append(alike[:, asked].any(axis=0))
        right.append(alike.any(axis=1))
    assert np.concatenate(wanted).size > 100
    assert np.concatenate(wanted).mean() > 0.7
    assert np.concatenate(right).mean() > 0.85
