from __future__ import annotations

import struct
import zipfile

import numpy as np
import pytest
from PIL import Image
from rasterio.windows import Window
from support.segmentation import picture

from lunarsite.engine.io import images, raster
from lunarsite.engine.io import orientation as orientations
from lunarsite.engine.io.orientation import Orientation

STORED = np.random.default_rng(1).integers(0, 256, (37, 61), dtype=np.uint8)


def photograph(path, number, values=STORED, **more):
    image = Image.fromarray(values)
    exif = image.getexif()
    exif[orientations.TAG] = number
    image.save(path, exif=exif, **more)
    return path


TURNS = (
    None,
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
"""What makes the orientations 1 to 8 upright."""


@pytest.mark.parametrize("ending", ["png", "tif", "webp", "jpg"])
@pytest.mark.parametrize("number", range(1, 9))
def test_images_of_every_format_are_read_upright(tmp_path, number, ending):
    path = photograph(tmp_path / f"a.{ending}", number)
    with raster.opened(path, "It") as source:
        stored = Image.fromarray(source.read(1))
    turn = TURNS[number - 1]
    expected = np.asarray(stored if turn is None else stored.transpose(turn), np.float32)
    with images.opened(path) as image:
        frame = image.frame
        seen, known = image.read(Window(0, 0, frame.width, frame.height))
        part, _ = image.read(Window(3, 5, 20, 11))
        assert image.orientation.number == number
        assert (image.stored.width, image.stored.height) == (61, 37)
    assert known.all()
    assert seen.shape[:2] == expected.shape
    assert np.array_equal(seen[:, :, 0], expected)
    assert np.array_equal(part, seen[5:16, 3:23])


@pytest.mark.parametrize("number", range(1, 9))
def test_turning_upright_and_back_is_the_identity(number):
    turned = Orientation(number, 61, 37)
    upright = turned.upright(STORED)
    assert upright.shape == turned.upright_size[::-1]
    assert np.array_equal(turned.stored(upright), STORED)
    window = Window(7, 4, 21, 13)
    seen = turned.upright_window(window)
    assert turned.stored_window(seen) == window
    rows, columns = seen.toslices()
    assert np.array_equal(turned.upright(STORED[4:17, 7:28]), upright[rows, columns])
    for column, row in ((0, 0), (5, 3)):
        x, y = turned.to_stored * (column + 0.5, row + 0.5)
        assert upright[row, column] == STORED[int(y), int(x)]


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_tag_is_read_from_a_bigtiff_of_either_byte_order(tmp_path, order):
    entries = [(256, 4, 8), (257, 4, 6), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 16, 16)]
    entries += [(orientations.TAG, 3, 6), (277, 3, 1), (278, 4, 6), (279, 16, 48)]
    packed = b"".join(
        struct.pack(order + "HHQ", tag, kind, 1)
        + struct.pack(order + {3: "H6x", 4: "I4x", 16: "Q"}[kind], value)
        for tag, kind, value in entries
    )
    name = b"II" if order == "<" else b"MM"
    head = name + struct.pack(order + "HHHQ", 43, 8, 0, 64)
    whole = head + bytes(range(48)) + struct.pack(order + "Q", len(entries)) + packed + bytes(8)
    path = tmp_path / "big.tif"
    path.write_bytes(whole)
    with raster.opened(path, "It") as source:
        assert orientations.of(source).number == 6


def test_the_tag_is_read_inside_a_zip_archive(tmp_path):
    photograph(tmp_path / "a.png", 8)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        file.write(tmp_path / "a.png", "s/a.png")
    with images.opened(f"/vsizip/{tmp_path}/b.zip/s/a.png") as image:
        assert image.orientation.number == 8


@pytest.mark.parametrize("number", [0, 9, 300])
def test_an_invalid_tag_is_upright(tmp_path, number):
    with images.opened(photograph(tmp_path / "a.tif", number)) as image:
        assert image.orientation.number == 1


def test_a_place_decides_over_the_tag(tmp_path):
    path = photograph(tmp_path / "a.tif", 6)
    path.with_suffix(".tfw").write_text("2\n0\n0\n-2\n100\n200\n")
    with images.opened(path) as image:
        assert image.orientation.number == 1
        assert image.stored.is_placed


def test_a_file_without_a_tag_is_upright(tmp_path):
    for driver in ("GTiff", "PNG", "JPEG"):
        path = picture(tmp_path / f"a.{driver}", STORED, driver=driver)
        with images.opened(path) as image:
            assert image.orientation.number == 1
