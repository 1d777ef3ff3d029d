"""Stage ``screen``: from an elevation model to ranked sites and a report."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _shared as shared
from lunarsite.engine.stages import features, lighting, score, terrain, train_scorer

_OWN = {"dem", "out", "layers", "features", "far_field", "posting_m"}

STAGE = Stage(
    name="screen",
    title="Screen a region",
    group="Screening",
    summary="From an elevation model to layers, scores, ranked sites and a report, in one run.",
    help="Runs terrain, lighting, features and score one after the other. A step whose inputs and "
    "parameters did not change is not run again; a run that was cut off goes on where it stopped "
    "and ends with the same bytes.",
    parameters=(
        shared.DEM,
        shared.FAR_FIELD,
        shared.OUT_FOLDER,
        *(p for p in score.STAGE.parameters if p.name not in _OWN),
        Parameter(
            name="train",
            kind=Kind.BOOLEAN,
            title="Train on this area",
            help="Fit a scorer to this area instead of taking the one that comes with LunarSite; "
            "the report says how the two agree.",
            default=False,
        ),
        *features.CELL_PARAMETERS,
        *features.LAYER_PARAMETERS,
        *(p for p in lighting.STAGE.parameters if p.name not in _OWN),
        *(p for p in terrain.STAGE.parameters if p.name not in _OWN),
        *(p for p in train_scorer.STAGE.parameters if p.name == "folds"),
    ),
    outputs=(
        Output(
            name="layers",
            kind=Kind.FOLDER,
            title="Layers",
            help="The outputs of terrain and lighting.",
            path="layers",
        ),
        Output(
            name="features",
            kind=Kind.TABLE,
            title="Feature table",
            help="One row a cell, GeoParquet.",
            path="features.parquet",
        ),
        *score.OUTPUTS,
        Output(
            name="report",
            kind=Kind.FILE,
            title="Report",
            help="Map, layers, sites with skylines, data gaps and provenance in one HTML file.",
            path="report.html",
        ),
        Output(
            name="manifest",
            kind=Kind.FILE,
            title="Manifest",
            help="Inputs and outputs with their SHA-256, parameters, versions.",
            path="manifest.json",
        ),
    ),
    tags=("landing site", "pipeline", "report"),
)
