"""Write models/*.model3, the batch models of the toolbox, with the writer of QGIS.

Run it in the environment of the QGIS tests, after a change of stage parameters that a model uses:
.venv-qgis/bin/python tools/make_models.py
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["QT_HASH_SEED"] = "0"  # a reproducible order of attributes

from qgis.analysis import QgsNativeAlgorithms
from qgis.core import (
    QgsApplication,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtCore import QPointF

from lunarsite.processing_provider import compat
from lunarsite.processing_provider.provider import register

FOLDER = Path(__file__).resolve().parents[1] / "models"

Source = QgsProcessingModelChildParameterSource


def dem() -> QgsProcessingParameterRasterLayer:
    return QgsProcessingParameterRasterLayer("dem", "Elevation model")


def far_field() -> QgsProcessingParameterMultipleLayers:
    return QgsProcessingParameterMultipleLayers(
        "far_field", "Far field, coarser elevation models around it", compat.RASTER, optional=True
    )


def craters() -> QgsProcessingParameterFeatureSource:
    return QgsProcessingParameterFeatureSource(
        "craters", "Crater catalogue", [compat.VECTOR], optional=True
    )


def cell() -> QgsProcessingParameterNumber:
    made = QgsProcessingParameterNumber("cell_m", "Cell size [m]", compat.DOUBLE, 960.0)
    made.setMinimum(1)
    return made


def profile(
    name: str = "profile", title: str = "Criteria profile", default: str = "cassa"
) -> QgsProcessingParameterString:
    return QgsProcessingParameterString(name, title, default)


def taken(name: str) -> list[Source]:
    return [Source.fromModelParameter(name)]


def fixed(value: object) -> list[Source]:
    return [Source.fromStaticValue(value)]


def of(child: str, output: str) -> list[Source]:
    return [Source.fromChildOutput(child, output)]


def model(name: str, title: str, text: str, parameters: list) -> QgsProcessingModelAlgorithm:
    made = QgsProcessingModelAlgorithm(name, "Batch", "batch")
    made.setName(title)
    for row, parameter in enumerate(parameters):
        shown = QgsProcessingModelParameter(parameter.name())
        shown.setPosition(QPointF(120, 60 + 110 * row))
        made.addModelParameter(parameter, shown)
    made.setHelpContent(
        {"ALG_DESC": text, "SHORT_DESCRIPTION": text.split(". ", maxsplit=1)[0] + "."}
    )
    return made


def step(
    made: QgsProcessingModelAlgorithm,
    name: str,
    algorithm: str,
    given: dict,
    outputs: dict[str, str] | None = None,
) -> None:
    """Add one algorithm; ``outputs`` are the outputs that become outputs of the model."""
    child = QgsProcessingModelChildAlgorithm(algorithm)
    child.setChildId(name)
    child.setDescription(child.algorithm().displayName())
    child.setPosition(QPointF(420, 80 + 150 * len(made.childAlgorithms())))
    for key, source in given.items():
        child.addParameterSources(key, source)
    wanted = {}
    for key, title in (outputs or {}).items():
        output = QgsProcessingModelOutput(title, title)
        output.setChildId(name)
        output.setChildOutputName(key)
        output.setPosition(QPointF(720, 80 + 150 * len(made.childAlgorithms()) + 60 * len(wanted)))
        wanted[title] = output
    child.setModelOutputs(wanted)
    made.addChildAlgorithm(child)


def screen_region() -> QgsProcessingModelAlgorithm:
    made = model(
        "screen_a_region",
        "Screen a region (batch)",
        "From an elevation model to ranked sites. The folder holds all layers, the scores and a "
        "report; the ranked sites come as a layer of their own, for the next model. Run it as a "
        "batch to screen several regions.",
        [dem(), far_field(), craters(), profile(), cell()],
    )
    step(
        made,
        "screen",
        "lunarsite:screen",
        {name: taken(name) for name in ("dem", "far_field", "craters", "profile", "cell_m")},
        {"out": "Screening"},
    )
    step(
        made,
        "sites",
        "native:savefeatures",
        {"INPUT": of("screen", "sites")},
        {"OUTPUT": "Ranked sites"},
    )
    return made


def score_points() -> QgsProcessingModelAlgorithm:
    made = model(
        "score_candidate_points",
        "Score candidate points (batch)",
        "From an elevation model and a layer of points to a table with the score, the rank and its "
        "interval, the margin to every criterion and the strongest reasons of each point. Give "
        "the folder of an earlier screening of the same model, and only the points are worked out.",
        [
            dem(),
            far_field(),
            QgsProcessingParameterFeatureSource("points", "Candidate points", [compat.POINTS]),
            profile(),
            cell(),
        ],
    )
    step(
        made,
        "screen",
        "lunarsite:screen",
        {name: taken(name) for name in ("dem", "far_field", "profile", "cell_m")}
        | {"load_layers": fixed(False)},
        {"out": "Screening"},
    )
    step(
        made,
        "points",
        "lunarsite:score-points",
        {"run": of("screen", "out"), "points": taken("points")},
        {"out": "Scored points"},
    )
    return made


def compare_profiles() -> QgsProcessingModelAlgorithm:
    made = model(
        "compare_two_criteria_profiles",
        "Compare two criteria profiles",
        "Screens an elevation model under one profile, scores the same cells under another, and "
        "shows where the two disagree: the change of rank, and the best cells of either.",
        [
            dem(),
            far_field(),
            profile("first", "First profile", "cassa"),
            profile("second", "Second profile", "hls"),
            cell(),
        ],
    )
    step(
        made,
        "screen",
        "lunarsite:screen",
        {name: taken(name) for name in ("dem", "far_field", "cell_m")}
        | {"profile": taken("first"), "load_layers": fixed(False)},
        {"out": "Under the first profile"},
    )
    step(
        made,
        "score",
        "lunarsite:score",
        {
            "features": of("screen", "features"),
            "profile": taken("second"),
            "load_layers": fixed(False),
        },
        {"out": "Under the second profile"},
    )
    step(
        made,
        "compare",
        "lunarsite:compare",
        {"first": of("screen", "out"), "second": of("score", "out")},
        {"out": "Comparison"},
    )
    return made


def main() -> None:
    application = QgsApplication([], False)
    application.initQgis()
    QgsApplication.processingRegistry().addProvider(
        QgsNativeAlgorithms(QgsApplication.processingRegistry())
    )
    kept = register()
    for make in (screen_region, score_points, compare_profiles):
        made = make()
        path = FOLDER / f"{make.__name__}.model3"
        good, problems = made.validate()
        if not good or not made.toFile(str(path)):
            sys.exit(f"make_models: {path.name}: {'; '.join(problems)}")
    del kept


main()
