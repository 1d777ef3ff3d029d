"""Crater detection: synthetic terrain, real terrain against a catalogue, and run time.

    python benchmarks/bench_craters.py [--checkpoint F] [--cap DEM]

Real terrain needs ../shared/data; the large raster is any DEM of 7600 pixels per side, such as
that of `bench_cap.py`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.craters import detections, morphometry, pyramid
from lunarsite.engine.craters.catalogue import read_circles
from lunarsite.engine.craters.detection.confidence import Calibration
from lunarsite.engine.craters.evaluation import matching, metrics, protocol
from lunarsite.engine.craters.model import weights
from lunarsite.engine.craters.training import calibration
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.synthetic import craters, profiles, terrain

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [str(Path(sys.executable).with_name("lunarsite"))]
DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
FRAME = DATA / "dem" / "shackleton_ridge_25m.tif"
CATALOGUE = DATA / "craters" / "lu1319373_80S.csv"
BOUNDS = "-30000,-10600,21200,15000"
CUT_M = 2000.0
RIM_SEEDS = range(101, 133)
"""Other seeds than those by which the rings were chosen, 1 to 16."""

FIGURES = {
    "deepmoon": ("DeepMoon's gate", 0.85),
    "iou": ("circle IoU ≥ 0.5", 0.75),
    "strict": ("strict gate", 0.60),
}


def main(checkpoint: Path, cap: Path | None, work: Path) -> None:
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    generated(checkpoint)
    rims(work)
    if FRAME.is_file():
        real(checkpoint, work)
    if cap is not None:
        took, peak, found = detect(cap, work / "cap.gpkg", checkpoint)
        row(
            "7600² at all scales",
            "≤ 45 min, ≤ 6 GiB",
            f"{took / 60:.1f} min, {peak:.2f} GiB, {found['craters']:,} craters",
            took <= 45 * 60 and peak <= 6,
        )


def generated(checkpoint: Path) -> None:
    """Evaluate on frames that were used neither for training nor for calibration."""
    loaded = weights.load(checkpoint)
    runner, fitted = loaded.runner(), Calibration(**loaded.card["calibration"])
    held_out = calibration.joined(
        [
            calibration.evaluate(
                runner, calibration.FIRST_SEED + number, calibration.frame_px(number), Context()
            )
            for number in range(1, 16, 2)
        ]
    )
    reached = calibration.measure(held_out, fitted)
    row(
        "generated held-out frames, craters of ≥ 5 px radius, strict gate",
        "F1 ≥ 0.85",
        "F1 {f1:.3f}: precision {precision:.3f}, recall {recall:.3f} of {craters:,} craters; "
        "calibration error {calibration_error:.3f}".format_map(reached),
        reached["f1"] >= 0.85,
    )


def rims(work: Path) -> None:
    """Measure rims of generated craters, the youngest on their ground, on seeds of their own."""
    figures = []
    for slope_deg in (1.0, 9.0):
        ratio, wear = (np.concatenate(v) for v in zip(*_rims(slope_deg, work), strict=True))
        little = ratio[wear < 0.05]
        middle, low, high = np.quantile(little, (0.5, 0.25, 0.75))
        figures.append(f"{middle:.2f} of the true one, half of them {low:.2f} to {high:.2f}")
        if slope_deg < 5.0:
            measured = f"{figures[0]}; with more wear {np.median(ratio[wear >= 0.05]):.2f}"
            what = f"rim height of {little.size} generated craters of little wear, gentle ground"
            row(what, "median within 10 %", measured, abs(middle - 1.0) <= 0.1)
    print(f"| the same, ground of 9° median slope | | {figures[1]} | |", flush=True)


def _rims(slope_deg: float, work: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield measured over true rim heights, and wear, of nine craters on each of 32 grounds."""
    grid = Grid(20_000.0, 40_000.0, 25.0, 800, 800)
    for seed in RIM_SEEDS:
        height, _ = terrain.generate(
            grid, seed, min_diameter_m=75.0, max_diameter_m=250.0, slope_deg=slope_deg
        )
        random = np.random.default_rng([seed, 9])
        made = np.zeros(9, craters.CRATER)
        made["x_m"] = grid.x_min_m + 20_000.0 * (np.arange(9) % 3 + 0.5) / 3.0
        made["y_m"] = grid.y_max_m - 20_000.0 * (np.arange(9) // 3 + 0.5) / 3.0
        made["diameter_m"] = 1000.0 * 2.0 ** random.uniform(0.0, 1.2, 9)
        made["wear"] = random.uniform(profiles.WEAR_MIN, 0.1, 9)
        made["fresh_depth_m"] = profiles.fresh_depth_m(made["diameter_m"])
        craters.stamp(height, grid, made)
        x, y, wear = (made[name].copy() for name in ("x_m", "y_m", "wear"))
        radius = profiles.mapped_radius(made["diameter_m"], wear) * made["diameter_m"] / 2.0
        levels = pyramid.of(grid, height, Scratch(work, 10**9))
        found = morphometry.measure(levels, x, y, radius * moon.map_scale(x, y))
        crests = profiles.tables()[0].max(axis=1)
        crest = np.interp(profiles.wear_column(wear), np.arange(profiles.WEARS), crests)
        yield found.rim_height_m / (crest * made["fresh_depth_m"]), wear


def real(checkpoint: Path, work: Path) -> None:
    """Evaluate on real terrain, at the threshold calibrated on synthetic terrain."""
    found = work / "frame.gpkg"
    took, peak, _ = detect(FRAME, found, checkpoint)
    said = call("evaluate-craters", "--detections", found, "--catalogue", CATALOGUE)
    for gate, (title, least) in FIGURES.items():
        its = said["gates"][gate]
        recall, precision = its["recall"], its["precision"]
        row(
            f"real frame, {said['catalogued']} craters of ≥ 2 km, {title}",
            f"recall ≥ {least:.2f}" + (", precision ≥ 0.55" if gate == "deepmoon" else ""),
            f"recall {interval(recall)}, precision at least {interval(precision)}; "
            f"random circles {its['random_circles']['recall']['mean']:.2f}",
            recall["value"] >= least and (gate != "deepmoon" or precision["value"] >= 0.55),
        )
    depth = said["gates"]["deepmoon"]["depth"]["correlation"]
    row("depth against the catalogue, matched", "r ≥ 0.9", f"r {depth:.3f}", depth >= 0.9)
    everything, classical = work / "all.gpkg", work / "template.gpkg"
    detect(FRAME, everything, checkpoint, "--min-confidence", "0.02")
    detect(FRAME, classical, checkpoint, "--method", "template", "--min-confidence", "0.02")
    ours, theirs = precision_recall(everything), precision_recall(classical)
    # At each precision that the templates reach, what either finds.
    gaps = [
        (level, best(ours, level) - best(theirs, level))
        for level in np.unique(np.round(theirs[:, 0], 3))
    ]
    level, gap = min(gaps, key=lambda each: each[1])
    row(
        "recall above the templates' at equal precision, IoU gate",
        "≥ 0.30",
        f"{gap:.2f} at the least, at precision {level:.2f} (ours {best(ours, level):.2f}, theirs "
        f"{best(theirs, level):.2f}); {np.median([g for _, g in gaps]):.2f} in the median",
        gap >= 0.30,
    )
    row(
        "2048² at all scales",
        "≤ 3 min",
        f"{took:.0f} s, {peak:.2f} GiB",
        took <= 180,
    )


def precision_recall(path: Path) -> np.ndarray:
    """Return precision and recall at every threshold, with the IoU matching criterion."""
    found = detections.read(path, Context()).circles
    known = read_circles(CATALOGUE)
    criteria = protocol.InclusionCriteria(
        protocol.read_bounds(BOUNDS), CUT_M, protocol.least_detected_m(CUT_M, None)
    )
    rows = []
    for least in np.unique(np.round(found.confidence, 3)):
        comparison = protocol.comparison_of(found.kept(found.confidence >= least), known, criteria)
        pairs = matching.candidates(comparison.found, comparison.known)["iou"]
        evaluation = metrics.evaluate(comparison, pairs)
        hits, misses, new = metrics.counts(comparison, evaluation)
        if hits:
            rows.append((hits / (hits + new), hits / (hits + misses)))
    return np.array(rows)


def best(curve: np.ndarray, precision: float) -> float:
    """Return the maximum recall at a minimum precision."""
    enough = curve[curve[:, 0] >= precision - 1e-9]
    return float(enough[:, 1].max()) if len(enough) else 0.0


def detect(dem: Path, out: Path, checkpoint: Path, *more: str) -> tuple[float, float, dict]:
    before = time.perf_counter()
    said = call("detect-craters", "--dem", dem, "--out", out, "--checkpoint", checkpoint, *more)
    took = time.perf_counter() - before
    return took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20, said


def call(verb: str, *options: object) -> dict:
    bounds = [f"--bounds={BOUNDS}"] if verb == "evaluate-craters" else []
    done = subprocess.run(
        [*COMMAND, verb, *map(str, options), *bounds, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    answer: dict = json.loads(done.stdout)
    return answer


def interval(found: dict) -> str:
    return f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"


def row(what: str, figure: str, measured: str, good: bool) -> None:  # noqa: FBT001
    print(f"| {what} | {figure} | {measured} | {'yes' if good else 'no'} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=weights.BUNDLED)
    parser.add_argument("--cap", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        main(given.checkpoint, given.cap, Path(folder))
