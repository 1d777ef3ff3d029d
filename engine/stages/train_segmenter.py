"""Stage ``train-segmenter``: training of a segmentation network."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import SEED

STAGE = Stage(
    name="train-segmenter",
    title="Train a segmentation network",
    group="Rocks",
    summary="Train a segmentation network for ground, rocks and sky, and evaluate it.",
    help="A recipe defines the network and its training schedule. The training data are "
    "generated scenes, or your own images with masks. The network is calibrated and evaluated on "
    "held-out images and written as 16-bit safetensors; its card (.json), which records data, "
    "seed, steps, device and results, and the checksums (.sha256) are written next to it. Run the "
    "same command again to resume an interrupted training.",
    parameters=(
        Parameter(
            name="out",
            kind=Kind.FILE,
            endings=(".safetensors",),
            title="Checkpoint",
            help="Checkpoint to write (.safetensors); with several networks, the number of each "
            "is appended to the name.",
            required=True,
            output=True,
        ),
        Parameter(
            name="recipe",
            kind=Kind.TEXT,
            title="Recipe: unet-light, efficientnet-lite0, orbital, unet-resnet34, unet-resnet50, "
            "mc-dropout or a file",
            help="Name of a recipe, or the path of your own YAML file.",
            default="unet-light",
        ),
        Parameter(
            name="steps",
            kind=Kind.INTEGER,
            title="Training steps",
            help="Number of training steps. Defaults to the recipe's.",
            minimum=1,
            maximum=10_000_000,
            advanced=True,
        ),
        Parameter(
            name="members",
            kind=Kind.INTEGER,
            title="Ensemble members",
            help="Number of networks to train as an ensemble, on the same images with "
            "consecutive seeds.",
            default=1,
            minimum=1,
            maximum=20,
        ),
        Parameter(
            name="bits",
            kind=Kind.CHOICE,
            title="Bits of a weight",
            help="16 or 8 bits for each weight of a convolution in the checkpoint. 8 halve the "
            "file; the network is calibrated and evaluated as it is stored.",
            choices=("16", "8"),
            default="16",
            advanced=True,
        ),
        Parameter(
            name="start",
            kind=Kind.FILE,
            endings=(".safetensors",),
            model="rocks",
            title="Initial checkpoint",
            help="Checkpoint with the initial weights. If not set, the weights are initialised "
            "as the recipe says.",
            advanced=True,
        ),
        Parameter(
            name="images",
            kind=Kind.TEXT,
            title="Training images",
            help="Glob pattern, quoted on the command line, of images to train on instead of "
            "generated scenes, for example 'images/render/*.png'. One in ten is held out for "
            "evaluation.",
            advanced=True,
        ),
        Parameter(
            name="masks",
            kind=Kind.TEXT,
            title="Training masks",
            help="Glob pattern of their masks, quoted on the command line, for example "
            "'images/clean/*.png': red sky, green small rocks, blue large rocks, or the class "
            "values 0 to 3.",
            advanced=True,
        ),
        Parameter(
            name="scenes_folder",
            kind=Kind.FOLDER,
            title="Scene cache",
            help="Folder in which generated scenes are kept for later training runs.",
            advanced=True,
        ),
        SEED,
    ),
    outputs=(
        Output(
            name="checkpoint",
            kind=Kind.FILE,
            title="Checkpoint",
            help="The first network, to use as the checkpoint of segment-terrain.",
        ),
    ),
    tags=("training", "network", "rock"),
)
