"""Screenings of few cells end with their report, not with an error after all the work."""

from __future__ import annotations

import re

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from lunarsite.engine import moon, run, screen

QUICK = {
    "azimuths": 36,
    "stop": "2027-02-01",
    "step_hours": 24.0,
    "draws": 20,
    "builtin_far_field": False,
    "min_distance_m": 40.0,
}


@pytest.mark.parametrize(
    ("width", "height", "cell_m", "cells"),
    [(4, 4, 40.0, 4), (3, 3, 20.0, 9), (256, 3, 60.0, 86), (3, 256, 20.0, 768)],
)
def test_grids_of_few_cells_are_drawn(tmp_path, width, height, cell_m, cells):
    dem = tmp_path / "dem.tif"
    made = {"driver": "GTiff", "width": width, "height": height, "count": 1, "dtype": "float32"}
    place = {"crs": moon.SOUTH_POLAR, "transform": from_origin(-200.0, 200.0, 20.0, 20.0)}
    heights = np.random.default_rng(1).normal(0.0, 3.0, (height, width)).astype(np.float32)
    with rasterio.open(dem, "w", **made, **place) as target:
        target.write(heights, 1)
        target.units = ("m",)
    out = tmp_path / "run"
    found = screen(dem, out, cell_m=cell_m, **QUICK)
    assert found["cells"] == cells
    text = (out / "report.html").read_text()
    assert text.count("<img") >= 3
    assert "default-src 'none'" in text
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", text)
    if width == 4:
        same = run("compare", first=str(out), second=str(out), out=str(tmp_path / "both"))
        assert same["shared_best"] > 0
