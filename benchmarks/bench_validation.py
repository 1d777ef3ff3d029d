"""Validation: its time on a finished run, and whether null models are uniform on shuffled scores.

    .venv/bin/python benchmarks/bench_validation.py [RUN] [REGIONS]

RUN is a finished screening of the whole cap, by default that of ``bench_cap.py``; REGIONS a layer
of polygons, by default the nine candidate regions of 2024.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import stats

from lunarsite.engine import run
from lunarsite.engine.context import QuietContext
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.vectors import vector
from lunarsite.engine.moon import xy_to_lonlat
from lunarsite.engine.validation import nulls
from lunarsite.engine.validation.cells import ScoredCells
from lunarsite.engine.validation.regions import Regions

RUN = Path(".cache/bench/cap/run")
REGIONS = Path(__file__).parents[2] / "shared/data/regions/artemis_iii_regions_2024_usgs.geojson"
SHUFFLES = 1000
ROTATIONS = 199
BEST = 500


def main(folder: Path, regions: Path) -> None:
    """Print the table."""
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    timed(folder, regions)
    uniform(regions)


def timed(folder: Path, regions: Path) -> None:
    """Print the time of the stage."""
    if not (folder / "manifest.json").is_file():
        print(f"| `validate` on a run of the cap | ≤ 60 s | {folder} holds no run | |")
        return
    with tempfile.TemporaryDirectory() as out:
        begin, cpu = time.perf_counter(), time.process_time()
        run("validate", run=str(folder), out=out, regions=str(regions), rotations=1000)
        took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    reached = "yes" if took <= 60 else "no"
    print(
        f"| `validate`, regions, 1,000 rotations | ≤ 60 s | {took:.0f} s, {cpu:.0f} s of one core "
        f"| {reached} |"
    )


def uniform(path: Path) -> None:
    """Print whether p-values of shuffled scores are uniform under both nulls."""
    regions = Regions.of(vector.read_polygons(path, "The regions", QuietContext()))
    cells = cap()
    label = regions.labels(cells.grid)[cells.row, cells.column].astype(np.int64)
    inside = label >= 0
    turned = np.stack([each >= 0 for each in regions.rotated(cells, ROTATIONS)])
    share = turned.mean(axis=1)
    rng = np.random.default_rng(1)
    of_class = nulls.classes(cells.latitude_deg, cells.slope_deg)
    found: dict[str, list[float]] = {"rotated": [], "of like latitude and slope": []}
    for _ in range(SHUFFLES):
        best = rng.choice(len(cells), BEST, replace=False)
        rotated = turned[:, best].mean(axis=1) / share
        own = inside[best].mean() / inside.mean()
        found["rotated"].append(nulls.p_value(own, rotated, ties=rng))
        matched = nulls.matched_counts(label, best, of_class, ROTATIONS, rng).sum(axis=1)
        found["of like latitude and slope"].append(
            nulls.p_value(inside[best].sum(), matched, ties=rng)
        )
    for name, drawn in found.items():
        p = stats.kstest(drawn, "uniform").pvalue
        print(
            f"| p-values of {SHUFFLES:,} shuffled scores, null {name} | KS p > 0.01 | KS p "
            f"{p:.3f} | {'yes' if p > 0.01 else 'no'} |"
        )


def cap() -> ScoredCells:
    """Return the cells of a cap, 1.6 km wide, with made-up slopes."""
    grid = Grid(-304e3, 304e3, 1600.0, 380, 380)
    x, y = (each.ravel() for each in np.meshgrid(grid.column_x_m(), grid.row_y_m()))
    row, column = np.divmod(np.arange(x.size), grid.width)
    within = np.hypot(x, y) < 304e3
    slope = 8.0 + 6.0 * np.sin(x / 9e3) * np.cos(y / 11e3)
    latitude = xy_to_lonlat(x, y)[1]
    arrays = (row, column, np.zeros(x.size), latitude, slope, x, y, np.arange(x.size))
    return ScoredCells(grid, *(each[within] for each in arrays))


if __name__ == "__main__":
    given = [Path(each) for each in sys.argv[1:]]
    main(given[0] if given else RUN, given[1] if len(given) > 1 else REGIONS)
