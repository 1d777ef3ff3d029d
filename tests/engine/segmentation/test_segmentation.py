"""Segmentation without torch: images, tiles, runner, metrics, masks, the stage."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError, LunarSiteError, ParameterError
from lunarsite.engine.io import images, raster
from lunarsite.engine.pipelines import segment_terrain as pipeline
from lunarsite.engine.segmentation import (
    classes,
    evaluation,
    metrics,
    onnx_runner,
    paired_images,
    samples,
    tiling,
    weights,
)
from lunarsite.engine.segmentation.architecture import Architecture
from lunarsite.engine.segmentation.training import batches, recipe
from lunarsite.engine.stages import calibrate, evaluate_segmentation, segment_terrain
from lunarsite.engine.training import checkpoint_files
from lunarsite.engine.uncertainty import measures
from lunarsite.engine.uncertainty.calibration import Temperatures

TINY = Architecture(widths=(6, 6, 8, 8, 8, 8), dropout=0.2)
SMALL = tiling.Tiling(side=256, overlap=128, blind=32)


def random_weights(architecture, seed=0):
    """Return weights with which all classes are predicted."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, shape in architecture.shapes().items():
        if name.endswith(("running_var", "1.weight")):
            state[name] = rng.uniform(0.5, 1.5, shape)
        elif len(shape) == 4:
            state[name] = rng.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[1:]))
        else:
            state[name] = rng.standard_normal(shape) * 0.1
    state["head.weight"] *= 2.0
    return {name: values.astype(np.float32) for name, values in state.items()}


def shallow_weights():
    """Return weights of a network whose receptive field is narrower than a tile's blind margin.

    The deepest levels, whose receptive fields are 100 pixels and more, are switched off.
    """
    state = random_weights(TINY)
    return {
        name: values * 0.0 if name.startswith(("narrow.0", "narrow.1", "narrow.2")) else values
        for name, values in state.items()
    }


@pytest.fixture
def checkpoint(tmp_path):
    return saved(tmp_path / "net.safetensors", TINY)


def saved(path, architecture, seed=0, state=None, **card):
    usual = {"mutual_information": {"median": 1e-3}}
    whole = {
        "architecture": architecture.as_dict(),
        "classes": list(classes.NAMES),
        "in_domain": usual,
        **card,
    }
    checkpoint_files.save(path, state or random_weights(architecture, seed), whole)
    return path


def picture(path, values, **more):
    """Write an image, (rows, columns) or (bands, rows, columns)."""
    stack = values[None] if values.ndim == 2 else values
    options = {"driver": "GTiff", "dtype": stack.dtype, "count": len(stack), **more}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        sides = {"width": stack.shape[2], "height": stack.shape[1]}
        with rasterio.open(path, "w", **sides, **options) as file:
            file.write(stack)
    return path


def noise(rows, columns, seed=0, bands=3):
    return np.random.default_rng(seed).integers(30, 256, (bands, rows, columns), dtype=np.uint8)


def segmented(image, out, checkpoint, **more):
    given = {"image": str(image), "out": str(out), "checkpoint": [str(checkpoint)], **more}
    return segment_terrain.STAGE.run(given, Context(threads=2))


def layer(folder, name, band=1):
    with raster.opened(folder / name, "It") as source:
        return source.read(band)


def test_the_colours_of_masks_are_those_of_the_published_data_set():
    row = np.array([[[0, 0, 0], [0, 255, 0], [0, 0, 255], [255, 0, 0]]], np.uint8)
    assert classes.NAMES == ("ground", "small rocks", "large rocks", "sky")
    assert classes.from_colors(row, "m").tolist() == [[0, 1, 2, 3]]
    odd = np.full((4, 4, 3), 255, np.uint8)
    with pytest.raises(InputError, match=r"100.0 % of its pixels have no class's colour"):
        classes.from_colors(odd, "m")


def test_numbers_that_are_not_classes_are_refused():
    assert classes.from_numbers(np.array([[0, 3, 255]]), "m").tolist() == [[0, 3, 255]]
    with pytest.raises(InputError, match="holds 7, which is not a class"):
        classes.from_numbers(np.array([[0, 7]]), "m")


@pytest.mark.parametrize("length", [1, 31, 256, 257, 300, 512, 700, 1111])
@pytest.mark.parametrize("cut", [SMALL, tiling.Tiling()])
def test_the_weights_of_tiles_add_up_to_one_at_every_pixel(length, cut):
    starts = cut.starts(length)
    total = np.zeros(length + cut.side)
    for start in starts:
        ramp = cut.ramp(first=start == 0, last=start == starts[-1])
        side = cut.length(start, length)
        assert side % tiling.STEP == 0
        total[start : start + side] += ramp[:side]
    np.testing.assert_allclose(total[:length], 1.0, atol=1e-6)
    assert all(start % tiling.STEP == 0 for start in starts)


def predicted(path, runner, cut, threads=1):
    strips = []

    def take(row, prediction, known):
        assert row == sum(part.shape[1] for part, _ in strips)
        strips.append((prediction, known))

    with images.opened(path) as image:
        part = Window(0, 0, image.frame.width, image.frame.height)
        tiling.run(image, part, runner, take, Context(threads=threads), cut)
    predictions, known = zip(*strips, strict=True)
    return np.concatenate(predictions, axis=1), np.concatenate(known, axis=0)


def test_tiled_equals_whole_for_any_side_and_any_threads(tmp_path):
    path = picture(tmp_path / "a.tif", noise(530, 610))
    shallow, state = TINY, shallow_weights()
    runner = onnx_runner.OnnxRunner(state, shallow, uncertain=True)
    whole, known = predicted(path, runner, tiling.Tiling(side=1024))
    assert known.all()
    assert whole.shape == (onnx_runner.BANDS, 530, 610)
    for cut, threads in (
        (SMALL, 1),
        (SMALL, 2),
        (tiling.Tiling(side=320, overlap=160, blind=32), 2),
    ):
        parts, _ = predicted(path, runner, cut, threads)
        assert np.abs(parts - whole).max() < 1e-5


def test_the_default_blind_margin_covers_the_receptive_field(tmp_path):
    path = picture(tmp_path / "a.tif", noise(1400, 96))
    runner = onnx_runner.OnnxRunner(random_weights(TINY), TINY)
    whole, _ = predicted(path, runner, tiling.Tiling(side=2048))
    parts, _ = predicted(path, runner, tiling.Tiling())
    assert np.abs(parts - whole).max() < 1e-5
    less, _ = predicted(path, runner, tiling.Tiling(blind=tiling.BLIND_PX - 64))
    assert np.abs(less - whole).max() > 1e-4


def test_a_pass_drops_the_same_channels_in_all_tiles(tmp_path):
    path = picture(tmp_path / "a.tif", np.full((3, 600, 600), 130, np.uint8))
    runner = onnx_runner.OnnxRunner(shallow_weights(), TINY, uncertain=True, passes=5, seed=3)
    found, _ = predicted(path, runner, SMALL, threads=2)
    # Uniform ground has a uniform prediction: there are no seams.
    places = [found[:, at : at + 32, at : at + 32] for at in (224, 256, 288, 320)]
    for place in places[1:]:
        np.testing.assert_allclose(place, places[0], atol=1e-4)


def test_passes_converge_to_the_closed_form():
    state = random_weights(TINY)
    state["head.weight"] *= 0.1
    seen = np.random.default_rng(1).standard_normal((3, 64, 96)).astype(np.float32)
    # The expansion is of second order: exact if each channel changes the logits little.
    mild = replace(TINY, dropout=0.1)

    def run(passes, seed=0):
        return onnx_runner.OnnxRunner(state, mild, uncertain=True, passes=passes, seed=seed)(seen)

    many, closed = run(4000), run(0)
    few = [np.abs(run(20, seed)[:4] - many[:4]).mean() for seed in range(4)]
    assert np.abs(closed[:4] - many[:4]).mean() < np.mean(few)
    shared = [measures.entropy(each[:4]) - each[4] for each in (closed, many)]
    assert np.corrcoef(shared[0].ravel(), shared[1].ravel())[0, 1] > 0.97
    assert shared[0].mean() == pytest.approx(shared[1].mean(), rel=0.15)
    assert np.array_equal(run(7, 2), run(7, 2))


def test_without_uncertainty_the_mean_entropy_is_the_entropy():
    runner = onnx_runner.OnnxRunner(random_weights(TINY), TINY)
    answer = runner(np.random.default_rng(1).standard_normal((3, 32, 32)).astype(np.float32))
    np.testing.assert_allclose(answer[4], measures.entropy(answer[:4]), atol=1e-5)
    np.testing.assert_allclose(answer[:4].sum(axis=0), 1.0, rtol=1e-5)


def test_a_temperature_changes_the_confidence_and_not_the_class():
    seen = np.random.default_rng(1).standard_normal((3, 32, 32)).astype(np.float32)
    cold, warm = (
        onnx_runner.OnnxRunner(random_weights(TINY), TINY, temperatures=Temperatures(t, t))(seen)
        for t in (1.0, 3.0)
    )
    assert np.array_equal(cold[:4].argmax(axis=0), warm[:4].argmax(axis=0))
    assert warm[:4].max(axis=0).mean() < cold[:4].max(axis=0).mean()


@pytest.mark.parametrize("drawn", [{}, {"uncertain": True}, {"uncertain": True, "passes": 3}])
def test_rocks_have_a_temperature_of_their_own(drawn):
    seen = np.random.default_rng(1).standard_normal((3, 64, 64)).astype(np.float32)
    weights_of = random_weights(TINY)

    def run(common, rare):
        warmth = Temperatures(common, rare)
        return onnx_runner.OnnxRunner(weights_of, TINY, temperatures=warmth, **drawn)(seen)

    alike, own = run(2.0, 2.0), run(2.0, 5.0)
    plain = onnx_runner.OnnxRunner(weights_of, TINY)(seen)
    rock = np.isin(plain[:4].argmax(axis=0), evaluation.ROCKS)
    assert 0.05 < rock.mean() < 0.95
    assert own[:4].max(axis=0)[rock].mean() < 0.9 * alike[:4].max(axis=0)[rock].mean()
    if "passes" not in drawn:
        np.testing.assert_array_equal(own[:, ~rock], alike[:, ~rock])
        # The predicted class selects the temperature that the expansion uses.
        np.testing.assert_allclose(own[:, rock], run(5.0, 5.0)[:, rock], atol=1e-6)


def test_flip_augmentation_is_equivariant_to_mirroring():
    runner = onnx_runner.with_test_time_augmentation(
        onnx_runner.OnnxRunner(random_weights(TINY), TINY), "flip"
    )
    seen = np.random.default_rng(1).standard_normal((3, 32, 64)).astype(np.float32)
    one = runner(seen)
    other = runner(np.ascontiguousarray(seen[:, :, ::-1]))
    np.testing.assert_allclose(one, other[:, :, ::-1], atol=1e-5)
    scaled = onnx_runner.with_test_time_augmentation(runner, "scales")(seen)
    assert scaled.shape == one.shape
    np.testing.assert_allclose(scaled[:4].sum(axis=0), 1.0, rtol=1e-4)


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
    with raster.opened(out / "classes.tif", "It") as source:
        assert source.crs is None
        assert source.shape == (40, 50)


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
        assert source.transform.c == 300.0


@pytest.mark.parametrize("cut", [{"side": 500}, {"overlap": 192}, {"side": 256}])
def test_tilings_that_do_not_fit_are_refused(cut):
    with pytest.raises(ParameterError, match="cannot overlap by"):
        tiling.Tiling(**cut)


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
    assert window["summary"] == ["All of what was looked at is in shadow"]


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
        warned.append(any("learned the surface view" in line for line in context.warnings))
    assert warned == [False, True]


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
    assert result["summary"] == ["All of what was looked at has no data"]
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


@pytest.mark.parametrize("bands", [2, 4, 16])
def test_bands_of_unknown_colours_are_refused_or_mapped(tmp_path, checkpoint, bands):
    image = picture(tmp_path / "a.tif", noise(40, 50, bands=bands), photometric="MINISBLACK")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        file = rasterio.open(image, "r+")
    with file:
        file.colorinterp = [rasterio.enums.ColorInterp.undefined] * bands
    if bands == 2:
        segmented(image, tmp_path / "out", checkpoint)
        return
    with pytest.raises(InputError, match=f"{bands} bands, and nothing says") as caught:
        segmented(image, tmp_path / "out", checkpoint)
    assert "gdal_translate" in caught.value.remedy


def test_grey_of_any_bit_depth_is_stretched_to_the_same_image(tmp_path):
    grey = np.random.default_rng(0).uniform(0.0, 1.0, (120, 150))
    scaled = ((grey * 60_000).astype(np.uint16), (grey * 7.0 - 3.0).astype(np.float32))
    shown = []
    for number, values in enumerate(scaled):
        path = picture(tmp_path / f"{number}.tif", values)
        with images.opened(path) as image:
            seen, known = image.read(Window(0, 0, 150, 120))
            part, _ = image.read(Window(30, 40, 10, 10))
        assert known.all()
        assert np.array_equal(part, seen[40:50, 30:40])
        shown.append(seen)
    assert np.abs(shown[0] - shown[1]).max() < 0.5
    assert shown[0].shape == (120, 150, 3)
    assert np.percentile(shown[0], 99.5) > 250.0


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


def test_an_image_that_is_all_black_is_accepted(tmp_path, checkpoint):
    image = picture(tmp_path / "a.tif", np.zeros((50, 60), np.uint16))
    result = segmented(image, tmp_path / "out", checkpoint)
    assert result["pixels"] == 0
    assert result["summary"] == ["All of what was looked at is in shadow"]
    beside = segmented(image, tmp_path / "out", checkpoint, view="surface")
    assert beside["pixels"] == 3000


def test_images_without_data_complex_ones_and_colour_tables_are_refused(tmp_path, checkpoint):
    empty = picture(tmp_path / "e.tif", np.zeros((40, 50), np.uint8), nodata=0)
    waves = picture(tmp_path / "c.tif", np.ones((40, 50), np.complex64))
    for path, words in ((empty, "every pixel is nodata"), (waves, "complex numbers")):
        with pytest.raises(InputError, match=words):
            segmented(path, tmp_path / "out", checkpoint)
    assert not list((tmp_path / "out").glob("*.tif"))


def test_mc_dropout_needs_a_network_with_dropout(tmp_path):
    path = saved(tmp_path / "dry.safetensors", replace(TINY, dropout=0.0))
    image = picture(tmp_path / "a.tif", noise(40, 50))
    with pytest.raises(InputError, match="has no dropout"):
        segmented(image, tmp_path / "out", path)
    segmented(image, tmp_path / "out", path, uncertainty="none")


def test_networks_of_other_classes_or_damaged_are_refused(tmp_path, checkpoint):
    path = saved(tmp_path / "five.safetensors", TINY, classes=["a", "b", "c", "d", "e"])
    with pytest.raises(InputError, match="has 5 classes"):
        weights.load(path)
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[:-10])
    with pytest.raises(InputError, match="checksum differs"):
        weights.load(checkpoint)
    wide = saved(tmp_path / "wide.safetensors", TINY)
    card = json.loads(wide.with_suffix(".json").read_text())
    card["architecture"]["widths"] = [12] * 6
    checkpoint_files.save(wide, random_weights(TINY), card)
    with pytest.raises(InputError, match="does not match the architecture on its card"):
        weights.load(wide)


@pytest.mark.parametrize("bits", [2, 4])
def test_white_of_few_bits_is_white(tmp_path, bits):
    values = np.full((1, 40, 50), 2**bits - 1, np.uint8)
    values[:, :20] = 0
    path = picture(tmp_path / "a.tif", values, nbits=bits)
    with images.opened(path) as image:
        seen, _ = image.read(Window(0, 0, 50, 40))
    assert np.unique(seen[:20]).tolist() == [0.0]
    assert np.unique(seen[20:]).tolist() == [255.0]


@pytest.mark.parametrize(
    ("crs", "step", "metres"),
    [(moon.SOUTH_POLAR, 4.0, 4.0), (moon.GEOGRAPHIC, 1e-4, 3.0323), (None, 1.0, None)],
)
def test_the_side_of_a_pixel_is_known_in_metres_wherever_it_lies(crs, step, metres):
    known = crs and rasterio.crs.CRS.from_wkt(pyproj.CRS(crs).to_wkt())
    frame = images.Frame(10, 10, Affine(step, 0.0, 0.0, 0.0, -step, 0.0), known)
    assert frame.pixel_m == (metres and pytest.approx(metres, rel=1e-4))


@pytest.mark.parametrize(
    ("share", "wanted"),
    [
        ((0.4, 0.3, 0.25, 0.05), 1),
        ((0.4, 0.25, 0.3, 0.05), 2),
        ((0.5, 0.25, 0.2, 0.05), 0),
        ((0.05, 0.3, 0.2, 0.5), 3),
        ((0.05, 0.3, 0.25, 0.4), 1),
    ],
)
def test_a_rock_of_unknown_size_is_a_rock(share, wanted):
    assert classes.classify(np.array(share, np.float32)[:, None, None]).tolist() == [[wanted]]


def test_values_that_overflow_16_bits_are_stored_in_32(tmp_path):
    state = random_weights(TINY)
    state["down.0.0.1.running_var"][0] = 3e6
    path = saved(tmp_path / "large.safetensors", TINY, state=state)
    again = weights.load(path).state
    stored = checkpoint_files.as_stored(state)
    for name, values in again.items():
        assert np.array_equal(values, stored[name])
        np.testing.assert_allclose(values, state[name], rtol=1e-3, atol=1e-6)


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
    assert not list((tmp_path / "out").iterdir())


def test_intersection_over_union_is_counted_by_hand():
    mask = np.array([[0, 0, 1, 1, 2, 255]], np.uint8)
    prediction = np.array([[0, 1, 1, 2, 2, 3]], np.uint8)
    agreement = metrics.Agreement()
    agreement.add(prediction, mask)
    found = agreement.summary()
    assert found["iou"] == {"ground": 0.5, "small rocks": 0.3333, "large rocks": 0.5, "sky": None}
    assert found["miou"] == pytest.approx((0.5 + 1 / 3 + 0.5) / 3, abs=1e-4)
    assert found["any_rock"] == pytest.approx(3 / 4)
    assert found["images"] == 1
    assert metrics.Agreement().summary() == {"images": 0}


def pairs(folder, count=4, size=(48, 64)):
    """Write images with masks of numbers; return the patterns."""
    for number in range(count):
        rng = np.random.default_rng(number)
        mask = rng.integers(0, 4, size).astype(np.uint8)
        picture(folder / f"scene{number:02d}_image.png", noise(*size, seed=number), driver="PNG")
        picture(folder / f"scene{number:02d}_mask.png", mask, driver="PNG")
    return str(folder / "*_image.png"), str(folder / "*_mask.png")


def test_images_are_evaluated_and_distinguished_from_others(tmp_path, checkpoint):
    image_glob, mask_glob = pairs(tmp_path)
    (tmp_path / "black").mkdir()
    picture(tmp_path / "black" / "a.png", np.zeros((48, 64), np.uint8), driver="PNG")
    given = {
        "images": image_glob,
        "masks": mask_glob,
        "outside": str(tmp_path / "black" / "*.png"),
        "out": str(tmp_path / "figures.json"),
        "picture": str(tmp_path / "reliable.png"),
        "checkpoint": [str(checkpoint)],
    }
    result = evaluate_segmentation.STAGE.run(given, Context(threads=2))
    assert result["images"] == 4
    written = json.loads((tmp_path / "figures.json").read_text())
    assert written["iou"] == result["iou"]
    assert written["provenance"]["inputs"]
    assert 0.0 <= result["out_of_distribution"]["entropy"]["auroc"] <= 1.0
    assert (tmp_path / "reliable.png").stat().st_size > 5_000


def test_calibration_lowers_the_error_and_changes_no_class(tmp_path, checkpoint):
    image_glob, mask_glob = pairs(tmp_path, 8)
    out = tmp_path / "warm.safetensors"
    given = {
        "checkpoint": str(checkpoint),
        "images": image_glob,
        "masks": mask_glob,
        "out": str(out),
    }
    result = calibrate.STAGE.run(given, Context(threads=2))
    # Random classes cannot be predicted, so the network must become less certain.
    assert result["temperature"] > 1.5
    assert result["temperature_of_rocks"] > 1.5
    assert result["ece_after"] < result["ece_before"]
    before, after = weights.load(checkpoint), weights.load(out)
    fitted = (result["temperature"], result["temperature_of_rocks"])
    assert after.temperatures == pytest.approx(fitted, abs=1e-3)
    seen = np.random.default_rng(0).standard_normal((3, 32, 32)).astype(np.float32)
    one, other = before.runner()(seen), after.runner()(seen)
    assert np.array_equal(one[:4].argmax(axis=0), other[:4].argmax(axis=0))


@pytest.mark.parametrize("seed", range(3))
def test_temperatures_change_hardly_a_class_of_the_mean_over_masks(tmp_path, seed):
    state = random_weights(TINY, seed)
    # Logits of the size that trained networks have, where the closed form holds.
    state["head.weight"] *= np.float32(0.1)
    network = weights.load(saved(tmp_path / "net.safetensors", TINY, state=state))
    seen = np.random.default_rng(seed).standard_normal((3, 32, 32)).astype(np.float32)
    cold = network.runner(uncertain=True, temperatures=Temperatures())(seen)[:4]
    warm = network.runner(uncertain=True, temperatures=Temperatures(1.5, 2.5))(seen)[:4]
    assert np.abs(cold - warm).max() > 0.01
    assert (cold.argmax(axis=0) == warm.argmax(axis=0)).mean() > 0.99


def test_a_card_keeps_both_temperatures(tmp_path):
    warmth = Temperatures(0.8, 1.7)
    path = saved(tmp_path / "a.safetensors", TINY, calibration=weights.Checkpoint.as_card(warmth))
    assert weights.load(path).temperatures == warmth
    old = saved(tmp_path / "b.safetensors", TINY, calibration={"temperature": 1.4})
    assert weights.load(old).temperatures == Temperatures(1.4, 1.4)


def test_temperatures_are_fitted_separately_for_pixels_predicted_as_rock():
    rng = np.random.default_rng(2)
    mix = rng.standard_normal((4, 3)).astype(np.float32) * 1.5

    def softmax(logits):
        share = np.exp(logits - logits.max(axis=0))
        return share / share.sum(axis=0)

    class Miscalibrated:
        thread_safe = True
        side_px = None

        def __call__(self, channels):
            logits = np.einsum("kc,cij->kij", mix, channels)
            rock = np.isin(logits.argmax(axis=0), evaluation.ROCKS)
            share = softmax(logits * np.where(rock, 2.0, 0.8))
            return np.concatenate([share, measures.entropy(share)[None]]).astype(np.float32)

    def sample():
        image = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
        share = softmax(np.einsum("kc,cij->kij", mix, samples.channels(image)))
        drawn = (rng.random((96, 96)) > np.cumsum(share, axis=0)).sum(axis=0)
        return samples.Sample(image, drawn.clip(0, 3).astype(np.uint8))

    found = evaluation.fit_temperatures(Miscalibrated(), [sample() for _ in range(6)])
    assert found == pytest.approx((0.8, 2.0), rel=0.08)


@pytest.mark.parametrize(
    ("image", "mask", "words"),
    [
        ("*_image.png", "nothing*.png", "No mask matches"),
        ("scene0[01]_image.png", "*_mask.png", "2 images and 4 masks"),
        ("scene0[01]_image.png", "scene0[23]_mask.png", "would be paired with"),
    ],
)
def test_patterns_that_do_not_pair_are_refused(tmp_path, image, mask, words):
    pairs(tmp_path)
    with pytest.raises(InputError, match=words):
        paired_images.pairs_of(str(tmp_path / image), str(tmp_path / mask))


def test_masks_of_another_size_are_refused(tmp_path):
    image_glob, mask_glob = pairs(tmp_path, 2)
    picture(tmp_path / "scene01_mask.png", np.zeros((5, 5), np.uint8), driver="PNG")
    with pytest.raises(InputError, match="has 5 × 5 pixels"):
        [pair.read() for pair in paired_images.pairs_of(image_glob, mask_glob)]


def test_published_images_are_split_the_same_every_time(tmp_path):
    image_glob, mask_glob = pairs(tmp_path, 21)
    data = paired_images.read(image_glob, mask_glob, Context())
    assert (data.training_count, data.validation_count) == (18, 3)
    again = paired_images.read(image_glob, mask_glob, Context())
    assert data.validation.pairs == again.validation.pairs
    assert not set(data.validation.pairs) & set(data.training.pairs)


def test_recipes_are_read_and_errors_are_explained(tmp_path):
    assert recipe.names() == [
        "mc-dropout",
        "orbital",
        "unet-light",
        "unet-resnet34",
        "unet-resnet50",
    ]
    for name in recipe.names():
        assert recipe.read(name).name == name
    assert recipe.read("mc-dropout").for_steps().steps == 10_000
    for text, words in (
        ("loss: l2", "loss is 'l2'"),
        ("crop_px: 100", "crop_px is 100"),
        ("architecture: vit", "no segmentation network 'vit'"),
        ("steps: 5\nepochs: 2", "both steps and epochs"),
        ("zoom: [1.4, 0.7]", "zoom is"),
        ("zoom: 2", "zoom is"),
        ("colour: red", "unknown key"),
    ):
        path = tmp_path / "r.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=words):
            recipe.read(str(path))


def test_crops_keep_masks_aligned_with_their_images():
    image = np.zeros((120, 160, 3), np.uint8)
    mask = np.zeros((120, 160), np.uint8)
    image[30:70, 50:90] = 220
    mask[30:70, 50:90] = classes.LARGE

    def source(_number):
        return samples.Sample(image, mask)

    for step in range(8):
        drawn = batches.draw(source, 1, 2, 96, [4, step], zoom=(0.75, 2.2), rotate=bool(step % 2))
        bright = drawn["channels"][:, 0] > drawn["channels"][:, 0].mean() + 0.3
        rock = drawn["mask"] == classes.LARGE
        if rock.any():
            assert (bright & rock).sum() / (bright | rock).sum() > 0.8
    again = batches.draw(source, 1, 2, 96, [4, 7], zoom=(0.75, 2.2), rotate=True)
    assert np.array_equal(again["channels"], drawn["channels"])


def test_scenes_are_cached_between_runs(tmp_path):
    first = batches.load("orbital", 3, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    again = batches.load("orbital", 3, tmp_path)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.mask, batches.load("orbital", 3, None).mask)


def test_usual_uncertainty_is_a_median_between_its_percentiles():
    found = evaluation.percentiles(np.arange(101.0))
    assert found == {"median": 50.0, "percentile_5": 5.0, "percentile_95": 95.0}
