"""What the tests inside QGIS share. The engine is the real one, from the checkout's .venv."""

from __future__ import annotations

from pathlib import Path

import pytest
from lunarsite.lunarsite_plugin import location

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def engine() -> location.Located:
    return location.Located(
        location._interpreter_of(ROOT / ".venv"), "the checkout's own environment"
    )
