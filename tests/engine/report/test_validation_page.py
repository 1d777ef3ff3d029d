"""The page of the validation, where there is little to draw."""

from __future__ import annotations

import pytest

from lunarsite.engine import provenance
from lunarsite.engine.report import validation_page
from lunarsite.engine.validation.checks import Check, Outcome


@pytest.mark.parametrize(("points", "pictures"), [(1, 0), (3, 1)])
def test_a_curve_of_one_point_is_not_drawn(tmp_path, points, pictures):
    """A run of nine cells has one: its axis had no length, of which Matplotlib warned."""
    names = ("lift", "rotated_low", "rotated_middle", "rotated_high")
    curve = {"cells": list(range(1, points + 1))} | {name: [1.0] * points for name in names}
    check = Check(
        name="a",
        claim="A claim.",
        outcome=Outcome.MEASURED,
        finding="It is.",
        figures={"curve": curve},
    )
    page = tmp_path / "page.html"
    manifest = {
        "lunarsite": "0.1.0",
        "warnings": [],
        "parameters": {"dem": "a.tif"},
        "profile": {"title": "T"},
    }
    record = provenance.describe("validate", {}, [])
    validation_page.write(page, [check], manifest, record, [], {})
    assert page.read_text(encoding="utf-8").count("<img") == pictures
