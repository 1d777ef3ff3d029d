"""Stage ``evaluate-segmentation``: predictions of a network against masks."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._imagery import (
    CHECKPOINT,
    DIAGRAM,
    DIAGRAM_OUTPUT,
    IMAGES,
    MASKS,
    PASSES,
    TEST_TIME,
    UNCERTAINTY,
    VIEW,
)
from lunarsite.engine.stages._shared import SEED

STAGE = Stage(
    name="evaluate-segmentation",
    title="Evaluate a segmentation network",
    group="Rocks",
    summary="Compare predicted classes with masks: intersection over union, calibration, "
    "uncertainty.",
    help="Images and masks are paired by the order of their file names. Intersection over union "
    "is pooled over pixels, for each class and with both rock classes merged, with bootstrap "
    "intervals over images. The calibration error is given for all pixels, for each class and for "
    "the pixels predicted as rock. Out-of-distribution images show how well the uncertainty, and "
    "the distance from the training images, separate them from the other images (area under the "
    "ROC curve).",
    parameters=(
        IMAGES,
        MASKS,
        VIEW,
        UNCERTAINTY,
        PASSES,
        TEST_TIME,
        Parameter(
            name="outside",
            kind=Kind.TEXT,
            title="Out-of-distribution images",
            help="Glob pattern, quoted on the command line, of images of a kind that the network "
            "was not trained for; they need no masks.",
        ),
        Parameter(
            name="out",
            kind=Kind.FILE,
            endings=(".json",),
            title="Metrics",
            help="JSON file to write, with provenance.",
            output=True,
        ),
        DIAGRAM,
        CHECKPOINT,
        SEED,
    ),
    outputs=(
        Output(
            name="figures",
            kind=Kind.FILE,
            title="Metrics",
            help="All metrics, JSON.",
            optional=True,
        ),
        DIAGRAM_OUTPUT,
    ),
    tags=("rock", "segmentation", "calibration", "validation"),
)
