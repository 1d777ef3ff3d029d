from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation import (
    classes,
)


def test_the_colours_of_masks_are_those_of_the_published_data_set():
    row = np.array([[[0, 0, 0], [0, 255, 0], [0, 0, 255], [255, 0, 0]]], np.uint8)
    assert classes.NAMES == ("ground", "small rocks", "large rocks", "sky")
    assert classes.from_colors(row, "m").tolist() == [[0, 1, 2, 3]]
    odd = np.full((4, 4, 3), 255, np.uint8)
    with pytest.raises(InputError, match=r"100.0 % of its pixels have no class's colour"):
        classes.from_colors(odd, "m")


def test_numbers_that_are_not_classes_are_refused():
    assert classes.from_numbers(np.array([[0, 3, 255]]), "m").tolist() == [[0, 3, 255]]
    with pytest.raises(InputError, match="holds 7, which is not a class"):
        classes.from_numbers(np.array([[0, 7]]), "m")


@pytest.mark.parametrize(
    ("share", "wanted"),
    [
        ((0.4, 0.3, 0.25, 0.05), 1),
        ((0.4, 0.25, 0.3, 0.05), 2),
        ((0.5, 0.25, 0.2, 0.05), 0),
        ((0.05, 0.3, 0.2, 0.5), 3),
        ((0.05, 0.3, 0.25, 0.4), 1),
    ],
)
def test_a_rock_of_unknown_size_is_a_rock(share, wanted):
    assert classes.classify(np.array(share, np.float32)[:, None, None]).tolist() == [[wanted]]
