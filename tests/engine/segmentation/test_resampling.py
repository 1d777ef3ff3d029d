"""Resampling to the training resolution, and predictions enlarged to the image."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.io import images
from lunarsite.engine.segmentation import (
    classes,
    evaluation,
    paired_images,
    resampling,
    samples,
    weights,
)
from lunarsite.engine.segmentation.architecture import Architecture
from lunarsite.engine.segmentation.training import batches, recipe
from lunarsite.engine.stages import segment_terrain
from lunarsite.engine.training import checkpoint_files
from lunarsite.engine.uncertainty import measures

TINY = Architecture(widths=(6, 6, 8, 8, 8, 8), dropout=0.2)


def network(path, side_px, seed=0):
    """Write a network that predicts several classes, with a training resolution."""
    rng = np.random.default_rng(seed)
    state = {
        name: rng.standard_normal(shape).astype(np.float32) * np.float32(0.3)
        for name, shape in TINY.shapes().items()
    }
    state = {name: abs(v) + 0.5 if name.endswith("var") else v for name, v in state.items()}
    card = {
        "architecture": TINY.as_dict(),
        "classes": list(classes.NAMES),
        "recipe": {"view": "surface", "side_px": side_px},
    }
    checkpoint_files.save(path, state, card)
    return path


def photograph(path, values, **more):
    """Write an image of (rows, columns, 3)."""
    sides = {"width": values.shape[1], "height": values.shape[0]}
    transform = rasterio.Affine(1.0, 0.0, 50.0, 0.0, -1.0, 90.0)
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint8", count=3, transform=transform, **sides, **more
    ) as file:
        file.write(np.moveaxis(values, 2, 0))
    return path


def smooth(rows, columns, seed=0):
    coarse = np.random.default_rng(seed).integers(30, 250, (8, 12, 3)).astype(np.float32)
    fine = resampling.enlarged(
        np.moveaxis(coarse, 2, 0), (rows, columns), Window(0, 0, columns, rows)
    )
    return np.rint(np.moveaxis(fine, 0, 2)).astype(np.uint8)


def segmented(image, out, net, **more):
    given = {"image": str(image), "out": str(out), "checkpoint": [str(net)], "view": "surface"}
    segment_terrain.STAGE.run({**given, **more}, Context(threads=2))
    with rasterio.open(out / "classes.tif") as source:
        named, place = source.read(1), source.transform
    with rasterio.open(out / "probabilities.tif") as source:
        return named, source.read(), place


@pytest.mark.parametrize(
    ("shape", "side_px", "reduced"),
    [
        ((300, 450), 150, (150, 225)),
        ((450, 300), 150, (225, 150)),
        ((100, 90), 150, (100, 90)),
        ((1, 5000), 150, (1, 5000)),
        ((200, 8000), 150, (150, 6000)),
        ((300, 450), None, (300, 450)),
    ],
)
def test_the_shorter_side_is_reduced_and_never_enlarged(shape, side_px, reduced):
    assert resampling.reduced_shape(shape, side_px) == reduced


def test_reduction_averages_areas_and_enlargement_is_bilinear():
    image = np.random.default_rng(0).random((90, 130, 3)).astype(np.float32)
    halves = resampling.reduced(image, (45, 65))
    np.testing.assert_allclose(halves, image.reshape(45, 2, 65, 2, 3).mean(axis=(1, 3)), atol=1e-6)
    odd = resampling.reduced(image, (37, 41))
    np.testing.assert_allclose(odd.mean(axis=(0, 1)), image.mean(axis=(0, 1)), atol=1e-6)
    row, column = np.mgrid[:90, :130].astype(np.float32)
    slope = np.stack([row, column, row - 2.0 * column])
    small = np.moveaxis(resampling.reduced(np.moveaxis(slope, 0, 2), (45, 65)), 2, 0)
    part = Window(10, 20, 100, 50)
    again = resampling.enlarged(small, (90, 130), part)
    np.testing.assert_allclose(again, slope[:, 20:70, 10:110], atol=1e-3)


def test_the_stage_enlarges_the_prediction_at_the_training_resolution(tmp_path):
    values = smooth(310, 470)
    path = photograph(tmp_path / "i.tif", values)
    net = network(tmp_path / "net.safetensors", 64)
    named, share, place = segmented(path, tmp_path / "out", net)
    assert named.shape == (310, 470)
    assert place == rasterio.Affine(1.0, 0.0, 50.0, 0.0, -1.0, 90.0)
    assert np.ptp(share[0]) > 0.01
    runner = weights.load(net).runner(uncertain=True)
    assert runner.side_px == 64
    # Padding to multiples of the stride differs only beyond the edge.
    expected = evaluation.predict(runner, values)[: len(classes.NAMES)]
    np.testing.assert_allclose(share, expected, atol=1e-4)
    whole = network(tmp_path / "whole.safetensors", None)
    _, native, _ = segmented(path, tmp_path / "native", whole)
    assert np.abs(native - share).max() > 0.02


def test_predictions_do_not_depend_on_the_resolution_of_the_camera(tmp_path):
    values = smooth(96, 160)
    net = network(tmp_path / "net.safetensors", 64)
    _, small, _ = segmented(photograph(tmp_path / "s.tif", values), tmp_path / "s", net)
    large = values.repeat(4, axis=0).repeat(4, axis=1)
    _, big, _ = segmented(photograph(tmp_path / "l.tif", large), tmp_path / "l", net)
    means = big.reshape(4, 96, 4, 160, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(means, small, atol=0.02)


def test_windows_and_strips_of_any_height_equal_the_whole(tmp_path, monkeypatch):
    path = photograph(tmp_path / "i.tif", smooth(210, 330))
    net = network(tmp_path / "net.safetensors", 96)
    named, share, _ = segmented(path, tmp_path / "a", net)
    monkeypatch.setattr(resampling, "_STRIP_BYTES", 64 * 330 * 17)
    again, alike, _ = segmented(path, tmp_path / "b", net)
    np.testing.assert_allclose(alike, share, atol=1e-5)
    assert (again == named).mean() > 0.999
    part, cut, place = segmented(path, tmp_path / "c", net, window="30,20,250,110")
    assert part.shape == (110, 250)
    assert (place.c, place.f) == (80.0, 70.0)
    np.testing.assert_allclose(cut, share[:, 20:130, 30:280], atol=1e-5)


def test_nodata_stays_where_it_is_and_does_not_spread(tmp_path):
    values = smooth(320, 480)
    holed = values.copy()
    holed[40:90, 60:131] = 0
    net = network(tmp_path / "net.safetensors", 160)
    named, _, _ = segmented(photograph(tmp_path / "a.tif", values), tmp_path / "a", net)
    with_hole, share, _ = segmented(
        photograph(tmp_path / "b.tif", holed, nodata=0), tmp_path / "b", net
    )
    there = np.zeros(named.shape, bool)
    there[40:90, 60:131] = True
    assert (with_hole[there] == classes.NODATA).all()
    assert (with_hole[~there] != classes.NODATA).all()
    assert np.isnan(share[:, there]).all()
    # Only valid pixels are averaged; nodata does not darken the means.
    with images.opened(tmp_path / "b.tif") as image:
        small = resampling.ReducedImage(image, (160, 240), Context())
        seen, known = small.read(Window(0, 0, 240, 160))
    assert (~known).sum() == 25 * 35
    assert seen[known].min() >= values.min() - 1.0


def test_few_valid_pixels_are_predicted_too(tmp_path):
    values = np.zeros((640, 960, 3), np.uint8)
    values[300:302] = smooth(2, 960)
    net = network(tmp_path / "net.safetensors", 64)
    path = photograph(tmp_path / "i.tif", values, nodata=0)
    named, share, _ = segmented(path, tmp_path / "o", net)
    known = named != classes.NODATA
    assert known.sum() == 2 * 960
    np.testing.assert_allclose(share[:, known].sum(axis=0), 1.0, atol=1e-4)


def test_enlarged_borders_between_certain_classes_have_no_mutual_information():
    answer = np.zeros((5, 8, 8), np.float32)
    answer[3, :4], answer[0, 4:] = 1.0, 1.0
    part = Window(0, 0, 32, 32)
    found = resampling.enlarged_prediction(answer, (32, 32), part)
    total = measures.entropy(found[:4])
    assert total.max() > 0.5
    np.testing.assert_allclose(total - found[4], 0.0, atol=1e-6)
    # Real disagreement is preserved.
    answer[:2] = 0.5
    answer[2:] = 0.0
    found = resampling.enlarged_prediction(answer, (32, 32), part)
    np.testing.assert_allclose(measures.entropy(found[:4]) - found[4], np.log(2.0), atol=1e-5)


def test_a_single_pass_has_no_mutual_information_at_any_size(tmp_path):
    values = smooth(200, 330)
    net = weights.load(network(tmp_path / "net.safetensors", 64))
    found = evaluation.predict(net.runner(), values)
    assert np.abs(measures.entropy(found[:4]) - found[4]).max() < 1e-5


def test_long_images_take_no_more_memory_than_their_pixels():
    tracemalloc.start()
    image = np.ones((100, 20_000, 3), np.float32)
    small = resampling.reduced(image, (20, 4_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_allclose(small, 1.0, atol=1e-5)
    assert peak < 5 * image.nbytes


def test_images_too_elongated_for_memory_are_refused(tmp_path):
    path = photograph(tmp_path / "i.tif", np.full((50, 4_000, 3), 90, np.uint8))
    with (
        images.opened(path) as image,
        pytest.raises(InputError, match="4000 × 50 pixels is too elongated"),
    ):
        resampling.ReducedImage(image, (40, 3_200), Context(memory_limit_bytes=2**20))


def test_orbital_images_keep_their_resolution_and_shadow_is_nodata(tmp_path):
    values = smooth(200, 330)
    values[30:60] = 2
    path = photograph(tmp_path / "i.tif", values)
    net = network(tmp_path / "net.safetensors", 64)
    named, share, _ = segmented(path, tmp_path / "o", net, view="orbital")
    assert (named[30:60] == classes.NODATA).all()
    plain = network(tmp_path / "plain.safetensors", None)
    _, native, _ = segmented(path, tmp_path / "p", plain, view="orbital")
    np.testing.assert_array_equal(share, native)


@pytest.mark.parametrize("side_px", ["abc", 0, -5, 12, 64.5, True])
def test_cards_with_an_invalid_training_resolution_are_refused(tmp_path, side_px):
    path = network(tmp_path / "net.safetensors", side_px)
    with pytest.raises(InputError, match="gives a training resolution of"):
        weights.load(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("side_px: 20", "side_px is 20"),
        ("side_px: 160\nview: orbital", "side_px is given for the orbital view"),
        ("zoom: [1, 1000]", "zoom is"),
        ("zoom: [0.001, 1]", "zoom is"),
        ("zoom: [1, .inf]", "no number of a finite size"),
    ],
)
def test_recipes_with_invalid_sizes_are_refused(tmp_path, text, words):
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        recipe.read(str(path))


def test_pairs_are_read_as_in_inference(tmp_path):
    values = smooth(60, 90)
    values[10:20, 30:50] = 0
    path = photograph(tmp_path / "i.tif", values, nodata=0)
    mask = photograph(tmp_path / "m.tif", np.zeros((60, 90, 3), np.uint8))
    sample = paired_images.Pair(path, mask).read()
    assert (sample.image[10:20, 30:50] == samples.MEAN).all()
    assert (sample.mask[10:20, 30:50] == classes.NODATA).all()
    assert (sample.mask == classes.NODATA).sum() == 10 * 20


def test_networks_of_different_training_resolutions_are_no_ensemble(tmp_path):
    path = photograph(tmp_path / "i.tif", smooth(60, 90))
    nets = [str(network(tmp_path / f"{side}.safetensors", side)) for side in (48, 64)]
    given = {"image": str(path), "out": str(tmp_path / "o"), "checkpoint": nets}
    with pytest.raises(ParameterError, match="side_px is 48 and 64"):
        segment_terrain.STAGE.run({**given, "uncertainty": "ensemble"}, Context())
    assert not (tmp_path / "o").exists()


def test_crops_larger_than_a_scene_are_mirrored_and_unlabelled_there():
    image = smooth(60, 90)
    mask = np.full((60, 90), classes.LARGE, np.uint8)
    drawn = batches.draw(
        lambda _: samples.Sample(image, mask), 1, 1, 96, [1, 2], zoom=(0.99, 1.01), rotate=False
    )
    labelled = drawn["mask"][0] != classes.NODATA
    assert abs(labelled.mean() - 60 * 90 / 96**2) < 0.05
    column = drawn["channels"][0, 0, :, 48]
    first = int(np.flatnonzero(labelled.any(axis=1))[0])
    np.testing.assert_allclose(column[first - 5 : first], column[first : first + 5][::-1], atol=0.4)


def test_samples_are_reduced_with_their_masks():
    image = np.full((200, 320, 3), 40, np.uint8)
    mask = np.zeros((200, 320), np.uint8)
    image[60:140, 80:240], mask[60:140, 80:240] = 200, classes.LARGE
    small = samples.reduced(samples.Sample(image, mask), 100)
    assert small.mask.shape == (100, 160)
    assert small.image.shape == (100, 160, 3)
    assert ((small.image[..., 0] > 120) == (small.mask == classes.LARGE)).all()
    assert samples.reduced(small, None) is small
