"""Stage ``screen``: from an elevation model to ranked sites and a report."""

from __future__ import annotations

from dataclasses import replace

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import features, landing, lighting, score, terrain, train_scorer
from lunarsite.engine.stages._shared import AOI, BUILTIN_FAR_FIELD, DEM, FAR_FIELD, OUT_FOLDER

_OWN = {
    "dem",
    "out",
    "layers",
    "features",
    "far_field",
    "builtin_far_field",
    "aoi",
    "posting_m",
    "time_series",
}

STAGE = Stage(
    name="screen",
    title="Screen a region",
    group="Screening",
    summary="Run the complete screening, from an elevation model to ranked sites and a report.",
    help="Runs terrain, lighting, landing, disc-light, features and score in sequence. Steps whose "
    "inputs and parameters have not changed are skipped. An interrupted run resumes where it "
    "stopped and gives byte-identical results.",
    parameters=(
        DEM,
        FAR_FIELD,
        BUILTIN_FAR_FIELD,
        AOI,
        OUT_FOLDER,
        *(p for p in score.STAGE.parameters if p.name not in _OWN),
        Parameter(
            name="train",
            kind=Kind.BOOLEAN,
            title="Train on this area",
            help="Train a scorer on this area instead of using the one shipped with LunarSite; "
            "the report states how well the two agree.",
            default=False,
        ),
        landing.RADIUS,
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
            help="Outputs of terrain, lighting and landing.",
            path="layers",
        ),
        Output(
            name="features",
            kind=Kind.TABLE,
            title="Feature table",
            help="One row per cell, GeoParquet.",
            path="features.parquet",
        ),
        *score.OUTPUTS,
        *(replace(each, path=f"layers/{each.path}") for each in landing.OUTPUTS[:1]),
        Output(
            name="report",
            kind=Kind.FILE,
            title="Report",
            help="Map, layers, sites with skylines, data gaps and provenance in a single HTML "
            "file.",
            path="report.html",
        ),
        Output(
            name="manifest",
            kind=Kind.FILE,
            title="Manifest",
            help="Inputs and outputs with their SHA-256 checksums, parameters and versions.",
            path="manifest.json",
        ),
    ),
    estimates=True,
    tags=("landing site", "pipeline", "report"),
)
