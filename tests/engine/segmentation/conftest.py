from __future__ import annotations

import pytest
from support.segmentation import TINY, saved


@pytest.fixture
def checkpoint(tmp_path):
    return saved(tmp_path / "net.safetensors", TINY)
