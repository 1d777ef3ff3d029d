"""Ensembles in one checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from support.segmentation import TINY, noise, pairs, picture, random_weights, saved

from lunarsite.engine import file_names
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.frontends import cli
from lunarsite.engine.pipelines import train_segmenter
from lunarsite.engine.segmentation import evaluation, weights
from lunarsite.engine.segmentation.architecture import DEFAULT_WIDTHS, Architecture
from lunarsite.engine.segmentation.samples import Sample
from lunarsite.engine.segmentation.segment import segment
from lunarsite.engine.segmentation.training import batches, held_out, recipe
from lunarsite.engine.stages import calibrate, segment_terrain
from lunarsite.engine.training import checkpoint_files, checkpoints
from lunarsite.engine.uncertainty import domain
from lunarsite.engine.uncertainty.calibration import Temperatures

EFFICIENT = Architecture("unet-efficientnet-lite0", (6, 6, 8, 8, 8))
SEEN = np.random.default_rng(4).standard_normal((3, 64, 96)).astype(np.float32)


@pytest.fixture
def scenes(monkeypatch):
    """Evaluate on four small images instead of 256 generated scenes."""
    monkeypatch.setattr(held_out, "SCENES", 4)
    monkeypatch.setattr(held_out, "PASSES", 20)

    def generated(_view, _first, _folder, _bytes):
        def sample(number):
            rng = np.random.default_rng(number)
            image = rng.integers(30, 256, (64, 64, 3), dtype=np.uint8)
            return Sample(image, rng.integers(0, 4, (64, 64), dtype=np.uint8))

        return sample

    monkeypatch.setattr(batches, "scenes", generated)


def network(folder, name, architecture, seed, **more):
    state = random_weights(architecture, seed)
    state["head.weight"] *= np.float32(0.2)
    card = {
        "recipe": {"name": name, "view": "surface", "side_px": 64},
        "steps": seed,
        "licence": f"licence {seed}",
        "calibration": {
            "temperature": 1.0 + 0.2 * seed,
            "temperature_of_rocks": 1.5,
            "mutual_information_factor": 1.0,
        },
        **more,
    }
    return saved(folder / f"{name}.safetensors", architecture, state=state, **card)


@pytest.fixture
def two(tmp_path):
    return [
        network(tmp_path, "light", TINY, 1),
        network(tmp_path, "efficient", EFFICIENT, 2),
    ]


def combined(tmp_path, two, *options):
    out = tmp_path / "both.safetensors"
    words = ["models", "combine", *map(str, two), "--out", str(out), *options]
    assert cli.main(words) == 0
    return weights.load(out)


@pytest.mark.usefixtures("scenes")
def test_an_ensemble_in_one_file_is_the_mean_of_its_networks(tmp_path, two, capsys):
    found = combined(tmp_path, two)
    assert "both.safetensors averages 2 networks" in capsys.readouterr().out
    assert [each.architecture for each in found.members] == [TINY, EFFICIENT]
    assert found.core_s(1e6) == pytest.approx(sum(weights.load(f).core_s(1e6) for f in two))
    together = Temperatures(1.2, 0.8)
    for uncertain in (False, True):
        mean = np.mean(
            [
                one.runner(
                    uncertain=uncertain,
                    temperatures=one.temperatures.times(together),
                    information=(1.0,),
                )(SEEN)
                for one in map(weights.load, two)
            ],
            axis=0,
        )
        asked = {"uncertain": uncertain, "temperatures": together, "information": (1.0, 1.0)}
        np.testing.assert_allclose(found.runner(**asked)(SEEN), mean, atol=1e-6)


@pytest.mark.usefixtures("scenes")
def test_the_card_of_an_ensemble_says_where_its_networks_come_from(tmp_path, two, monkeypatch):
    monkeypatch.setattr(held_out, "SCENES", 12)
    monkeypatch.setattr(domain, "FEWEST", 6)
    both = combined(tmp_path, two, "--bits", "8")
    card = both.card
    assert card["domain"]["network"] in (0, 1)
    assert both.domain.usual.size == 6
    assert both.domain.window_px == 64
    assert card["licence"] == "licence 1; licence 2"
    assert [each["steps"] for each in card["members"]] == [1, 2]
    assert card["members"][1]["calibration"]["temperature"] == 1.4
    assert card["recipe"].items() >= {"name": "ensemble", "view": "surface", "side_px": 64}.items()
    assert len(card["calibration"]["mutual_information_factors"]) == 2
    assert card["weights"]["bits"] == 8
    assert 0.0 <= card["metrics"]["miou"] <= 1.0
    assert card["in_domain"]["mutual_information"]["median"] > 0.0
    assert "members" not in json.loads(two[0].with_suffix(".json").read_text())["architecture"]


@pytest.mark.usefixtures("scenes")
def test_temperatures_of_an_ensemble_are_fitted_at_those_temperatures(tmp_path, two):
    found = combined(tmp_path, two)
    source = batches.scenes("surface", 0, None, 0)
    once_more = evaluation.fit_temperatures(
        found.runner(uncertain=True), [source(number) for number in range(2)]
    )
    assert once_more.common == pytest.approx(1.0, abs=0.02)


@pytest.mark.usefixtures("scenes")
def test_a_stage_takes_an_ensemble_in_one_file_with_every_uncertainty(tmp_path, two):
    combined(tmp_path, two)
    image = picture(tmp_path / "image.tif", noise(80, 96))
    for uncertainty in ("none", "mc-dropout", "ensemble"):
        result = segment_terrain.STAGE.run(
            {
                "image": str(image),
                "out": str(tmp_path / uncertainty),
                "view": "surface",
                "uncertainty": uncertainty,
                "checkpoint": [str(tmp_path / "both.safetensors")],
            },
            Context(threads=1),
        )
        assert result["pixels"] == 80 * 96
        assert (uncertainty == "none") or result["mean_mutual_information"] > 0.0


@pytest.mark.usefixtures("scenes")
def test_the_closed_form_of_an_ensemble_is_that_of_many_passes(tmp_path, monkeypatch, two):
    # Few channels before the head, whose passes vary more than the closed form finds.
    monkeypatch.setattr(held_out, "PASSES", 2000)
    found = combined(tmp_path, two)
    assert min(found.information) > 1.05
    source = batches.scenes("surface", 0, None, 0)
    closed, drawn = (
        evaluation.evaluate(
            found.runner(uncertain=True, passes=passes), [source(n) for n in range(2)], 2, Context()
        ).mutual_information.mean()
        for passes in (0, 2000)
    )
    assert closed == pytest.approx(drawn, rel=0.06)


@pytest.mark.usefixtures("scenes")
def test_an_ensemble_is_calibrated_on_images_of_ones_own(tmp_path, two):
    combined(tmp_path, two)
    images, masks = pairs(tmp_path, 8)
    out = tmp_path / "warm.safetensors"
    given = {
        "checkpoint": str(tmp_path / "both.safetensors"),
        "images": images,
        "masks": masks,
        "out": str(out),
    }
    result = calibrate.STAGE.run(given, Context(threads=1))
    assert result["ece_after"] < result["ece_before"]
    loaded = weights.load(out)
    assert len(loaded.information) == len(loaded.members) == 2


@pytest.mark.usefixtures("scenes")
def test_an_ensemble_is_no_start_and_stands_alone(tmp_path, two, capsys):
    combined(tmp_path, two)
    both = str(tmp_path / "both.safetensors")
    image = picture(tmp_path / "image.tif", noise(80, 96))
    words = ["segment-terrain", "--image", str(image), "--out", str(tmp_path / "out"), "--view"]
    words += ["surface", "--uncertainty", "ensemble", "--checkpoint", both, "--checkpoint"]
    assert cli.main([*words, str(two[0])]) == 2
    assert "is an ensemble itself" in capsys.readouterr().err
    found = segment(np.full((80, 96, 3), 120, np.uint8), checkpoint=both)
    assert found.probabilities.shape == (4, 80, 96)
    assert found.mutual_information.max() > 0.0


@pytest.mark.usefixtures("scenes")
@pytest.mark.parametrize("members", [[], [{}], [{}, 3], {"a": 1}, None])
def test_a_card_that_lacks_a_network_is_refused(tmp_path, two, members):
    card = combined(tmp_path, two).card
    state = weights.load(tmp_path / "both.safetensors").state
    path = tmp_path / "damaged.safetensors"
    checkpoint_files.save(path, state, {**card, "members": members})
    with pytest.raises(InputError, match="does not describe each of its 2 networks"):
        weights.load(path)


@pytest.mark.usefixtures("scenes")
def test_the_networks_of_an_ensemble_are_shown(tmp_path, two, capsys, monkeypatch):
    monkeypatch.setenv(file_names.MODELS_VARIABLE, str(tmp_path / "models"))
    combined(tmp_path, two)
    assert cli.main(["models", "install", str(tmp_path / "both.safetensors")]) == 0
    capsys.readouterr()
    assert cli.main(["models", "show", "both"]) == 0
    shown = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert {"network 1 light", "network 2 efficient", "- licence licence 2"} <= set(lines)


@pytest.mark.usefixtures("scenes")
def test_training_begins_with_the_network_of_an_ensemble_that_its_recipe_trains(tmp_path, two):
    both = str(combined(tmp_path, two).path)
    for architecture, name in ((TINY, "light"), (EFFICIENT, "efficient")):
        chosen = recipe.Recipe(name="r", architecture=architecture.name, widths=architecture.widths)
        start = train_segmenter._start(both, chosen)
        assert start.card["recipe"]["name"] == name
        assert start.state["head.weight"].shape == architecture.shapes()["head.weight"]
    other = recipe.Recipe(name="r", widths=(8, 8, 8, 8, 8, 8))
    with pytest.raises(InputError, match=r"is of the architecture \{'name': 'ensemble'"):
        checkpoints.check_start(other, train_segmenter._start(both, other), other.built())


@pytest.mark.usefixtures("scenes")
def test_networks_of_other_images_are_warned_of(tmp_path, capsys):
    mine = network(tmp_path, "mine", TINY, 1, data="12 images of mine")
    out = tmp_path / "both.safetensors"
    words = ["models", "combine", str(mine), str(network(tmp_path, "other", TINY, 2))]
    assert cli.main([*words, "--out", str(out), "--json"]) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert "mine.safetensors was trained or calibrated on images of your own" in warning
    assert "lunarsite calibrate" in warning


@pytest.mark.parametrize(
    ("make", "message", "remedy"),
    [
        (lambda folder: [network(folder, "a", TINY, 1)], "at least two networks", "Give two names"),
        (
            lambda folder: [
                network(folder, "a", TINY, 1),
                network(folder, "b", TINY, 2, recipe={"view": "orbital", "side_px": 64}),
            ],
            "different views: orbital and surface",
            "one view and training resolution",
        ),
        (
            lambda folder: [
                network(folder, "a", TINY, 1),
                network(folder, "b", TINY, 2, recipe={"view": "surface", "side_px": 96}),
            ],
            "different training resolutions: 64 and 96",
            "one view and training resolution",
        ),
        (
            lambda folder: [
                network(folder, "a", TINY, 1),
                network(folder, "b", replace(TINY, dropout=0.0), 2),
            ],
            "have dropout and others have none",
            "--uncertainty ensemble",
        ),
        (lambda folder: 2 * [network(folder, "a", TINY, 1)], "is given twice", "each of them once"),
    ],
)
def test_networks_that_do_not_go_together_are_refused(tmp_path, capsys, make, message, remedy):
    out = tmp_path / "both.safetensors"
    words = ["models", "combine", *map(str, make(tmp_path)), "--out", str(out)]
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert remedy in said
    assert not out.exists()


@pytest.mark.usefixtures("scenes")
def test_an_ensemble_is_no_part_of_another_and_no_file_is_replaced(tmp_path, two, capsys):
    combined(tmp_path, two)
    both, other = str(tmp_path / "both.safetensors"), str(tmp_path / "other.safetensors")
    assert cli.main(["models", "combine", both, str(two[0]), "--out", other]) == 2
    assert "both.safetensors cannot be part of an ensemble" in capsys.readouterr().err
    assert cli.main(["models", "combine", *map(str, two), "--out", both]) == 2
    assert "exists already" in capsys.readouterr().err
    assert cli.main(["models", "combine", *map(str, two), "--out", f"{both}.bin"]) == 2
    assert "does not end in .safetensors" in capsys.readouterr().err


@pytest.mark.parametrize(
    "described",
    [
        {"name": "ensemble", "widths": [], "dropout": 0.1, "everywhere": 0.0},
        {
            "name": "ensemble",
            "widths": [],
            "dropout": 0.1,
            "everywhere": 0.0,
            "members": [TINY.as_dict()],
        },
        {
            "name": "ensemble",
            "widths": [],
            "dropout": 0.1,
            "everywhere": 0.0,
            "members": [TINY.as_dict(), {**TINY.as_dict(), "name": "unet-resnet34"}],
        },
        {"name": "unet-efficientnet-lite0", "widths": [8], "dropout": 0.1, "everywhere": 0.0},
    ],
)
def test_architectures_that_cannot_be_are_refused(tmp_path, described):
    path = saved(tmp_path / "net.safetensors", TINY)
    card = json.loads(path.with_suffix(".json").read_text())
    wanted = "The ensemble is damaged" if described["name"] == "ensemble" else "There is no "
    with pytest.raises(InputError, match=wanted):
        Architecture.from_card({**card["architecture"], **described}).check()


def test_widths_of_a_recipe_follow_its_architecture(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("architecture: unet-efficientnet-lite0\nencoder_rate: 1\n")
    assert recipe.read(str(path)).widths == DEFAULT_WIDTHS["unet-efficientnet-lite0"]
    path.write_text("architecture: unet-light\nwidths: [6, 6, 8, 8, 8, 8]\n")
    assert recipe.read(str(path)).widths == TINY.widths
    assert "encoder_rate" not in recipe.read(str(path)).as_dict()
    assert recipe.read("efficientnet-lite0").encoder_rate == 0.15
    for text in ("encoder_weights: imagenet\n", "encoder_rate: 0.5\n"):
        path.write_text(text)
        with pytest.raises(InputError, match="unet-light has no encoder of its own"):
            recipe.read(str(path))
    path.write_text("architecture: unet-resnet34\n")
    assert recipe.read(str(path)).widths == recipe.Recipe(name="own").widths
