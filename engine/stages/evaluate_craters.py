"""Stage ``evaluate-craters``: detected craters against a catalogue."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _shared as shared

STAGE = Stage(
    name="evaluate-craters",
    title="Evaluate detected craters",
    group="Craters",
    summary="Compare detected craters with a catalogue: recall, precision, and what is new.",
    help="Detections and catalogued craters are paired one to one at three gates. Recall, a lower "
    "bound of precision, F1 and average precision come with bootstrap intervals, overall and by "
    "octaves of diameter, beside what random circles of the same sizes reach. Detections "
    "somewhat smaller than the cut take part too, for diameters have errors; one that matches only "
    "a crater below the cut or outside the bounds is neither hit nor new. A catalogue is never "
    "complete: what is unmatched is a new candidate.",
    parameters=(
        Parameter(
            name="detections",
            kind=Kind.VECTOR,
            title="Detections",
            help="GeoPackage of detect-craters, or another layer with diameter_m and confidence.",
            required=True,
        ),
        Parameter(
            name="catalogue",
            kind=Kind.TABLE,
            endings=(".csv", ".gpkg"),
            title="Crater catalogue",
            help="CSV table or GeoPackage with diameter_m or diameter_km, and lon_deg and lat_deg "
            "or x_m and y_m.",
            required=True,
        ),
        Parameter(
            name="bounds",
            kind=Kind.TEXT,
            title="Bounds: west, south, east, north in map metres",
            help="Where the catalogue lists what there is, such as -30000,-10600,21200,15000; "
            "where not given, the elevation model's, if the rims lie beside the detections, or "
            "those of the detections.",
        ),
        Parameter(
            name="min_diameter_m",
            kind=Kind.NUMBER,
            title="Cut in diameter",
            help="Catalogued craters of this diameter and more are to be found.",
            default=2000.0,
            unit="m",
            minimum=1,
            maximum=1_000_000,
        ),
        Parameter(
            name="min_detected_diameter_m",
            kind=Kind.NUMBER,
            title="Smallest detection that takes part",
            help="0.8 of the cut where not given.",
            unit="m",
            minimum=0,
            maximum=1_000_000,
            advanced=True,
        ),
        Parameter(
            name="min_confidence",
            kind=Kind.NUMBER,
            title="Least confidence",
            help="Detections below it are left out; none where not given.",
            minimum=0,
            maximum=1,
        ),
        Parameter(
            name="gate",
            kind=Kind.CHOICE,
            title="Gate of the layer",
            help="By which gate the layer tells hits from misses; the figures are of all three.",
            default="iou",
            choices=("deepmoon", "strict", "iou"),
        ),
        Parameter(
            name="rim_pixel_m",
            kind=Kind.NUMBER,
            title="Pixel of rims",
            help="Rims are compared as rasters of such pixels.",
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
            help="GeoPackage to write: the layers craters (points) and circles, with their kind.",
            output=True,
        ),
        Parameter(
            name="report",
            kind=Kind.FILE,
            endings=(".md",),
            title="Page",
            help="Markdown file to write, with all tables.",
            output=True,
        ),
        shared.SEED,
    ),
    outputs=(
        Output(
            name="compared",
            kind=Kind.VECTOR,
            title="Hits, misses and new craters",
            help="Centres with kind hit, miss or new; and circles as a second layer.",
            style="compared_craters",
            optional=True,
        ),
        Output(
            name="report",
            kind=Kind.FILE,
            title="Page",
            help="All tables as Markdown.",
            optional=True,
        ),
        Output(
            name="catalogued",
            kind=Kind.INTEGER,
            title="Craters to be found",
            help="Catalogued craters of the cut and more inside the bounds.",
        ),
    ),
    tags=("crater", "recall", "precision", "catalogue", "validation"),
)
