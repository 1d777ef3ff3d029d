"""Searches of elevation models of any pixel size."""

from __future__ import annotations

import numpy as np
import pytest

from lunarsite.engine.context import Context
from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.detection import search
from lunarsite.engine.craters.detection.confidence import Calibration
from lunarsite.engine.craters.model.architecture import Architecture
from lunarsite.engine.craters.model.onnx_runner import OnnxRunner
from lunarsite.engine.errors import InputError
from lunarsite.engine.io.grid import Grid

CURVE = Calibration(0.0, 1.0, 0.0, 0.0, threshold=0.4)


def test_coarse_pixels_show_larger_craters(hot_weights):
    architecture = Architecture(widths=(8, 8, 8, 8, 8))
    runner = OnnxRunner(hot_weights(architecture), architecture)
    rng = np.random.default_rng(5)
    height = np.cumsum(rng.normal(0.0, 10.0, (160, 160)), axis=1).astype(np.float32)
    found = []
    for pixel_m in (100.0, 2_500.0):
        grid = Grid(-90.0 * pixel_m, 120.0 * pixel_m, pixel_m, 160, 160)
        search.check_pixel(grid)
        levels = pyramid.of(grid, height * np.float32(pixel_m / 100.0), np.zeros)
        circles = search.find(levels, runner, CURVE, Context(threads=1))
        found.append(np.column_stack([circles.x_m, circles.y_m, circles.radius_m]) / pixel_m)
    assert len(found[0]) == len(found[1]) > 10
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3, atol=1e-2)
    with pytest.raises(InputError, match="pixels of 25,000 m; the limit is 20,000 m"):
        search.check_pixel(Grid(0.0, 0.0, 25_000.0, 160, 160))


def test_upside_down_is_the_search_of_the_negative_heights(hot_weights):
    architecture = Architecture(widths=(8, 8, 8, 8, 8))
    runner = OnnxRunner(hot_weights(architecture), architecture)
    height = np.random.default_rng(6).normal(0.0, 30.0, (128, 128)).astype(np.float32)
    height[40:60, 70:90] = np.nan
    grid = Grid(0.0, 0.0, 100.0, 128, 128)
    one = search.find(
        pyramid.of(grid, height, np.zeros), runner, CURVE, Context(threads=1), upside_down=True
    )
    other = search.find(pyramid.of(grid, -height, np.zeros), runner, CURVE, Context(threads=1))
    np.testing.assert_allclose(one.x_m, other.x_m, atol=1e-6)
    np.testing.assert_allclose(one.confidence, other.confidence, atol=1e-9)
