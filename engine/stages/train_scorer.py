"""Stage ``train-scorer``: fit a scorer to a feature table."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _shared as shared

FEATURES = Parameter(
    name="features",
    kind=Kind.TABLE,
    endings=(".parquet",),
    title="Feature table",
    help="GeoParquet file of the features stage.",
    required=True,
)

CRITERIA_PARAMETERS = (
    Parameter(
        name="profile",
        kind=Kind.TEXT,
        title="Criteria profile: cassa, hls or a YAML file",
        help="cassa, hls, or the path of a YAML file with limits of your own.",
        default="cassa",
    ),
    Parameter(
        name="dem_error_m",
        kind=Kind.NUMBER,
        title="Error of heights",
        help="Standard error of the DEM's heights, where no elevation error layer says it.",
        default=1.0,
        unit="m",
        minimum=0,
        maximum=1000,
        advanced=True,
    ),
    Parameter(
        name="dem_correlation_m",
        kind=Kind.NUMBER,
        title="Correlation of the height error",
        help="Distance over which the DEM's error agrees.",
        default=300.0,
        unit="m",
        minimum=1,
        maximum=100_000,
        advanced=True,
    ),
    Parameter(
        name="horizon_error_deg",
        kind=Kind.NUMBER,
        title="Error of horizons",
        help="Standard error of a horizon all round.",
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
        help="How many draws of the errors labels and rank intervals are made of.",
        default=100,
        minimum=20,
        maximum=10_000,
        advanced=True,
    ),
    shared.SEED,
)

STAGE = Stage(
    name="train-scorer",
    title="Train a scorer",
    group="Scoring",
    summary="Fit the scorer to a feature table and measure it on blocks it has not seen.",
    help="The label of a cell is the probability that every criterion of the profile holds, by "
    "Monte Carlo over the errors of heights and horizons. Gradient-boosted trees with monotone "
    "constraints learn it from the physical features; no position is fed in. The card beside the "
    "model holds what spatial-block cross-validation measured.",
    parameters=(
        FEATURES,
        Parameter(
            name="out",
            kind=Kind.FILE,
            endings=(".ubj",),
            title="Scorer",
            help="File to write, .ubj; the card is written beside it, .json.",
            required=True,
            output=True,
        ),
        *CRITERIA_PARAMETERS,
        Parameter(
            name="folds",
            kind=Kind.INTEGER,
            title="Folds",
            help="Folds of the spatial-block cross-validation.",
            default=5,
            minimum=2,
            maximum=20,
            advanced=True,
        ),
    ),
    outputs=(
        Output(name="scorer", kind=Kind.FILE, title="Scorer", help="The trees, with their card."),
    ),
    tags=("XGBoost", "training", "criteria"),
)
