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

import numpy as np

from lunarsite.engine.context import Context
from lunarsite.engine.craters import detections
from lunarsite.engine.craters.catalogue import read_circles
from lunarsite.engine.craters.detection.confidence import Calibration
from lunarsite.engine.craters.evaluation import matching, metrics, protocol
from lunarsite.engine.craters.model import weights
from lunarsite.engine.craters.training import calibration

COMMAND = [str(Path(sys.executable).with_name("lunarsite"))]
DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
FRAME = DATA / "dem" / "shackleton_ridge_25m.tif"
CATALOGUE = DATA / "craters" / "lu1319373_80S.csv"
BOUNDS = "-30000,-10600,21200,15000"
CUT_M = 2000.0
FIGURES = {
    "deepmoon": ("DeepMoon's gate", 0.85),
    "iou": ("circle IoU ≥ 0.5", 0.75),
    "strict": ("strict gate", 0.60),
}


def main(checkpoint: Path, cap: Path | None, work: Path) -> None:
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    generated(checkpoint)
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
