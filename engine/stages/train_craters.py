"""Stage ``train-craters``: train a crater network by a recipe."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages import _real_tiles as real_tiles
from lunarsite.engine.stages import _shared as shared

STAGE = Stage(
    name="train-craters",
    title="Train a crater network",
    group="Craters",
    summary="Train the network that finds craters, on generated or real ground, and measure it.",
    help="A recipe says which network learns for how long. It learns from generated tiles whose "
    "craters are known, or from tiles of real ground: of an elevation model with a catalogue of "
    "craters, or DeepMoon's. It is calibrated on generated ground it never saw, and is written as "
    "safetensors in 16 bits with a card that tells data, seed, steps, device and what was "
    "reached. A training that was interrupted goes on when the same command is given again. Real "
    "ground must hold many tiles on both sides of the sector, with the recipe fine-tune of 256 "
    "pixels of 118 m or 30 km: the whole cap rather than a frame. --pixel-m and --overlap make "
    "more of them.",
    parameters=(
        Parameter(
            name="out",
            kind=Kind.FILE,
            endings=(".safetensors",),
            title="Checkpoint",
            help="File to write, .safetensors. Two more are written beside it and belong to it: "
            "the card, .json, and their checksums, .sha256.",
            required=True,
            output=True,
        ),
        Parameter(
            name="recipe",
            kind=Kind.TEXT,
            title="Recipe: heat-maps, fine-tune, rims-resnet34 or a YAML file",
            help="heat-maps, fine-tune (25 epochs from a checkpoint), rims-resnet34, or the path "
            "of a YAML file of your own.",
            default="heat-maps",
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
            name="start",
            kind=Kind.FILE,
            endings=(".safetensors",),
            title="Start from",
            help="A checkpoint whose weights to begin with, in the place of fresh ones.",
            advanced=True,
        ),
        *real_tiles.PARAMETERS,
        Parameter(
            name="tiles_folder",
            kind=Kind.FOLDER,
            title="Folder for tiles",
            help="Where generated tiles are kept for other trainings; nowhere if not given.",
            output=True,
            advanced=True,
        ),
        Parameter(
            name="frames",
            kind=Kind.INTEGER,
            title="Frames of calibration",
            help="Generated frames to calibrate on and to measure on, half of them each.",
            default=16,
            minimum=2,
            maximum=1000,
            advanced=True,
        ),
        shared.SEED,
    ),
    outputs=(
        Output(
            name="checkpoint", kind=Kind.FILE, title="Checkpoint", help="The network's weights."
        ),
        Output(name="card", kind=Kind.FILE, title="Card", help="What is known of it, JSON."),
    ),
    tags=("crater", "training", "network", "torch"),
)
