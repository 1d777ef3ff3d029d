from __future__ import annotations

import gzip
import re
import struct
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from affine import Affine
from PIL import Image
from rasterio.windows import Window
from support.segmentation import picture

from lunarsite.engine.errors import InputError
from lunarsite.engine.io import images, raster
from lunarsite.engine.io import orientation as orientations
from lunarsite.engine.io.access import header_bytes
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


def in_zip(folder, file):
    with zipfile.ZipFile(folder / "B.ZIP", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(file, f"s/{file.name}")
    return f"/vsizip/{folder}/B.ZIP/s/{file.name}"


def in_braces(folder, file):
    in_zip(folder, file)
    (folder / "B.ZIP").rename(folder / "no ending & more")
    return f"/vsizip/{{{folder}/no ending & more}}/s/{file.name}"


def in_tar(folder, file):
    with tarfile.open(folder / "b.tar.gz", "w:gz") as archive:
        archive.add(file, f"s/{file.name}")
    return f"/vsitar/{folder}/b.tar.gz/s/{file.name}"


def in_gzip(folder, file):
    (folder / "b.gz").write_bytes(gzip.compress(file.read_bytes()))
    return f"/vsigzip/{folder}/b.gz"


def whole_part(_folder, file):
    return f"vrt://{file}?bands=1"


@pytest.mark.parametrize("ending", ["png", "tif", "webp", "jpg"])
@pytest.mark.parametrize("put", [in_zip, in_braces, in_tar, in_gzip, whole_part])
def test_the_tag_is_read_wherever_the_file_is(tmp_path, put, ending):
    file = photograph(tmp_path / f"a.{ending}", 8)
    name = put(tmp_path, file)
    if put is not whole_part:
        file.unlink()
    with images.opened(name) as image:
        assert image.orientation.number == 8
        assert (image.frame.width, image.frame.height) == (37, 61)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_the_tag_is_read_on_a_server(tmp_path, ending):
    photograph(tmp_path / f"a.{ending}", 6)
    # In a process of its own: GDAL does not release the interpreter's lock while it waits.
    serve = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(serve, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = re.search(r"port (\d+)", server.stdout.readline())[1]
            with images.opened(f"/vsicurl/http://127.0.0.1:{port}/a.{ending}") as image:
                assert image.orientation.number == 6
        finally:
            server.kill()


def test_an_untagged_image_in_an_archive_is_upright(tmp_path):
    for driver in ("GTiff", "PNG", "WEBP"):
        colors = np.stack([STORED] * 3)
        file = picture(tmp_path / f"a.{driver}", colors, driver=driver)
        with images.opened(in_zip(tmp_path, file)) as image:
            assert image.orientation.number == 1


def test_an_image_whose_bytes_cannot_be_read_is_refused_unless_it_is_placed(tmp_path, monkeypatch):
    name = in_zip(tmp_path, photograph(tmp_path / "a.png", 8))
    placed = picture(tmp_path / "p.tif", STORED, transform=Affine(2, 0, 100, 0, -2, 200))
    (tmp_path / "other").mkdir()
    placed_name = in_zip(tmp_path / "other", placed)
    monkeypatch.setattr(header_bytes, "_RAW", "<VRTDataset/>")
    with (
        pytest.raises(InputError, match=r"Which way up the image a\.png is") as caught,
        images.opened(name),
    ):
        pytest.fail("read sideways")
    assert "Copy the image" in caught.value.remedy
    with images.opened(placed_name) as image:
        assert image.orientation.number == 1


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
