"""Stage ``evaluate-segmentation``: what a network says of images whose masks are known."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _imagery as imagery
from lunarsite.engine.stages import _shared as shared

STAGE = Stage(
    name="evaluate-segmentation",
    title="Evaluate a segmentation network",
    group="Rocks",
    summary="Compare classes with masks: intersection over union, calibration, uncertainty.",
    help="Images and masks are paired by the order of their names. Intersection over union is "
    "pooled over pixels, by class and with both classes of rocks taken for one, with bootstrap "
    "intervals over images; the calibration error is that of all pixels, of each class and of what "
    "is called a rock. Images from outside say how well the uncertainty tells that it is out "
    "of its depth.",
    parameters=(
        imagery.IMAGES,
        imagery.MASKS,
        imagery.VIEW,
        imagery.UNCERTAINTY,
        imagery.PASSES,
        imagery.TEST_TIME,
        Parameter(
            name="outside",
            kind=Kind.TEXT,
            title="Images from outside",
            help="Pattern, in quotes, of images that the network is not made for; no masks are "
            "needed.",
        ),
        Parameter(
            name="out",
            kind=Kind.FILE,
            endings=(".json",),
            title="Figures",
            help="JSON file to write, with provenance.",
            output=True,
        ),
        imagery.DIAGRAM,
        imagery.CHECKPOINT,
        shared.SEED,
    ),
    outputs=(
        Output(name="figures", kind=Kind.FILE, title="Figures", help="All figures.", optional=True),
        imagery.DIAGRAM_MADE,
    ),
    tags=("rock", "segmentation", "calibration", "validation"),
)
