"""Segmentation with torch: networks, losses, MC Dropout, the training stage."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lunarsite.engine.context import Context  # noqa: E402
from lunarsite.engine.errors import InputError, ParameterError  # noqa: E402
from lunarsite.engine.segmentation import classes, network, samples, torch_runner, weights  # noqa: E402
from lunarsite.engine.segmentation import onnx_runner as running  # noqa: E402
from lunarsite.engine.segmentation.architecture import Architecture  # noqa: E402
from lunarsite.engine.segmentation.training import batches, held_out, losses, recipe, task  # noqa: E402
from lunarsite.engine.segmentation.training.recipe import Recipe  # noqa: E402
from lunarsite.engine.stages import segment_terrain, train_segmenter  # noqa: E402
from lunarsite.engine.synthetic.scenes import orbital  # noqa: E402
from lunarsite.engine.training.task import Data  # noqa: E402
from lunarsite.engine.uncertainty import dropout, measures  # noqa: E402
from lunarsite.engine.uncertainty.calibration import Temperatures  # noqa: E402

# Two threads that wait for one another are slow where another program has a core.
torch.set_num_threads(1)

TINY = Architecture(widths=(6, 6, 8, 8, 8, 8), dropout=0.2)
RECIPE = """
architecture: unet-light
widths: [6, 6, 8, 8, 8, 8]
view: orbital
scenes: 6
validation_scenes: 2
crop_px: 64
batch: 2
steps: 4
validate_every: 2
test_time: none
"""


def built(architecture=TINY, seed=0):
    torch.manual_seed(seed)
    model = network.build(architecture)
    # Batch norm statistics as of a trained network.
    model.train()
    with torch.no_grad():
        for _ in range(30):
            model(torch.randn(2, 3, 64, 64))
    return model.eval()


def state_of(model):
    return {name: value.numpy() for name, value in model.state_dict().items()}


SEEN = np.random.default_rng(0).standard_normal((3, 96, 64)).astype(np.float32)


def test_onnx_runtime_computes_the_same_as_torch():
    model = built()
    with torch.inference_mode():
        expected = torch.softmax(model(torch.from_numpy(SEEN[None])), 1)[0].numpy()
    found = running.OnnxRunner(state_of(model), TINY)(SEEN)
    np.testing.assert_allclose(found[:4], expected, atol=1e-5)
    shapes = {name: tuple(v.shape) for name, v in model.state_dict().items() if v.ndim}
    assert shapes == TINY.shapes()


@pytest.mark.parametrize("rare", [0.6, 3.0])
def test_torch_and_onnx_runtime_agree_on_temperatures(rare):
    model, warmth = built(), Temperatures(1.3, rare)
    by_torch = torch_runner.TorchRunner(model, TINY, "cpu", Context(), temperatures=warmth)(SEEN)
    by_graph = running.OnnxRunner(state_of(model), TINY, temperatures=warmth)(SEEN)
    rock = np.isin(by_graph[:4].argmax(axis=0), (1, 2))
    assert 0.05 < rock.mean() < 0.95
    np.testing.assert_allclose(by_torch, by_graph, atol=1e-4)


def test_the_reference_network_has_27_relus_and_all_get_dropout():
    smp = pytest.importorskip("segmentation_models_pytorch")
    model = smp.Unet("resnet34", encoder_weights=None, classes=4)
    names = set(model.state_dict())
    assert dropout.add_mc_dropout(model, 0.1) == 27
    assert set(model.state_dict()) == names
    assert sum(isinstance(m, torch.nn.Dropout2d) for m in model.modules()) == 27
    # Those that have one already are left alone.
    assert dropout.add_mc_dropout(model, 0.1) == 0
    assert len(dropout.DropoutMasks(model, 1).layers) == 27


def test_mc_dropout_leaves_the_network_in_evaluation_mode():
    model = built().train()
    before = {n: v.clone() for n, v in model.state_dict().items()}
    found = dropout.mc_predict(model, SEEN, passes=6, seed=4)
    again = dropout.mc_predict(model, SEEN, passes=6, seed=4)
    assert np.array_equal(found.mutual_information, again.mutual_information)
    assert found.mutual_information.max() > 1e-4
    assert not any(module.training for module in model.modules())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    np.testing.assert_allclose(found.entropy, measures.entropy(found.probability), atol=1e-6)


def test_a_network_without_dropout_is_refused():
    dry = network.build(Architecture(widths=TINY.widths, dropout=0.0))
    with pytest.raises(InputError, match="has no dropout"):
        dropout.mc_predict(dry, SEEN)


def test_pixels_of_the_ignore_index_do_not_change_the_loss():
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 8, 8)
    mask = torch.randint(0, 4, (2, 8, 8), dtype=torch.uint8)
    mask[0, :4] = classes.NODATA
    other = logits.clone()
    other[0, :, :4] += torch.randn(4, 4, 8)
    for focal in (False, True):
        one, two = (losses.segmentation(x, mask, focal=focal) for x in (logits, other))
        torch.testing.assert_close(one, two)
    right = torch.nn.functional.one_hot(mask.long().clamp(max=3), 4).movedim(3, 1) * 30.0
    assert losses.segmentation(right, mask, focal=False) < 0.02
    assert losses.segmentation(-right, mask, focal=True) > 1.0


def test_rare_classes_weigh_more():
    mask = np.zeros((50, 50), np.uint8)
    mask[:2] = classes.SMALL
    mask[2:20] = classes.SKY

    def source(_number):
        return samples.Sample(np.zeros((50, 50, 3), np.uint8), mask)

    found = task.class_weights(task.Data("d", source, 3, source, 1))
    assert found[classes.SMALL] > found[classes.SKY] > found[classes.GROUND]
    assert found[classes.LARGE] == found.max()
    assert found.mean() == pytest.approx(1.0)


def trained(folder, **more):
    (folder / "tiny.yaml").write_text(RECIPE, encoding="utf-8")
    given = {
        "out": str(folder / "net.safetensors"),
        "recipe": str(folder / "tiny.yaml"),
        "scenes_folder": str(folder / "scenes"),
        **more,
    }
    return given, train_segmenter.STAGE.run(given, Context(threads=1))


@pytest.mark.parametrize("bits", ["16", "8"])
def test_training_writes_a_network_with_its_card_that_segments(tmp_path, monkeypatch, bits):
    monkeypatch.setattr("lunarsite.engine.segmentation.training.held_out.SCENES", 8)
    monkeypatch.setattr("lunarsite.engine.uncertainty.domain.FEWEST", 4)
    given, result = trained(tmp_path, bits=bits)
    card = json.loads((tmp_path / "net.json").read_text())
    assert card["steps"] == 4
    assert card["licence"].startswith("CC0")
    assert card["classes"] == list(classes.NAMES)
    assert 0.0 <= card["metrics"]["miou"] <= 1.0
    assert card["calibration"]["temperature"] > 0.0
    assert card["calibration"]["temperature_of_rocks"] > 0.0
    assert card["in_domain"]["mutual_information"]["median"] >= 0.0
    assert result["checkpoints"] == [given["out"]]
    assert not list(tmp_path.glob("*.state.*"))
    scene = batches.load("orbital", 77, None)
    image = tmp_path / "scene.png"
    from PIL import Image  # noqa: PLC0415  comes with torch's companions alone

    Image.fromarray(scene.image).save(image)
    asked = {"image": str(image), "out": str(tmp_path / "out"), "checkpoint": [given["out"]]}
    found = segment_terrain.STAGE.run(asked, Context(threads=1))
    # Shadows in an image from orbit are nodata.
    assert 0.99 * scene.mask.size < found["pixels"] <= scene.mask.size
    assert found["times_in_domain"] > 0.0
    assert card["domain"].items() >= {"images": 4, "held_out_images": 4, "window_px": 320}.items()
    assert found["distance"]["times_median"] > 0.0
    # The domain is that of the network as it is stored, and no weight to begin another one with.
    checkpoint = weights.load(given["out"])
    again, _ = held_out.fit_domain(
        checkpoint, recipe.read(given["recipe"]), None, tmp_path / "scenes", Context()
    )
    np.testing.assert_array_equal(again.root, checkpoint.domain.root)
    if bits == "16":
        more = {"start": given["out"], "out": str(tmp_path / "more.safetensors"), "steps": 1}
        trained(tmp_path, **more)
        assert weights.load(more["out"]).domain is not None


def test_training_samples_are_reduced_to_the_training_resolution():
    image = np.full((1000, 1500, 3), 90, np.uint8)
    mask = np.zeros((1000, 1500), np.uint8)
    mask[:, 750:] = classes.LARGE
    sample = samples.Sample(image, mask)
    data = Data("photographs", lambda _: sample, 1, lambda _: sample, 1)
    chosen = Recipe(name="r", crop_px=64, batch=64, side_px=64, zoom=(0.5, 1.0))
    learned = task.Segmentation(chosen, 1, data)
    assert learned.validation_batch(0)["mask"].shape == (1, 64, 96)
    both = [len(np.unique(crop)) == 2 for crop in learned.draw(0)["mask"]]
    # At native resolution a crop is a fifteenth of the width, and one in ten shows both classes.
    assert np.mean(both) > 0.3


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr("lunarsite.engine.segmentation.training.held_out.SCENES", 4)
    for name in ("straight", "broken"):
        (tmp_path / name).mkdir()
    straight, _ = trained(tmp_path / "straight")
    context = Context(threads=1)

    def stop(_fraction, message):
        if message.startswith("Step 2 "):
            context.cancelled.set()

    (tmp_path / "broken" / "tiny.yaml").write_text(RECIPE, encoding="utf-8")
    given = {
        "out": str(tmp_path / "broken" / "net.safetensors"),
        "recipe": str(tmp_path / "broken" / "tiny.yaml"),
    }
    from dataclasses import replace  # noqa: PLC0415

    with pytest.raises(Exception, match="cancelled") as caught:
        train_segmenter.STAGE.run(given, replace(context, report=stop))
    assert "resumes at step 2" in caught.value.remedy
    trained(tmp_path / "broken")
    one, two = (weights.load(p["out"]).state for p in (straight, given))
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name])


def test_an_ensemble_is_trained_by_one_command_and_its_members_differ(tmp_path, monkeypatch):
    monkeypatch.setattr("lunarsite.engine.segmentation.training.held_out.SCENES", 4)
    _, result = trained(tmp_path, members=2, bits="8")
    first, second = (weights.load(path) for path in result["checkpoints"])
    assert [first.card["seed"], second.card["seed"]] == [7, 8]
    # A finished member is not trained again, unless its start or its data differ.
    from lunarsite.engine.pipelines import train_segmenter as commands  # noqa: PLC0415

    chosen = recipe.read(str(tmp_path / "tiny.yaml")).for_steps()
    asked = (first.path, chosen, 7)
    assert first.card["weights"]["bits"] == 8
    assert commands._made_by(*asked, None, None, bits=8)
    assert not commands._made_by(*asked, None, None, bits=16)
    assert not commands._made_by(*asked, None, {"steps": 4}, bits=8)
    other = Data("other images", print, 1, print, 1)
    assert not commands._made_by(*asked, other, None, bits=8)
    monkeypatch.setattr(orbital, "VERSION", orbital.VERSION + 1)
    assert not commands._made_by(*asked, None, None, bits=8)
    assert not np.array_equal(first.state["head.weight"], second.state["head.weight"])


def test_a_start_of_another_network_and_a_missing_one_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="fine-tunes a trained network"):
        train_segmenter.STAGE.run(
            {"out": str(tmp_path / "a.safetensors"), "recipe": "mc-dropout"}, Context()
        )
    with pytest.raises(ParameterError, match=r"does not end in .safetensors"):
        train_segmenter.STAGE.run({"out": str(tmp_path / "a.pt")}, Context())


def test_masks_without_images_are_refused(tmp_path):
    given = {"masks": str(tmp_path / "*.png"), "out": str(tmp_path / "a.safetensors")}
    with pytest.raises(ParameterError, match="--masks is given without --images"):
        train_segmenter.STAGE.run(given, Context())
    assert not list(tmp_path.iterdir())


def test_recipes_build_their_architecture():
    model = network.build(Recipe(name="r", everywhere=0.1).built())
    assert sum(isinstance(m, torch.nn.Dropout2d) for m in model.modules()) > 10


def test_weights_have_16_or_8_bits(tmp_path):
    with pytest.raises(ParameterError, match=r"--bits.*12"):
        trained(tmp_path, bits="12")
