"""Stage ``detect-craters``: a catalogue of the craters of an elevation model."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _shared as shared

STAGE = Stage(
    name="detect-craters",
    title="Detect craters",
    group="Craters",
    summary="Find the craters of an elevation model: centre, diameter, depth, confidence.",
    help="A network that was trained on generated ground alone looks at the elevation model at "
    "all scales, from its own pixels to the whole frame; what several scales see becomes one "
    "circle. The confidence is the probability that it is a crater, as measured on generated "
    "ground. The craters are points, their rims circles in a second layer; beside them lies the "
    "probability of rims as a raster with the ending .rims.tif.",
    parameters=(
        shared.DEM,
        Parameter(
            name="out",
            kind=Kind.VECTOR,
            endings=(".gpkg",),
            title="Craters",
            help="GeoPackage to write: the layers craters (points) and circles (polygons).",
            required=True,
            output=True,
        ),
        Parameter(
            name="method",
            kind=Kind.CHOICE,
            title="Method",
            help="network: the trained one. template: correlation with crater profiles, with which "
            "networks are compared; it finds fewer craters and gives no rims: those of an earlier "
            "search under the same name are removed.",
            choices=("network", "template"),
            default="network",
            advanced=True,
        ),
        Parameter(
            name="min_diameter_m",
            kind=Kind.NUMBER,
            title="Smallest crater",
            help="Diameter on the ground; ten pixels where not given.",
            unit="m",
            minimum=1,
            maximum=1_000_000,
        ),
        Parameter(
            name="min_confidence",
            kind=Kind.NUMBER,
            title="Least confidence",
            help="Circles below it are left out. Where not given, the value that finds most and "
            "errs least on generated ground. Worn craters of real ground get less: 0.05 shows them "
            "too, with more that are none.",
            minimum=0,
            maximum=1,
        ),
        Parameter(
            name="checkpoint",
            kind=Kind.FILE,
            endings=(".safetensors",),
            title="Network",
            help="Checkpoint of train-craters; the one that comes with LunarSite where not given.",
            advanced=True,
        ),
    ),
    outputs=(
        Output(
            name="craters",
            kind=Kind.VECTOR,
            title="Craters",
            help="Centres with diameter, depth and confidence; and circles as a second layer.",
            style="detected_craters",
        ),
        Output(
            name="rims",
            kind=Kind.RASTER,
            title="Rim probability",
            help="Probability that a pixel is on a crater's rim, in 250ths; of networks only.",
            style="rim_probability",
            optional=True,
        ),
    ),
    tags=("crater", "detection", "network", "catalogue"),
)
