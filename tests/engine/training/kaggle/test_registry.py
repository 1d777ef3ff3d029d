"""The registry of kernels and datasets, and the checks that it passes when it is loaded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lunarsite.engine import stages
from lunarsite.engine.craters.training import recipe as craters
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.frontends.cli import parse
from lunarsite.engine.segmentation.training import recipe as segmentation
from lunarsite.engine.training.kaggle import registry
from lunarsite.engine.training.kaggle.specs import (
    RegistryError,
    datasets_by_name,
    kernels_by_name,
)

KERNELS = registry.KERNELS
SEED = KERNELS["surface_seed_1"]


def test_every_recipe_has_a_kernel():
    trained = {(spec.commands[0][0], spec.recipe) for spec in KERNELS.values() if spec.recipe}
    wanted = {("train-craters", name) for name in craters.names()}
    wanted |= {("train-segmenter", name) for name in segmentation.names()}
    assert trained == wanted


def test_five_seeds_of_the_surface_network():
    seeds = [name for name in KERNELS if name.startswith("surface_seed_")]
    assert seeds == [f"surface_seed_{seed}" for seed in range(1, 6)]
    given = {
        KERNELS[name].commands[0][KERNELS[name].commands[0].index("--seed") + 1] for name in seeds
    }
    assert given == {"1", "2", "3", "4", "5"}


def test_the_evaluation_and_the_fine_tuning_are_there():
    assert KERNELS["eval_v1_vs_v2"].kernels == ("surface_v1_resnet34", "surface_v2_resnet50")
    assert KERNELS["crater_v2_finetune"].recipe == "fine-tune"


@pytest.mark.parametrize("name", KERNELS)
def test_commands_are_those_of_stages_with_valid_options(name):
    for command in KERNELS[name].commands:
        arguments = parse(list(command))
        del arguments["quiet"], arguments["json"]
        stages.load(command[0]).resolve(arguments)


@pytest.mark.parametrize("name", KERNELS)
def test_trainings_that_need_a_start_have_one(name):
    spec = KERNELS[name]
    if spec.recipe:
        kind = craters if spec.commands[0][0] == "train-craters" else segmentation
        assert kind.read(spec.recipe).needs_start == ("--start" in spec.commands[0])


def test_a_name_that_does_not_exist_gets_the_nearest():
    with pytest.raises(ParameterError, match="There is no kernel 'surface_seed_6'") as caught:
        registry.kernel("surface_seed_6")
    assert "The nearest is 'surface_seed_" in str(caught.value)
    with pytest.raises(ParameterError, match="There is no dataset 'weight'"):
        registry.dataset("weight")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (
            {"slug": "lunarsite_surface_seed_1"},
            "has the slug 'lunarsite_surface_seed_1', but Kaggle",
        ),
        ({"datasets": ("lunarsite-engin",)}, "attaches the dataset 'lunarsite-engin', which does"),
        ({"datasets": ("/engine",)}, "attaches the dataset '/engine'"),
        ({"kernels": ("orbital",)}, "attaches the output of 'orbital', which is not a kernel"),
        ({"recipe": "orbital"}, "is of the recipe 'orbital', and its commands train unet-light"),
        ({"recipe": ""}, "is of the recipe '', and its commands train unet-light"),
        ({"outputs": ("x.json",)}, "writes network.safetensors, which its outputs leave out"),
        ({"commands": SEED.commands * 2}, "write the output network.safetensors"),
        (
            {"commands": (("train-segmenter", "--start", "{weights}/a.safetensors"),)},
            "reads {weights}, which is not attached",
        ),
    ],
)
def test_a_kernel_that_contradicts_itself_is_refused_with_a_sentence(changed, problem):
    with pytest.raises(RegistryError) as caught:
        kernels_by_name([replace(SEED, **changed)], registry.DATASETS)
    assert problem in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (
            {"slug": "lunarsite-two", "title": "LunarSite two", "output": "two"},
            "the name 'surface_",
        ),
        ({"name": "two", "output": "two"}, "the slug 'lunarsite-surface-seed-1'"),
        (
            {"name": "two", "slug": "lunarsite-two", "title": "LunarSite two"},
            "the output folder 'surface_seed_1'",
        ),
    ],
)
def test_what_two_kernels_share_is_refused(changed, problem):
    with pytest.raises(RegistryError, match="Two kernels have") as caught:
        kernels_by_name([SEED, replace(SEED, **changed)], registry.DATASETS)
    assert problem in str(caught.value)


def test_misnamed_and_duplicate_datasets_are_refused():
    engine = registry.DATASETS["engine"]
    with pytest.raises(RegistryError, match="The dataset engine has the slug 'engine', but Kaggle"):
        datasets_by_name([replace(engine, slug="engine")])
    with pytest.raises(RegistryError, match="a subtitle of 4 characters"):
        datasets_by_name([replace(engine, subtitle="Code")])
    with pytest.raises(RegistryError, match="Two datasets have the name 'engine'"):
        datasets_by_name([engine, engine])
    with pytest.raises(RegistryError, match="Two datasets have the slug 'lunarsite-engine'"):
        datasets_by_name([engine, replace(engine, name="sources")])
