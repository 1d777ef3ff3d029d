"""The stage detect-craters with template matching."""

from __future__ import annotations

import sys

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest

from lunarsite.engine import moon, provenance
from lunarsite.engine.context import Context
from lunarsite.engine.craters import detections
from lunarsite.engine.craters.catalogue import read_circles
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.detection import template
from lunarsite.engine.craters.evaluation import matching
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import cog
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.vectors import layers
from lunarsite.engine.stages import detect_craters
from lunarsite.engine.synthetic.crater_tiles import tiles


def write_dem(path, height, pixel_m=100.0):
    grid = Grid(-9_000.0, 12_000.0, pixel_m, height.shape[1], height.shape[0])
    cog.write_raster(path, height, grid, description="height", unit="m")
    return path


def detect(dem, out, **more):
    given = {"dem": str(dem), "out": str(out), "method": "template", **more}
    return detect_craters.STAGE.run(given, Context(threads=2))


@pytest.fixture(scope="module")
def dem(tmp_path_factory):
    made = tiles.make(5, 300, pixel_m=100.0)
    return write_dem(tmp_path_factory.mktemp("dem") / "dem.tif", made.height_m[:280])


def test_a_network_given_to_template_matching_is_warned_of(dem, tmp_path):
    given = {"dem": str(dem), "out": str(tmp_path / "a.gpkg"), "method": "template"}
    for more, expected in (({}, False), ({"checkpoint": "craters"}, True)):
        context = Context(threads=2)
        detect_craters.STAGE.run(given | more, context)
        assert any("--checkpoint has no effect" in w for w in context.warnings) == expected


def test_template_detections_have_the_same_columns(dem, tmp_path):
    out = tmp_path / "found.gpkg"
    result = detect(dem, out)
    points, circles = (gpd.read_file(out, layer=layer) for layer in ("craters", "circles"))
    assert result["craters"] == len(points) == len(circles) > 10
    assert result["outputs"] == {"craters": str(out)}
    assert result["min_confidence"] == template.Curve.fitted().threshold
    names = ["lon_deg", "lat_deg", "x_m", "y_m", "diameter_m", "depth_m", "confidence"]
    assert list(points.columns[:7]) == names
    assert (points["diameter_m"] >= result["min_diameter_m"]).all()
    assert (points["confidence"] >= result["min_confidence"]).all()
    assert (np.diff(points["confidence"]) <= 0.0).all()
    wide = points["diameter_m"] * moon.map_scale(points["x_m"], points["y_m"])
    np.testing.assert_allclose(circles.area, np.pi * (wide / 2.0) ** 2, rtol=5e-3)
    assert not out.with_suffix(".rims.tif").exists()


def test_least_confidence_and_diameter_are_applied(dem, tmp_path):
    result = detect(dem, tmp_path / "a.gpkg", min_confidence=0.0, min_diameter_m=2_500.0)
    found = gpd.read_file(tmp_path / "a.gpkg", layer="craters")
    assert (found["diameter_m"] >= 2_500.0).all()
    assert found["confidence"].min() < template.Curve.fitted().threshold
    assert result["craters"] == len(found)
    assert detect(dem, tmp_path / "b.gpkg", min_confidence=1.0)["craters"] == 0


def test_neither_a_checkpoint_nor_torch_is_needed(dem, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    gone = tmp_path / "there-is-none.safetensors"
    assert detect(dem, tmp_path / "a.gpkg", checkpoint=str(gone))["craters"] > 0


def test_rims_of_an_earlier_run_are_not_the_extent_of_the_search(dem, tmp_path):
    out = tmp_path / "a.gpkg"
    detect(dem, out)
    assert detections.read(out, Context()).frame is None
    grid = Grid(500_000.0, 500_000.0, 200.0, 20, 20)
    rims = np.zeros(grid.shape, np.uint8)
    tags = provenance.as_tags(provenance.describe("detect-craters", {}, []))
    cog.write_raster(tmp_path / "a.rims.tif", rims, grid, description="rims", nodata=255, tags=tags)
    assert detections.read(out, Context()).frame is None


def test_the_extent_of_the_search_is_read_without_the_craters(dem, tmp_path, monkeypatch):
    out = tmp_path / "a.gpkg"
    detect(dem, out)
    grid = Grid(500_000.0, 500_000.0, 200.0, 20, 20)
    rims = np.zeros(grid.shape, np.uint8)
    record = pyogrio.read_info(out, layer="craters")["layer_metadata"]
    tags = {"LUNARSITE": record["LUNARSITE"]}
    cog.write_raster(tmp_path / "a.rims.tif", rims, grid, description="rims", nodata=255, tags=tags)
    read = layers.read_layer
    lengths = []

    def counted(*args, **options):
        layer = read(*args, **options)
        lengths.append(len(layer.frame))
        return layer

    monkeypatch.setattr(layers, "read_layer", counted)
    assert detections.frame_of(out) == grid.bounds
    assert lengths == [0]


def test_empty_and_too_coarse_dems_are_refused(tmp_path):
    empty = write_dem(tmp_path / "empty.tif", np.full((40, 40), np.nan, np.float32))
    with pytest.raises(InputError, match="every pixel is nodata"):
        detect(empty, tmp_path / "a.gpkg")
    coarse = write_dem(tmp_path / "coarse.tif", np.zeros((20, 20), np.float32), 25_000.0)
    with pytest.raises(InputError, match="pixels of 25,000 m"):
        detect(coarse, tmp_path / "a.gpkg")
    assert not (tmp_path / "a.gpkg").exists()


@pytest.mark.realdata
def test_recall_on_the_real_frame(real, tmp_path):
    detect(real / "dem" / "shackleton_ridge_25m.tif", tmp_path / "a.gpkg", min_diameter_m=1_600.0)
    found = pd.DataFrame(gpd.read_file(tmp_path / "a.gpkg", layer="craters"))
    circles = Circles.of_ground(*(found[n] for n in ("x_m", "y_m", "diameter_m", "confidence")))
    known = read_circles(real / "craters" / "lu1319373_80S.csv")
    bounds = (-30_000.0, -10_600.0, 21_200.0, 15_000.0)
    wanted = known.kept((known.diameter_m >= 2_000.0) & known.inside(bounds))
    pairs = matching.candidates(circles, wanted)
    recall = {gate: matching.match(pairs[gate]).size / len(wanted) for gate in matching.GATES}
    assert recall["iou"] >= 0.3
    assert recall["deepmoon"] >= recall["iou"] >= recall["strict"] >= 0.2
