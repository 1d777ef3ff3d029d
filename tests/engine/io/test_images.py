from __future__ import annotations

import re
import shlex
import warnings

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.transform import from_origin
from rasterio.windows import Window
from support.segmentation import TINY, noise, picture, saved, segmented

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.errors import CrsError, InputError
from lunarsite.engine.io import images, raster, stretch


@pytest.fixture
def checkpoint(tmp_path):
    return saved(tmp_path / "net.safetensors", TINY)


@pytest.mark.parametrize("bands", [2, 4, 16])
def test_bands_without_colours_are_refused_or_mapped(tmp_path, checkpoint, bands):
    image = picture(tmp_path / "a b.tif", noise(40, 50, bands=bands), photometric="MINISBLACK")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        file = rasterio.open(image, "r+")
    with file:
        file.colorinterp = [rasterio.enums.ColorInterp.undefined] * bands
    number = "two" if bands == 2 else bands
    with pytest.raises(InputError, match=f"{number} bands, and nothing says") as caught:
        segmented(image, tmp_path / "out", checkpoint)
    made = "a b_band1.tif" if bands == 2 else "rgb.tif"
    assert shlex.split(caught.value.remedy)[-2:] == [str(image), made]


@pytest.mark.parametrize(
    ("crs", "side", "words", "remedy"),
    [
        ("EPSG:4326", 0.001, "lies on the Earth", "+proj=longlat +R=1737400"),
        ("EPSG:3031", 100.0, "lies on the Earth", "+proj=stere +lat_0=-90"),
        ("+proj=longlat +R=3396190", 0.001, "lies on another body", "+proj=longlat +R=1737400"),
        ('LOCAL_CS["laboratory",UNIT["metre",1]]', 1.0, "", ""),
    ],
)
def test_images_on_another_body_are_refused(tmp_path, checkpoint, crs, side, words, remedy):
    place = {"crs": crs, "transform": from_origin(20.0, -85.0, side, side)}
    image = picture(tmp_path / "a.tif", noise(40, 50), **place)
    if not words:
        segmented(image, tmp_path / "out", checkpoint)
        return
    with pytest.raises(CrsError, match=words) as caught:
        segmented(image, tmp_path / "out", checkpoint)
    assert f"gdal_edit.py -a_srs '{remedy}" in caught.value.remedy
    assert caught.value.remedy.endswith(str(image))


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


@pytest.mark.parametrize("bits", [8, 12])
def test_negatives_are_read_as_positives(tmp_path, bits):
    grey = noise(40, 50, bands=1).astype(np.uint8 if bits == 8 else np.uint16)
    more = {} if bits == 8 else {"nbits": bits}
    shown = []
    for name, values, meaning in (
        ("a.tif", grey, "MINISBLACK"),
        ("b.tif", 2**bits - 1 - grey, "MINISWHITE"),
    ):
        path = picture(tmp_path / name, values, photometric=meaning, **more)
        with images.opened(path) as image:
            shown.append(image.read(Window(0, 0, 50, 40))[0])
    assert np.array_equal(*shown)


def test_heights_are_no_image(tmp_path, checkpoint):
    path = picture(tmp_path / "dem.tif", noise(40, 50, bands=1).astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        file = rasterio.open(path, "r+")
    with file:
        file.units = ("m",)
    with pytest.raises(InputError, match="holds lengths in m, as an elevation model does"):
        segmented(path, tmp_path / "out", checkpoint)


@pytest.mark.parametrize("value", [0, 100])
def test_an_image_that_is_the_same_everywhere_gives_a_warning(tmp_path, value):
    path = picture(tmp_path / "a.tif", np.full((40, 50), value, np.uint8))
    context = Context()
    with images.opened(path, context):
        assert context.warnings == ["The image a.tif is the same everywhere: it shows nothing."]


def test_images_without_data_complex_ones_and_colour_tables_are_refused(tmp_path, checkpoint):
    empty = picture(tmp_path / "e.tif", np.zeros((40, 50), np.uint8), nodata=0)
    waves = picture(tmp_path / "c.tif", np.ones((40, 50), np.complex64))
    for path, words in ((empty, "every pixel is nodata"), (waves, "complex numbers")):
        with pytest.raises(InputError, match=words):
            segmented(path, tmp_path / "out", checkpoint)
    assert not list((tmp_path / "out").glob("*.tif"))


@pytest.mark.parametrize("bits", [2, 4])
def test_white_of_few_bits_is_mapped_to_255(tmp_path, bits):
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
def test_the_pixel_size_is_in_metres_in_any_crs(crs, step, metres):
    known = crs and rasterio.crs.CRS.from_wkt(pyproj.CRS(crs).to_wkt())
    frame = images.Frame(10, 10, Affine(step, 0.0, 0.0, 0.0, -step, 0.0), known)
    assert frame.pixel_m == (metres and pytest.approx(metres, rel=1e-4))


def whole(path, **more):
    with images.opened(path, **more) as image:
        return image.read(Window(0, 0, image.frame.width, image.frame.height))


GREY = np.random.default_rng(5).uniform(0.01, 0.12, (80, 100)).astype(np.float32)
FILLED = np.zeros(GREY.shape, bool)
FILLED[:10] = True
FILLED[50:55, 60:70] = True


@pytest.mark.parametrize(
    ("dtype", "special"),
    [
        ("float32", -3.4028227e38),
        ("float32", -3.4028234e38),
        ("float32", np.nan),
        ("float32", -9999),
        ("float32", -32768),
        ("float64", -1.7976931348623157e308),
        ("int16", -32768),
        ("int16", -32764),
        ("int16", -9999),
        ("int32", -2147483648),
    ],
)
@pytest.mark.parametrize("bands", [1, 3])
def test_an_undeclared_fill_is_read_like_a_declared_one(tmp_path, dtype, special, bands):
    values = (GREY * (1.0 if dtype.startswith("f") else 1e5)).astype(dtype)
    values = np.stack([values] * bands)
    values[:, FILLED] = special
    declared = picture(tmp_path / "declared.tif", values, nodata=special)
    undeclared = picture(tmp_path / "undeclared.tif", values)
    expected, known = whole(declared)
    seen, found = whole(undeclared)
    assert np.array_equal(known, ~FILLED)
    assert np.array_equal(found, ~FILLED)
    assert np.array_equal(seen[~FILLED], expected[~FILLED])
    assert np.ptp(seen[~FILLED]) == pytest.approx(255.0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("bands", [1, 3])
def test_alpha_bands_of_any_type_are_respected(tmp_path, dtype, bands):
    grey = (GREY * 1000).astype(dtype)
    grey[FILLED] = 120
    opaque = {"uint8": 255, "uint16": 1, "int16": 1, "float32": 0.25}[dtype]
    alpha = np.where(FILLED, 0, opaque).astype(dtype)
    colors = {"photometric": "RGB"} if bands == 3 else {}
    stack = np.stack([grey] * bands + [alpha])
    path = picture(tmp_path / "a.tif", stack, alpha="yes", **colors)
    with raster.opened(path, "It") as file:
        assert file.colorinterp[-1] == rasterio.enums.ColorInterp.alpha
    seen, known = whole(path)
    assert np.array_equal(known, ~FILLED)
    plain = np.stack([grey] * bands)
    if dtype != "uint8":
        expected, _ = whole(picture(tmp_path / "b.tif", plain[:, 60:]))
        assert seen[60:].max() == pytest.approx(expected.max(), abs=1.0)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("internal", [True, False])
def test_masks_inside_and_beside_the_file_are_respected(tmp_path, internal):
    values = np.where(FILLED, 5.0, GREY).astype(np.float32)
    path = picture(tmp_path / "a.tif", values)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(path, "r+") as file:
        file.write_mask(~FILLED)
    assert (tmp_path / "a.tif.msk").exists() != internal
    seen, known = whole(path)
    assert np.array_equal(known, ~FILLED)
    assert np.ptp(seen[known]) == pytest.approx(255.0)


@pytest.mark.parametrize("mode", ["png of colours", "png of one colour", "tiff"])
def test_colour_tables_are_expanded_with_their_transparency(tmp_path, mode):
    index = np.tile(np.arange(4, dtype=np.uint8), (40, 10))
    table = [(0, 0, 0), (250, 10, 20), (30, 240, 50), (60, 70, 230)]
    shown = Image.fromarray(index).convert("P")
    shown.putdata(index.ravel().tolist())
    shown.putpalette([level for color in table for level in color])
    path = tmp_path / ("a.tif" if mode == "tiff" else "a.png")
    transparent = {"png of colours": (0, 3), "png of one colour": (2,), "tiff": ()}[mode]
    if mode == "png of colours":
        shown.save(path, transparency=bytes([0, 255, 128, 0]))
    else:
        shown.save(path, **({"transparency": 2} if transparent else {}))
    seen, known = whole(path)
    assert np.array_equal(known, ~np.isin(index, transparent))
    assert np.array_equal(seen[known], np.array(table, np.float32)[index][known])


@pytest.mark.parametrize("mode", ["grey", "colours"])
def test_a_transparent_value_of_a_png_is_nodata(tmp_path, mode):
    grey = np.tile(np.arange(4, dtype=np.uint8), (40, 10))
    shown = Image.fromarray(grey)
    if mode == "colours":
        Image.merge("RGB", [shown] * 3).save(tmp_path / "a.png", transparency=(2, 2, 2))
    else:
        shown.save(tmp_path / "a.png", transparency=2)
    _, known = whole(tmp_path / "a.png")
    assert np.array_equal(known, grey != 2)


@pytest.mark.parametrize(("dtype", "value"), [("uint16", 0), ("float32", 0.0), ("uint8", 255)])
def test_a_fill_at_the_edge_of_an_image_from_orbit_is_nodata_with_a_warning(tmp_path, dtype, value):
    values = (GREY * {"uint8": 2000, "uint16": 5e5, "float32": 1.0}[dtype]).astype(dtype)
    expected, _ = whole(picture(tmp_path / "b.tif", values[:, :70]), sky=False)
    values[:, 70:] = value
    path = picture(tmp_path / "a.tif", values)
    context = Context()
    seen, known = whole(path, context=context, sky=False)
    assert known[:, :70].all()
    assert not known[:, 70:].any()
    assert np.array_equal(seen[:, :70], expected)
    (warning,) = context.warnings
    assert warning.startswith(
        f"30 % of the image a.tif is exactly {value:g} in an area at its edge"
    )
    assert "gdal_translate -a_nodata" in warning
    # In a photograph from the ground it may be the sky.
    _, known = whole(path, context=Context(), sky=True)
    assert known.all()


def test_declared_nodata_is_believed_and_black_of_eight_bits_may_be_shadow(tmp_path):
    values = (GREY * 5e5).astype(np.uint16)
    values[:, 70:] = 0
    declared = picture(tmp_path / "a.tif", values, nodata=65535)
    context = Context()
    assert whole(declared, context=context, sky=False)[1].all()
    eight = picture(tmp_path / "b.tif", np.ceil(values / 300).astype(np.uint8))
    with images.opened(eight, context, sky=False) as image:
        assert image.stretch.black_edge == pytest.approx(0.3)
        assert image.read(Window(0, 0, 100, 80))[1].all()
    assert not context.warnings


def test_negative_values_at_the_edge_are_nodata_in_photographs_too(tmp_path):
    values = GREY.copy()
    values[:, 70:] = -1.0
    _, known = whole(picture(tmp_path / "a.tif", values), sky=True)
    assert np.array_equal(known.all(axis=0), np.arange(100) < 70)


def remedy(path):
    """Return the words of the command that the warning about the edge of an image advises."""
    context = Context()
    whole(path, context=context, sky=False)
    (warning,) = context.warnings
    return shlex.split(re.search(r"gdal_translate .*$", warning)[0])


@pytest.mark.parametrize(
    ("dtype", "value", "extremes"),
    [
        ("uint8", 255, [0]),
        ("uint16", 65535, [0, 1]),
        ("uint16", 0, [65535]),
        ("uint16", 9, [0, 65535]),
        ("int16", -1, [-9999, -9990, 32767]),
        ("float32", -1.0, [-9999.0, -9990.0]),
    ],
)
def test_the_advised_nodata_is_no_value_of_the_image(tmp_path, dtype, value, extremes):
    values = (GREY * {"uint8": 1000, "float32": 1.0}.get(dtype, 5e4)).astype(dtype)
    values[30:40, 5:60] = np.resize(extremes, (10, 55))
    values[:, 70:] = value
    path = picture(tmp_path / "north & south.tif", values)
    words = remedy(path)
    assert words[3:] == [str(path), "measured.tif"]
    nodata = float(words[2])
    assert not (values == nodata).any()
    declared = picture(tmp_path / "measured.tif", values, nodata=nodata)
    context = Context()
    assert whole(declared, context=context, sky=False)[1].all()
    assert not context.warnings


def test_an_image_that_holds_every_value_of_its_type_needs_a_larger_one(tmp_path):
    values = np.resize(np.arange(256), (80, 100)).astype(np.uint8)
    values[:, 70:] = 255
    words = remedy(picture(tmp_path / "a.tif", values))
    assert words[1:5] == ["-ot", "Int32", "-a_nodata", "-1"]
    larger = picture(tmp_path / "b.tif", values.astype(np.int32), nodata=-1)
    assert whole(larger, sky=False)[1].all()


def test_what_is_fill_does_not_depend_on_the_tiling(tmp_path):
    # Measured values are as close to -9999 as a ramp is, but not in every tile.
    ramp = np.linspace(-12_000.0, 3_000.0, 64 * 96).reshape(64, 96).astype(np.float32)
    ramp[40, 50] = -9999.0
    measured = picture(tmp_path / "measured.tif", ramp)
    # The last tile holds nothing but values near the fill.
    filled = np.full((64, 96), 20.0, np.float32)
    filled[:, :30] = -9999.0
    filled[40:44, 50:54] = -9999.0
    filled[40:44, 54:58] = -9800.0
    partly = picture(tmp_path / "partly.tif", filled)
    for path, fills in ((measured, np.zeros(ramp.shape, bool)), (partly, filled == -9999.0)):
        with images.opened(path) as image:
            seen, known = image.read(Window(0, 0, 96, 64))
            assert np.array_equal(known, ~fills)
            for row, column in np.ndindex(8, 12):
                part, found = image.read(Window(8 * column, 8 * row, 8, 8))
                at = (slice(8 * row, 8 * row + 8), slice(8 * column, 8 * column + 8))
                assert np.array_equal(found, known[at])
                assert np.array_equal(part, seen[at])


def test_a_fill_that_the_sample_misses_is_fill(tmp_path, monkeypatch):
    monkeypatch.setattr(stretch, "_STATISTICS_PX", 20)
    values = GREY.copy()
    values[41, 61] = -9999.0
    _, known = whole(picture(tmp_path / "a.tif", values))
    assert np.array_equal(known, values != -9999.0)
