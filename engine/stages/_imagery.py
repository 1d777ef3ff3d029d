"""Parameters of the stages that classify images. Standard library only."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter

VIEW = Parameter(
    name="view",
    kind=Kind.CHOICE,
    title="View",
    help="surface: taken by a camera on the ground, with sky in the frame. orbital: looking "
    "straight down. Selects which of the networks shipped with LunarSite is used.",
    choices=("surface", "orbital"),
    default="orbital",
)

CHECKPOINT = Parameter(
    name="checkpoint",
    kind=Kind.FILE,
    endings=(".safetensors",),
    model="rocks",
    title="Network checkpoint",
    help="Checkpoint written by train-segmenter, or the name of a model (lunarsite models list); "
    "several for an ensemble, or one file with several networks (lunarsite models combine). If not "
    "set, what ships with LunarSite for this view is used.",
    many=True,
    default=(),
    advanced=True,
)

UNCERTAINTY = Parameter(
    name="uncertainty",
    kind=Kind.CHOICE,
    title="Uncertainty method",
    help="mc-dropout: disagreement of the network with itself when channels are dropped at "
    "random, and of the networks of one file with each other. ensemble: disagreement between "
    "networks alone. none: only the predictive entropy of a single pass.",
    choices=("none", "mc-dropout", "ensemble"),
    default="mc-dropout",
)

PASSES = Parameter(
    name="passes",
    kind=Kind.INTEGER,
    title="MC Dropout passes",
    help="Number of stochastic forward passes of MC Dropout. 0 uses the closed form, the limit "
    "of infinitely many passes, at the cost of a single one.",
    default=0,
    minimum=0,
    maximum=1000,
    advanced=True,
)

TEST_TIME = Parameter(
    name="test_time",
    kind=Kind.CHOICE,
    title="Test-time augmentation",
    help="none: the image is predicted once. flip: predictions for the image and its mirror "
    "image are averaged, which takes twice as long.",
    choices=("none", "flip"),
    default="none",
    advanced=True,
)

IMAGES = Parameter(
    name="images",
    kind=Kind.TEXT,
    title="Images",
    help="Glob pattern of the images, quoted on the command line, for example "
    "'scenes/*_image.png'.",
    required=True,
)

MASKS = Parameter(
    name="masks",
    kind=Kind.TEXT,
    title="Masks",
    help="Glob pattern of the masks, quoted on the command line. Masks hold the class values 0 "
    "to 3, with 255 for pixels to ignore, or the colours red (sky), green (small rocks) and blue "
    "(large rocks).",
    required=True,
)

DIAGRAM = Parameter(
    name="picture",
    kind=Kind.PICTURE,
    endings=(".png",),
    title="Reliability diagram",
    help="PNG file to write.",
    output=True,
)

DIAGRAM_OUTPUT = Output(
    name="picture",
    kind=Kind.PICTURE,
    title="Reliability diagram",
    help="Observed accuracy against predicted confidence.",
    optional=True,
)
