"""Stage ``landing``: landing discs evaluated at every pixel."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import AOI, DEM, OUT_FOLDER
from lunarsite.engine.stages.features import LAYER_PARAMETERS
from lunarsite.engine.stages.train_scorer import CRITERIA_PARAMETERS

RADIUS = Parameter(
    name="landing_radius_m",
    kind=Kind.NUMBER,
    title="Landing radius",
    help="Radius of the disc of ground on which every criterion is evaluated; at least 1.5 pixels.",
    default=100.0,
    unit="m",
    minimum=1,
    maximum=10_000,
)

LAYERS = Parameter(
    name="layers",
    kind=Kind.FOLDER,
    # By name: its own layers, which may lie in the same folder, are not among them.
    files=(
        "slope_*.tif",
        "roughness_*.tif",
        "relief_*.tif",
        "position_*.tif",
        "illumination_*.tif",
        "earth_*.tif",
        "longest_*.tif",
        "psr.tif",
    ),
    title="Layers",
    help="Folder with the outputs of terrain and lighting.",
    required=True,
)

_LAYERS = ("illumination", "earth_visibility", "psr", "elevation_error")
_ERRORS = ("profile", "dem_error_m", "dem_correlation_m", "horizon_error_deg")

OUTPUTS = (
    Output(
        name="landing_probability",
        kind=Kind.RASTER,
        title="Landing probability",
        help="Probability that every criterion is met on the landing disc around each pixel, given "
        "the errors of heights and horizons, 0 to 1.",
        path="landing_probability.tif",
        style="score",
    ),
    Output(
        name="landing_suitability",
        kind=Kind.RASTER,
        title="Landing suitability",
        help="Suitability of the landing disc around each pixel, 0 to 1: the geometric mean of the "
        "soft criteria, by which the best disc of a cell is chosen.",
        path="landing_suitability.tif",
        style="score",
    ),
)

STAGE = Stage(
    name="landing",
    title="Landing discs",
    group="Scoring",
    summary="Evaluate every criterion on the landing disc around each pixel.",
    help="A lander needs a disc of ground of about 100 m radius that is level, lit and in view of "
    "the Earth. For the disc around each pixel, computes the probability that every criterion of "
    "the profile is met there, and its suitability. Criteria on craters, rocks, distances to "
    "permanent shadow, the darkest month and the longest darkness are evaluated later, at the best "
    "disc of each cell.",
    parameters=(
        DEM,
        AOI,
        LAYERS,
        OUT_FOLDER,
        RADIUS,
        *(p for p in CRITERIA_PARAMETERS if p.name in _ERRORS),
        *(p for p in LAYER_PARAMETERS if p.name in _LAYERS),
    ),
    outputs=OUTPUTS,
    estimates=True,
    tags=("landing site", "probability", "map"),
)
