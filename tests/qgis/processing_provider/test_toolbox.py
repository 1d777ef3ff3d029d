"""The toolbox: all algorithms in QGIS, with the engine."""

from __future__ import annotations

import html
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from qgis import utils
from qgis.core import (
    Qgis,
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsExpressionContextUtils,
    QgsFeature,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProject,
    QgsRasterLayer,
    QgsRasterRange,
    QgsRectangle,
    QgsReferencedRectangle,
    QgsRenderContext,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QEvent
from qgis.PyQt.QtGui import QColor, QImage

from lunarsite.engine import stages
from lunarsite.engine.contract import COMMON, Kind
from lunarsite.processing_provider import compat, definitions, preselection
from lunarsite.processing_provider import help as help_page
from lunarsite.qgis_common import location, moon_crs, run_layers, styles
from tests.qgis.conftest import SMALL, Feedback

ENDS_WITHIN_S = 20.0  # the work itself would take minutes; the limit of 2 s is a benchmark
MOON = QgsCoordinateReferenceSystem("IAU_2015:30135")


def algorithm(name):
    return QgsApplication.processingRegistry().createAlgorithmById(f"lunarsite:{name}")


@pytest.fixture
def dialog_of(processing, monkeypatch):
    """Return a function that opens the dialog of an algorithm and fills in parameters."""
    from processing.gui import ParametersPanel  # noqa: PLC0415
    from processing.gui.AlgorithmDialog import AlgorithmDialog  # noqa: PLC0415

    monkeypatch.setattr(ParametersPanel, "iface", None)  # C++ does not accept a mock
    opened = []

    def open_dialog(name, **values):
        dialog = AlgorithmDialog(algorithm(name))
        opened.append(dialog)
        wrappers = dialog.mainWidget().wrappers
        for key, value in values.items():
            wrappers[key].setParameterValue(value, dialog.processingContext())
        return wrappers

    def close():
        for each in opened:
            each.close()
            each.deleteLater()
        opened.clear()
        for _ in range(3):
            QgsApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
            QgsApplication.processEvents()

    open_dialog.close = close
    yield open_dialog
    close()


def children():
    """Return the process ids of the running engines, from /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
            except OSError:
                continue
            if b"worker" in command and int(parent) == os.getpid():
                found.append(int(entry.name))
    return found


def test_every_stage_is_an_algorithm_with_its_declared_parameters(processing):
    provider = QgsApplication.processingRegistry().providerById("lunarsite")
    names = {each.name() for each in provider.algorithms()}
    assert set(stages.NAMES) <= names
    for stage in stages.load_all():
        made = algorithm(stage.name)
        shown = {each.name(): each for each in made.parameterDefinitions()}
        declared = tuple(definitions.parameters_of(stage))
        assert [n for n in shown if n != "load_layers"] == [p.name for p in declared]
        assert made.displayName() == stage.title
        assert made.shortDescription() == stage.summary
        assert html.escape(stage.help) in made.shortHelpString()
        assert not made.icon().isNull()
        for parameter in declared:
            definition = shown[parameter.name]
            text = definition.description()
            assert parameter.title in text
            assert not parameter.unit or f"[{parameter.unit}]" in text
            assert parameter.help in definition.help()
            advanced = bool(definition.flags() & compat.ADVANCED)
            assert advanced is parameter.advanced
            if parameter.kind in (Kind.NUMBER, Kind.INTEGER):
                for limit, bound in (
                    (parameter.minimum, definition.minimum()),
                    (parameter.maximum, definition.maximum()),
                ):
                    if limit is not None and abs(limit) < 2**31:
                        assert bound == limit
            if parameter.kind is Kind.CHOICE:
                assert definition.options() == list(parameter.choices)
        outputs = {each.name() for each in made.outputDefinitions()}
        assert {o.name for o in stage.outputs if o.path} <= outputs


def test_a_run_writes_the_declared_outputs(run_folder):
    for output in stages.load("screen").outputs:
        assert (run_folder / output.path).exists()


def test_an_area_of_interest_is_a_rectangle_of_any_crs_or_a_layer(processing, dem, tmp_path):
    whole = QgsRasterLayer(str(dem), "dem").extent()
    centre, quarter = whole.center(), whole.width() / 4
    box = QgsRectangle(
        centre.x() - quarter, centre.y() - quarter, centre.x() + quarter, centre.y() + quarter
    )
    layer = QgsVectorLayer("Polygon", "area", "memory")
    layer.setCrs(moon_crs.crs())
    feature = QgsFeature()
    feature.setGeometry(QgsGeometry.fromRect(box))
    layer.dataProvider().addFeatures([feature])
    wanted = None
    for number, chosen in enumerate(
        (
            {"aoi": QgsReferencedRectangle(box, moon_crs.crs())},
            {"aoi": f"{box.xMinimum()},{box.xMaximum()},{box.yMinimum()},{box.yMaximum()}"},
            {"aoi_layer": layer},
        )
    ):
        made = processing.run(
            "lunarsite:terrain", {"dem": str(dem), "out": str(tmp_path / str(number)), **chosen}
        )
        extent = QgsRasterLayer(made["slope_deg"], "s").extent()
        wanted = wanted or extent
        assert extent == wanted
        assert extent.contains(box) or extent.intersect(box).area() == pytest.approx(box.area())
        assert extent.width() < 0.6 * whole.width()
    with pytest.raises(QgsProcessingException, match="a rectangle and a layer"):
        processing.run(
            "lunarsite:terrain",
            {"dem": str(dem), "out": str(tmp_path / "x"), "aoi": box, "aoi_layer": layer},
        )


def test_terrain_and_lighting(processing, dem, tmp_path, feedback):
    made = processing.run(
        "lunarsite:terrain", {"dem": str(dem), "out": str(tmp_path / "l")}, feedback=feedback
    )
    assert QgsRasterLayer(made["slope_deg"], "s").isValid()
    light = {key: SMALL[key] for key in ("azimuths", "step_hours", "stop")}
    made = processing.run(
        "lunarsite:lighting", {"dem": str(dem), "out": str(tmp_path / "l"), **light}
    )
    assert QgsRasterLayer(made["illumination_pct"], "i").isValid()
    assert feedback.fractions == sorted(feedback.fractions)
    assert feedback.fractions[-1] == 100.0
    assert any(0 < fraction < 100 for fraction in feedback.fractions)
    assert any(" on cpu" in line or " on cuda" in line for line in feedback.log)


def test_features_train_and_score(processing, dem, run_folder, tmp_path):
    table = str(tmp_path / "features.parquet")
    processing.run(
        "lunarsite:features", {"dem": str(dem), "layers": str(run_folder / "layers"), "out": table}
    )
    scorer = str(tmp_path / "own.ubj")
    processing.run(
        "lunarsite:train-scorer",
        {"features": table, "profile": "hls", "draws": 20, "folds": 2, "out": scorer},
    )
    made = processing.run(
        "lunarsite:score",
        {
            "features": table,
            "profile": "hls",
            "scorer": scorer,
            "draws": 20,
            "out": str(tmp_path / "scored"),
        },
    )
    sites = QgsVectorLayer(made["sites"], "sites")
    assert sites.featureCount() > 3
    assert moon_crs.named(sites.crs()) == MOON
    other = processing.run(
        "lunarsite:compare",
        {"first": str(run_folder), "second": str(tmp_path / "scored"), "out": str(tmp_path / "c")},
    )
    assert -1.0 <= other["spearman"] <= 1.0


def test_explain_skyline_and_points(processing, dem, run_folder, tmp_path):
    best = next(QgsVectorLayer(str(run_folder / "sites.gpkg"), "s").getFeatures())
    place = {"lon": best["lon_deg"], "lat": best["lat_deg"]}
    answer = processing.run("lunarsite:explain", {"run": str(run_folder), **place})
    assert answer["rank"] == best["rank"]
    assert answer["score"] == pytest.approx(best["score"])
    picture = str(tmp_path / "skyline.png")
    processing.run("lunarsite:skyline", {"dem": str(dem), **place, "picture": picture})
    assert Path(picture).read_bytes()[:4] == b"\x89PNG"
    points = memory_points([(best["x_m"], best["y_m"])])
    made = processing.run(
        "lunarsite:score-points",
        {"run": str(run_folder), "points": points, "out": "TEMPORARY_OUTPUT"},
    )
    found = next(QgsVectorLayer(made["out"], "p").getFeatures())
    assert found["rank"] == best["rank"]


def memory_points(places, crs=MOON, fields="field=name:string"):
    layer = QgsVectorLayer(f"Point?{fields}", "candidates", "memory")
    layer.setCrs(crs)
    features = []
    for number, place in enumerate(places):
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(*place)))
        feature["name"] = f"P{number}"
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    return layer


def test_unsaved_edits_and_filters_are_respected(processing, run_folder, tmp_path):
    sites = QgsVectorLayer(str(run_folder / "sites.gpkg"), "s")
    best = next(sites.getFeatures())
    layer = memory_points([(best["x_m"], best["y_m"]), (-9e5, -9e5)])
    layer.startEditing()
    last = [feature.id() for feature in layer.getFeatures()][-1]
    layer.changeGeometry(last, QgsGeometry.fromPointXY(QgsPointXY(best["x_m"], best["y_m"])))
    parameters = {"run": str(run_folder), "points": layer}
    made = processing.run("lunarsite:score-points", {**parameters, "out": str(tmp_path / "a.gpkg")})
    assert made["scored"] == 2
    layer.rollBack()
    layer.setSubsetString("\"name\" = 'P0'")
    made = processing.run("lunarsite:score-points", {**parameters, "out": str(tmp_path / "b.gpkg")})
    assert made["scored"] == 1
    layer.setSubsetString("")


def test_the_filter_of_a_file_is_respected(processing, run_folder, tmp_path):
    sites = QgsVectorLayer(str(run_folder / "sites.gpkg"), "s")
    QgsProject.instance().addMapLayer(sites, False)
    sites.setSubsetString('"site" <= 3')
    made = processing.run(
        "lunarsite:score-points",
        {"run": str(run_folder), "points": sites.id(), "out": str(tmp_path / "a.gpkg")},
    )
    assert made["scored"] == 3
    QgsProject.instance().removeMapLayer(sites.id())


def test_a_raster_that_is_not_a_plain_file_is_exported(processing, dem, tmp_path):
    gdal.FileFromMemBuffer("/vsimem/raised.tif", dem.read_bytes())
    layer = QgsRasterLayer("/vsimem/raised.tif", "raised")
    assert layer.isValid()
    feedback = Feedback()
    made = processing.run(
        "lunarsite:terrain", {"dem": layer, "out": str(tmp_path / "l")}, feedback=feedback
    )
    assert any("Exporting the layer raised" in line for line in feedback.log)
    plain = processing.run("lunarsite:terrain", {"dem": str(dem), "out": str(tmp_path / "m")})
    ours, theirs = (QgsRasterLayer(each["slope_deg"], "s") for each in (made, plain))
    centre = layer.extent().center()
    a, b = (each.dataProvider().sample(centre, 1)[0] for each in (ours, theirs))
    assert a == pytest.approx(b, abs=0.01)
    del layer
    gdal.Unlink("/vsimem/raised.tif")


def test_a_crs_that_is_set_in_the_project_applies(processing, dem, tmp_path):
    bare = tmp_path / "bare.asc"
    bare.write_text(
        "ncols 40\nnrows 40\nxllcorner -4000\nyllcorner -4000\ncellsize 200\n"
        + "\n".join(" ".join(str((r * c) % 97) for c in range(40)) for r in range(40))
    )
    layer = QgsRasterLayer(str(bare), "bare")
    with pytest.raises(QgsProcessingException, match="coordinate"):
        processing.run("lunarsite:terrain", {"dem": layer, "out": str(tmp_path / "n")})
    assert not (tmp_path / "n").exists()
    layer.setCrs(MOON)
    made = processing.run("lunarsite:terrain", {"dem": layer, "out": str(tmp_path / "l")})
    assert moon_crs.named(QgsRasterLayer(made["slope_deg"], "s").crs()) == MOON


def test_layers_on_another_body_are_rejected(processing, dem, run_folder, tmp_path):
    layer = QgsRasterLayer(str(dem), "dem")
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:3031"))
    made = algorithm("terrain")
    valid, message = made.checkParameterValues(
        {"dem": layer, "out": str(tmp_path / "l")}, QgsProcessingContext()
    )
    assert not valid
    assert "is on Earth" in message
    assert "IAU_2015:30135" in message
    points = memory_points([(0, 0)], QgsCoordinateReferenceSystem("EPSG:4326"))
    with pytest.raises(QgsProcessingException, match="is on Earth"):
        processing.run(
            "lunarsite:score-points",
            {"run": str(run_folder), "points": points, "out": str(tmp_path / "p.gpkg")},
        )


def test_craters_can_be_a_point_layer(processing, dem, run_folder, tmp_path):
    craters = memory_points(
        [(0, 0), (2000, 3000)], fields="field=name:string&field=diameter_m:double"
    )
    craters.startEditing()
    for feature in craters.getFeatures():
        craters.changeAttributeValue(feature.id(), 1, 1500.0)
    parameters = {"dem": str(dem), "layers": str(run_folder / "layers")}
    processing.run(
        "lunarsite:features", {**parameters, "craters": craters, "out": str(tmp_path / "f.parquet")}
    )
    craters.rollBack()
    assert (tmp_path / "f.parquet").stat().st_size > 10_000


def test_errors_of_the_engine_reach_the_user(processing, tmp_path):
    with pytest.raises(QgsProcessingException, match=r"no manifest.json.*Give the output folder"):
        processing.run("lunarsite:explain", {"run": str(tmp_path), "lon": 0, "lat": -89})


def test_empty_fields_are_left_at_their_default(processing, dem, tmp_path):
    # Dialogs pass nothing, an empty string or a Qt null for empty fields.
    made = algorithm("screen")
    parameters = {"dem": str(dem), "out": str(tmp_path / "run"), "scorer": "", "stop": None}
    parameters |= {"threads": None, "craters": "", "psr": None, "regions": "", "far_field": []}
    context, feedback = QgsProcessingContext(), Feedback()
    made.prepare(parameters, context, feedback)
    values = made.values(parameters, context, feedback)
    assert set(values) & {"scorer", "stop", "threads", "craters", "psr", "regions"} == set()
    assert values["far_field"] == []
    stage = stages.load("screen")
    common = {parameter.name for parameter in COMMON}
    stage.resolve({name: value for name, value in values.items() if name not in common})


def test_errors_use_the_titles_in_the_dialog(processing, dem, tmp_path):
    parameters = {"dem": str(dem), "out": str(tmp_path / "run"), "start": "2027-01-01"}
    with pytest.raises(QgsProcessingException, match="‘End date’"):
        processing.run("lunarsite:lighting", {**parameters, "stop": "2026-01-01"})


def test_cancelling_stops_the_engine_and_leaves_no_files(processing, tmp_path):
    times = {}

    def each(_):
        if children() and "at" not in times:
            times["at"] = time.monotonic()
            feedback.cancel()

    feedback = Feedback(each)
    with pytest.raises(QgsProcessingException, match="Cancelled"):
        processing.run(
            "lunarsite:synthesize",
            {"out": str(tmp_path / "big.tif"), "size_px": 4000},
            feedback=feedback,
        )
    assert time.monotonic() - times["at"] < ENDS_WITHIN_S
    assert children() == []
    assert list(tmp_path.iterdir()) == []


def test_a_killed_engine_is_reported_with_a_remedy(processing, tmp_path):
    def kill():
        limit = time.monotonic() + 30
        while not children() and time.monotonic() < limit:
            time.sleep(0.05)
        time.sleep(0.5)
        for pid in children():
            os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(QgsProcessingException, match=r"killed by the system.*memory limit"):
        processing.run("lunarsite:synthesize", {"out": str(tmp_path / "big.tif"), "size_px": 4000})
    thread.join()
    assert not (tmp_path / "big.tif").exists()


def test_without_an_engine_an_algorithm_cannot_execute(processing, monkeypatch):
    monkeypatch.setenv(location.VARIABLE, "/nowhere/python")
    can_execute, message = algorithm("terrain").canExecute()
    assert not can_execute
    assert "/nowhere/python" in message
    assert "Engine Setup" in message


def test_layers_are_loaded_styled_and_grouped(processing, dem, run_folder, tmp_path):
    from processing.gui.Postprocessing import handleAlgorithmResults  # noqa: PLC0415

    project = QgsProject.instance()
    project.clear()
    context, feedback = QgsProcessingContext(), Feedback()
    context.setProject(project)
    made = algorithm("screen")
    parameters = {**SMALL, "dem": str(dem), "out": str(tmp_path / "run")}
    _, good = made.run(parameters, context, feedback)
    assert good, feedback.errors
    handleAlgorithmResults(made, context, feedback, parameters)
    groups = [g for g in project.layerTreeRoot().findGroups() if g.name().startswith("LunarSite")]
    assert [group.name() for group in groups] == ["LunarSite, screen a region: run"]
    by_title = {node.layer().name(): node for node in groups[0].findLayers()}
    assert {"Sites", "Score", "Average illumination"} <= set(by_title)
    assert groups[0].findLayers()[0].layer().name() == "Sites"
    assert by_title["Score"].layer().renderer().type() == "singlebandpseudocolor"
    assert by_title["Sites"].layer().renderer().type() == "categorizedSymbol"
    assert {node.layer().crs().authid() for node in by_title.values()} == {"IAU_2015:30135"}
    sites = by_title["Sites"].layer()
    rendering = context_of(sites)
    for feature in sites.getFeatures():
        rendering.expressionContext().setFeature(feature)
        symbol = sites.renderer().symbolForFeature(feature, rendering)
        ring = symbol.symbolLayer(1).strokeColor().name()
        assert ring == ("#f28e2b" if feature["passes"] else "#3b4046")
    sites.renderer().stopRender(rendering)
    assert by_title["Score"].isVisible()
    assert not by_title["Average illumination"].itemVisibilityChecked()
    project.clear()


def context_of(layer):
    """Return a render context for the layer's renderer, with its fields."""
    context = QgsRenderContext()
    context.expressionContext().appendScopes(
        QgsExpressionContextUtils.globalProjectLayerScopes(layer)
    )
    layer.renderer().startRender(context, layer.fields())
    return context


def test_every_declared_style_exists_and_loads(processing, dem, run_folder):
    for stage in stages.load_all():
        for output in stage.outputs:
            if not output.style:
                continue
            assert styles.style_file(output.style).is_file(), output.style
            layer = (
                QgsRasterLayer(str(dem), "r")
                if output.kind is Kind.RASTER
                else QgsVectorLayer(str(run_folder / "sites.gpkg"), "v")
            )
            before = layer.renderer().type()
            message, loaded = layer.loadNamedStyle(str(styles.style_file(output.style)))
            assert loaded, message
            assert layer.renderer().type() != before or output.kind is Kind.VECTOR


def legend(layer):
    """Return values, labels and colours of a pseudocolour layer."""
    items = layer.renderer().shader().rasterShaderFunction().colorRampItemList()
    return [(item.value, item.label, item.color.name()) for item in items]


def one_row(path, values):
    """Write values as a raster of one row in the south polar CRS, and return its layer."""
    made = gdal.GetDriverByName("GTiff").Create(str(path), len(values), 1, 1, gdal.GDT_Float32)
    made.SetGeoTransform((0.0, 1000.0, 0.0, 0.0, 0.0, -1000.0))
    made.WriteRaster(0, 0, len(values), 1, np.array(values, np.float32).tobytes())
    made.FlushCache()
    del made
    return QgsRasterLayer(str(path), "values")


def test_the_legend_of_ranks_ends_at_the_highest_rank(tmp_path, processing):
    layer = one_row(tmp_path / "rank.tif", np.arange(1, 2705))
    styles.apply(layer, "rank")
    labels = [label for _, label, _ in legend(layer)]
    assert labels == ["1", "10", "100", "1,000", "2,704"]
    settings = layer.renderer().shader().rasterShaderFunction().legendSettings()
    assert not settings.useContinuousLegend()
    styles.apply(layer, "uncertainty")
    assert legend(layer)[-1][:2] == (2704.0, "2,704 ranks")
    layer = one_row(tmp_path / "change.tif", [-300.0, 0.0, 120.0])
    styles.apply(layer, "rank_change")
    assert [value for value, _, _ in legend(layer)] == [-300.0, -30.0, 0.0, 30.0, 300.0]
    assert legend(layer)[0][1] == "-300 ranks"


def test_scores_have_colours_by_log_odds_up_to_the_best(tmp_path, processing):
    layer = one_row(tmp_path / "score.tif", [1e-6, 0.02, 0.16])
    styles.apply(layer, "score")
    values, labels, colours = zip(*legend(layer), strict=True)
    assert labels[:2] == ("0.0001 or less", "0.001")
    assert labels[2:] == ("0.01", "0.03", "0.1", "0.16, the best of the run")
    assert values[-1] == pytest.approx(0.16)
    assert (colours[0], colours[-1]) == ("#440154", "#fde725")
    assert len(set(colours)) == len(colours)
    between = [0.3 * c.red() + 0.59 * c.green() + 0.11 * c.blue() for c in map(QColor, colours)]
    assert between == sorted(between)
    poor = one_row(tmp_path / "poor.tif", [1e-6, 2e-4])
    styles.apply(poor, "score")
    assert legend(poor)[-1][:2] == (0.01, "0.0002, the best of the run")
    good = one_row(tmp_path / "good.tif", [1e-6, 1.0])
    styles.apply(good, "score")
    assert legend(good)[-1][1] == "0.9999 or more"


def test_legends_of_physical_layers_have_their_unit(processing, dem):
    layer = QgsRasterLayer(str(dem), "slope")
    styles.apply(layer, "slope_deg")
    settings = layer.renderer().shader().rasterShaderFunction().legendSettings()
    assert settings.suffix() == "°"


def test_help_names_every_parameter(processing):
    for stage in stages.load_all():
        text = algorithm(stage.name).shortHelpString()
        for parameter in stage.parameters:
            assert definitions.label(parameter).replace("'", "&#x27;") in text


def test_several_of_a_list_of_choices_are_chosen(processing):
    fetch = algorithm("fetch")
    assert fetch.parameterDefinition("names").allowMultiple()
    made = processing.run("lunarsite:fetch", {"names": ["list"]}, feedback=Feedback())
    assert "LDEM_80S_80MPP_ADJ" in made["summary"]
    with pytest.raises(QgsProcessingException, match="list stands for itself"):
        processing.run("lunarsite:fetch", {"names": ["list", "scarps"]}, feedback=Feedback())


def test_the_help_of_every_stage_has_a_picture(processing):
    for stage in stages.load_all():
        picture = QImage(str(help_page.PICTURES / f"{stage.name}.png"))
        assert (picture.isNull(), picture.width()) == (False, 232), stage.name
        assert f"{stage.name}.png" in algorithm(stage.name).shortHelpString()


def test_the_dialog_says_what_a_run_will_take(dialog_of, dem, wait_until):
    wrappers = dialog_of("screen", dem=str(dem))
    line = wrappers["dry_run"]
    wait_until(lambda: line.text.startswith("Estimate for 9,216 pixels: less than a minute"))
    assert " of memory and " in line.text
    # It follows the parameters, and explains what the engine refuses.
    context = QgsProcessingContext()
    wrappers["cell_m"].setParameterValue(1e6, context)
    wait_until(lambda: "as large as the whole DEM" in line.text)
    assert "‘Cell size [m]’" in line.text
    wrappers["cell_m"].setParameterValue(1000.0, context)
    wait_until(lambda: line.text.startswith("Estimate"))
    wrappers["dem"].setParameterValue(str(dem.with_name("none.tif")), context)
    wait_until(lambda: line.text == "")
    assert children()
    dialog_of.close()
    wait_until(lambda: not children())


def test_a_dry_run_writes_nothing(processing, dem, tmp_path, feedback):
    out = tmp_path / "run"
    result = processing.run(
        "lunarsite:screen",
        {**SMALL, "dem": str(dem), "out": str(out), "dry_run": True},
        feedback=feedback,
    )
    assert result["summary"].startswith("Estimate for 9,216 pixels")
    assert result["summary"] in feedback.log
    assert not out.exists()
    assert "out" not in result


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("0,9", 0.9), (0.9, 0.9), (np.float64(0.9), 0.9), (np.float32(0.5), 0.5), (" 0.9 ", 0.9)],
)
def test_optional_numbers_are_read_as_they_are_written(processing, given, wanted):
    made = algorithm("detect-craters")
    values = made.values({"min_confidence": given}, QgsProcessingContext(), Feedback())
    assert values["min_confidence"] == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("min_confidence", "abc", "is not a number"),
        ("min_confidence", "1,234", "without separators of thousands"),
        ("min_confidence", [0.5], "takes one value"),
        ("threads", "two", "is not a whole number"),
        ("threads", "1.5", "is not a whole number"),
        ("dry_run", "abc", "neither true nor false"),
        ("device", "gpu", "Incorrect parameter value for device"),
    ],
)
def test_what_cannot_be_read_is_refused_and_never_0(
    processing, dem, tmp_path, name, given, message
):
    values = {"dem": str(dem), "out": str(tmp_path / "craters.gpkg"), name: given}
    with pytest.raises(QgsProcessingException, match=message):
        processing.run("lunarsite:detect-craters", values)


def test_dialogs_never_propose_a_result_as_an_input(dialog_of, run_folder, dem):
    project = QgsProject.instance()
    project.clear()
    layers = {
        name: QgsRasterLayer(str(path), name)
        for name, path in (
            ("illumination", run_folder / "layers" / "illumination_pct.tif"),
            ("score", run_folder / "score.tif"),
            ("terrain", dem),
        )
    }
    assert [preselection.is_result(layer) for layer in layers.values()] == [True, True, False]
    project.addMapLayers([layers["illumination"], layers["score"]])
    wrapper = dialog_of("screen")["dem"]
    assert wrapper.parameterValue() == preselection.NOTHING
    project.addMapLayer(layers["terrain"])
    assert dialog_of("screen")["dem"].parameterValue() == layers["terrain"].id()
    project.clear()


def test_a_result_that_is_given_as_dem_is_refused(processing, run_folder, tmp_path):
    values = {"dem": str(run_folder / "layers" / "illumination_pct.tif"), "out": str(tmp_path)}
    with pytest.raises(QgsProcessingException, match="result of LunarSite"):
        processing.run("lunarsite:terrain", values)


def test_a_vector_output_in_memory_becomes_a_temporary_file(processing, dem):
    values = {"dem": str(dem), "out": "memory:", "method": "template"}
    made = processing.run("lunarsite:detect-craters", values)
    assert Path(made["out"]).suffix == ".gpkg"
    assert Path(made["out"]).is_file()


def test_messages_name_the_layer_and_not_its_copy(processing, dem, tmp_path):
    low = tmp_path / "low.tif"
    heights = gdal.Open(str(dem)).ReadAsArray().astype("f4")
    made = gdal.GetDriverByName("GTiff").Create(str(low), *heights.shape[::-1], 1, gdal.GDT_Float32)
    made.SetGeoTransform(gdal.Open(str(dem)).GetGeoTransform())
    made.SetProjection(MOON.toWkt())
    made.GetRasterBand(1).SetDescription("Average illumination")
    made.WriteRaster(0, 0, *heights.shape[::-1], (heights + 1_737_400).astype("f4").tobytes())
    made.FlushCache()
    del made
    layer = QgsRasterLayer(str(low), "my radii")
    layer.dataProvider().setUserNoDataValue(1, [QgsRasterRange(0.0, 0.0)])
    QgsProject.instance().addMapLayer(layer)
    with pytest.raises(QgsProcessingException) as caught:
        processing.run("lunarsite:terrain", {"dem": layer.id(), "out": str(tmp_path / "out")})
    assert "my radii" in str(caught.value)
    assert "/processing_" not in str(caught.value)
    QgsProject.instance().clear()


def test_a_layer_that_cannot_be_opened_is_told(processing, run_folder, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    (folder / "rank.tif").write_bytes(b"damaged")
    QgsProject.instance().clear()
    bar = utils.iface.messageBar()
    run_layers.show(folder, tmp_path / "none.tif", None)
    told = bar.get_messages(Qgis.MessageLevel.Warning)
    assert any("QGIS cannot open rank.tif in" in text for text in told)
    assert any("QGIS cannot open none.tif in" in text for text in told)
    QgsProject.instance().clear()


def test_results_of_a_segmentation_are_added_styled_and_upright(processing, tmp_path):
    from processing.gui.Postprocessing import handleAlgorithmResults  # noqa: PLC0415

    # A bright lower half, in a photograph without a place on the Moon.
    picture = QImage(96, 64, QImage.Format.Format_RGB32)
    picture.fill(QColor("#202020"))
    for row in range(32, 64):
        for column in range(96):
            picture.setPixelColor(column, row, QColor.fromHsv(0, 0, 120 + (7 * row * column) % 60))
    path = tmp_path / "photo.png"
    assert picture.save(str(path))
    project = QgsProject.instance()
    project.clear()
    context, feedback = QgsProcessingContext(), Feedback()
    context.setProject(project)
    made = algorithm("segment-terrain")
    values = {"image": str(path), "out": str(tmp_path / "rocks")}
    assert made.run(values, context, feedback)[1], feedback.errors
    handleAlgorithmResults(made, context, feedback, values)
    (group,) = project.layerTreeRoot().findGroups()
    titles = {node.layer().name() for node in group.findLayers()}
    assert {"Classes", "Class probabilities", "Predictive entropy"} <= titles
    (classes,) = project.mapLayersByName("Classes")
    assert classes.renderer().type() == "paletted"
    image = QgsRasterLayer(str(path), "photo")
    assert classes.extent() == image.extent()
    # The same row lies above in both: the first row is that with the largest y.
    block = classes.dataProvider().block(1, classes.extent(), 96, 64)
    stored = gdal.Open(classes.source()).ReadAsArray()
    shown = [[block.value(row, column) for column in range(96)] for row in range(64)]
    assert np.array_equal(np.array(shown), stored)
    root = project.layerTreeRoot()
    assert root.findLayer(classes.id()).isVisible()
    project.clear()


def test_models_are_offered_and_taken_by_name(processing, dem, tmp_path):
    detection = algorithm("detect-craters")
    assert "Models by name: craters." in detection.parameterDefinition("checkpoint").help()
    given = {"dem": str(dem), "checkpoint": "craters", "out": str(tmp_path / "found.gpkg")}
    made = processing.run("lunarsite:detect-craters", given)
    assert QgsVectorLayer(made["out"], "found").isValid()
