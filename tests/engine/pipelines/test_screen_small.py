"""Screenings of few cells end with their report, not with an error after all the work."""

from __future__ import annotations

import re

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from lunarsite.engine import moon, run, screen
from lunarsite.engine.errors import InputError

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
    [(8, 8, 80.0, 4), (3, 3, 20.0, 9), (256, 5, 100.0, 52), (3, 256, 20.0, 768)],
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
    found = screen(dem, out, cell_m=cell_m, place="cell", **QUICK)
    assert found["cells"] == cells
    text = (out / "report.html").read_text()
    assert text.count("<img") >= 3
    assert "default-src 'none'" in text
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", text)
    if width == 8:
        same = run("compare", first=str(out), second=str(out), out=str(tmp_path / "both"))
        assert same["shared_best"] > 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"cell_m": 60.0}, r"100 m radius is larger than a cell of 60 m.*--place cell"),
        ({"cell_m": 60.0, "landing_radius_m": 70.0}, r"cells of at least 80 m \(--cell-m\)"),
        ({"cell_m": 200.0}, r"needs 13 × 13 pixels, and the DEM has 12 × 12.*--landing-radius-m"),
    ],
)
def test_discs_that_do_not_fit_are_refused_before_the_work(tmp_path, more, words):
    dem = tmp_path / "dem.tif"
    run("synthesize", out=str(dem), size_px=16, pixel_m=20.0)
    with rasterio.open(dem) as source:
        made, heights = source.profile, source.read(1)[:12, :12]
    made |= {"driver": "GTiff", "width": 12, "height": 12, "tiled": False}
    made = {k: v for k, v in made.items() if not k.startswith("block")}
    with rasterio.open(tmp_path / "small.tif", "w", **made) as target:
        target.write(heights, 1)
    with pytest.raises(InputError, match=words):
        screen(tmp_path / "small.tif", tmp_path / "run", **QUICK | more)
    assert not (tmp_path / "run").exists()


def test_criteria_on_the_light_of_cells_alone_choose_no_disc(tmp_path):
    dem, profile = tmp_path / "dem.tif", tmp_path / "dark.yaml"
    run("synthesize", out=str(dem), size_px=24, pixel_m=50.0)
    profile.write_text("criteria: [{feature: darkest_month_pct, at_least: 5, softness: 5}]")
    with pytest.raises(InputError, match=r"tells one landing disc .* from another.*--place cell"):
        screen(dem, tmp_path / "run", profile=str(profile), cell_m=200.0, **QUICK)
    assert not (tmp_path / "run").exists()
