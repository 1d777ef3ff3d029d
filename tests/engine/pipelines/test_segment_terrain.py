from __future__ import annotations

import struct
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.windows import Window
from support.segmentation import TINY, layer, noise, picture, saved, segmented, shallow_weights

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError, LunarSiteError, ParameterError
from lunarsite.engine.io import images, raster
from lunarsite.engine.io.orientation import Orientation
from lunarsite.engine.pipelines import segment_terrain as pipeline
from lunarsite.engine.segmentation import (
    classes,
)
from lunarsite.engine.segmentation.training import batches
from lunarsite.engine.stages import segment_terrain
from lunarsite.engine.uncertainty import measures

PEAK = """import re, sys
from lunarsite.engine.frontends.cli import main
code = main()
status = open("/proc/self/status").read()
print(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1], file=sys.stderr)
sys.exit(code)
"""
"""Runs a command, and prints its peak memory, KiB.

`ru_maxrss` counts that of the process which started it, too: after a day of tests, several GiB.
"""

GEOTRANSFORM = {33550, 33922, 34264, 34735}
"""TIFF tags of a place."""


def tiff_tags(path):
    """Return the tags in the first directory of a little-endian TIFF."""
    whole = path.read_bytes()
    assert whole[:4] == b"II*\0"
    (first,) = struct.unpack("<I", whole[4:8])
    (count,) = struct.unpack("<H", whole[first : first + 2])
    return {struct.unpack_from("<H", whole, first + 2 + 12 * at)[0] for at in range(count)}


@pytest.fixture
def checkpoint(tmp_path):
    return saved(tmp_path / "net.safetensors", TINY)


@pytest.mark.parametrize("uncertainty", ["none", "mc-dropout"])
def test_the_stage_writes_georeferenced_layers_and_a_summary(tmp_path, checkpoint, uncertainty):
    place = {"crs": "IAU_2015:30135", "transform": Affine(2.0, 0, -300.0, 0, -2.0, 500.0)}
    values = noise(90, 130)
    image = picture(tmp_path / "a.tif", values, **place)
    out = tmp_path / "out"
    result = segmented(image, out, checkpoint, uncertainty=uncertainty)
    wanted = pipeline.FILES if uncertainty != "none" else pipeline.FILES[:3]
    assert sorted(path.name for path in out.iterdir()) == sorted(wanted)
    named = layer(out, "classes.tif")
    with rasterio.open(out / "probabilities.tif") as source:
        assert source.transform == place["transform"]
        assert moon.is_south_polar(raster.crs_of(source, "It"))
        share = source.read()
        assert source.descriptions[2] == "Probability of large rocks"
    assert named.shape == (90, 130)
    assert np.array_equal(named, classes.classify(share))
    np.testing.assert_allclose(layer(out, "entropy.tif"), measures.entropy(share), atol=1e-5)
    assert sum(result["share"].values()) == pytest.approx(1.0, abs=1e-4)
    if uncertainty != "none":
        shared = layer(out, "mutual_information.tif")
        assert shared.min() >= 0.0
        assert result["mean_mutual_information"] == pytest.approx(shared.mean(), rel=1e-4)
        assert result["times_in_domain"] == pytest.approx(shared.mean() / 1e-3, rel=1e-4)


@pytest.mark.parametrize("driver", ["PNG", "JPEG"])
def test_an_image_without_georeferencing_gives_the_same_files(tmp_path, checkpoint, driver):
    image = picture(tmp_path / f"a.{driver.lower()}", noise(40, 50), driver=driver)
    out = tmp_path / "out"
    segmented(image, out, checkpoint)
    for name in pipeline.FILES:
        with raster.opened(out / name, "It") as source:
            assert source.crs is None
            assert source.shape == (40, 50)
        # Even an identity stored as a geotransform is shown upside down.
        assert not GEOTRANSFORM & tiff_tags(out / name)
    assert sorted(path.name for path in out.iterdir()) == sorted(pipeline.FILES)


@pytest.mark.parametrize("number", range(2, 9))
@pytest.mark.parametrize("side_px", [None, 48])
def test_a_turned_photograph_is_seen_upright_and_written_as_stored(tmp_path, number, side_px):
    checkpoint = saved(tmp_path / "net.safetensors", TINY, recipe={"side_px": side_px})
    upright = noise(70, 96, bands=1)[0]
    picture(tmp_path / "upright.tif", upright)
    segmented(tmp_path / "upright.tif", tmp_path / "expected", checkpoint)
    turned = Orientation(number, *((70, 96) if number > 4 else (96, 70)))
    photo = Image.fromarray(np.ascontiguousarray(turned.stored(upright)))
    exif = photo.getexif()
    exif[274] = number
    photo.save(tmp_path / "a.tif", exif=exif)
    segmented(tmp_path / "a.tif", tmp_path / "out", checkpoint)
    segmented(tmp_path / "a.tif", tmp_path / "part", checkpoint, window="5,7,30,20")
    for name in pipeline.FILES:
        expected = layer(tmp_path / "expected", name)
        found = layer(tmp_path / "out", name)
        assert np.array_equal(found, turned.stored(expected), equal_nan=True)
        part = layer(tmp_path / "part", name)
        np.testing.assert_allclose(part, found[7:27, 5:35], atol=1e-4)


def test_a_window_equals_the_whole_there(tmp_path):
    checkpoint = saved(tmp_path / "net.safetensors", TINY, state=shallow_weights())
    image = picture(tmp_path / "a.tif", noise(700, 720))
    segmented(image, tmp_path / "whole", checkpoint)
    segmented(image, tmp_path / "part", checkpoint, window="300,320,64,48")
    whole = layer(tmp_path / "whole", "entropy.tif")[320:368, 300:364]
    part = layer(tmp_path / "part", "entropy.tif")
    assert part.shape == (48, 64)
    np.testing.assert_allclose(part, whole, atol=1e-4)
    with raster.opened(tmp_path / "part" / "classes.tif", "It") as source:
        # Where QGIS shows that part of an image without a place.
        assert source.transform == Affine(1.0, 0.0, 300.0, 0.0, -1.0, -320.0)


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "900,0,10,10", "0,0,0,5"])
def test_an_invalid_window_is_refused(tmp_path, checkpoint, text):
    image = picture(tmp_path / "a.tif", noise(40, 50))
    with pytest.raises(ParameterError, match="--window"):
        segmented(image, tmp_path / "out", checkpoint, window=text)


def test_a_missing_image_is_refused_and_nothing_is_written(tmp_path, checkpoint):
    with pytest.raises(InputError, match="there is no file"):
        segmented(tmp_path / "none.tif", tmp_path / "out", checkpoint)
    assert not (tmp_path / "out").exists()


def test_shadow_is_nodata_in_orbital_images(tmp_path, checkpoint):
    values = np.maximum(noise(200, 220, bands=1), 40)
    values[:, 60:120, 80:160] = 3
    path = picture(tmp_path / "a.tif", values)
    context = Context(threads=2)
    given = {"image": str(path), "checkpoint": [str(checkpoint)]}
    below = {**given, "out": str(tmp_path / "below"), "view": "orbital"}
    result = segment_terrain.STAGE.run(below, context)
    assert result["pixels"] == 200 * 220 - 60 * 80
    assert any("10.9 % of the image is black" in line for line in context.warnings)
    named = layer(tmp_path / "below", "classes.tif")
    dark = values[0] < 12
    assert (named[dark] == classes.NODATA).all()
    assert (named[~dark] != classes.NODATA).all()
    assert np.isnan(layer(tmp_path / "below", "entropy.tif")[dark]).all()
    seen = segment_terrain.STAGE.run(
        {**given, "out": str(tmp_path / "beside"), "view": "surface"}, Context(threads=2)
    )
    assert seen["pixels"] == 200 * 220
    window = segment_terrain.STAGE.run({**below, "window": "85,65,40,40"}, Context(threads=2))
    assert window["summary"] == ["The whole area is in shadow"]


def test_the_darkest_pixels_of_a_stretched_image_are_no_shadow(tmp_path):
    values = np.random.default_rng(0).uniform(0.2, 1.0, (90, 90)).astype(np.float32)
    shadowed = values.copy()
    shadowed[:40] = 0.001
    for each, dark in ((values, 0.0), (shadowed, 40 / 90)):
        with images.opened(picture(tmp_path / "a.tif", each)) as image:
            seen, _ = image.read(Window(0, 0, 90, 90))
            assert (seen.mean(axis=2) < image.dark_grey).mean() == pytest.approx(dark)
    with images.opened(picture(tmp_path / "b.tif", noise(8, 8))) as image:
        assert image.dark_grey == images.DARK_GREY


def test_the_mutual_information_of_an_earlier_run_is_removed(tmp_path, checkpoint):
    one, two = (picture(tmp_path / f"{n}.tif", noise(64, 64, n)) for n in (1, 2))
    segmented(one, tmp_path / "out", checkpoint)
    assert (tmp_path / "out" / "mutual_information.tif").exists()
    segmented(two, tmp_path / "out", checkpoint, uncertainty="none")
    assert not (tmp_path / "out" / "mutual_information.tif").exists()


def test_a_network_of_the_other_view_is_warned_of(tmp_path):
    path = saved(tmp_path / "net.safetensors", TINY, recipe={"view": "surface"})
    image = picture(tmp_path / "a.tif", noise(64, 64))
    warned = []
    for view in ("surface", "orbital"):
        context = Context(threads=1)
        given = {"image": str(image), "checkpoint": [str(path)], "out": str(tmp_path), "view": view}
        segment_terrain.STAGE.run(given, context)
        warned.append(any("trained on the surface view" in line for line in context.warnings))
    assert warned == [False, True]


@pytest.mark.parametrize("view", ["orbital", "surface"])
def test_an_image_whose_pixels_have_no_size_is_warned_of_from_orbit(tmp_path, checkpoint, view):
    place = {"crs": "IAU_2015:30135", "transform": Affine(2.0, 0, -300.0, 0, -2.0, 500.0)}
    for name, more, expected in (("a.tif", place, False), ("b.tif", {}, view == "orbital")):
        context = Context(threads=1)
        image = picture(tmp_path / name, noise(64, 64), **more)
        segmented(image, tmp_path / "out", checkpoint, context=context, view=view)
        about = any("Photographs from the ground need --view" in each for each in context.warnings)
        assert about == expected


def test_an_image_with_a_world_file_alone_needs_a_coordinate_system(tmp_path, checkpoint):
    place = {"transform": Affine(2.0, 0, -300.0, 0, -2.0, 500.0)}
    context = Context(threads=1)
    image = picture(tmp_path / "a.tif", noise(64, 64), **place)
    segmented(image, tmp_path / "out", checkpoint, context=context)
    assert any("no coordinate system" in each for each in context.warnings)
    assert not any("Photographs from the ground" in each for each in context.warnings)


def test_a_small_window_of_an_image_is_no_warning(tmp_path):
    image = picture(tmp_path / "a.tif", noise(400, 400))
    for window, warned in (("0,0,100,100", False), (None, False)):
        context = Context(threads=1)
        given = {"image": str(image), "out": str(tmp_path / "out"), "window": window}
        result = segment_terrain.STAGE.run(given, context)
        assert any("too small" in each for each in context.warnings) == warned
        assert any("The window is too small" in s for s in result["summary"]) == bool(window)
    small = picture(tmp_path / "b.tif", noise(100, 100))
    context = Context(threads=1)
    segment_terrain.STAGE.run({"image": str(small), "out": str(tmp_path / "out")}, context)
    assert any("The image is too small" in each for each in context.warnings)


def test_a_truncated_png_is_refused(tmp_path, checkpoint):
    path = picture(tmp_path / "a.png", noise(300, 300), driver="PNG")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="is truncated"):
        segmented(path, tmp_path / "out", checkpoint)


def test_a_window_without_data_has_no_summary(tmp_path, checkpoint):
    values = noise(300, 420)
    values[:, :100, :100] = 0
    path = picture(tmp_path / "a.tif", values, nodata=0)
    result = segmented(path, tmp_path / "out", checkpoint, window="0,0,64,64")
    assert result["pixels"] == 0
    assert result["summary"] == ["The whole area has no data"]
    assert not {"verdict", "times_in_domain", "mean_entropy", "share"} & set(result)
    assert (layer(tmp_path / "out", "classes.tif") == classes.NODATA).all()


def test_nodata_stays_nodata_and_does_not_change_what_is_far_from_it(tmp_path, checkpoint):
    values = np.maximum(noise(300, 420), 1)
    plain = picture(tmp_path / "a.tif", values, nodata=0)
    holed = values.copy()
    holed[:, 10:40, 20:60] = 0
    with_hole = picture(tmp_path / "b.tif", holed, nodata=0)
    segmented(plain, tmp_path / "one", checkpoint)
    segmented(with_hole, tmp_path / "two", checkpoint)
    one, two = (layer(tmp_path / name, "classes.tif") for name in ("one", "two"))
    assert (two[10:40, 20:60] == classes.NODATA).all()
    assert (two == classes.NODATA).sum() == 30 * 40
    assert np.isnan(layer(tmp_path / "two", "entropy.tif")[10:40, 20:60]).all()
    assert (one[:, 380:] == two[:, 380:]).mean() > 0.99


def test_not_a_number_is_nodata(tmp_path, checkpoint):
    values = np.random.default_rng(0).uniform(0.2, 1.0, (40, 50)).astype(np.float32)
    values[5, 7] = np.nan
    values[6, 7] = np.inf
    segmented(picture(tmp_path / "a.tif", values), tmp_path / "out", checkpoint)
    named = layer(tmp_path / "out", "classes.tif")
    assert named[5, 7] == named[6, 7] == classes.NODATA
    assert (named == classes.NODATA).sum() == 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (40, 1), (33, 31)])
def test_images_smaller_than_a_tile_or_one_pixel_wide_are_segmented(tmp_path, checkpoint, shape):
    image = picture(tmp_path / "a.tif", noise(*shape))
    segmented(image, tmp_path / "out", checkpoint)
    assert layer(tmp_path / "out", "classes.tif").shape == shape


@pytest.mark.parametrize("view", ["surface", "orbital"])
@pytest.mark.parametrize("shape", [(1, 1300), (1100, 40)])
def test_layers_written_in_pieces_are_those_written_at_once(
    tmp_path, checkpoint, monkeypatch, view, shape
):
    image = picture(tmp_path / "a.tif", noise(*shape))
    whole = segmented(image, tmp_path / "whole", checkpoint, view=view)
    monkeypatch.setattr(pipeline, "_PIECE_PX", 100)
    pieces = segmented(image, tmp_path / "pieces", checkpoint, view=view)
    for name in pipeline.FILES:
        assert np.array_equal(layer(tmp_path / "whole", name), layer(tmp_path / "pieces", name))
    assert pieces["share"] == whole["share"]
    assert pieces["mean_entropy"] == pytest.approx(whole["mean_entropy"])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shape", [(1, 300_000), (300_000, 1), (40, 300_000)])
def test_thin_images_keep_to_the_memory_limit(tmp_path, shape):
    image = picture(tmp_path / "a.tif", noise(*shape)[0], nodata=None)
    command = (sys.executable, "-c", PEAK, "segment-terrain", "--image", str(image), "--out")
    done = subprocess.run(
        (*command, str(tmp_path / "out"), "--memory-limit-gib", "1", "--threads", "2"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stderr.split()[-1]) < 2**20
    assert layer(tmp_path / "out", "classes.tif").shape == shape


def test_an_image_that_is_all_black_is_accepted(tmp_path, checkpoint):
    image = picture(tmp_path / "a.tif", np.zeros((50, 60), np.uint16))
    result = segmented(image, tmp_path / "out", checkpoint)
    assert result["pixels"] == 0
    assert result["summary"] == ["The whole area is in shadow"]
    beside = segmented(image, tmp_path / "out", checkpoint, view="surface")
    assert beside["pixels"] == 3000


def test_an_ensemble_is_the_mean_of_its_members_and_disagrees(tmp_path, checkpoint):
    other = saved(tmp_path / "other.safetensors", TINY, seed=5)
    image = picture(tmp_path / "a.tif", noise(60, 70))
    both = [str(checkpoint), str(other)]
    for number, path in enumerate(both):
        segmented(image, tmp_path / str(number), path, uncertainty="none")
    given = {"image": str(image), "out": str(tmp_path / "both"), "checkpoint": both}
    segment_terrain.STAGE.run({**given, "uncertainty": "ensemble"}, Context(threads=2))
    for band in (1, 3):
        each = [layer(tmp_path / str(n), "probabilities.tif", band) for n in range(2)]
        mean = layer(tmp_path / "both", "probabilities.tif", band)
        np.testing.assert_allclose(mean, np.mean(each, axis=0), atol=1e-5)
    assert layer(tmp_path / "both", "mutual_information.tif").mean() > 1e-3
    with pytest.raises(ParameterError, match="at least two networks"):
        segmented(image, tmp_path / "x", checkpoint, uncertainty="ensemble")
    with pytest.raises(ParameterError, match="2 networks are given"):
        segment_terrain.STAGE.run(given, Context())


def test_cancelled_work_leaves_no_layer(tmp_path, checkpoint):
    image = picture(tmp_path / "a.tif", noise(900, 900))
    context = Context(threads=1)

    def stop(fraction, _message):
        if fraction > 0.2:
            context.cancelled.set()

    stopped = replace(context, report=stop)
    given = {"image": str(image), "out": str(tmp_path / "out"), "checkpoint": [str(checkpoint)]}
    with pytest.raises(LunarSiteError):
        segment_terrain.STAGE.run({**given, "tile_px": 512}, stopped)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("view", ["surface", "orbital"])
@pytest.mark.parametrize("special", [-3.4028227e38, -9999.0, np.nan])
def test_an_undeclared_fill_changes_nothing_but_itself(tmp_path, checkpoint, view, special):
    values = np.random.default_rng(0).uniform(0.02, 0.12, (90, 100)).astype(np.float32)
    values[:10] = special
    declared = picture(tmp_path / "declared.tif", values, nodata=special)
    undeclared = picture(tmp_path / "undeclared.tif", values)
    segmented(declared, tmp_path / "expected", checkpoint, view=view)
    segmented(undeclared, tmp_path / "out", checkpoint, view=view)
    for name in pipeline.FILES:
        found = layer(tmp_path / "out", name)
        assert np.array_equal(found, layer(tmp_path / "expected", name), equal_nan=True)
    named = layer(tmp_path / "out", "classes.tif")
    assert (named[:10] == classes.NODATA).all()
    assert (named[10:] != classes.NODATA).mean() > 0.9


def test_a_fill_at_the_edge_from_orbit_is_nodata_and_warned_of(tmp_path, checkpoint):
    values = np.random.default_rng(0).uniform(0.02, 0.12, (90, 100)).astype(np.float32)
    values[:, :30] = 0.5
    context = Context(threads=2)
    given = {"image": str(picture(tmp_path / "a.tif", values)), "view": "orbital"}
    given |= {"out": str(tmp_path / "out"), "checkpoint": [str(checkpoint)]}
    assert segment_terrain.STAGE.run(given, context)["pixels"] == 90 * 70
    assert any("is exactly 0.5 in an area at its edge" in line for line in context.warnings)


def test_the_network_that_ships_says_how_often_its_rocks_are_rock(tmp_path):
    rng = np.random.default_rng(0)
    scene = batches.load("surface", 7000, None)
    Image.fromarray(scene.image).save(tmp_path / "scene.png")
    flat = rng.normal(120.0, 1.0, (160, 200)).clip(0, 255).astype(np.uint8)
    Image.fromarray(flat).save(tmp_path / "flat.png")
    lines = {}
    for name in ("scene", "flat"):
        given = {"image": str(tmp_path / f"{name}.png"), "out": str(tmp_path / name)}
        given["view"] = "surface"
        found = segment_terrain.STAGE.run(given, Context(threads=1))
        lines[name] = " ".join(found["summary"])
        assert ("held_out" in found) == ("On held-out" in lines[name])
    assert (
        "43 % and 35 % of what the lighter of its two networks predicts as rock" in lines["scene"]
    )
    assert "62 % certain" in lines["scene"]
