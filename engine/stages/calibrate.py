"""Stage ``calibrate``: temperature scaling of a segmentation network."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._imagery import DIAGRAM, DIAGRAM_OUTPUT, IMAGES, MASKS
from lunarsite.engine.stages._shared import SEED

STAGE = Stage(
    name="calibrate",
    title="Calibrate a segmentation network",
    group="Rocks",
    summary="Calibrate a segmentation network by temperature scaling on images with masks.",
    help="Temperature scaling divides the logits of the network by a constant before they become "
    "probabilities, so that a confidence of 80 % is right for 80 of 100 pixels. Two temperatures, "
    "one for pixels predicted as rock and one for all others, are fitted to every other image; "
    "calibration is evaluated on the remaining images. Predicted classes do not change, except "
    "for a few pixels at class borders under MC Dropout. The reference uncertainty stored with "
    "the network, with which other images are compared, is replaced by that of these images; what "
    "its training images look like stays.",
    parameters=(
        Parameter(
            name="checkpoint",
            kind=Kind.FILE,
            endings=(".safetensors",),
            model="rocks",
            title="Network checkpoint",
            help="Checkpoint written by train-segmenter, or the name of a model.",
            required=True,
        ),
        IMAGES,
        MASKS,
        Parameter(
            name="out",
            kind=Kind.FILE,
            endings=(".safetensors",),
            title="Calibrated checkpoint",
            help="Checkpoint to write (.safetensors); its card and checksums are written next to "
            "it.",
            required=True,
            output=True,
        ),
        DIAGRAM,
        SEED,
    ),
    outputs=(
        Output(
            name="checkpoint",
            kind=Kind.FILE,
            title="Calibrated checkpoint",
            help="Calibrated network, to use as the checkpoint of segment-terrain.",
        ),
        DIAGRAM_OUTPUT,
    ),
    tags=("rock", "segmentation", "calibration", "temperature"),
)
