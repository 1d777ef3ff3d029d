from __future__ import annotations

import shlex

import numpy as np
import pytest
import rasterio
from PIL import Image
from support.segmentation import pairs, picture

from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.io.orientation import Orientation
from lunarsite.engine.segmentation import classes, paired_images


@pytest.mark.parametrize(
    ("image", "mask", "words"),
    [
        ("*_image.png", "nothing*.png", "No mask matches"),
        ("scene0[01]_image.png", "*_mask.png", "2 images and 4 masks"),
        ("scene0[01]_image.png", "scene0[23]_mask.png", "would be paired with"),
    ],
)
def test_patterns_that_do_not_pair_are_refused(tmp_path, image, mask, words):
    pairs(tmp_path)
    with pytest.raises(InputError, match=words):
        paired_images.pairs_of(str(tmp_path / image), str(tmp_path / mask))


def test_masks_of_another_size_are_refused(tmp_path):
    image_glob, mask_glob = pairs(tmp_path, 2)
    picture(tmp_path / "scene01_mask.png", np.zeros((5, 5), np.uint8), driver="PNG")
    with pytest.raises(InputError, match="has 5 × 5 pixels"):
        [pair.read() for pair in paired_images.pairs_of(image_glob, mask_glob)]


def test_published_images_are_split_the_same_every_time(tmp_path):
    image_glob, mask_glob = pairs(tmp_path, 21)
    data = paired_images.read(image_glob, mask_glob, Context())
    assert (data.training_count, data.validation_count) == (18, 3)
    again = paired_images.read(image_glob, mask_glob, Context())
    assert data.validation.pairs == again.validation.pairs
    assert not set(data.validation.pairs) & set(data.training.pairs)


@pytest.mark.parametrize("declared", [False, True])
def test_nodata_that_a_mask_declares_is_not_taken_for_a_mark_of_rocks(tmp_path, declared):
    image_glob, mask_glob = pairs(tmp_path, 3)
    more = {"nodata": 255} if declared else {}
    for number in range(3):
        mask = np.zeros((48, 64), np.uint8)
        mask[:, :9] = 255
        picture(tmp_path / f"scene{number:02d}_mask.png", mask, driver="PNG", **more)
    found = paired_images.labels_of(paired_images.pairs_of(image_glob, mask_glob), Context())
    assert found.is_binary != declared
    assert found.pixels.tolist() == [3 * 48 * 55, 0, 0, 0]
    assert found.unlabelled == (0 if declared else 3 * 48 * 9)


UPRIGHT = np.random.default_rng(3).integers(30, 256, (48, 64), dtype=np.uint8)
LABELS = np.random.default_rng(4).integers(0, 4, (48, 64)).astype(np.uint8)


def turned_file(path, upright, number, *, tagged):
    """Write upright pixels as a camera stores them, with or without the tag."""
    size = upright.shape if number > 4 else upright.shape[::-1]
    stored = Image.fromarray(np.ascontiguousarray(Orientation(number, *size).stored(upright)))
    exif = stored.getexif()
    if tagged:
        exif[274] = number
    stored.save(path, exif=exif)
    return path


@pytest.mark.parametrize("number", range(1, 9))
def test_images_and_masks_are_turned_each_by_its_own_tag(tmp_path, number):
    image = turned_file(tmp_path / "a.png", UPRIGHT, number, tagged=True)
    mask = turned_file(tmp_path / "m.tif", LABELS, number, tagged=True)
    sample = paired_images.Pair(image, mask).read()
    assert np.array_equal(sample.image[:, :, 0], UPRIGHT)
    assert np.array_equal(sample.mask, LABELS)
    plain = picture(tmp_path / "p.png", UPRIGHT, driver="PNG")
    assert np.array_equal(paired_images.Pair(plain, mask).read().mask, LABELS)


@pytest.mark.parametrize("number", range(5, 9))
@pytest.mark.parametrize("as_stored", [True, False])
def test_a_mask_without_a_tag_is_turned_if_its_size_says_so(tmp_path, number, as_stored):
    image = turned_file(tmp_path / "a.png", UPRIGHT, number, tagged=True)
    mask = turned_file(tmp_path / "m.png", LABELS, number if as_stored else 1, tagged=False)
    assert np.array_equal(paired_images.Pair(image, mask).read().mask, LABELS)


@pytest.mark.parametrize("number", [2, 3, 4, 6])
def test_a_mask_that_does_not_say_how_it_is_turned_is_refused(tmp_path, number):
    side = slice(0, 48)
    image = turned_file(tmp_path / "a.png", UPRIGHT[:, side], number, tagged=True)
    mask = turned_file(tmp_path / "m.png", LABELS[:, side], 1, tagged=False)
    with pytest.raises(InputError, match="does not say whether it is turned"):
        paired_images.Pair(image, mask).read()


HIDDEN = np.zeros(LABELS.shape, bool)
HIDDEN[5:20, 8:40] = True


@pytest.mark.parametrize("kind", ["alpha", "alpha of colours", "nodata", "mask beside"])
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_nodata_of_masks_is_not_labelled(tmp_path, kind):
    path = tmp_path / "m.tif"
    alpha = np.where(HIDDEN, 0, 255).astype(np.uint8)
    if kind == "alpha":
        picture(path, np.stack([LABELS, alpha]), alpha="yes")
    elif kind == "alpha of colours":
        colors = np.moveaxis(np.array(classes.COLORS, np.uint8)[LABELS], 2, 0)
        picture(path, np.concatenate([colors, alpha[None]]), alpha="yes", photometric="RGB")
    elif kind == "nodata":
        picture(path, np.where(HIDDEN, 9, LABELS).astype(np.uint8) * 1, nodata=9)
        with pytest.raises(InputError, match="holds 9, which is not a class"):
            paired_images.read_mask(path)
        picture(path, np.where(HIDDEN, 255, LABELS).astype(np.uint8), nodata=255)
    else:
        picture(path, LABELS)
        with rasterio.open(path, "r+") as file:
            file.write_mask(~HIDDEN)
    mask = paired_images.read_mask(path)
    assert np.array_equal(mask, np.where(HIDDEN, classes.NODATA, LABELS))


def test_a_class_declared_as_nodata_is_refused(tmp_path):
    path = picture(tmp_path / "m & n.tif", LABELS, nodata=0)
    with pytest.raises(
        InputError, match="declares 0 as nodata, and 0 is the class ground"
    ) as caught:
        paired_images.read_mask(path)
    assert f"gdal_edit.py -unsetnodata {shlex.quote(str(path))};" in caught.value.remedy


@pytest.mark.parametrize("of_classes", [True, False])
def test_colour_tables_of_masks_are_colours_only_if_they_are_those_of_classes(tmp_path, of_classes):
    order = [2, 0, 3, 1]  # index of each class
    index = np.array(order, np.uint8)[LABELS] if of_classes else LABELS
    table = np.zeros((4, 3), np.uint8)
    table[order] = classes.COLORS
    if not of_classes:
        table = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]])
    shown = Image.fromarray(index).convert("P")
    shown.putdata(index.ravel().tolist())
    shown.putpalette(table.ravel().tolist())
    shown.save(tmp_path / "m.png")
    assert np.array_equal(paired_images.read_mask(tmp_path / "m.png"), LABELS)
