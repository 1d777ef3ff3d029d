"""Stage ``train-craters``: training of a crater network."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._real_tiles import REAL_TERRAIN_PARAMETERS
from lunarsite.engine.stages._shared import SEED

STAGE = Stage(
    name="train-craters",
    title="Train a crater network",
    group="Craters",
    summary="Train a crater network on generated or real terrain, and evaluate it.",
    help="A recipe defines the network and its training schedule. The training data are "
    "generated tiles whose craters are known, or tiles of real terrain: an elevation model with a "
    "crater catalogue, or the DeepMoon data set. The recipe mixed trains on both kinds, and "
    "calibrates confidence on both; otherwise it is calibrated on held-out generated terrain "
    "alone. The network is written as 16-bit safetensors with a card that records data, seed, "
    "steps, device and results. Run the same command again to resume an interrupted training. "
    "Real terrain must provide many tiles both inside and outside the validation sector. With the "
    "recipe fine-tune, a tile has 256 pixels of 118 m (30 km), so use the whole polar cap rather "
    "than a single frame; --pixel-m and --overlap yield more tiles.",
    parameters=(
        Parameter(
            name="out",
            kind=Kind.FILE,
            endings=(".safetensors",),
            title="Checkpoint",
            help="Checkpoint to write (.safetensors). Its card (.json) and checksums (.sha256) "
            "are written next to it and belong to it.",
            required=True,
            output=True,
        ),
        Parameter(
            name="recipe",
            kind=Kind.TEXT,
            title="Recipe: heat-maps, mixed, fine-tune, rims-resnet34 or a YAML file",
            help="heat-maps, mixed (generated and real tiles, from a checkpoint), fine-tune (25 "
            "epochs from a checkpoint), rims-resnet34, or the path of your own YAML file.",
            default="heat-maps",
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
            name="start",
            kind=Kind.FILE,
            endings=(".safetensors",),
            model="craters",
            title="Initial checkpoint",
            help="Checkpoint with the initial weights. If not set, the weights are initialised "
            "at random.",
            advanced=True,
        ),
        *REAL_TERRAIN_PARAMETERS,
        Parameter(
            name="tiles_folder",
            kind=Kind.FOLDER,
            title="Tile cache",
            help="Folder in which generated tiles are kept for later training runs. If not set, "
            "they are not kept.",
            output=True,
            advanced=True,
        ),
        Parameter(
            name="frames",
            kind=Kind.INTEGER,
            title="Calibration frames",
            help="Number of generated frames; one half is used for calibration, the other for "
            "evaluation.",
            default=16,
            minimum=2,
            maximum=1000,
            advanced=True,
        ),
        SEED,
    ),
    outputs=(
        Output(
            name="checkpoint", kind=Kind.FILE, title="Checkpoint", help="Weights of the network."
        ),
        Output(
            name="card",
            kind=Kind.FILE,
            title="Card",
            help="Data, training and results of the network, JSON.",
        ),
    ),
    tags=("crater", "training", "network", "torch"),
)
