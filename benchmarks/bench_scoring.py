"""Scores of the whole polar cap: run time of explanations, and ranking quality.

The table is synthetic, with the size, gaps and spatial correlation of a real one: fields that are
correlated over some cells, and slopes and illumination that depend on the terrain.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy import ndimage

from lunarsite.engine import moon, stages
from lunarsite.engine.context import Context
from lunarsite.engine.provenance import sha256
from lunarsite.engine.scoring import (
    explanation,
    profiles,
    scorer,
    scorer_training,
    suitability,
    tables,
)
from lunarsite.engine.scoring.error_model import Errors, footprint_of
from lunarsite.engine.scoring.features import columns
from lunarsite.engine.scoring.finished_run import TABLES
from lunarsite.engine.scoring.site_explanation import explain

CELL_M = 960.0
CASSA = profiles.load("cassa")
WORKER = [sys.executable, "-c", "from lunarsite.engine.frontends import worker; worker.serve()"]


def main(out: Path, quick: bool = False) -> None:  # noqa: FBT001, FBT002
    out.mkdir(parents=True, exist_ok=True)
    table = made_up(20_000 if quick else 315_034)
    print("| what | figure | measured | reached |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=out) as folder:
        run = Path(folder)
        context = Context()
        begin = time.perf_counter()
        model = scorer_training.train(table, CASSA, Errors(), context)
        trained_s = time.perf_counter() - begin
        shapley(model, table, 500 if quick else 2000)
        ranking(model, table, context)
        write_run(run, model, table, context)
        explained(run, table)
    print(f"| training on {len(table):,} cells, 5 folds | no figure | {trained_s:.0f} s | |")


def shapley(model: scorer.Scorer, table: pd.DataFrame, sample: int) -> None:
    """Time our contributions on all cells and those of shap on a sample, and compare them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap  # noqa: PLC0415  warns of its own colours
    few = table.sample(sample, random_state=1)
    inputs = pd.DataFrame(scorer.features_of(few, model.inputs), columns=list(model.inputs))
    explainer = shap.TreeExplainer(model.booster)
    begin = time.perf_counter()
    wanted = explainer.shap_values(inputs)
    theirs_s = (time.perf_counter() - begin) / sample
    begin = time.perf_counter()
    values, base = explanation.contributions(model, table)
    ours_s = (time.perf_counter() - begin) / len(table)
    of_trees, _ = explanation.of_trees(model, few)
    gap = np.abs(of_trees - wanted).max()
    known = CASSA.known(table)
    sums = np.abs(values.sum(axis=1) + base - model.log_odds(table))[known].max()
    ratio = theirs_s / ours_s
    print(
        f"| SHAP of {len(table):,} cells × {len(model.inputs)} features, against "
        f"shap.TreeExplainer on {sample:,} of them | ≥ 10 × faster; equal to 1e-4 | "
        f"{ours_s * len(table):.1f} s, {ratio:.0f} × faster; equal to {gap:.0e}, sums to "
        f"{sums:.0e} | {said(ratio >= 10 and gap <= 1e-4)} |"
    )


def ranking(model: scorer.Scorer, table: pd.DataFrame, context: Context) -> None:
    """Check the properties of the ranking."""
    log_odds = model.log_odds(table, context)
    best = np.sort(scorer.score_of(log_odds[np.isfinite(log_odds)]))[-1000:]
    distinct = len(np.unique(best))
    print(
        f"| distinct scores among the best 1,000 of {len(table):,} cells | ≥ 990 | {distinct} | "
        f"{said(distinct >= 990)} |"
    )
    closed = suitability.log_odds(table, CASSA, Errors(), footprint_of(table))
    own, other = (scorer.score_of(odds) for odds in (log_odds, closed))
    matter = np.isfinite(own) & (np.maximum(own, other) > 0.1)
    gap = np.abs(own - other)[matter].max()
    print(
        f"| score against closed form, {matter.sum():,} cells above 0.1 | ≤ 0.01 | {gap:.4f} at "
        f"most, {np.sqrt(np.mean((own - other)[matter] ** 2)):.4f} rms | {said(gap <= 0.01)} |"
    )
    best = [set(np.argsort(-np.nan_to_num(odds, nan=-np.inf))[:50]) for odds in (log_odds, closed)]
    common = len(best[0] & best[1])
    print(f"| first 50 in common | ≥ 48 | {common} | {said(common >= 48)} |")
    random = np.random.default_rng(3)
    known = np.flatnonzero(CASSA.known(table))
    cells = table.iloc[random.choice(known, 10_000)].reset_index(drop=True)
    before = model.log_odds(cells, context)
    broken = 0
    for criterion in CASSA.criteria:
        better = cells.copy()
        step = criterion.direction * random.gamma(1.0, 5.0 * criterion.softness, len(cells))
        better[criterion.feature] = (better[criterion.feature] + step).astype(np.float32)
        broken += int((model.log_odds(better, context) < before).sum())
    print(
        f"| monotone in each of {len(CASSA.criteria)} criteria, 10,000 perturbations each | all | "
        f"{broken} fall | {said(broken == 0)} |"
    )
    base = cells.iloc[:1].copy()
    base["avg_illumination_pct"], base["earth_visibility_pct"] = np.float32(70), np.float32(80)
    pairs = [("0.5° above 4.9°", 0.5, 4.9), ("a near miss (5.5°) above a far one (12°)", 5.5, 12.0)]
    for name, better_deg, worse_deg in pairs:
        high, low = (
            float(model.log_odds(base.assign(slope_mean_deg=np.float32(slope)))[0])
            for slope in (better_deg, worse_deg)
        )
        print(
            f"| {name}, all else equal | higher | {high - low:+.3f} log-odds | {said(high > low)} |"
        )


def explained(run: Path, table: pd.DataFrame) -> None:
    """Time explain in this process and through a warm worker."""
    random = np.random.default_rng(5)
    places = [
        {"run": str(run), "lon": float(row["lon_deg"]), "lat": float(row["lat_deg"])}
        for _, row in table.iloc[random.choice(len(table), 100)].iterrows()
    ]
    context = Context()
    explain(run, places[0]["lon"], places[0]["lat"], context)
    took = []
    for place in places:
        begin = time.perf_counter()
        explain(run, place["lon"], place["lat"], context)
        took.append(1000 * (time.perf_counter() - begin))
    asked = []
    with subprocess.Popen(
        WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as worker:
        for number, place in enumerate(places):
            begin = time.perf_counter()
            line = json.dumps({"id": number, "method": "explain", "params": place})
            os.write(worker.stdin.fileno(), line.encode() + b"\n")
            while "result" not in (reply := json.loads(worker.stdout.readline())):
                if "error" in reply:
                    raise RuntimeError(reply["error"])
            asked.append(1000 * (time.perf_counter() - begin))
        worker.stdin.close()
    warm, reached = asked[1:], said(max(asked[1:]) <= 200)
    print(
        f"| explain in a warm worker, {len(table):,} cells, 99 places | ≤ 200 ms | median "
        f"{np.median(warm):.0f} ms, longest {max(warm):.0f} ms (first, which opens the run: "
        f"{asked[0] / 1000:.1f} s; in process {np.median(took):.1f} ms) | {reached} |"
    )


def write_run(run: Path, model: scorer.Scorer, table: pd.DataFrame, context: Context) -> None:
    """Write what explain accepts as a finished run, with the stages themselves."""
    half = CELL_M / 2
    squares = shapely.box(
        table["x_m"] - half, table["y_m"] - half, table["x_m"] + half, table["y_m"] + half
    )
    frame = gpd.GeoDataFrame(table, geometry=squares, crs=moon.SOUTH_POLAR)
    tables.write_features(run / "features.parquet", frame)
    model.save(run / "scorer.ubj")
    values = {"features": str(run / "features.parquet"), "scorer": str(run / "scorer.ubj")}
    begin = time.perf_counter()
    stages.load("score").run(values | {"out": str(run)}, context)
    took_s = time.perf_counter() - begin
    outputs = {name: sha256(run / name) for name in TABLES}
    manifest = {
        "finished": True,
        "profile": CASSA.as_dict(),
        "steps": {"score": {"outputs": outputs}},
    }
    (run / "manifest.json").write_text(json.dumps(manifest))
    print(f"| score, rank intervals of 100 draws, SHAP and files | no figure | {took_s:.0f} s | |")


def made_up(count: int, seed: int = 11) -> pd.DataFrame:
    """Return a feature table of the cells nearest to the pole."""
    random = np.random.default_rng(seed)
    side = 2 * int(np.ceil(np.sqrt(count / np.pi))) + 3
    row, column = (index.ravel() for index in np.indices((side, side)))
    x, y = (column - side // 2) * CELL_M, (side // 2 - row) * CELL_M
    keep = np.sort(np.argsort(x * x + y * y, kind="stable")[:count])

    def field(width: float) -> np.ndarray:
        values = ndimage.gaussian_filter(random.standard_normal((side, side)), width, mode="wrap")
        return ((values - values.mean()) / values.std()).ravel()[keep]

    ground, rough = field(6.0), field(2.0)
    lon, lat = moon.xy_to_lonlat(x[keep], y[keep])
    table = pd.DataFrame(
        {"cell_id": keep, "row": row[keep], "column": column[keep], "lon_deg": lon}
        | {"lat_deg": lat, "x_m": x[keep], "y_m": y[keep], "pixel_m": np.float32(80.0)}
        | {"cell_x_m": x[keep], "cell_y_m": y[keep], "cell_m": CELL_M, "landing_radius_m": np.nan}
    )
    slope = np.exp(2.2 + 0.5 * rough + 0.3 * field(0.6))
    light = np.clip(28.0 + 12.0 * ground + 6.0 * field(1.5) - 0.5 * (slope - 9.0), 0.0, 92.0)
    earth = np.clip(45.0 + 25.0 * field(20.0) + 12.0 * ground + 5.0 * field(1.0), 0.0, 100.0)
    dark = np.clip(1.2 - light / 12.0, 0.0, 1.0)
    drawn = {feature.name: random.gamma(2.0, 5.0, count) for feature in columns.FEATURES}
    drawn |= {"slope_mean_deg": slope, "slope_std_deg": 0.3 * slope * random.gamma(20, 0.05, count)}
    drawn["slope_min_deg"] = slope * random.uniform(0.1, 0.7, count)
    drawn["slope_max_deg"] = slope * random.uniform(1.3, 2.5, count)
    drawn["elevation_mean_m"] = 1500.0 * ground
    drawn["relief_mean_m"] = 40.0 * slope * random.gamma(30, 1 / 30, count)
    drawn |= {"avg_illumination_pct": light, "earth_visibility_pct": earth, "psr_fraction": dark}
    drawn["illumination_min_pct"] = light * random.uniform(0.3, 0.95, count)
    drawn["darkest_month_pct"] = np.clip(light - 25.0 * random.random(count), 0.0, None)
    drawn["longest_night_days"] = np.clip(170.0 - 2.5 * light + 10 * field(1.0), 2.0, 200.0)
    for limit in (5, 8):
        close = np.clip(80.0 * (limit - slope) + 60.0 * field(1.0), 0.0, 500.0)
        drawn[f"clearance_{limit}deg_m"] = close
    for name, values in drawn.items():
        table[name] = np.where(random.random(count) < 0.001, np.nan, values).astype(np.float32)
    for statistic in ("mean", "std", "min", "max"):
        table[f"elevation_error_{statistic}_m"] = np.float32(np.nan)
    for source in columns.SOURCES:
        table[columns.coverage_column(source)] = np.float32(100.0)
    for name in columns.CONTEXT:
        table[name] = np.float32(np.nan)  # of whole cells
    table["illumination_sensitivity"] = random.uniform(3.0, 12.0, count).astype(np.float32)
    table["earth_sensitivity"] = random.uniform(3.0, 12.0, count).astype(np.float32)
    return table


def said(reached: bool) -> str:  # noqa: FBT001
    return "yes" if reached else "no"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"))
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    sys.exit(main(given.out, given.quick))
