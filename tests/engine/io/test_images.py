from __future__ import annotations

import warnings

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window
from support.segmentation import TINY, noise, picture, saved, segmented

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import images


@pytest.fixture
def checkpoint(tmp_path):
    return saved(tmp_path / "net.safetensors", TINY)


@pytest.mark.parametrize("bands", [2, 4, 16])
def test_bands_without_colours_are_refused_or_mapped(tmp_path, checkpoint, bands):
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
