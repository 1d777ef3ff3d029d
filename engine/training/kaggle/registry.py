"""The kernels and datasets, by name: `KERNELS` and `DATASETS` are the only lists of them."""

from __future__ import annotations

from lunarsite.engine.contract import unknown_name
from lunarsite.engine.training.kaggle.slugs import slug_of
from lunarsite.engine.training.kaggle.specs import (
    Command,
    DatasetSpec,
    KernelSpec,
    datasets_by_name,
    kernels_by_name,
)

ENGINE, WEIGHTS, GROUND = "lunarsite-engine", "lunarsite-weights", "lunarsite-crater-ground"
ROCKS = "romainpessia/artificial-lunar-rocky-landscape-dataset"
"""Artificial Lunar Rocky Landscape Dataset: renders with masks, CC BY-NC-SA 4.0."""

SURFACE_SEEDS = (1, 2, 3, 4, 5)
"""Seeds of the surface network's ensemble."""

NETWORK = ("network.safetensors", "network.json", "network.sha256")
"""Files of a network: weights, card, checksums."""

DATASETS = datasets_by_name(
    (
        DatasetSpec(
            name="engine",
            title="LunarSite engine",
            slug=ENGINE,
            subtitle="Sources of LunarSite's engine, as a Python wheel",
            description="The engine of LunarSite, a tool that screens landing sites at the Moon's "
            "south pole. Attach it to a notebook and install the wheel with pip.",
            licence="GPL-3.0",
            content="wheel",
        ),
        DatasetSpec(
            name="weights",
            title="LunarSite weights",
            slug=WEIGHTS,
            subtitle="Trained networks and scorers of LunarSite, with cards",
            description="The networks and scorers that ship with LunarSite, each with a card, and "
            "SHA256SUMS. They were trained on generated terrain and images, and the crater network "
            "also on the terrain that its card names.",
            licence="other",
            content="models",
        ),
        DatasetSpec(
            name="crater-ground",
            title="LunarSite crater ground",
            slug=GROUND,
            subtitle="An elevation model of the Moon and its known craters",
            description="An elevation model, dem.tif, and the catalogue of its craters, "
            "craters.csv, to train LunarSite's crater network on.",
            licence="other",
            content="folder",
            files=("dem.tif", "craters.csv"),
        ),
    )
)

_GROUND = ("--dem", f"{{{GROUND}}}/dem.tif", "--catalogue", f"{{{GROUND}}}/craters.csv")
_FROM_CRATERS = ("--start", f"{{{WEIGHTS}}}/craters.safetensors")


def _kernel(
    name: str,
    words: str,
    summary: str,
    *commands: Command,
    outputs: tuple[str, ...] = NETWORK,
    recipe: str = "",
    datasets: tuple[str, ...] = (),
    kernels: tuple[str, ...] = (),
    gpu: bool = True,
) -> KernelSpec:
    title = f"LunarSite {words}"
    return KernelSpec(
        name=name,
        title=title,
        slug=slug_of(title),
        summary=summary,
        commands=commands,
        outputs=outputs,
        output=name,
        recipe=recipe,
        datasets=(ENGINE, *datasets),
        kernels=kernels,
        gpu=gpu,
        accelerator="NvidiaTeslaT4" if gpu else "",
    )


def _train(stage: str, recipe: str, *options: str) -> Command:
    return (stage, "--recipe", recipe, *options, "--out", "{out}/network.safetensors")


def _evaluate(kernel: str, test_time: str, out: str) -> Command:
    images = f"{{{ROCKS.rpartition('/')[2]}}}/images"
    return (
        "evaluate-segmentation",
        *("--images", f"{images}/render/*.png", "--masks", f"{images}/clean/*.png"),
        *("--view", "surface", "--uncertainty", "none", "--test-time", test_time),
        *("--checkpoint", f"{{{kernel}}}/network.safetensors", "--out", f"{{out}}/{out}"),
    )


KERNELS = kernels_by_name(
    (
        _kernel(
            "starter",
            "starter",
            "Generates terrain and detects its craters: shows in minutes that the engine runs.",
            ("synthesize", "--out", "{out}/dem.tif", "--size-px", "512"),
            ("detect-craters", "--dem", "{out}/dem.tif", "--out", "{out}/craters.gpkg"),
            outputs=("dem.tif", "dem.craters.csv", "craters.gpkg", "craters.rims.tif"),
            gpu=False,
        ),
        _kernel(
            "crater_heat_maps",
            "crater heat maps",
            "Trains the crater network on generated tiles.",
            _train("train-craters", "heat-maps"),
            recipe="heat-maps",
        ),
        _kernel(
            "crater_rims_resnet34",
            "crater rims ResNet34",
            "Trains the original LunarSite's crater network on generated tiles.",
            _train("train-craters", "rims-resnet34"),
            recipe="rims-resnet34",
        ),
        _kernel(
            "crater_mixed",
            "crater mixed",
            "Trains the crater network that ships further, on generated and on real ground.",
            _train("train-craters", "mixed", *_FROM_CRATERS, *_GROUND, "--sector", "0,70"),
            recipe="mixed",
            datasets=(WEIGHTS, GROUND),
        ),
        _kernel(
            "crater_v2_finetune",
            "crater v2 finetune",
            "Fine-tunes the crater network that ships, on real ground alone.",
            _train("train-craters", "fine-tune", *_FROM_CRATERS, *_GROUND, "--sector", "0,60"),
            recipe="fine-tune",
            datasets=(WEIGHTS, GROUND),
        ),
        *(
            _kernel(
                f"surface_seed_{seed}",
                f"surface seed {seed}",
                f"Trains member {seed} of the surface network's ensemble on generated scenes.",
                _train("train-segmenter", "unet-light", "--seed", str(seed)),
                recipe="unet-light",
            )
            for seed in SURFACE_SEEDS
        ),
        _kernel(
            "surface_efficientnet",
            "surface EfficientNet",
            "Trains the surface network whose encoder begins with ImageNet weights.",
            _train("train-segmenter", "efficientnet-lite0"),
            recipe="efficientnet-lite0",
        ),
        _kernel(
            "orbital",
            "orbital",
            "Trains the network for images from orbit on generated images.",
            _train("train-segmenter", "orbital"),
            recipe="orbital",
        ),
        _kernel(
            "surface_v1_resnet34",
            "surface v1 ResNet34",
            "Trains the original LunarSite's first surface network.",
            _train("train-segmenter", "unet-resnet34"),
            recipe="unet-resnet34",
        ),
        _kernel(
            "surface_v2_resnet50",
            "surface v2 ResNet50",
            "Trains the original LunarSite's second surface network.",
            _train("train-segmenter", "unet-resnet50"),
            recipe="unet-resnet50",
        ),
        _kernel(
            "surface_mc_dropout",
            "surface MC dropout",
            "Fine-tunes the first surface network with dropout after every ReLU.",
            _train(
                "train-segmenter",
                "mc-dropout",
                "--start",
                "{surface_v1_resnet34}/network.safetensors",
            ),
            recipe="mc-dropout",
            kernels=("surface_v1_resnet34",),
        ),
        _kernel(
            "eval_v1_vs_v2",
            "eval v1 vs v2",
            "Evaluates the original LunarSite's two surface networks on the same public renders.",
            _evaluate("surface_v1_resnet34", "flip", "v1.json"),
            _evaluate("surface_v2_resnet50", "flip", "v2.json"),
            outputs=("v1.json", "v2.json"),
            datasets=(ROCKS,),
            kernels=("surface_v1_resnet34", "surface_v2_resnet50"),
        ),
    ),
    DATASETS,
)


def kernel(name: str) -> KernelSpec:
    """Return the kernel with a name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if name not in KERNELS:
        raise unknown_name("kernel", name, list(KERNELS))
    return KERNELS[name]


def dataset(name: str) -> DatasetSpec:
    """Return the dataset with a name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if name not in DATASETS:
        raise unknown_name("dataset", name, list(DATASETS))
    return DATASETS[name]
