"""Craters in QGIS: what is loaded, in which style, and from layers back into the engine."""

from __future__ import annotations

import pytest
from qgis.core import Qgis, QgsProcessingContext, QgsProject, QgsVectorLayer
from tests.qgis.test_toolbox import algorithm, context_of

from lunarsite.qgis_common import moon_crs
from tests.qgis.conftest import Feedback

CUT_M = 1000.0
KINDS = {"hit": "#56b4e9", "miss": "#d55e00", "new": "#f0e442"}


@pytest.fixture(scope="module")
def ground(processing, tmp_path_factory):
    """Return a made elevation model that has craters of many pixels."""
    path = tmp_path_factory.mktemp("ground") / "ground.tif"
    processing.run("lunarsite:synthesize", {"out": str(path), "size_px": 256, "pixel_m": 80})
    return path


@pytest.fixture(scope="module")
def found(processing, ground, tmp_path_factory):
    """Return the file of craters that are detected in it."""
    path = tmp_path_factory.mktemp("found") / "mine.gpkg"
    processing.run("lunarsite:detect-craters", {"dem": str(ground), "out": str(path)})
    return path


@pytest.fixture(scope="module")
def catalogue(ground, tmp_path_factory):
    """Return a catalogue of its craters that lacks every second one."""
    path = tmp_path_factory.mktemp("catalogue") / "half.csv"
    head, *rows = ground.with_suffix(".craters.csv").read_text().splitlines()
    path.write_text("\n".join([head, *rows[::2]]))
    return path


@pytest.fixture
def project(processing):
    made = QgsProject.instance()
    made.clear()
    yield made
    made.clear()


def loaded(name, given, project):
    """Run an algorithm as its dialog does, load what it made, and return the layers from above."""
    from processing.gui.Postprocessing import handleAlgorithmResults  # noqa: PLC0415

    context, feedback = QgsProcessingContext(), Feedback()
    context.setProject(project)
    made = algorithm(name)
    for output in made.destinationParameterDefinitions():
        if given.get(output.name()):
            details = QgsProcessingContext.LayerDetails(
                output.description(), project, output.name()
            )
            context.addLayerToLoadOnCompletion(given[output.name()], details)
    _, good = made.run(given, context, feedback)
    assert good, feedback.errors
    handleAlgorithmResults(made, context, feedback, given)
    return project.layerTreeRoot().findLayers(), feedback


def outlines(layer):
    """Return the colour and the diameter of every drawn circle, with the feature's ``kind``."""
    context = context_of(layer)
    drawn = []
    for feature in layer.getFeatures():
        context.expressionContext().setFeature(feature)
        symbol = layer.renderer().symbolForFeature(feature, context)
        shape = symbol.symbolLayer(symbol.symbolLayerCount() - 1)
        size = shape.dataDefinedProperties().property(shape.Property.PropertySize)
        width, _ = size.valueAsDouble(context.expressionContext())
        drawn.append((feature, shape.strokeColor().name(), width))
    layer.renderer().stopRender(context)
    return drawn


def test_detected_craters_are_loaded_as_circles_over_their_rims(ground, project, tmp_path):
    out = str(tmp_path / "mine.gpkg")
    nodes, _ = loaded("detect-craters", {"dem": str(ground), "out": out}, project)
    assert [node.layer().name() for node in nodes] == ["Craters", "Rim probability"]
    craters, rims = (node.layer() for node in nodes)
    assert [node.itemVisibilityChecked() for node in nodes] == [True, False]
    assert craters.renderer().type() == "graduatedSymbol"
    assert rims.renderer().type() == "singlebandpseudocolor"
    assert {craters.crs().authid(), rims.crs().authid()} == {moon_crs.SOUTH_POLAR}
    drawn = outlines(craters)
    assert len(drawn) > 3
    assert all(width == feature["diameter_m"] for feature, _, width in drawn)


def test_ground_without_craters_gives_a_layer_of_no_points(dem, project, tmp_path):
    out = str(tmp_path / "none.gpkg")
    given = {"dem": str(dem), "out": out, "min_diameter_m": 20_000}
    nodes, _ = loaded("detect-craters", given, project)
    layer = nodes[0].layer()
    assert layer.featureCount() == 0
    assert layer.geometryType() == Qgis.GeometryType.Point
    assert layer.renderer().type() == "graduatedSymbol"


def test_craters_that_are_not_loaded_bring_no_rims(ground, project, tmp_path):
    out = tmp_path / "mine.gpkg"
    made, context, feedback = algorithm("detect-craters"), QgsProcessingContext(), Feedback()
    context.setProject(project)
    _, good = made.run({"dem": str(ground), "out": str(out)}, context, feedback)
    assert good, feedback.errors
    assert (tmp_path / "mine.rims.tif").is_file()
    assert context.layersToLoadOnCompletion() == {}


def test_hits_misses_and_new_craters_have_three_colours(found, catalogue, project, tmp_path):
    given = {
        "detections": str(found),
        "catalogue": str(catalogue),
        "min_diameter_m": CUT_M,
        "out": str(tmp_path / "compared.gpkg"),
    }
    (node,), _ = loaded("evaluate-craters", given, project)
    assert node.layer().name() == "Hits, misses and new craters"
    drawn = outlines(node.layer())
    assert {feature["kind"] for feature, _, _ in drawn} == set(KINDS)
    for feature, color, width in drawn:
        assert color == KINDS[feature["kind"]]
        assert width == feature["diameter_m"]
    labels = {item.label() for item in node.layer().renderer().legendSymbolItems()}
    assert labels == {"found", "missed", "new candidate"}


def test_a_layer_of_craters_goes_to_the_engine_as_its_file(found, catalogue, project, tmp_path):
    # With the file come the smallest diameter that was looked for, and the frame of the rims.
    layer = QgsVectorLayer(f"{found}|layername=craters", "mine", "ogr")
    moon_crs.name_layer(layer)
    project.addMapLayer(layer)
    given = {
        "detections": layer.id(),
        "catalogue": str(catalogue),
        "min_diameter_m": CUT_M,
    }
    made, context, feedback = algorithm("evaluate-craters"), QgsProcessingContext(), Feedback()
    context.setProject(project)
    assert made.prepare(given, context, feedback)
    assert made._values(given, context, feedback)["detections"] == str(found)
    layer.setSubsetString('"confidence" > 0.9')
    assert made._values(given, context, feedback)["detections"] != str(found)


def test_the_second_layer_of_a_file_is_written_for_the_engine(found, catalogue, project):
    circles = QgsVectorLayer(f"{found}|layername=circles", "mine", "ogr")
    moon_crs.name_layer(circles)
    project.addMapLayer(circles)
    given = {"detections": circles.id(), "catalogue": str(catalogue)}
    made, context, feedback = algorithm("evaluate-craters"), QgsProcessingContext(), Feedback()
    context.setProject(project)
    assert made.prepare(given, context, feedback)
    assert made._values(given, context, feedback)["detections"] != str(found)
