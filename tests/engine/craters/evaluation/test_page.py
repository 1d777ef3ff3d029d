"""The Markdown page of an evaluation."""

from __future__ import annotations

import numpy as np

from lunarsite.engine.context import Context
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.evaluation import page as evaluation_page
from lunarsite.engine.craters.evaluation import protocol
from lunarsite.engine.craters.evaluation import report as report_module
from lunarsite.engine.craters.evaluation.protocol import InclusionCriteria

BOUNDS = (-20_000.0, -20_000.0, 20_000.0, 20_000.0)


def test_the_page_counts_by_the_criteria():
    known = Circles.of_ground([0.0, 9e3], [0.0, 0.0], [4000.0, 1800.0])
    # A hit, a new detection below the cut, and one too small to take part.
    found = Circles.of_ground([0.0, -9e3, 0.0], [0.0, 0.0, 9e3], [4000.0, 1700.0, 1500.0])
    criteria = InclusionCriteria(BOUNDS, 2000.0, 1600.0)
    compared = protocol.comparison_of(found, known, criteria)
    report, _ = report_module.evaluate(compared, criteria, Context(), seed=1, rim_pixel_m=500.0)
    result = "1 catalogued craters of 2,000 m and more"
    assert evaluation_page.lines(report)[0] == f"{result}, 2 detections of 1,600 m and more"
    page = evaluation_page.markdown(report, {"inputs": [{"name": "found.gpkg"}]})
    assert f"{result}; 2 detections of 1,600 m and more." in page
    gate = report["gates"]["iou"]
    assert gate["new"] == 1
    assert np.sum([row["new"] for row in gate["bins"]]) == 0
    assert "New detections below the cut appear only in the row of all diameters." in page
