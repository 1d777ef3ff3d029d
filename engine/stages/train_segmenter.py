"""Stage ``train-segmenter``: train a segmentation network by a recipe."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _shared as shared

STAGE = Stage(
    name="train-segmenter",
    title="Train a segmentation network",
    group="Rocks",
    summary="Train the network that tells ground, rocks and sky apart, and measure it.",
    help="A recipe says which network learns for how long, from generated scenes or from images "
    "with masks. It is calibrated and measured on images it never saw, and is written as "
    "safetensors in 16 bits; beside it lie its card, .json, with data, seed, steps, device and "
    "what was reached, and their checksums, .sha256. A training that was interrupted goes on when "
    "the same command is given again.",
    parameters=(
        Parameter(
            name="out",
            kind=Kind.FILE,
            endings=(".safetensors",),
            title="Checkpoint",
            help="File to write, .safetensors; of several networks each has its number at the end.",
            required=True,
            output=True,
        ),
        Parameter(
            name="recipe",
            kind=Kind.TEXT,
            title="Recipe: unet-light, orbital, unet-resnet34, unet-resnet50, mc-dropout or a file",
            help="A recipe by its name, or the path of a YAML file of your own.",
            default="unet-light",
        ),
        Parameter(
            name="steps",
            kind=Kind.INTEGER,
            title="Steps",
            help="How many steps to train; the recipe's where not given.",
            minimum=1,
            maximum=10_000_000,
            advanced=True,
        ),
        Parameter(
            name="members",
            kind=Kind.INTEGER,
            title="Networks",
            help="How many networks to train, on the same images with seeds that follow one "
            "another: an ensemble.",
            default=1,
            minimum=1,
            maximum=20,
        ),
        Parameter(
            name="start",
            kind=Kind.FILE,
            endings=(".safetensors",),
            title="Start from",
            help="A checkpoint whose weights to begin with, in the place of fresh ones.",
            advanced=True,
        ),
        Parameter(
            name="images",
            kind=Kind.TEXT,
            title="Images",
            help="Pattern, in quotes, of images to learn from in the place of generated scenes, "
            "such as 'images/render/*.png'. One in ten is kept to measure on.",
            advanced=True,
        ),
        Parameter(
            name="masks",
            kind=Kind.TEXT,
            title="Masks",
            help="Pattern of their masks, in quotes, such as 'images/clean/*.png': red sky, green "
            "small rocks, blue large rocks, or the numbers 0 to 3.",
            advanced=True,
        ),
        Parameter(
            name="scenes_folder",
            kind=Kind.FOLDER,
            title="Scenes",
            help="Folder in which generated scenes are kept for the next training.",
            advanced=True,
        ),
        shared.SEED,
    ),
    outputs=(
        Output(
            name="checkpoint",
            kind=Kind.FILE,
            title="Checkpoint",
            help="The first network, for segment-terrain --checkpoint.",
        ),
    ),
    tags=("training", "network", "rock"),
)
