"""Stage ``diagnose-craters``: why a crater network misses craters."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import (
    CATALOGUE_ENDINGS,
    CATALOGUE_HELP,
    DEM,
    OUT_FOLDER,
    SEED,
)

STAGE = Stage(
    name="diagnose-craters",
    title="Diagnose a crater network",
    group="Craters",
    summary="Find out why a network misses craters: wrong input or wrong training data.",
    help="Runs the network on four preparations of the elevation model: the heights as they are, "
    "with the regional plane removed, stretched to the relief of the training terrain, and with "
    "all heights equally frequent (histogram equalisation). Each is evaluated at eleven "
    "confidence thresholds. If one preparation recovers craters at the same precision, the form "
    "of the input differs from that in training (modality shift). If none does, but predictions "
    "lie on true rims, the network needs more training examples of the craters it misses "
    "(distribution within the domain). If a lower threshold finds many more craters, most of them "
    "right, that is reported as well. Rim distances and recall by depth-to-diameter ratio are "
    "given as evidence.",
    parameters=(
        DEM,
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
            "-30000,-10600,21200,15000. Defaults to the extent of the elevation model.",
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
            name="checkpoint",
            kind=Kind.FILE,
            endings=(".safetensors",),
            model="craters",
            title="Network checkpoint",
            help="Checkpoint written by train-craters, or the name of a model. If not set, the "
            "network shipped with LunarSite is used.",
            advanced=True,
        ),
        OUT_FOLDER,
        SEED,
    ),
    outputs=(
        Output(
            name="picture",
            kind=Kind.PICTURE,
            title="Diagnostic plots",
            help="Recall and precision by preparation and threshold, recall by degradation, and "
            "rim distances.",
            path="diagnosis.png",
        ),
        Output(
            name="report",
            kind=Kind.FILE,
            title="Report",
            help="Verdict and evidence as Markdown.",
            path="diagnosis.md",
        ),
        Output(
            name="grid",
            kind=Kind.TABLE,
            title="Recall and precision",
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
