"""What is checked on a fetched file: labels are read, not assumed."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.datasets import checks
from lunarsite.engine.datasets.entries import Content
from lunarsite.engine.errors import CrsError
from lunarsite.engine.io.elevation.builtin import BUILTIN


def write(path, values, *, crs=moon.SOUTH_POLAR, transform=None, scale=1.0):
    place = {"crs": crs, "transform": transform or from_origin(-30e3, 30e3, 1000, 1000)}
    made = {"driver": "GTiff", "width": values.shape[1], "height": values.shape[0], "count": 1}
    with rasterio.open(path, "w", dtype=values.dtype, **made, **place) as target:
        target.write(values, 1)
        target.scales = (scale,)
    return path


def light(tmp_path, **more):
    values = np.arange(3600, dtype=np.int16).reshape(60, 60)
    return write(tmp_path / "light.tif", values, **more)


def test_a_scale_is_read_from_the_file(tmp_path):
    context = Context()
    found = checks.check(light(tmp_path, scale=4e-5), Content.LAYER, context)
    assert found == [
        "60 × 60 pixels of 1000 on the south polar map",
        "value = stored number × 4e-05 + 0, as the label says",
    ]
    assert context.warnings == []


def test_a_scale_is_read_from_a_label_beside_it(tmp_path):
    path = light(tmp_path)
    path.with_suffix(".lbl").write_text("OBJECT = IMAGE\nSCALING_FACTOR = 0.00004\nEND_OBJECT\n")
    context = Context()
    assert "× 4e-05 + 0" in checks.check(path, Content.LAYER, context)[1]
    assert context.warnings == []


def test_whole_numbers_that_lost_their_scale_are_warned_of(tmp_path):
    context = Context()
    checks.check(light(tmp_path), Content.LAYER, context)
    (warning,) = context.warnings
    assert "neither it nor a label beside it says what they count" in warning
    mask = write(tmp_path / "mask.tif", np.eye(60, dtype=np.uint8))
    context = Context()
    checks.check(mask, Content.LAYER, context)
    assert context.warnings == [], "a mask needs no scale"


def test_another_body_is_refused(tmp_path):
    with pytest.raises(CrsError):
        checks.check(light(tmp_path, crs="EPSG:3031"), Content.LAYER, Context())


def test_heights_are_compared_with_the_built_in_model(tmp_path):
    with rasterio.open(BUILTIN) as source:
        values, transform = source.read(1), source.transform
    right = write(tmp_path / "right.tif", values.astype(np.float32), transform=transform)
    context = Context()
    found = checks.check(right, Content.HEIGHTS, context)
    assert found[1] == "stored numbers are the values in m"
    assert context.warnings == []
    flipped = write(tmp_path / "x.tif", values[::-1].astype(np.float32), transform=transform)
    checks.check(flipped, Content.HEIGHTS, context)
    assert "built-in model" in context.warnings[0]


def test_half_metres_are_told(tmp_path):
    with rasterio.open(BUILTIN) as source:
        values, transform = source.read(1), source.transform
    half = write(tmp_path / "half.tif", (2 * values).astype(np.int16), transform=transform)
    context = Context()
    checks.check(half, Content.HEIGHTS, context)
    assert "they are half metres" in context.warnings[0]


def test_other_files_are_taken_as_they_are(tmp_path):
    assert checks.check(tmp_path / "craters.csv", Content.OTHER, Context()) == []
