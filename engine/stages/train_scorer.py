"""Stage ``train-scorer``: training of a scorer on a feature table."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import SEED

FEATURES = Parameter(
    name="features",
    kind=Kind.TABLE,
    endings=(".parquet",),
    title="Feature table",
    help="GeoParquet file written by features.",
    required=True,
)

CRITERIA_PARAMETERS = (
    Parameter(
        name="profile",
        kind=Kind.TEXT,
        title="Criteria profile: cassa, hls or a YAML file",
        help="cassa, hls, or the path of a YAML file with your own limits.",
        default="cassa",
    ),
    Parameter(
        name="dem_error_m",
        kind=Kind.NUMBER,
        title="Elevation error",
        help="Standard error of the heights, used where there is no elevation error layer.",
        default=1.0,
        unit="m",
        minimum=0,
        maximum=1000,
        advanced=True,
    ),
    Parameter(
        name="dem_correlation_m",
        kind=Kind.NUMBER,
        title="Correlation length of the elevation error",
        help="Distance over which errors of the heights are correlated.",
        default=300.0,
        unit="m",
        minimum=1,
        maximum=100_000,
        advanced=True,
    ),
    Parameter(
        name="horizon_error_deg",
        kind=Kind.NUMBER,
        title="Horizon error",
        help="Standard error of the horizon's elevation angle, common to all directions.",
        default=0.1,
        unit="deg",
        minimum=0,
        maximum=5,
        advanced=True,
    ),
    Parameter(
        name="draws",
        kind=Kind.INTEGER,
        title="Monte Carlo draws",
        help="Number of Monte Carlo draws of the errors, for the labels and the rank intervals.",
        default=100,
        minimum=20,
        maximum=10_000,
        advanced=True,
    ),
    SEED,
)

STAGE = Stage(
    name="train-scorer",
    title="Train a scorer",
    group="Scoring",
    summary="Train a scorer on a feature table and evaluate it by spatial-block cross-validation.",
    help="The label of a cell is its suitability in a Monte Carlo simulation of the errors of "
    "heights and horizons. Gradient-boosted trees with monotone constraints are fitted to what the "
    "closed form of the suitability lacks, over the features that the criteria name. "
    "The card written next to the scorer holds the results of the cross-validation.",
    parameters=(
        FEATURES,
        Parameter(
            name="out",
            kind=Kind.FILE,
            endings=(".ubj",),
            title="Scorer",
            help="Scorer to write (.ubj); its card (.json) and checksums (.sha256) are written "
            "next to it.",
            required=True,
            output=True,
        ),
        *CRITERIA_PARAMETERS,
        Parameter(
            name="folds",
            kind=Kind.INTEGER,
            title="Cross-validation folds",
            help="Number of folds of the spatial-block cross-validation.",
            default=5,
            minimum=2,
            maximum=20,
            advanced=True,
        ),
    ),
    outputs=(
        Output(
            name="scorer",
            kind=Kind.FILE,
            title="Scorer",
            help="The gradient-boosted trees, with their card.",
        ),
    ),
    tags=("XGBoost", "training", "criteria"),
)
