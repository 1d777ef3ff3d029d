from __future__ import annotations

import pytest

from lunarsite.engine.craters.training import recipe
from lunarsite.engine.errors import InputError
from lunarsite.engine.segmentation.training import recipe as segmentation_recipe


def test_a_key_that_stands_twice_is_named_with_its_lines(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("steps: 10\nseed: 1\nsteps: 20\n")
    with pytest.raises(InputError, match=r"mine\.yaml has the key steps twice, on lines 1 and 3"):
        recipe.read(str(path))


@pytest.mark.parametrize("kind", [recipe, segmentation_recipe])
def test_training_is_in_float32_unless_the_recipe_says_otherwise(tmp_path, kind):
    path = tmp_path / "own.yaml"
    path.write_text("steps: 10\n", encoding="utf-8")
    plain = kind.read(str(path))
    assert plain.precision == plain.as_dict()["precision"] == "float32"
    path.write_text("precision: bfloat16\n", encoding="utf-8")
    # Earlier versions had no other: their cards, without the key, remain equal.
    assert kind.read(str(path)).precision == "bfloat16"
    assert "precision" not in kind.read(str(path)).as_dict()
    path.write_text("precision: float64\n", encoding="utf-8")
    with pytest.raises(InputError, match="precision is 'float64'") as caught:
        kind.read(str(path))
    assert caught.value.remedy == "Give one of float32, bfloat16"
    plain = {name for name in kind.names() if kind.read(name).precision == "float32"}
    assert plain == ({"efficientnet-lite0"} if kind is segmentation_recipe else set())


def test_shares_may_be_whole_and_real_tiles_none(tmp_path):
    path = tmp_path / "r.yaml"
    for text, value in (("shifts: 1", 1), ("shifts: 0.3", 0.3)):
        path.write_text(text)
        assert segmentation_recipe.read(str(path)).shifts == value
    path.write_text("real_percent: 0\nneeds_start: true\nstart_share: 1")
    assert recipe.read(str(path)).start_share == 1
    for text, reader in (
        ("shifts: true", segmentation_recipe),
        ("shifts: 2", segmentation_recipe),
        ("batch: null", segmentation_recipe),
        ("shared_scenes: 1", segmentation_recipe),
        ("real_percent: -1", recipe),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=text.split(":")[0]):
            reader.read(str(path))
    path.write_text("start_share: 0.5")
    with pytest.raises(InputError, match=r"without an initial network.*needs_start: true"):
        recipe.read(str(path))
