from __future__ import annotations

import numpy as np

from lunarsite.engine.context import Context
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.evaluation import page as evaluation_page
from lunarsite.engine.craters.evaluation import protocol
from lunarsite.engine.craters.evaluation import report as comparison
from lunarsite.engine.craters.evaluation.protocol import Rules

BOUNDS = (-20_000.0, -20_000.0, 20_000.0, 20_000.0)


def test_the_words_count_as_the_rules_do():
    known = Circles.of_ground([0.0, 9e3], [0.0, 0.0], [4000.0, 1800.0])
    # A hit, one smaller than the cut that is new, and one too small to take part.
    found = Circles.of_ground([0.0, -9e3, 0.0], [0.0, 0.0, 9e3], [4000.0, 1700.0, 1500.0])
    ruling = Rules(BOUNDS, 2000.0, 1600.0)
    sides = protocol.sides_of(found, known, ruling)
    report, _ = comparison.evaluate(sides, ruling, Context(), seed=1, rim_pixel_m=500.0)
    said = "1 catalogued craters of 2,000 m and more"
    assert evaluation_page.lines(report)[0] == f"{said}, 2 detections of 1,600 m and more"
    page = evaluation_page.markdown(report, {"inputs": [{"name": "found.gpkg"}]})
    assert f"{said}; 2 detections of 1,600 m and more." in page
    gate = report["gates"]["iou"]
    assert gate["new"] == 1
    assert np.sum([row["new"] for row in gate["bins"]]) == 0
    assert "New ones smaller than the catalogued are in the row of all alone." in page
