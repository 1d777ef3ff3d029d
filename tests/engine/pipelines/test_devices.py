"""Stages on an emulated GPU: the results of the CPU, and what they say they were computed on."""

from __future__ import annotations

import json
import sys
import threading

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree
from support.segmentation import TINY, layer, noise, pairs, picture, random_weights, saved

from lunarsite.engine import device, stages
from lunarsite.engine.context import Context
from lunarsite.engine.craters.detection.confidence import Calibration
from lunarsite.engine.craters.model import architecture as craters
from lunarsite.engine.errors import MissingDependencyError, ParameterError
from lunarsite.engine.frontends.execution import run_stage
from lunarsite.engine.frontends.worker import _Server
from lunarsite.engine.io import cog, raster
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.scoring import profiles, scorer, scorer_training, tables
from lunarsite.engine.scoring.error_model import Errors
from lunarsite.engine.training import checkpoint_files

torch = pytest.importorskip("torch", reason="GPUs need the ml group")

from support.emulated_cuda import ERRORS, NAME, emulated_cuda  # noqa: E402

SMALL = craters.Architecture(widths=(8, 8, 8, 8, 8))


def run(name, **values):
    return run_stage(stages.load(name), values, cancelled=threading.Event())


def provenance_of(path):
    with raster.opened(path, "It") as source:
        return json.loads(source.tags()["LUNARSITE"])


@pytest.fixture
def network(tmp_path):
    state = random_weights(TINY)
    # Logits of the size that trained networks have.
    state["head.weight"] *= np.float32(0.1)
    return str(saved(tmp_path / "net.safetensors", TINY, state=state))


@pytest.fixture
def detector(tmp_path, hot_weights):
    path = tmp_path / "hot.safetensors"
    fitted = Calibration(0.0, 1.0, 0.0, 0.0, 0.3)
    card = {"architecture": SMALL.as_dict(), "calibration": fitted.as_dict()}
    checkpoint_files.save(path, hot_weights(SMALL), card)
    return str(path)


@pytest.fixture
def dem(tmp_path):
    rng = np.random.default_rng(4)
    height = rng.standard_normal((300, 420)).astype(np.float32) * 30.0
    path = tmp_path / "dem.tif"
    cog.write_raster(
        path,
        height,
        Grid(x_min_m=0.0, y_max_m=8400.0, pixel_m=20.0, width=420, height=300),
        description="Elevation",
    )
    return str(path)


@pytest.mark.parametrize("most_px", [float("inf"), 600 * 600, 0], ids=["fits", "halves", "cpu"])
def test_an_image_has_the_same_classes_on_a_gpu(tmp_path, network, most_px):
    image = str(picture(tmp_path / "image.tif", noise(1500, 700)))
    given = {"image": image, "checkpoint": [network], "view": "orbital", "tile_px": 768}
    expected = run("segment-terrain", **given, out=str(tmp_path / "cpu"), device="cpu")
    with emulated_cuda(most_px=most_px):
        found = run("segment-terrain", **given, out=str(tmp_path / "gpu"), device="cuda")
    for name, most in (("probabilities.tif", 1e-5), ("mutual_information.tif", 1e-5)):
        both = [layer(tmp_path / where, name) for where in ("cpu", "gpu")]
        np.testing.assert_allclose(*both, atol=most)
    same = layer(tmp_path / "cpu", "classes.tif") == layer(tmp_path / "gpu", "classes.tif")
    assert same.mean() >= 0.9999
    used = "cuda" if most_px else "cpu"
    assert found["device"]["ran_on"] == [used]
    assert (found["device"]["kind"], found["device"]["name"]) == ("cuda", NAME)
    assert expected["device"]["ran_on"] == ["cpu"]
    assert provenance_of(tmp_path / "gpu" / "classes.tif")["device"] == used
    assert provenance_of(tmp_path / "cpu" / "classes.tif")["device"] == "cpu"
    assert len([text for text in found["warnings"] if "GPU memory" in text]) == (most_px < 1e9)


def test_memory_that_runs_out_in_the_middle_of_an_image_is_in_its_provenance(tmp_path, network):
    image = str(picture(tmp_path / "image.tif", noise(1500, 700)))
    given = {"image": image, "checkpoint": [network], "view": "orbital", "tile_px": 768}
    run("segment-terrain", **given, out=str(tmp_path / "cpu"), device="cpu")
    with emulated_cuda() as gpu:
        take = gpu.take

        def fill(tensor):
            gpu.most_px = 0 if len(gpu.tiles) == 2 else gpu.most_px
            take(tensor)

        gpu.take = fill
        found = run("segment-terrain", **given, out=str(tmp_path / "gpu"), device="cuda")
    assert found["device"]["ran_on"] == ["cuda", "cpu"]
    assert provenance_of(tmp_path / "gpu" / "entropy.tif")["device"] == "cuda, then cpu"
    both = [layer(tmp_path / where, "probabilities.tif") for where in ("cpu", "gpu")]
    np.testing.assert_allclose(*both, atol=1e-5)


def circles(path):
    """Return place, diameter and confidence of craters."""
    table = gpd.read_file(path, layer="craters")
    return table[["x_m", "y_m", "diameter_m", "confidence"]].to_numpy()


@pytest.mark.parametrize("most_px", [float("inf"), 600 * 704, 0], ids=["fits", "halves", "cpu"])
def test_the_same_circles_are_found_on_a_gpu(tmp_path, detector, dem, most_px):
    given = {"dem": dem, "checkpoint": detector, "min_diameter_m": 200.0}
    run("detect-craters", **given, out=str(tmp_path / "cpu.gpkg"), device="cpu")
    with emulated_cuda(most_px=most_px, error=ERRORS[2]):
        found = run("detect-craters", **given, out=str(tmp_path / "gpu.gpkg"), device="cuda")
    one, other = (circles(tmp_path / name) for name in ("cpu.gpkg", "gpu.gpkg"))
    assert len(one) == len(other) > 50
    # Rounding may swap two of the same confidence.
    apart, partner = cKDTree(other[:, :3]).query(one[:, :3])
    assert len(set(partner)) == len(one)
    assert apart.max() < 0.01
    np.testing.assert_allclose(one[:, 3], other[partner, 3], atol=1e-5)
    used = "cuda" if most_px else "cpu"
    assert found["device"]["ran_on"] == [used]
    assert provenance_of(tmp_path / "gpu.rims.tif")["device"] == used


def test_an_evaluation_and_a_calibration_give_the_same_on_a_gpu(tmp_path, network):
    images, masks = pairs(tmp_path)
    given = {"images": images, "masks": masks, "checkpoint": [network]}

    def both(device_kind):
        path = tmp_path / f"{device_kind}.json"
        result = run("evaluate-segmentation", **given, out=str(path), device=device_kind)
        out = str(tmp_path / f"calibrated-{device_kind}.safetensors")
        tuned = {"images": images, "masks": masks, "checkpoint": network, "out": out}
        return result, run("calibrate", **tuned, device=device_kind), json.loads(path.read_text())

    expected, cooled, _ = both("cpu")
    with emulated_cuda():
        found, warmed, written = both("cuda")
    assert found["miou"] == pytest.approx(expected["miou"], abs=1e-4)
    assert warmed["temperature"] == pytest.approx(cooled["temperature"], rel=1e-3)
    assert found["device"]["ran_on"] == warmed["device"]["ran_on"] == ["cuda"]
    assert written["provenance"]["device"] == "cuda"


@pytest.fixture
def features(tmp_path, random_cells):
    path = tmp_path / "features.parquet"
    tables.write_table(path, random_cells())
    return path


def test_cells_have_the_same_ranks_on_a_gpu(tmp_path, features):
    given = {"features": str(features), "profile": "cassa", "draws": 20}
    run("score", **given, out=str(tmp_path / "cpu"), device="cpu")
    with emulated_cuda():
        found = run("score", **given, out=str(tmp_path / "gpu"), device="cuda")
    one, other = (pd.read_parquet(tmp_path / where / "scores.parquet") for where in ("cpu", "gpu"))
    np.testing.assert_array_equal(one["rank"], other["rank"])
    np.testing.assert_allclose(one["score"], other["score"], atol=1e-6)
    assert found["device"]["ran_on"] == ["cuda"]
    assert provenance_of(tmp_path / "gpu" / "score.tif")["device"] == "cuda"
    assert provenance_of(tmp_path / "cpu" / "score.tif")["device"] == "cpu"


def test_a_gpu_that_xgboost_does_not_find_is_an_error_on_request(tmp_path, features):
    given = {"features": str(features), "profile": "cassa", "draws": 20}
    with (
        pytest.warns(UserWarning, match="GPU"),
        pytest.raises(MissingDependencyError, match="xgboost finds no GPU"),
    ):
        run("score", **given, out=str(tmp_path / "gpu"), device="cuda")


def test_scores_that_do_not_fit_on_the_gpu_are_computed_on_the_cpu(monkeypatch, random_cells):
    table, profile = random_cells(), profiles.load("cassa")
    model = scorer_training.train(table, profile, Errors(), Context(), draws=10, folds=2)
    expected = model.log_odds(table)
    context = Context(device="cuda")
    error = scorer.xgb.core.XGBoostError("cudaErrorMemoryAllocation: out of memory")

    def fail(*_, **__):
        raise error

    with emulated_cuda():
        monkeypatch.setattr(model.booster, "predict", fail)
        np.testing.assert_array_equal(model.log_odds(table, context), expected)
        assert "the CPU, with the same result" in context.warnings[0]
        assert context.devices() == "cpu"
        error = scorer.xgb.core.XGBoostError("another")
        with pytest.raises(scorer.xgb.core.XGBoostError, match="another"):
            model.log_odds(table, context)


RECIPE = """\
architecture: unet-light
widths: [6, 6, 8, 8, 8, 8]
view: orbital
scenes: 2
validation_scenes: 2
crop_px: 64
steps: 2
batch: 4
validate_every: 1
test_time: none
class_weights: inverse-frequency
"""


def trained(folder, **more):
    (folder / "tiny.yaml").write_text(RECIPE, encoding="utf-8")
    return run(
        "train-segmenter",
        out=str(folder / "own.safetensors"),
        recipe=str(folder / "tiny.yaml"),
        scenes_folder=str(folder / "scenes"),
        **more,
    )


def test_training_on_a_gpu_takes_smaller_batches_and_its_card_says_where(tmp_path, monkeypatch):
    monkeypatch.setattr("lunarsite.engine.segmentation.training.held_out.SCENES", 4)
    with emulated_cuda(most_px=3 * 64 * 64, error=ERRORS[4]) as gpu:
        monkeypatch.setattr(gpu, "take", lambda tensor, take=gpu.take: _training_only(tensor, take))
        result = trained(tmp_path, device="cuda")
    card = json.loads((tmp_path / "own.json").read_text())
    assert (card["device"]["kind"], card["device"]["name"]) == ("cuda", NAME)
    assert card["device"]["crops_at_once"] == 2
    assert card["device"]["precision"] == "float32"
    assert result["device"]["ran_on"] == ["cuda"]
    assert any("2 samples per forward pass" in text for text in result["warnings"])


def _training_only(tensor, take):
    """Let whole images through: only crops, which come in batches, are limited."""
    if tensor.ndim == 4 and tensor.shape[0] > 1:
        take(tensor)


@pytest.mark.parametrize("error", ERRORS[:4], ids=lambda error: str(error)[:30])
def test_a_network_too_large_to_train_on_a_gpu_is_an_error_with_a_remedy(tmp_path, error):
    with (
        emulated_cuda(holds_networks=False, error=error),
        pytest.raises(ParameterError, match="too small for the network and its") as caught,
    ):
        trained(tmp_path, device="cuda")
    assert "--device cpu" in caught.value.remedy


@pytest.fixture
def broken_torch(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    (folder / "torch").mkdir(parents=True)
    (folder / "torch" / "__init__.py").write_text("raise OSError('libcudart.so.13 is missing')\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(device, "has_gpu_driver", lambda: True)
    monkeypatch.setattr(device, "GPU_START_S", 0.0)
    device._choose.cache_clear()
    yield
    device._choose.cache_clear()


@pytest.mark.usefixtures("broken_torch")
@pytest.mark.parametrize(("asked", "count"), [("auto", 1), ("cpu", 0)])
def test_a_torch_that_cannot_be_imported_disables_no_stage(tmp_path, network, asked, count):
    image = str(picture(tmp_path / "image.tif", noise(200, 240)))
    found = run(
        "segment-terrain", image=image, checkpoint=[network], out=str(tmp_path / "o"), device=asked
    )
    broken = [text for text in found["warnings"] if "torch cannot be imported" in text]
    assert len(broken) == count
    assert found["device"]["ran_on"] == ["cpu"]


@pytest.mark.usefixtures("broken_torch")
def test_the_worker_starts_without_importing_torch():
    sent = []
    server = _Server(sent.append)
    server.greet()
    assert sent[0]["device"]["kind"] == "cpu"
    assert sent[0]["device"]["warning"] is None
    server._handle(b'{"id": 1, "method": "device"}')
    assert "torch cannot be imported" in sent[1]["result"]["warning"]


@pytest.mark.usefixtures("broken_torch")
def test_training_with_a_torch_that_cannot_be_imported_names_the_remedy(tmp_path):
    with pytest.raises(
        MissingDependencyError, match="Training needs torch: torch cannot"
    ) as caught:
        trained(tmp_path)
    assert "make setup GROUPS=ml" in caught.value.remedy
