"""Stage ``calibrate``: let a network's probabilities come true on images of one's own."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _imagery as imagery
from lunarsite.engine.stages import _shared as shared

STAGE = Stage(
    name="calibrate",
    title="Calibrate a segmentation network",
    group="Rocks",
    summary="Fit the temperatures of a segmentation network to images with masks.",
    help="A number divides what the network says before it becomes probabilities, so that what "
    "is said with 80 % comes true in 80 of 100 pixels: one where it calls a rock, another "
    "elsewhere. Both are fitted to every other image and judged on the rest. Classes stay the "
    "same, but for a few pixels on borders under MC Dropout; how sure they are changes. The "
    "network's usual uncertainty, with which other images are compared, becomes that of these "
    "images.",
    parameters=(
        Parameter(
            name="checkpoint",
            kind=Kind.FILE,
            endings=(".safetensors",),
            title="Network",
            help="Checkpoint of train-segmenter.",
            required=True,
        ),
        imagery.IMAGES,
        imagery.MASKS,
        Parameter(
            name="out",
            kind=Kind.FILE,
            endings=(".safetensors",),
            title="Calibrated checkpoint",
            help="File to write, .safetensors, with its card and checksums beside it.",
            required=True,
            output=True,
        ),
        imagery.DIAGRAM,
        shared.SEED,
    ),
    outputs=(
        Output(
            name="checkpoint",
            kind=Kind.FILE,
            title="Calibrated checkpoint",
            help="For segment-terrain --checkpoint.",
        ),
        imagery.DIAGRAM_MADE,
    ),
    tags=("rock", "segmentation", "calibration", "temperature"),
)
