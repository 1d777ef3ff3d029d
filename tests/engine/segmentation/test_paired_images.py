from __future__ import annotations

import numpy as np
import pytest
from support.segmentation import pairs, picture

from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import (
    paired_images,
)


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
