"""Crater detection: synthetic terrain, real terrain against catalogues, and run time.

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
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.craters import detections, morphometry, pyramid
from lunarsite.engine.craters.catalogue import read_circles
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.detection import decoys, search
from lunarsite.engine.craters.detection.detect import detect_craters
from lunarsite.engine.craters.evaluation import matching, metrics, protocol
from lunarsite.engine.craters.model import weights
from lunarsite.engine.craters.training import calibration, region, sectors
from lunarsite.engine.craters.training import held_out as held_out_set
from lunarsite.engine.io.elevation.dem import read_dem
from lunarsite.engine.io.elevation.polar import read_polar
from lunarsite.engine.io.grid import Dem, Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.synthetic import craters, profiles, terrain
from lunarsite.engine.synthetic.crater_tiles import tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd

COMMAND = [str(Path(sys.executable).with_name("lunarsite"))]
TEST_SECTOR = (180.0, 250.0)
DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
FRAME = DATA / "dem" / "shackleton_ridge_25m.tif"
CATALOGUE = DATA / "craters" / "lu1319373_80S.csv"
NORTH = DATA / "dem" / "lola_70N_1600m.tif"
SOUTH = DATA / "dem" / "lola_70S_1600m.tif"
NORTH_CRATERS = DATA / "craters" / "lu1319373_70N.csv"
SOUTH_CRATERS = DATA / "craters" / "lu1319373_70S_without_west.csv"
BOUNDS = "-30000,-10600,21200,15000"
CUT_M = 2000.0
RIM_SEEDS = range(101, 133)
"""Other seeds than those by which the rings were chosen, 1 to 16."""

GATES = ("deepmoon", "iou", "strict")
LOWEST = 0.02
"""Least confidence of the detections by which the calibration error is measured."""


class Ground(NamedTuple):
    """Real ground, its catalogue, where that is complete, and the figures to reach."""

    title: str
    dem: Dem
    known: Circles
    cut_m: float
    scope: Callable[[np.ndarray, np.ndarray], np.ndarray]
    recall: tuple[float, float, float]
    precision: float


def main(checkpoint: Path, cap: Path | None, work: Path) -> None:
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    generated(checkpoint)
    rims(work)
    upside_down(checkpoint)
    if FRAME.is_file():
        for ground in grounds(checkpoint):
            real(ground, checkpoint)
        frame(checkpoint, work)
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
    runner, fitted = loaded.runner(), search.calibration_of(loaded)
    held_out = held_out_set.joined(
        [
            held_out_set.evaluate(
                runner, held_out_set.FIRST_SEED + number, held_out_set.frame_px(number), Context()
            )
            for number in range(1, 16, 2)
        ]
    )
    reached = calibration.measure(held_out, fitted)
    row(
        "generated held-out frames, craters of ≥ 5 px radius, strict criterion",
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


def grounds(checkpoint: Path) -> Iterator[Ground]:
    """Yield the real grounds; the test sector of the north is that of the checkpoint's card."""
    source = weights.load(checkpoint).card.get("source", {})
    held_out = source.get("test_sector_deg") or TEST_SECTOR
    north = region.read(NORTH, NORTH_CRATERS, Context())
    sector = sectors.Sector(*held_out, 0.0)

    def in_sector(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        lon, lat = moon.xy_to_lonlat(x, y)
        return sector.inside(lon, np.zeros(1)) & (lat <= -70.0)

    def not_in_the_west(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        lon, lat = moon.xy_to_lonlat(x, y)
        return (lat <= -70.0) & ~((lat > -80.0) & (lon < 0.0))

    def upper_half(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        west, south, east, top = protocol.read_bounds(BOUNDS)
        return (x >= west) & (x <= east) & (y >= south) & (y <= top)

    whole = read_polar(NORTH)
    dem = Dem(whole.grid, whole.height_m)
    large = ((0.80, 0.72, 0.68), 0.70)
    name = f"north, {held_out[0]:g}° to {held_out[1]:g}° held back"
    yield Ground(name, dem, north.known, 20_000.0, in_sector, *large)
    known = read_circles(SOUTH_CRATERS)
    yield Ground("south, shared", read_dem(SOUTH), known, 20_000.0, not_in_the_west, *large)
    small = ((0.85, 0.75, 0.70), 0.60)
    known = read_circles(CATALOGUE)
    yield Ground("25 m frame, upper half", read_dem(FRAME), known, CUT_M, upper_half, *small)


def real(ground: Ground, checkpoint: Path) -> None:
    """Evaluate on real ground, at the default threshold, with all craters of ten pixels listed."""
    table = detect_craters(ground.dem, checkpoint=checkpoint)
    held = table.attrs
    comparison = compared(table, ground)
    counts = {}
    for gate, pairs in matching.candidates(comparison.found, comparison.known).items():
        hits, misses, new = metrics.counts(comparison, metrics.evaluate(comparison, pairs))
        counts[gate] = hits / max(hits + misses, 1), hits / max(hits + new, 1)
    recall, precision = ([counts[gate][n] for gate in GATES] for n in (0, 1))
    title = f"{ground.title}, {comparison.targets.sum()} craters of ≥ {ground.cut_m / 1e3:g} km"
    row(
        f"{title}: default threshold, DeepMoon's criterion / IoU ≥ 0.5 / strict",
        f"recall ≥ {slashed(ground.recall)}, precision ≥ {ground.precision:.2f}",
        f"recall {slashed(recall)}, precision at least {slashed(precision)}; threshold "
        f"{held['min_confidence']:.3f} ({held['threshold_from']})",
        all(r >= least for r, least in zip(recall, ground.recall, strict=True))
        and precision[0] >= ground.precision,
    )
    its = held["estimated_precision"]
    if its is not None:
        low, high = its["interval"]
        print(
            f"| {ground.title}: estimated precision of all {its['detections']:,} detections "
            f"| | {its['precision']:.2f} [{low:.2f}, {high:.2f}] | |",
            flush=True,
        )
    everything = detect_craters(ground.dem, checkpoint=checkpoint, min_confidence=LOWEST)
    comparison = compared(everything, ground, least=1.0)
    errors, perfect = [], []
    for gate in GATES:
        pairs = matching.candidates(comparison.found, comparison.known)[gate]
        outcome = metrics.evaluate(comparison, pairs).outcome
        counted = outcome != metrics.IGNORED
        confidence = comparison.found.confidence[counted]
        errors.append(calibration_error(confidence, outcome[counted] == metrics.HIT))
        perfect.append(perfect_errors(confidence))
    row(
        f"{ground.title}: calibration error of the confidence, by the same criteria",
        "≤ 0.05" if ground.title.startswith("north") else "",
        f"{slashed(errors)}; of a perfect one, as few: {slashed(np.mean(perfect, axis=0))} (mean, "
        "5 %, 95 %)",
        max(errors) <= 0.05 if ground.title.startswith("north") else None,
    )


def compared(table: pd.DataFrame, ground: Ground, least: float = 0.8) -> metrics.Comparison:
    """Return detections and catalogue, with what counts where the catalogue is complete."""
    found = Circles.of_ground(table["x_m"], table["y_m"], table["diameter_m"], table["confidence"])
    found = found.kept(found.diameter_m >= least * ground.cut_m)
    known = ground.known
    targets = (known.diameter_m >= ground.cut_m) & ground.scope(known.x_m, known.y_m)
    return metrics.Comparison(found, known, ground.scope(found.x_m, found.y_m), targets)


def calibration_error(confidence: np.ndarray, hit: np.ndarray) -> float:
    bins = np.digitize(confidence, np.linspace(0.0, 1.0, 11)[1:-1])
    return float(
        sum(
            abs(confidence[bins == n].mean() - hit[bins == n].mean()) * (bins == n).mean()
            for n in range(10)
            if (bins == n).any()
        )
    )


def perfect_errors(confidence: np.ndarray) -> np.ndarray:
    """Return mean, 5 and 95 % of the error of detections that are right as often as they say."""
    random = np.random.default_rng(0)
    drawn = [
        calibration_error(confidence, random.random(confidence.size) < confidence)
        for _ in range(500)
    ]
    return np.array([np.mean(drawn), *np.quantile(drawn, (0.05, 0.95))])


def upside_down(checkpoint: Path) -> None:
    """Compare the estimated precision with the true one, on generated frames."""
    loaded = weights.load(checkpoint)
    runner, fitted = loaded.runner(), search.calibration_of(loaded)
    found, false, right = [], [], []
    for number in range(1, 8, 2):
        seed, side = held_out_set.FIRST_SEED + number, held_out_set.frame_px(number)
        its = held_out_set.evaluate(runner, seed, side, Context())
        found.append(fitted.of_features(its.features)[its.radius_px >= 5.0])
        right.append(its.outcome[its.radius_px >= 5.0])
        tile = tiles.make(seed, side)
        height = (tile.height_m / np.float32(tile.pixel_m)).astype(np.float32)
        levels = pyramid.of(Grid(0.0, 0.0, 1.0, side, side), height, np.zeros)
        decoys_found = search.find(levels, runner, fitted, Context(), upside_down=True)
        false.append(decoys_found.kept(decoys_found.radius_m >= 5.0).confidence)
    found, false, right = (np.concatenate(v) for v in (found, false, right))
    off, said = [], []
    for threshold in (0.1, 0.2, 0.3, fitted.threshold, 0.6):
        counted = (found >= threshold) & (right >= 0)
        true = float((right[counted] == 1).mean())
        real = search.is_calibrated_on_real_ground(loaded)
        its = decoys.estimate(found, false, threshold, by_confidence=real).precision
        off.append(abs(its - true))
        said.append(f"{its:.2f} for {true:.2f}")
    row(
        "estimated precision on generated frames, thresholds 0.1 to 0.6",
        "within 0.10 of the true one",
        ", ".join(said),
        max(off) <= 0.10,
    )


def frame(checkpoint: Path, work: Path) -> None:
    """Evaluate the command line on the frame: depths, templates and time."""
    found = work / "frame.gpkg"
    took, peak, _ = detect(FRAME, found, checkpoint)
    said = call("evaluate-craters", "--detections", found, "--catalogue", CATALOGUE)
    random = [said["gates"][gate]["random_circles"]["recall"]["mean"] for gate in GATES]
    print(f"| random circles of the same sizes, upper half: recall | | {slashed(random)} | |")
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
        "recall above the templates' at equal precision, IoU ≥ 0.5",
        "≥ 0.30",
        f"{gap:.2f} at the least, at precision {level:.2f} (ours {best(ours, level):.2f}, theirs "
        f"{best(theirs, level):.2f}); {np.median([g for _, g in gaps]):.2f} in the median",
        gap >= 0.30,
    )
    row(
        "2048² at all scales, two searches",
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


def slashed(values: Iterable[float]) -> str:
    return " / ".join(f"{value:.2f}" for value in values)


def row(what: str, figure: str, measured: str, good: bool | None) -> None:  # noqa: FBT001
    reached = {True: "yes", False: "no", None: ""}[None if good is None else bool(good)]
    print(f"| {what} | {figure} | {measured} | {reached} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=weights.BUNDLED)
    parser.add_argument("--cap", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        main(given.checkpoint, given.cap, Path(folder))
