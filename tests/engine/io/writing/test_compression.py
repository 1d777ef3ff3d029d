from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from rasterio.windows import Window

from lunarsite.engine.context import Context
from lunarsite.engine.errors import CancelledError, OutputError
from lunarsite.engine.io.cog import RasterSink, sinks_together, write_raster
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.writing import compression

SHAPES = [(700, 900), (2300, 1100), (1, 3000), (3000, 40)]


def noise(shape, dtype="float32"):
    return (np.random.default_rng(3).normal(size=shape) * 40).astype(dtype)


def grid(shape):
    return Grid(0.0, 0.0, 5.0, shape[1], shape[0])


@pytest.fixture
def apart(monkeypatch):
    """Compress in another process whatever its size."""
    monkeypatch.setattr(compression, "APART_BYTES", 0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_another_process_writes_the_same_bytes(tmp_path, monkeypatch, shape, dtype):
    nodata = None if dtype == "float32" else 255
    for name, limit in (("here.tif", 2**40), ("apart.tif", 0)):
        monkeypatch.setattr(compression, "APART_BYTES", limit)
        values = noise(shape, dtype)
        write_raster(tmp_path / name, values, grid(shape), description="a", nodata=nodata)
    assert (tmp_path / "here.tif").read_bytes() == (tmp_path / "apart.tif").read_bytes()


@pytest.mark.usefixtures("apart")
def test_what_gdal_says_there_is_told_here(tmp_path, monkeypatch):
    monkeypatch.setattr(
        compression, "_COMPRESS", compression._COMPRESS.replace('job["path"]', '"/nowhere/a.tif"')
    )
    with pytest.raises(OutputError, match=r"a\.tif cannot be written: .*/nowhere"):
        write_raster(tmp_path / "a.tif", noise((60, 60)), grid((60, 60)), description="a")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(compression, "_COMPRESS", "import os; os.abort()")
    with pytest.raises(OutputError, match="process that compresses ended with -6"):
        write_raster(tmp_path / "a.tif", noise((60, 60)), grid((60, 60)), description="a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("together", [False, True])
def test_a_large_layer_is_cancelled_at_once_while_it_is_compressed(tmp_path, together):
    """Its overviews and its compression take minutes."""
    context = Context(threads=2)
    shape = (40_000, 40_000)
    sinks = [
        RasterSink(tmp_path / name, grid(shape), "float32", "a", context=context)
        for name in (("a.tif", "b.tif") if together else ("a.tif",))
    ]
    begun = []

    def cancel():
        begun.append(time.perf_counter())
        context.cancelled.set()

    timer = threading.Timer(1.5, cancel)
    with pytest.raises(CancelledError):
        if together:
            with sinks_together(sinks, context):
                for sink in sinks:
                    fill(sink)
                timer.start()
        else:
            with sinks[0]:
                fill(sinks[0])
                timer.start()
    assert time.perf_counter() - begun[0] < 2.0
    assert list(tmp_path.iterdir()) == []


def test_layers_that_are_written_together_appear_together(tmp_path, monkeypatch):
    """A small layer is compressed long before the run is cancelled."""
    context = Context(threads=2)
    small = RasterSink(tmp_path / "small.tif", grid((50, 50)), "float32", "a")
    slow = RasterSink(tmp_path / "slow.tif", grid((50, 50)), "float32", "a")
    whole = slow._complete

    def late():
        while not small._compressed:
            time.sleep(0.01)
        context.cancelled.set()
        whole()

    monkeypatch.setattr(slow, "_complete", late)
    with pytest.raises(CancelledError), sinks_together([small, slow], context):
        for sink in (small, slow):
            sink.write(noise((50, 50)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="asks for a process by its id")
def test_the_other_process_ends_with_its_parent(tmp_path):
    job = {"plain": "", "path": "", "levels": [], "options": {}, "cache": 1}
    slow = compression._COMPRESS.replace("try:\n", "import time; time.sleep(60)\ntry:\n", 1)
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", slow], stdin=subprocess.PIPE, cwd=tmp_path
    )
    process.stdin.write(json.dumps(job).encode() + b"\n")
    process.stdin.flush()
    time.sleep(1.0)
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(5.0) == 3


def fill(sink):
    values = noise((2048, 2048))
    for corner in range(0, 38_000, 2048):
        sink.write(values, Window(corner, corner, 2048, 2048))


@pytest.mark.usefixtures("apart")
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
@pytest.mark.parametrize(
    ("small_disk", "side"),
    [("700k", 450), ("1m", 450), ("5m", 700), ("8m", 1500)],
    indirect=["small_disk"],
)
def test_a_disk_that_fills_up_there_is_told_here(small_disk, side):
    values = np.random.default_rng(5).normal(size=(side, side)).astype(np.float32)
    with pytest.raises(OutputError, match=rf"The disk that contains {small_disk} is full"):
        write_raster(small_disk / "a.tif", values, grid(values.shape), description="noise")
    assert list(small_disk.iterdir()) == []
