"""Images that look unlike those that a network was trained on, from training to every answer."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from scipy import ndimage
from support.segmentation import TINY, pairs, picture, random_weights, saved, segmented

from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.scoring.features import rocks
from lunarsite.engine.scoring.features.places import Places
from lunarsite.engine.segmentation import evaluation, inference, paired_images, weights
from lunarsite.engine.segmentation.architecture import Architecture
from lunarsite.engine.segmentation.onnx_runner import Encoder
from lunarsite.engine.segmentation.samples import Sample
from lunarsite.engine.segmentation.segment import segment
from lunarsite.engine.segmentation.training import held_out
from lunarsite.engine.segmentation.training.recipe import Recipe
from lunarsite.engine.stages import calibrate, evaluate_segmentation
from lunarsite.engine.training import checkpoint_files
from lunarsite.engine.training.task import Data
from lunarsite.engine.uncertainty import domain
from lunarsite.engine.uncertainty.domain import OUT_OF_DISTRIBUTION

COUNT = 48
SIZE = (70, 100)


def smooth(number, size=SIZE, sigma=3.0):
    """Return smooth grey ground of three bands, as the networks here are trained on."""
    rng = np.random.default_rng(number)
    field = ndimage.gaussian_filter(rng.standard_normal(size), sigma)
    grey = 110.0 + 25.0 * rng.uniform(0.7, 1.3) * field / field.std()
    return np.repeat(np.clip(grey, 1.0, 250.0).astype(np.uint8)[:, :, None], 3, axis=2)


def ground(first):
    return lambda number: Sample(smooth(first + number), np.zeros(SIZE, np.uint8))


DATA = Data("smooth ground", ground(0), COUNT, ground(1000), COUNT)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Return the checkpoint of a network that knows the domain of smooth ground."""
    path = tmp_path_factory.mktemp("domain") / "net.safetensors"
    loaded = weights.load(saved(path, TINY))
    found, card = held_out.fit_domain(loaded, Recipe(name="mine"), DATA, None, Context())
    state = {**loaded.state, **weights.tensors_of(found)}
    return saved(path, TINY, state=state, **card)


HARM = ("a tensor", "its size", "another network", "no window", "no card", "few images", "nan")
HARM += ("the size of the encoder", "no tensors")


def stored(folder, image, name="image.tif", **more):
    return picture(folder / name, np.ascontiguousarray(np.moveaxis(image, 2, 0)), **more)


def rough(number, size=SIZE):
    return smooth(number, size, sigma=0.6)


def test_the_domain_survives_the_file_and_is_not_a_weight(network):
    loaded = weights.load(network)
    found, card = held_out.fit_domain(loaded, Recipe(name="mine"), DATA, None, Context())
    assert (
        card["domain"].items()
        >= {"network": 0, "window_px": 64, "images": COUNT, "held_out_images": COUNT}.items()
    )
    assert card["domain"] == loaded.card["domain"]
    for one, other in (
        (found.mean, loaded.domain.mean),
        (found.root, loaded.domain.root),
        (found.usual, loaded.domain.usual),
    ):
        np.testing.assert_array_equal(one, other)
    assert set(loaded.state) == set(random_weights(TINY))


@pytest.mark.parametrize(("make", "unlike"), [(smooth, False), (rough, True)])
@pytest.mark.parametrize("uncertainty", ["none", "mc-dropout"])
def test_the_stage_and_the_library_tell_ground_of_another_kind(
    tmp_path, network, make, unlike, uncertainty
):
    image = make(5000)
    context = Context(threads=2)
    warned = []
    context.warn = warned.append
    given = {"view": "surface", "uncertainty": uncertainty, "out": tmp_path / "out"}
    given |= {"image": stored(tmp_path, image), "checkpoint": network}
    result = segmented(**given, context=context)
    assert result["distance"]["out_of_distribution"] is unlike
    assert warned.count(OUT_OF_DISTRIBUTION) == unlike
    assert any("Distance from the training images" in line for line in result["summary"])
    del warned[:]
    found = segment(image, uncertainty=uncertainty, checkpoint=network, context=context)
    assert found.distance.as_dict() == result["distance"]
    assert warned.count(OUT_OF_DISTRIBUTION) == unlike


@pytest.mark.parametrize(("make", "unlike"), [(smooth, False), (rough, True)])
def test_the_warning_stays_with_the_layers_and_reaches_the_features(
    tmp_path, network, make, unlike
):
    transform = Affine(2.0, 0, 1000.0, 0, -2.0, 2000.0)
    image = stored(tmp_path, make(5000), crs="IAU_2015:30135", transform=transform)
    segmented(image, tmp_path / "out", network, uncertainty="none")
    warned = []
    context = Context()
    context.warn = warned.append
    cells = Places.of_cells(Grid(1000.0, 2000.0, 20.0, 5, 5))
    rocks.features(str(tmp_path / "out"), cells, context)
    about = [text for text in warned if "an image that is out of distribution" in text]
    assert len(about) == unlike


def test_a_network_without_a_domain_says_nothing(tmp_path):
    checkpoint = saved(tmp_path / "net.safetensors", TINY)
    assert weights.load(checkpoint).domain is None
    image = smooth(1)
    result = segmented(stored(tmp_path, image), tmp_path / "out", checkpoint, view="surface")
    assert "distance" not in result
    assert not any("training images" in line for line in result["summary"])
    assert segment(image, checkpoint=checkpoint).distance is None
    assert inference.probe_of([weights.load(checkpoint)]) is None


def test_nodata_does_not_make_an_image_unusual(tmp_path, network):
    image = smooth(5000, (96, 128))
    plain = segmented(stored(tmp_path, image), tmp_path / "a", network, view="surface")
    image[:, 96:] = 0
    path = stored(tmp_path, image, "cut.tif", nodata=0)
    cut = segmented(path, tmp_path / "b", network, view="surface")
    times = [each["distance"]["times_median"] for each in (plain, cut)]
    assert times[1] == pytest.approx(times[0], rel=0.25)
    path = stored(tmp_path, image, "filled.tif")
    filled = segmented(path, tmp_path / "c", network, view="surface")
    assert filled["distance"]["times_median"] > 1.5 * max(times)


def test_parts_without_data_are_passed_over(tmp_path, network):
    image = smooth(5000, (96, 700))
    whole = segmented(stored(tmp_path, image), tmp_path / "a", network)["distance"]
    image[:, 400:] = 0
    path = stored(tmp_path, image, "cut.tif", nodata=0)
    part = segmented(path, tmp_path / "b", network)["distance"]
    assert part["times_median"] == pytest.approx(whole["times_median"], rel=0.4)
    image[:] = 0
    image[:4, :4] = 90
    path = stored(tmp_path, image, "corner.tif", nodata=0)
    assert "distance" not in segmented(path, tmp_path / "c", network)


def test_an_image_of_many_tiles_has_the_distance_of_one(tmp_path, network):
    path = stored(tmp_path, smooth(5000, (640, 1500)))
    asked = {"view": "orbital", "uncertainty": "none"}
    times = [
        segmented(path, tmp_path / "out", network, tile_px=side, **asked)["distance"]
        for side in (512, 2048)
    ]
    assert times[0]["times_median"] == pytest.approx(times[1]["times_median"], rel=0.1)


def test_windows_all_over_a_tile_are_compared_wherever_there_is_data(network):
    encoder = inference.probe_of([weights.load(network)]).encoder
    seen = []

    def watched(channels):
        seen.append((channels[1, 0, 0], channels[2, 0, 0]))
        return encoder(channels)

    channels = np.zeros((3, 512, 1024), np.float32)
    channels[1], channels[2] = np.mgrid[:512, :1024]
    channels[0] = np.random.default_rng(0).standard_normal((512, 1024))
    known = np.ones((512, 1024), bool)
    assert len(evaluation.window_statistics(watched, channels, known, 64)) == 4
    rows, columns = (np.array(seen)[:, axis] for axis in (0, 1))
    assert rows.min() < 128
    assert rows.max() >= 384
    assert len(set(columns)) > 1
    known[:, :800] = False
    del seen[:]
    assert len(evaluation.window_statistics(watched, channels, known, 64)) == 4
    assert min(column for _, column in seen) >= 768  # at least half of each is valid
    known[:] = False
    assert evaluation.window_statistics(watched, channels, known, 64) == []


def test_windows_cover_an_image_and_not_what_is_mirrored_at_its_end(network):
    loaded = weights.load(network)
    encoder = inference.probe_of([loaded]).encoder
    image = smooth(3, (70, 150))
    channels, known = evaluation.tile(image, None)
    assert channels.shape == (3, 96, 160)
    found = evaluation.window_statistics(encoder, channels, known, 64)
    expected = [
        evaluation.window_statistics(
            encoder, *evaluation.tile(image[row : row + 64, column : column + 64], None), 64
        )[0]
        for row in (0, 6)
        for column in (0, 43, 86)
    ]
    assert len(found) == 4
    assert all(any(np.allclose(one, other) for other in expected) for one in found)


@pytest.mark.parametrize("size", [(64, 64), (70, 100), (200, 75), (64, 1500)])
def test_ground_of_the_same_kind_is_rarely_out_of_distribution_whatever_its_shape(network, size):
    probe = inference.probe_of([weights.load(network)])
    found = [
        probe.domain.compared(probe.distance(smooth(number, size))).is_out_of_distribution
        for number in range(6000, 6024)
    ]
    assert np.mean(found) <= 0.25


@pytest.mark.parametrize("size", [(60, 60), (40, 300), (12, 12), (7, 90)])
def test_images_smaller_than_the_training_images_are_not_compared(tmp_path, network, size):
    probe = inference.probe_of([weights.load(network)])
    assert probe.distance(rough(1, size)) is None
    if min(size) < 32:
        return
    image = stored(tmp_path, rough(1, size))
    result = segmented(image, tmp_path / "out", network, view="surface")
    assert "distance" not in result
    warned = []
    context = Context(threads=2)
    context.warn = warned.append
    segmented(image, tmp_path / "out", network, view="surface", context=context)
    segment(rough(1, size), checkpoint=network, context=context)
    small = "too small to be compared with the images that the network was trained on"
    assert sum(small in text and "64 × 64 pixels" in text for text in warned) == 2


def test_an_image_that_the_passes_disagree_about_is_out_of_distribution_too(tmp_path, network):
    loaded = weights.load(network)
    for side, factor, expected in ((300, 1e3, 0), (300, 1e-3, 2), (250, 1e-3, 0)):
        small = smooth(5000, (side, 256))
        path = tmp_path / f"{factor:g}.safetensors"
        median = factor * 1e-3
        usual = {"mutual_information": {"median": median, "percentile_95": 2.0 * median}}
        card = loaded.card | {"in_domain": usual}
        checkpoint_files.save(path, {**loaded.state, **weights.tensors_of(loaded.domain)}, card)
        warned = []
        context = Context(threads=2)
        context.warn = warned.append
        transform = Affine(2.0, 0, 1000.0, 0, -2.0, 2000.0)
        stored_image = stored(tmp_path, small, crs="IAU_2015:30135", transform=transform)
        segmented(stored_image, tmp_path / "out", path, context=context)
        segment(small, checkpoint=path, context=context)
        about = [text for text in warned if "its mean mutual information is" in text]
        assert len(about) == expected
        cells = Places.of_cells(Grid(1000.0, 2000.0, 20.0, 4, 4))
        rocks.features(str(tmp_path / "out"), cells, context)
        assert any("an image that is out of distribution" in text for text in warned) == bool(
            expected
        )


def test_a_window_of_which_only_the_margin_is_valid_does_not_count(network):
    probe = inference.probe_of([weights.load(network)])
    known = np.ones((64, 64), bool)
    known[16:48, 16:48] = False
    assert probe.windows(np.zeros((3, 64, 64), np.float32), known) == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_several_networks_the_one_that_separates_shifts_best_decides(tmp_path, network, order):
    loaded = weights.load(network)
    worse = replace(loaded, card={**loaded.card, "domain": {"auroc_of_shifts": 0.1}})
    other = weights.load(saved(tmp_path / "none.safetensors", TINY))
    found = inference.probe_of([other, *([loaded, worse][number] for number in order)])
    assert found.side_px is None
    better, less = (inference.probe_of([each]) for each in (loaded, worse))
    assert better.domain is less.domain
    assert loaded.auroc_of_shifts > worse.auroc_of_shifts == 0.1 > other.auroc_of_shifts
    marked = replace(worse, card={**worse.card, "recipe": {"side_px": 64}})
    chosen = inference.probe_of([[loaded, marked][number] for number in order])
    assert chosen.side_px is None  # that of the better one


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_domain_is_refused(tmp_path, network, harm):
    loaded = weights.load(network)
    card = {name: value for name, value in loaded.card.items() if name != "weights"}
    tensors = loaded.tensors()
    if harm == "a tensor":
        del tensors["domain.root"]
    elif harm == "its size":
        tensors["domain.root"] = tensors["domain.root"][:-1]
    elif harm == "another network":
        card["domain"] = {**card["domain"], "network": 1}
    elif harm == "no window":
        del card["domain"]["window_px"]
    elif harm == "no card":
        card["domain"] = 7
    elif harm == "few images":
        tensors["domain.usual"] = tensors["domain.usual"][:5]
    elif harm == "nan":
        tensors["domain.usual"] = np.append(tensors["domain.usual"][:-1], np.float32(np.nan))
    elif harm == "no tensors":
        tensors = {name: tensor for name, tensor in tensors.items() if "domain" not in name}
    else:
        tensors["domain.mean"] = tensors["domain.mean"][:-1]
        tensors["domain.root"] = domain.packed(loaded.domain.root[:-1, :-1])
    path = tmp_path / "harmed.safetensors"
    checkpoint_files.save(path, tensors, card)
    with pytest.raises(InputError, match=r"The domain of harmed\.safetensors is damaged"):
        weights.load(path)


def test_few_images_and_networks_that_are_not_described_have_no_domain(network):
    loaded = weights.load(network)
    few = Data("few", ground(0), COUNT, ground(1000), 31)
    warned = []
    context = Context()
    context.warn = warned.append
    assert held_out.fit_domain(loaded, Recipe(name="mine"), few, None, context) == (None, {})
    (text,) = warned
    assert "needs 32 of them and as many held out, and there are 48 and 31" in text
    large = weights.Checkpoint({}, Architecture("unet-resnet34"), {}, loaded.path)
    assert held_out.fit_domain(large, Recipe(name="mine"), DATA, None, Context()) == (None, {})


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_an_ensemble_the_network_that_tells_shifts_best_is_asked(tmp_path, order):
    states = [random_weights(TINY, seed) for seed in order]
    alone = [
        held_out.fit_domain(
            weights.Checkpoint(state, TINY, {}, tmp_path),
            Recipe(name="mine"),
            DATA,
            None,
            Context(),
        )
        for state in states
    ]
    apart = [said["domain"]["auroc_of_shifts"] for _, said in alone]
    assert abs(apart[0] - apart[1]) > 0.01
    best = int(np.argmax(apart))
    state = {
        f"{number}.{name}": values for number in (0, 1) for name, values in states[number].items()
    }
    both = Architecture.of_members([TINY, TINY])
    card = {"members": [{}, {}], "recipe": {"name": "ensemble"}}
    path = tmp_path / "both.safetensors"
    loaded = weights.Checkpoint(state, both, card, path)
    found, said = held_out.fit_domain(loaded, Recipe(name="mine"), DATA, None, Context())
    assert said["domain"] == {**alone[best][1]["domain"], "network": best}
    whole = {"architecture": both.as_dict(), **card, **said}
    checkpoint_files.save(path, {**state, **weights.tensors_of(found)}, whole)
    again = weights.load(path)
    encoder = Encoder(again.members[best].state, TINY)
    seen = evaluation.window_statistics(encoder, *evaluation.tile(rough(1), None), 64)
    expected = alone[best][0].distance(np.array(seen))
    assert inference.probe_of([again]).distance(rough(1)) == pytest.approx(expected, rel=1e-6)


def test_a_network_to_which_all_images_are_the_same_has_no_domain(tmp_path):
    blind = {name: values * 0.0 for name, values in random_weights(TINY).items()}
    checkpoint = weights.Checkpoint(blind, TINY, {}, tmp_path)
    assert held_out.fit_domain(checkpoint, Recipe(name="mine"), DATA, None, Context()) == (None, {})


def test_calibration_keeps_the_domain(tmp_path, network):
    images, masks = pairs(tmp_path, 4)
    out = tmp_path / "warm.safetensors"
    given = {"checkpoint": str(network), "images": images, "masks": masks, "out": str(out)}
    calibrate.STAGE.run(given, Context(threads=2))
    before, after = weights.load(network), weights.load(out)
    np.testing.assert_array_equal(after.domain.root, before.domain.root)
    assert after.card["domain"] == before.card["domain"]


def test_an_evaluation_says_how_well_the_distance_separates_other_images(tmp_path, network):
    for kind, make in (("in", smooth), ("out", rough)):
        (tmp_path / kind).mkdir()
        for number in range(6):
            stored(tmp_path / kind, make(7000 + number), f"{number}_image.png", driver="PNG")
            mask = np.zeros(SIZE, np.uint8)
            picture(tmp_path / kind / f"{number}_mask.png", mask, driver="PNG")
    for number in range(2):
        small = rough(7100 + number)[:40]
        stored(tmp_path / "out", small, f"small{number}_image.png", driver="PNG")
    given = {
        "images": str(tmp_path / "in" / "*_image.png"),
        "masks": str(tmp_path / "in" / "*_mask.png"),
        "outside": str(tmp_path / "out" / "*_image.png"),
        "out": str(tmp_path / "figures.json"),
        "view": "surface",
        "checkpoint": [str(network)],
    }
    result = evaluate_segmentation.STAGE.run(given, Context(threads=2))
    told = json.loads((tmp_path / "figures.json").read_text())["out_of_distribution"]
    assert (told["images"], told["too_small_for_distance"]) == (8, 2)
    found = told["distance"]
    assert found["auroc"] == 1.0
    assert found["median_outside"] > found["median_inside"]
    assert result["summary"][-1].endswith(
        "the distance from the training images with 1.000 (2 images too small for a distance)"
    )


@pytest.mark.realdata
def test_photographs_look_less_like_the_scenes_than_most_scenes_do(real):
    probe = inference.probe_of([weights.load("segmenter-surface")])
    for name in ("PCAM12", "TCAM20"):  # of the tenth that may be looked at
        image, _ = paired_images.read_image(real / "rocks" / f"real_{name}_image.png")
        assert probe.distance(image) > np.quantile(probe.domain.usual, 0.8)
