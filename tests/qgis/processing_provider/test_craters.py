"""Crater stages in QGIS: loading, styles, and layers as input."""

from __future__ import annotations

import pytest
from qgis.core import Qgis, QgsProcessingContext, QgsProject, QgsVectorLayer

from lunarsite.qgis_common import moon_crs
from tests.qgis.conftest import Feedback
from tests.qgis.processing_provider.test_toolbox import algorithm, context_of

CUT_M = 1000.0
KINDS = {"hit": "#56b4e9", "miss": "#d55e00", "new": "#f0e442"}


@pytest.fixture(scope="module")
def ground(processing, tmp_path_factory):
    """Return a synthetic elevation model with craters of many pixels."""
    path = tmp_path_factory.mktemp("ground") / "ground.tif"
    processing.run("lunarsite:synthesize", {"out": str(path), "size_px": 256, "pixel_m": 80})
    return path


@pytest.fixture(scope="module")
def found(processing, ground, tmp_path_factory):
    """Return a file of the craters detected in it."""
    path = tmp_path_factory.mktemp("found") / "mine.gpkg"
    processing.run("lunarsite:detect-craters", {"dem": str(ground), "out": str(path)})
    return path


@pytest.fixture(scope="module")
def catalogue(ground, tmp_path_factory):
    """Return a catalogue with every second one of its craters."""
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


def loaded(name, parameters, project):
    """Run an algorithm like its dialog, load the results, and return the layers from the top."""
    from processing.gui.Postprocessing import handleAlgorithmResults  # noqa: PLC0415

    context, feedback = QgsProcessingContext(), Feedback()
    context.setProject(project)
    made = algorithm(name)
    for output in made.destinationParameterDefinitions():
        if parameters.get(output.name()):
            details = QgsProcessingContext.LayerDetails(
                output.description(), project, output.name()
            )
            context.addLayerToLoadOnCompletion(parameters[output.name()], details)
    _, good = made.run(parameters, context, feedback)
    assert good, feedback.errors
    handleAlgorithmResults(made, context, feedback, parameters)
    return project.layerTreeRoot().findLayers(), feedback


def outlines(layer):
    """Return every feature with the colour and the diameter of its circle."""
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


def test_detected_craters_are_loaded_as_circles_above_the_rims(ground, project, tmp_path):
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


def test_terrain_without_craters_results_in_an_empty_layer(dem, project, tmp_path):
    out = str(tmp_path / "none.gpkg")
    parameters = {"dem": str(dem), "out": out, "min_diameter_m": 20_000}
    nodes, _ = loaded("detect-craters", parameters, project)
    layer = nodes[0].layer()
    assert layer.featureCount() == 0
    assert layer.geometryType() == Qgis.GeometryType.Point
    assert layer.renderer().type() == "graduatedSymbol"


def test_rims_are_only_loaded_with_the_craters(ground, project, tmp_path):
    out = tmp_path / "mine.gpkg"
    made, context, feedback = algorithm("detect-craters"), QgsProcessingContext(), Feedback()
    context.setProject(project)
    _, good = made.run({"dem": str(ground), "out": str(out)}, context, feedback)
    assert good, feedback.errors
    assert (tmp_path / "mine.rims.tif").is_file()
    assert context.layersToLoadOnCompletion() == {}


def test_hits_misses_and_new_craters_have_three_colours(found, catalogue, project, tmp_path):
    parameters = {
        "detections": str(found),
        "catalogue": str(catalogue),
        "min_diameter_m": CUT_M,
        "out": str(tmp_path / "compared.gpkg"),
    }
    (node,), _ = loaded("evaluate-craters", parameters, project)
    assert node.layer().name() == "Hits, misses and new craters"
    drawn = outlines(node.layer())
    assert {feature["kind"] for feature, _, _ in drawn} == set(KINDS)
    for feature, color, width in drawn:
        assert color == KINDS[feature["kind"]]
        assert width == feature["diameter_m"]
    labels = {item.label() for item in node.layer().renderer().legendSymbolItems()}
    assert labels == {"found", "missed", "new candidate"}


def test_a_crater_layer_is_passed_on_as_its_file(found, catalogue, project, tmp_path):
    # The file also has the smallest diameter of the search, and the extent of the rims.
    layer = QgsVectorLayer(f"{found}|layername=craters", "mine", "ogr")
    moon_crs.name_layer(layer)
    project.addMapLayer(layer)
    parameters = {
        "detections": layer.id(),
        "catalogue": str(catalogue),
        "min_diameter_m": CUT_M,
    }
    made, context, feedback = algorithm("evaluate-craters"), QgsProcessingContext(), Feedback()
    context.setProject(project)
    assert made.prepare(parameters, context, feedback)
    assert made.values(parameters, context, feedback)["detections"] == str(found)
    layer.setSubsetString('"confidence" > 0.9')
    assert made.values(parameters, context, feedback)["detections"] != str(found)


def test_the_second_layer_of_a_file_is_exported(found, catalogue, project):
    circles = QgsVectorLayer(f"{found}|layername=circles", "mine", "ogr")
    moon_crs.name_layer(circles)
    project.addMapLayer(circles)
    parameters = {"detections": circles.id(), "catalogue": str(catalogue)}
    made, context, feedback = algorithm("evaluate-craters"), QgsProcessingContext(), Feedback()
    context.setProject(project)
    assert made.prepare(parameters, context, feedback)
    assert made.values(parameters, context, feedback)["detections"] != str(found)
