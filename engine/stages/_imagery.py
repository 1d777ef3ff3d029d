"""Parameters of the stages that look at images. Standard library only."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter

VIEW = Parameter(
    name="view",
    kind=Kind.CHOICE,
    title="View",
    help="surface: taken by a camera on the ground, with the sky in it. orbital: seen straight "
    "down. It chooses the network that comes with LunarSite.",
    choices=("surface", "orbital"),
    default="orbital",
)

CHECKPOINT = Parameter(
    name="checkpoint",
    kind=Kind.FILE,
    endings=(".safetensors",),
    title="Network",
    help="Checkpoints of train-segmenter, several for an ensemble; the one that comes with "
    "LunarSite for the view where not given.",
    many=True,
    default=(),
    advanced=True,
)

UNCERTAINTY = Parameter(
    name="uncertainty",
    kind=Kind.CHOICE,
    title="Uncertainty",
    help="mc-dropout: what passes with dropped channels disagree about. ensemble: what networks "
    "of several seeds disagree about. none: the entropy of one pass alone.",
    choices=("none", "mc-dropout", "ensemble"),
    default="mc-dropout",
)

PASSES = Parameter(
    name="passes",
    kind=Kind.INTEGER,
    title="Passes",
    help="Passes of MC Dropout that are drawn; 0 for the closed form, which stands for infinitely "
    "many and costs no more than one.",
    default=0,
    minimum=0,
    maximum=1000,
    advanced=True,
)

TEST_TIME = Parameter(
    name="test_time",
    kind=Kind.CHOICE,
    title="Averaged",
    help="none: the image is looked at once. flip: its mirror image too, at twice the time.",
    choices=("none", "flip"),
    default="none",
    advanced=True,
)

IMAGES = Parameter(
    name="images",
    kind=Kind.TEXT,
    title="Images",
    help="Pattern of images, in quotes, such as 'scenes/*_image.png'.",
    required=True,
)

MASKS = Parameter(
    name="masks",
    kind=Kind.TEXT,
    title="Masks",
    help="Pattern of their masks, in quotes: the numbers 0 to 3 and 255 for nodata, or the "
    "colours red sky, green small rocks, blue large rocks.",
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

DIAGRAM_MADE = Output(
    name="picture",
    kind=Kind.PICTURE,
    title="Reliability diagram",
    help="How often what is said with a confidence comes true.",
    optional=True,
)
