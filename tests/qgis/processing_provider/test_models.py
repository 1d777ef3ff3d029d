"""The batch models of the toolbox, run from start to finish."""

from __future__ import annotations

import pytest
from qgis.core import (
    QgsApplication,
    QgsProcessing,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsRasterLayer,
    QgsVectorLayer,
)

from lunarsite.qgis_common import moon_crs
from tests.qgis.processing_provider.test_toolbox import memory_points

CELL_M = 960.0
PYTHON = QgsProcessing.PythonOutputType.PythonQgsProcessingAlgorithmSubclass


def model(title):
    provider = QgsApplication.processingRegistry().providerById("lunarsite")
    return next(each for each in provider.algorithms() if each.displayName() == title)


def test_the_provider_has_the_models(processing):
    provider = QgsApplication.processingRegistry().providerById("lunarsite")
    models = [a for a in provider.algorithms() if isinstance(a, QgsProcessingModelAlgorithm)]
    assert len(models) == 3
    for each in models:
        assert each.validate()[0]
        assert each.group() == "Batch"
        assert len(each.shortHelpString()) > 100
        assert all(child.algorithm() is not None for child in each.childAlgorithms().values())


@pytest.fixture(scope="module")
def screened(processing, dem, tmp_path_factory):
    out = tmp_path_factory.mktemp("model")
    made = model("Screen a region (batch)")
    parameters = {"dem": str(dem), "profile": "hls", "cell_m": CELL_M}
    destinations = {
        each.name(): str(out / ("run" if "Screening" in each.description() else "sites.gpkg"))
        for each in made.destinationParameterDefinitions()
    }
    results = processing.run(made.id(), {**parameters, **destinations})
    return out, results


def test_screen_a_region_finds_ranked_sites(screened):
    out, results = screened
    assert (out / "run" / "report.html").is_file()
    sites = QgsVectorLayer(str(out / "sites.gpkg"), "sites")
    ranks = [feature["rank"] for feature in sites.getFeatures()]
    assert ranks[0] == 1
    assert ranks == sorted(ranks)
    assert moon_crs.named(sites.crs()).authid() == moon_crs.SOUTH_POLAR
    assert any(str(out / "sites.gpkg") == value for value in results.values())


def test_score_candidate_points_reuses_the_screening(processing, screened, dem):
    out, _ = screened
    best = next(QgsVectorLayer(str(out / "sites.gpkg"), "s").getFeatures())
    before = (out / "run" / "scores.parquet").stat().st_mtime_ns
    made = model("Score candidate points (batch)")
    destinations = {
        each.name(): str(out / ("run" if "Screening" in each.description() else "points.gpkg"))
        for each in made.destinationParameterDefinitions()
    }
    points = memory_points([(best["x_m"], best["y_m"])])
    parameters = {"dem": str(dem), "profile": "hls", "cell_m": CELL_M, "points": points}
    processing.run(made.id(), {**parameters, **destinations})
    assert (out / "run" / "scores.parquet").stat().st_mtime_ns == before
    found = next(QgsVectorLayer(str(out / "points.gpkg"), "p").getFeatures())
    assert found["rank"] == 1
    assert found["score"] == pytest.approx(best["score"])
    assert found["reason_1"]
    names = found.fields().names()
    assert {"margin_slope_max_deg", "reason_3_points", "rank_low", "rank_high"} <= set(names)


def test_compare_two_profiles_maps_the_differences(processing, dem, tmp_path):
    made = model("Compare two criteria profiles")
    destinations = {
        each.name(): str(tmp_path / each.description().replace(" ", "_"))
        for each in made.destinationParameterDefinitions()
    }
    parameters = {"dem": str(dem), "first": "cassa", "second": "hls", "cell_m": CELL_M}
    processing.run(made.id(), {**parameters, **destinations})
    change = QgsRasterLayer(str(tmp_path / "Comparison" / "rank_change.tif"), "c")
    assert change.isValid()
    best = QgsVectorLayer(str(tmp_path / "Comparison" / "comparison.gpkg"), "b")
    kinds = {feature["best_of"] for feature in best.getFeatures()}
    assert kinds <= {"both", "first", "second"}
    assert "both" in kinds


def test_every_stage_can_be_a_step_of_a_model(processing, run_folder, dem, tmp_path):
    from lunarsite.engine import stages  # noqa: PLC0415

    static = QgsProcessingModelChildParameterSource.fromStaticValue
    parameters = {
        "synthesize": {"size_px": 64},
        "terrain": {"dem": str(dem)},
        "lighting": {"dem": str(dem)},
        "skyline": {"dem": str(dem), "lon": 0, "lat": -89.9},
        "landing": {"dem": str(dem), "layers": str(run_folder / "layers")},
        "disc-light": {"dem": str(dem), "layers": str(run_folder / "layers")},
        "features": {"dem": str(dem), "layers": str(run_folder / "layers")},
        "train-scorer": {"features": str(run_folder / "features.parquet")},
        "score": {"features": str(run_folder / "features.parquet")},
        "explain": {"run": str(run_folder), "lon": 0, "lat": -89.9},
        "score-points": {"run": str(run_folder), "points": "points"},
        "compare": {"first": str(run_folder), "second": str(run_folder)},
        "screen": {"dem": str(dem)},
        "validate": {"run": str(run_folder)},
        "dossier": {"run": str(run_folder)},
        "fetch": {"names": "list"},
        "detect-craters": {"dem": str(dem)},
        "train-craters": {},
        "evaluate-craters": {"detections": "detections", "catalogue": "craters.csv"},
        "diagnose-craters": {"dem": str(dem), "catalogue": "craters.csv"},
        "segment-terrain": {"image": str(dem)},
        "evaluate-segmentation": {"images": "*_image.png", "masks": "*_mask.png"},
        "calibrate": {"checkpoint": "a.safetensors", "images": "*.png", "masks": "*.png"},
        "train-segmenter": {},
        "render-orbital": {"dem": str(dem), "time": "2027-01-15T06:00"},
        "synthesize-image": {"lon": 0, "lat": -89.9},
    }
    assert set(parameters) == set(stages.NAMES)
    for name, values in parameters.items():
        made = QgsProcessingModelAlgorithm(name, "", "")
        child = QgsProcessingModelChildAlgorithm(f"lunarsite:{name}")
        child.setChildId("step")
        for key, value in values.items():
            child.addParameterSources(key, [static(value)])
        made.addChildAlgorithm(child)
        path = str(tmp_path / f"{name}.model3")
        assert made.toFile(path)
        again = QgsProcessingModelAlgorithm()
        assert again.fromFile(path)
        good, problems = again.validate()
        assert good, (name, problems)
        assert "def processAlgorithm" in "\n".join(again.asPythonCode(PYTHON, 4))


def test_the_batch_dialog_works_with_every_algorithm(processing):
    from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog  # noqa: PLC0415

    provider = QgsApplication.processingRegistry().providerById("lunarsite")
    for each in provider.algorithms():
        dialog = BatchAlgorithmDialog(each.create())
        assert dialog.mainWidget().batchRowCount() == 1, each.id()
        dialog.deleteLater()


def test_a_batch_runs_all_rows(processing, dem, tmp_path, wait_until):
    from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog  # noqa: PLC0415

    made = QgsApplication.processingRegistry().createAlgorithmById("lunarsite:terrain")
    dialog = BatchAlgorithmDialog(made)
    panel = dialog.mainWidget()
    panel.addRow(1)
    for row, name in enumerate(("a", "b")):
        wrapper = panel.wrappers[row][panel.parameter_to_column["dem"]]
        wrapper.setParameterValue(str(dem), dialog.processingContext())
        cell = panel.tblParameters.cellWidget(row + 1, panel.parameter_to_column["out"])
        cell.setValue(str(tmp_path / name))
    # A hidden dialog is considered closed when its work ends, and deletes itself.
    dialog.show()
    dialog.runAlgorithm()
    wanted = [tmp_path / name / "slope_deg.tif" for name in ("a", "b")]
    wait_until(lambda: all(path.is_file() for path in wanted))
    # The last row is still writing its other layers, and reports to the dialog's feedback.
    wait_until(lambda: QgsApplication.taskManager().countActiveTasks() == 0)
    dialog.deleteLater()
