"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def real() -> Path:
    """Return the folder of real data, or skip where it is absent."""
    if not REAL.is_dir():
        pytest.skip("the real data of ../shared/data are absent")
    return REAL
