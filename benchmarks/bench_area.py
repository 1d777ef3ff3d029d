"""An area of interest in a large cloud-optimised GeoTIFF: minutes, memory, and bytes that are read.

    .venv/bin/python benchmarks/bench_area.py [--side 30400] [--folder .cache/area]

The raster is the real pole at 20 m, made of the built-in model and of noise; it is kept.
"""

from __future__ import annotations

import argparse
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.windows import Window
from scipy import ndimage
from stage_process import run_stage

from lunarsite.engine import moon
from lunarsite.engine.io.elevation.builtin import BUILTIN

PIXEL_M = 20.0
BLOCK = 512
AREA = "--aoi=-137,-89.45,25"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--side", type=int, default=30_400)
    options.add_argument("--folder", type=Path, default=Path(".cache/area"))
    options.add_argument("--azimuths", type=int, default=360)
    given = options.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    path = given.folder / f"pole_{given.side}.tif"
    if not path.is_file():
        make(path, given.side)
    size = path.stat().st_size
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")

    def begin(dem: str, name: str) -> tuple[float, float]:
        options = (AREA, "--azimuths", given.azimuths, "--out", given.folder / name)
        return run_stage("lighting", "--dem", dem, *options)

    seconds, peak_gib = begin(str(path), "local")
    print(
        f"| lighting of 50 km of {given.side:,}² pixels of 20 m, {given.azimuths} azimuths, the "
        f"rest as far field | ≤ 6 min, ≤ 4 GiB | {seconds / 60:.1f} min, {peak_gib:.1f} GiB | "
        f"{'yes' if seconds <= 360 and peak_gib <= 4 else 'no'} |",
        flush=True,
    )
    with Server(path) as server:
        seconds, peak_gib = begin(f"/vsicurl/{server.address}", "server")
        share = 100.0 * server.sent / size
        print(
            f"| the same from an HTTP server, what it sends | ≤ 2 % of {size / 2**30:.2f} GiB | "
            f"{share:.2f} % in {server.requests} requests, {seconds / 60:.1f} min | "
            f"{'yes' if share <= 2 else 'no'} |"
        )


def make(path: Path, side: int) -> None:
    """Write a cloud-optimised GeoTIFF of the pole, block by block."""
    with rasterio.open(BUILTIN) as source:
        coarse = source.read(1).astype(np.float32)
        inverse = ~source.transform
    half = side * PIXEL_M / 2
    place = rasterio.Affine(PIXEL_M, 0.0, -half, 0.0, -PIXEL_M, half)
    noise = ndimage.gaussian_filter(np.random.default_rng(1).normal(0, 60, (BLOCK, BLOCK)), 6)
    noise = (noise + np.random.default_rng(2).normal(0, 0.3, noise.shape)).astype(np.float32)
    whole = path.with_suffix(".whole.tif")
    profile = {
        "driver": "GTiff",
        "width": side,
        "height": side,
        "count": 1,
        "dtype": "float32",
        "crs": moon.SOUTH_POLAR,
        "transform": place,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "bigtiff": "yes",
    }
    with rasterio.open(whole, "w", **profile) as target:
        for row in range(0, side, BLOCK):
            for column in range(0, side, BLOCK):
                rows, columns = min(BLOCK, side - row), min(BLOCK, side - column)
                x = -half + (column + np.arange(columns) + 0.5) * PIXEL_M
                y = half - (row + np.arange(rows) + 0.5) * PIXEL_M
                at = np.meshgrid(
                    inverse.f + inverse.e * y - 0.5, inverse.c + inverse.a * x - 0.5, indexing="ij"
                )
                heights = ndimage.map_coordinates(coarse, at, order=1, mode="nearest")
                target.write(
                    heights + noise[:rows, :columns], 1, window=Window(column, row, columns, rows)
                )
    rasterio.shutil.copy(
        whole,
        path,
        driver="COG",
        compress="deflate",
        predictor=3,
        blocksize=BLOCK,
        level=1,
        num_threads="all_cores",
        bigtiff="yes",
    )
    whole.unlink()


class Server:
    """Serves one file with byte ranges, and counts what is sent."""

    def __init__(self, path: Path) -> None:
        self.sent = self.requests = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._answer(0, path.stat().st_size - 1, 200, body=False)

            def do_GET(self) -> None:
                asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
                last = path.stat().st_size - 1
                if asked is None:
                    self._answer(0, last, 200)
                    return
                stop = min(int(asked[2]) if asked[2] else last, last)
                self._answer(int(asked[1]), stop, 206)

            def _answer(self, start: int, stop: int, code: int, *, body: bool = True) -> None:
                outer.requests += 1
                if self.path != "/pole.tif":  # sidecar files
                    self.send_error(404)
                    return
                size = path.stat().st_size
                self.send_response(code)
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Length", str(stop - start + 1))
                if code == 206:
                    self.send_header("Content-Range", f"bytes {start}-{stop}/{size}")
                self.end_headers()
                if body:
                    with path.open("rb") as file:
                        file.seek(start)
                        data = file.read(stop - start + 1)
                    outer.sent += len(data)
                    self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/pole.tif"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()


if __name__ == "__main__":
    begin = time.perf_counter()
    main()
