from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import (
    classes,
    samples,
)
from lunarsite.engine.segmentation.training import batches, recipe


def test_recipes_are_read_and_errors_are_explained(tmp_path):
    assert recipe.names() == [
        "efficientnet-lite0",
        "mc-dropout",
        "orbital",
        "unet-light",
        "unet-resnet34",
        "unet-resnet50",
    ]
    for name in recipe.names():
        assert recipe.read(name).name == name
    assert recipe.read("mc-dropout").for_steps().steps == 3_500
    for text, words in (
        ("loss: l2", "loss is 'l2'"),
        ("crop_px: 100", "crop_px is 100"),
        ("architecture: vit", "no segmentation network 'vit'"),
        ("steps: 5\nepochs: 2", "both steps and epochs"),
        ("zoom: [1.4, 0.7]", "zoom is"),
        ("zoom: 2", "zoom is"),
        ("colour: red", "unknown key"),
    ):
        path = tmp_path / "r.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=words):
            recipe.read(str(path))


def test_crops_keep_masks_aligned_with_their_images():
    image = np.zeros((120, 160, 3), np.uint8)
    mask = np.zeros((120, 160), np.uint8)
    image[30:70, 50:90] = 220
    mask[30:70, 50:90] = classes.LARGE

    def source(_number):
        return samples.Sample(image, mask)

    for step in range(8):
        drawn = batches.draw(source, 1, 2, 96, [4, step], zoom=(0.75, 2.2), rotate=bool(step % 2))
        bright = drawn["channels"][:, 0] > drawn["channels"][:, 0].mean() + 0.3
        rock = drawn["mask"] == classes.LARGE
        if rock.any():
            assert (bright & rock).sum() / (bright | rock).sum() > 0.8
    again = batches.draw(source, 1, 2, 96, [4, 7], zoom=(0.75, 2.2), rotate=True)
    assert np.array_equal(again["channels"], drawn["channels"])


def test_scenes_are_cached_between_runs(tmp_path):
    first = batches.load("orbital", 3, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    again = batches.load("orbital", 3, tmp_path)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.mask, batches.load("orbital", 3, None).mask)


def test_members_of_an_ensemble_may_share_their_scenes(monkeypatch):
    loaded = []

    def load(_view, seed, _folder):
        loaded.append(seed)
        return samples.Sample(np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8))

    monkeypatch.setattr(batches, "load", load)
    for shared, expected in ((True, [5, 5]), (False, [10_000_005, 20_000_005])):
        loaded.clear()
        task = pytest.importorskip("lunarsite.engine.segmentation.training.task")
        chosen = replace(recipe.read("unet-light"), shared_scenes=shared)
        for seed in (1, 2):
            task.generated(chosen, seed, None, Context()).training(5)
        assert loaded == expected


def test_crops_go_through_the_camera_model_if_the_recipe_says_so():
    image = np.random.default_rng(0).integers(60, 180, (96, 96, 3)).astype(np.uint8)
    plain, shifted = (
        np.stack(
            [
                batches.photometric_jitter(image, np.random.default_rng(n), share).astype(float)
                for n in range(40)
            ]
        )
        for share in (0.0, 1.0)
    )
    changed = (np.abs(plain - shifted).mean(axis=(1, 2, 3)) > 0.5).mean()
    assert changed > 0.9
