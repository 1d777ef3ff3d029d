"""Stage ``detect-craters``: a catalogue of the craters in an elevation model."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import AOI, DEM

STAGE = Stage(
    name="detect-craters",
    title="Detect craters",
    group="Craters",
    summary="Detect craters in an elevation model: centre, diameter, depth and confidence.",
    help="A neural network searches the elevation model at all scales, from its native pixels to "
    "the whole frame; detections of the same crater at several scales are merged. It was trained "
    "and its confidence, the probability that a detection is a catalogued crater, was calibrated "
    "on generated terrain and on real terrain of the north pole. By default a second search, in "
    "the terrain upside down, estimates how many detections are false, and the least confidence "
    "is chosen that keeps the precision by this estimate or by the mean confidence. Craters are "
    "written as points, with their rims as circles in a second layer. The rim probability is "
    "written next to them as a raster with the suffix .rims.tif.",
    parameters=(
        DEM,
        AOI,
        Parameter(
            name="out",
            kind=Kind.VECTOR,
            endings=(".gpkg",),
            title="Craters",
            help="GeoPackage to write, with the layers craters (points) and circles (polygons).",
            required=True,
            output=True,
        ),
        Parameter(
            name="method",
            kind=Kind.CHOICE,
            title="Method",
            help="network: the trained neural network. template: correlation with crater "
            "profiles, a baseline to compare networks with. It finds fewer craters and gives no "
            "rim probability; a rim raster left under the same name by an earlier run is removed.",
            choices=("network", "template"),
            default="network",
            advanced=True,
        ),
        Parameter(
            name="min_diameter_m",
            kind=Kind.NUMBER,
            title="Minimum diameter",
            help="Smallest crater to report, in metres on the ground. Defaults to ten pixels.",
            unit="m",
            minimum=1,
            maximum=1_000_000,
        ),
        Parameter(
            name="precision",
            kind=Kind.NUMBER,
            title="Estimated precision",
            help="Share of the detections that are to be craters. The lowest confidence that "
            "reaches it is chosen for this elevation model, by the detections in the terrain "
            "upside down, all of which are false, or by the mean confidence where that promises "
            "more. With fewer than 15 detections the threshold is "
            "that of the calibration. Networks only.",
            default=0.75,
            minimum=0,
            maximum=0.99,
        ),
        Parameter(
            name="min_confidence",
            kind=Kind.NUMBER,
            title="Minimum confidence",
            help="Detections with lower confidence are left out. If it is set, the precision is "
            "not estimated, which saves one of two searches, and a part of an elevation model has "
            "the craters of the whole, but for those near its edge.",
            minimum=0,
            maximum=1,
        ),
        Parameter(
            name="checkpoint",
            kind=Kind.FILE,
            endings=(".safetensors",),
            model="craters",
            title="Network checkpoint",
            help="Checkpoint written by train-craters, or the name of a model (lunarsite models "
            "list). If not set, the network shipped with LunarSite is used.",
            advanced=True,
        ),
    ),
    outputs=(
        Output(
            name="craters",
            kind=Kind.VECTOR,
            title="Craters",
            help="Crater centres with diameter, depth, their errors (one standard deviation), "
            "confidence, and whether the edge or a gap cuts the rim; circles as a second layer.",
            style="detected_craters",
        ),
        Output(
            name="rims",
            kind=Kind.RASTER,
            title="Rim probability",
            help="Probability that a pixel lies on a crater rim, in steps of 1/250; written by "
            "networks only.",
            style="rim_probability",
            optional=True,
        ),
    ),
    estimates=True,
    tags=("crater", "detection", "network", "catalogue"),
)
