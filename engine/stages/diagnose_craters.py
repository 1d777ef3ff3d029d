"""Stage ``diagnose-craters``: why a network misses craters."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _shared as shared

STAGE = Stage(
    name="diagnose-craters",
    title="Diagnose a crater network",
    group="Craters",
    summary="Say why a network misses craters: wrong model or wrong data.",
    help="The network looks at the elevation model four times: at the heights as they come, "
    "without their plane, stretched to the relief of its training ground, and with all heights "
    "equally frequent; each at eleven thresholds. If one of them brings craters back at the same "
    "precision, the input came in another form than in training (modality shift). If none does "
    "but predictions lie on true rims, the network has to be shown more craters of the kind that "
    "it misses (distribution within the domain). Where a lower threshold finds much more, "
    "mostly right, that is said too. Distances of rims and recall by depth over "
    "diameter are the evidence.",
    parameters=(
        shared.DEM,
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
            help="Where the catalogue lists what there is, such as -30000,-10600,21200,15000; the "
            "elevation model's where not given.",
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
            name="checkpoint",
            kind=Kind.FILE,
            endings=(".safetensors",),
            title="Network",
            help="Checkpoint of train-craters; the one that comes with LunarSite where not given.",
            advanced=True,
        ),
        shared.OUT_FOLDER,
        shared.SEED,
    ),
    outputs=(
        Output(
            name="picture",
            kind=Kind.PICTURE,
            title="Picture",
            help="Recall and precision by preparation and threshold, by wear, distances of rims.",
            path="diagnosis.png",
        ),
        Output(
            name="report",
            kind=Kind.FILE,
            title="Page",
            help="Verdict and evidence as Markdown.",
            path="diagnosis.md",
        ),
        Output(
            name="grid",
            kind=Kind.TABLE,
            title="Grid",
            help="Recall and precision of each preparation at each threshold.",
            path="diagnosis.csv",
        ),
        Output(
            name="verdict",
            kind=Kind.TEXT,
            title="Verdict",
            help="Modality shift, distribution within the domain, or neither.",
        ),
    ),
    tags=("crater", "network", "recall", "validation"),
)
