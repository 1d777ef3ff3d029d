"""Parameters of the stages that look at images. Standard library only."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Parameter

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
