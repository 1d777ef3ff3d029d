from __future__ import annotations

import pytest

from lunarsite.engine.craters.training import recipe
from lunarsite.engine.errors import InputError


def test_a_key_that_stands_twice_is_named_with_its_lines(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("steps: 10\nseed: 1\nsteps: 20\n")
    with pytest.raises(InputError, match=r"mine\.yaml has the key steps twice, on lines 1 and 3"):
        recipe.read(str(path))
