"""Memory and time of features and score on large rasters: 15,200² pixels, 1.26 million cells.

.venv/bin/python benchmarks/bench_memory.py [--side 15200] [--folder .cache/memory]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window
from stage_process import run_stage

from lunarsite.engine import moon, stages
from lunarsite.engine.scoring.features.columns import LAYER_FILES

PIXEL_M = 40.0
BLOCK = 512
RANGES = {"slope": (0, 30), "psr": (0, 1), "illumination": (0, 90), "earth_visibility": (0, 100)}


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--side", type=int, default=15_200)
    options.add_argument("--folder", type=Path, default=Path(".cache/memory"))
    given = options.parse_args()
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    before = 0.0
    for side in (given.side // 2, given.side):
        folder = given.folder / str(side)
        layers = make(folder, side)
        table = folder / "features.parquet"
        seconds, peak = run_stage(
            "features", "--dem", folder / "dem.tif", "--layers", layers, "--out", table,
            "--cell-m", 13 * PIXEL_M, "--north-limit-deg", -60,
        )  # fmt: skip
        growth = f", {seconds / before:.1f} times as long for 4 times the pixels" if before else ""
        told("features", f"{side:,}² pixels", seconds, peak, growth)
        before = seconds
    seconds, peak = run_stage("score", "--features", table, "--out", folder / "scored")
    cells = rows(table)
    told("score", f"{cells:,} cells", seconds, peak, "")


def told(stage: str, size: str, seconds: float, peak_gib: float, more: str) -> None:
    """Print a line of the table."""
    reached = "yes" if peak_gib <= 3.0 else "no"
    measured = f"{peak_gib:.2f} GiB, {seconds:.0f} s{more}"
    print(f"| `{stage}` of {size} | ≤ 3 GiB | {measured} | {reached} |", flush=True)


def rows(table: Path) -> int:
    """Return the number of cells of a feature table."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    return int(pq.read_metadata(table).num_rows)


def make(folder: Path, side: int) -> Path:
    """Write an elevation model and the layers that features need, of smooth noise."""
    layers = folder / "layers"
    layers.mkdir(parents=True, exist_ok=True)
    half = side * PIXEL_M / 2
    profile = {
        "driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "float32",
        "crs": moon.SOUTH_POLAR, "transform": rasterio.Affine(PIXEL_M, 0, -half, 0, -PIXEL_M, half),
        "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "nodata": float("nan"),
    }  # fmt: skip
    outputs = (*stages.load("terrain").outputs, *stages.load("lighting").outputs)
    units = {output.path: output.unit for output in outputs}
    wanted = {"dem": folder / "dem.tif"} | {
        source: layers / LAYER_FILES[source]
        for source in LAYER_FILES
        if source not in ("darkest_month", "longest_night")
    }
    for number, (source, path) in enumerate(wanted.items()):
        if path.is_file():
            continue
        low, high = RANGES.get(source, (-500, 500))
        unit = units.get(path.name, "m")
        random = np.random.default_rng(number)
        with rasterio.open(path, "w", **profile) as target:
            target.units = (unit or "",)
            for row in range(0, side, BLOCK):
                for column in range(0, side, BLOCK):
                    rows_, columns = min(BLOCK, side - row), min(BLOCK, side - column)
                    values = random.uniform(low, high, (rows_, columns)).astype(np.float32)
                    if source == "psr":
                        # Shadows of 64 pixels.
                        some = random.uniform(0, 1, (8, 8)) > 0.9
                        values = np.kron(some, np.ones((64, 64)))[:rows_, :columns]
                        values = values.astype(np.float32)
                    target.write(values, 1, window=Window(column, row, columns, rows_))
    return layers


if __name__ == "__main__":
    main()
