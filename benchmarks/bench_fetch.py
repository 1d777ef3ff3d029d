"""Published data by name: the list, and the bytes that a part of a remote raster costs.

    .venv/bin/python benchmarks/bench_fetch.py [--side 15200] [--folder .cache/fetch]

The raster has the extent of LOLA's 20 m model, and at half of its side as many pixels of a byte, in
blocks of 512 without compression, so that the share of bytes is that of the blocks.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.file_server import serving

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.datasets import cache, windows
from lunarsite.engine.datasets.entries import Content, Entry, RemoteFile

HALF_M = 304_000.0
BLOCK = 512
PLACES = ("-137.3,-89.45,25", "0,-90,25", "30,-85.3,25", "-50,-83,25", "120,-81,25")


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--side", type=int, default=15_200)
    options.add_argument("--folder", type=Path, default=Path(".cache/fetch"))
    given = options.parse_args()
    served = given.folder / "served"
    served.mkdir(parents=True, exist_ok=True)
    path = served / "pole.tif"
    if not path.is_file():
        make(path, given.side)
    os.environ[cache.FOLDER] = str(given.folder / "cache")
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    seconds = min(listing() for _ in range(5))
    print(f"| `lunarsite fetch list` | ≤ 0.5 s | {seconds:.2f} s | {yes(seconds <= 0.5)} |")
    shares, count = measured(served, path)
    worst = max(shares)
    print(
        f"| window of 50 km of a raster of 608 km, {given.side:,}² pixels in blocks of {BLOCK}, "
        f"at {len(PLACES)} places | ≤ 2 % of {path.stat().st_size / 1e6:,.0f} MB | "
        f"{min(shares):.2f} to {worst:.2f} %, in {count} requests at most | {yes(worst <= 2.0)} |"
    )


def measured(served: Path, path: Path) -> tuple[list[float], int]:
    """Return what each window costs, percent of the bytes, and the most requests."""
    shares, count = [], 0
    with serving(served) as server:
        for number, place in enumerate(PLACES):
            # GDAL keeps what it has read of an address.
            address = f"{server.address}/{number}/{path.name}"
            entry = Entry(
                name=f"pole-{number}",
                title="pole",
                use="",
                page="",
                licence="",
                citation="",
                content=Content.LAYER,
                files=(RemoteFile(address),),
                windows=True,
            )
            server.forget()
            found = windows.fetch_window(entry, place, Context())
            shares.append(100.0 * server.sent_bytes / path.stat().st_size)
            count = max(count, len(server.requests))
            if found is not None:
                found.unlink()
    return shares, count


def make(path: Path, side: int) -> None:
    """Write a tiled raster that does not compress."""
    pixel_m = 2 * HALF_M / side
    place = {"crs": moon.SOUTH_POLAR, "transform": from_origin(-HALF_M, HALF_M, pixel_m, pixel_m)}
    tiles = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK}
    made = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "uint8"}
    random = np.random.default_rng(1)
    with rasterio.open(path, "w", **made, **place, **tiles) as target:
        for row in range(0, side, BLOCK):
            rows = min(BLOCK, side - row)
            values = random.integers(0, 256, (rows, side), dtype=np.uint8)
            target.write(values, 1, window=Window(0, row, side, rows))


def listing() -> float:
    """Return the time of the list, seconds."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "lunarsite.engine.launch", "fetch", "list"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def yes(reached: object) -> str:
    return "yes" if reached else "no"


if __name__ == "__main__":
    main()
