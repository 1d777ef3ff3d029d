"""Stage ``evaluate-craters``: detected craters against a catalogue."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import CATALOGUE_ENDINGS, CATALOGUE_HELP, SEED

STAGE = Stage(
    name="evaluate-craters",
    title="Evaluate detected craters",
    group="Craters",
    summary="Compare detected craters with a catalogue: recall, precision and new candidates.",
    help="Detections and catalogued craters are matched one to one under three matching "
    "criteria. Recall, a lower bound on precision, F1 and average precision are reported with "
    "bootstrap intervals, overall and by octave of diameter, next to what random circles of the "
    "same sizes reach. Detections somewhat smaller than the minimum diameter are included, "
    "because diameters have errors; a detection that matches only a crater below the minimum "
    "diameter or outside the bounds is neither a hit nor new. No catalogue is complete: unmatched "
    "detections are new candidates.",
    parameters=(
        Parameter(
            name="detections",
            kind=Kind.VECTOR,
            title="Detections",
            help="GeoPackage written by detect-craters, or another layer with the fields "
            "diameter_m and confidence.",
            required=True,
        ),
        Parameter(
            name="catalogue",
            kind=Kind.TABLE,
            endings=CATALOGUE_ENDINGS,
            title="Crater catalogue",
            help=CATALOGUE_HELP,
            required=True,
        ),
        Parameter(
            name="bounds",
            kind=Kind.TEXT,
            title="Bounds: west, south, east, north in map metres",
            help="Area in which the catalogue is complete, for example "
            "-30000,-10600,21200,15000. Defaults to the extent of the elevation model if the rim "
            "raster lies next to the detections, otherwise to the extent of the detections.",
        ),
        Parameter(
            name="min_diameter_m",
            kind=Kind.NUMBER,
            title="Minimum diameter",
            help="Catalogued craters of at least this diameter are expected to be found.",
            default=2000.0,
            unit="m",
            minimum=1,
            maximum=1_000_000,
        ),
        Parameter(
            name="min_detected_diameter_m",
            kind=Kind.NUMBER,
            title="Minimum detected diameter",
            help="Smallest detection to match. Defaults to 0.8 times the minimum diameter.",
            unit="m",
            minimum=0,
            maximum=1_000_000,
            advanced=True,
        ),
        Parameter(
            name="min_confidence",
            kind=Kind.NUMBER,
            title="Minimum confidence",
            help="Detections with lower confidence are left out. By default all are used.",
            minimum=0,
            maximum=1,
        ),
        Parameter(
            name="gate",
            kind=Kind.CHOICE,
            title="Matching criterion of the layer",
            help="Matching criterion by which the output layer separates hits from misses; the "
            "statistics cover all three.",
            default="iou",
            choices=("deepmoon", "strict", "iou"),
        ),
        Parameter(
            name="rim_pixel_m",
            kind=Kind.NUMBER,
            title="Rim pixel size",
            help="Pixel size of the rasters in which rims are compared.",
            default=118.0,
            unit="m",
            minimum=1,
            maximum=100_000,
            advanced=True,
        ),
        Parameter(
            name="out",
            kind=Kind.VECTOR,
            endings=(".gpkg",),
            title="Hits, misses and new craters",
            help="GeoPackage to write, with the layers craters (points) and circles; the field "
            "kind tells hits, misses and new candidates apart.",
            output=True,
        ),
        Parameter(
            name="report",
            kind=Kind.FILE,
            endings=(".md",),
            title="Report",
            help="Markdown file to write, with all tables.",
            output=True,
        ),
        SEED,
    ),
    outputs=(
        Output(
            name="compared",
            kind=Kind.VECTOR,
            title="Hits, misses and new craters",
            help="Crater centres whose kind is hit, miss or new, and circles as a second layer.",
            style="compared_craters",
            optional=True,
        ),
        Output(
            name="report",
            kind=Kind.FILE,
            title="Report",
            help="All tables as Markdown.",
            optional=True,
        ),
        Output(
            name="catalogued",
            kind=Kind.INTEGER,
            title="Catalogued craters",
            help="Number of catalogued craters of at least the minimum diameter within the bounds.",
        ),
    ),
    tags=("crater", "recall", "precision", "catalogue", "validation"),
)
