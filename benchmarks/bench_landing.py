"""Landing discs on the real frame: published sites, and ranks when cells are shifted.

    .venv/bin/python benchmarks/bench_landing.py [FOLDER]

Screens both elevation models of the frame for both profiles in FOLDER, or in a temporary one; an
unchanged run is not done again.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
from rasterio.windows import Window

from lunarsite.engine import moon, run
from lunarsite.engine.scoring.features.feature_table import cell_grid

SHARED = Path(__file__).parents[2] / "shared" / "data"
DEMS = {"200 m": "shackleton_ridge_200m", "25 m": "shackleton_ridge_25m"}
WITHIN_M = 300.0
PRIME = {
    "Gläser 2014, spot 3": (222.7581, -89.4516),
    "Gläser 2014, spot 4": (222.8445, -89.4544),
    "Mazarico 2011, CR1": (222.69, -89.45),
    "Gläser 2018, Shackleton's rim": (197.19, -89.6866),
}
BEST_PCT = {"200 m": 6.0, "25 m": 2.0}
PLACES = 200


def main(folder: Path) -> None:
    """Print the table."""
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    for name, file in DEMS.items():
        dem = SHARED / "dem" / f"{file}.tif"
        for profile in ("cassa", "hls"):
            out = folder / f"{file}-{profile}"
            told = run("screen", dem=str(dem), out=str(out), profile=profile, mast_height_m=2.0)
            features = pd.read_parquet(out / "features.parquet")
            scores = pd.read_parquet(out / "scores.parquet")
            what = f"{name} DEM, `{profile}`"
            print(
                f"| {what}: cells that meet every criterion | | {told['passing_cells']} of "
                f"{told['cells']} | |"
            )
            published(what, out, features, scores)
            prime(what, features, scores, BEST_PCT[name])
            shifted(what, dem, out, features, scores, profile)


def published(what: str, out: Path, features: pd.DataFrame, scores: pd.DataFrame) -> None:
    """Print the percentiles of the 12 sites of Wueller et al. inside the frame."""
    sites = pd.read_csv(SHARED / "regions" / "wueller_2026_landing_sites.csv")
    x, y = moon.lonlat_to_xy(sites["lon_deg"].to_numpy(), sites["lat_deg"].to_numpy())
    with rasterio.open(out / "layers" / "landing_suitability.tif") as source:
        discs, transform = source.read(1), source.transform
    bounds = rasterio.transform.array_bounds(*discs.shape, transform)
    inside = (x > bounds[0]) & (x < bounds[2]) & (y > bounds[1]) & (y < bounds[3])
    own = percentiles(features, scores, x[inside], y[inside])
    near = best_discs(discs, transform, x[inside], y[inside])
    draw = np.random.default_rng(1)
    null_x = draw.uniform(bounds[0], bounds[2], 2000)
    null_y = draw.uniform(bounds[1], bounds[3], 2000)
    null_own = percentiles(features, scores, null_x, null_y)
    null_near = best_discs(discs, transform, null_x, null_y)
    for title, least, found, null in (
        ("percentile of the cell", 97.5, own, null_own),
        (f"percentile of the best disc within {WITHIN_M:g} m", 99.5, near, null_near),
    ):
        middle = np.nanmedian(found)
        print(
            f"| {what}: {np.isfinite(found).sum()} published sites, median {title} | ≥ {least} | "
            f"{middle:.1f}; random places {np.nanmedian(null):.0f} | {reached(middle >= least)} |"
        )


def prime(what: str, features: pd.DataFrame, scores: pd.DataFrame, best_pct: float) -> None:
    """Print the ranks of published prime sites."""
    for name, (lon, lat) in PRIME.items():
        x, y = moon.lonlat_to_xy(np.array([lon]), np.array([lat]))
        (found,) = 100.0 - percentiles(features, scores, x, y)
        print(
            f"| {what}: cell of {name} | best {best_pct:g} % | best {found + 1e-9:.2f} % | "
            f"{reached(found <= best_pct)} |"
        )


def shifted(
    what: str, dem: Path, out: Path, features: pd.DataFrame, scores: pd.DataFrame, profile: str
) -> None:
    """Print how often ranks with shifted cells are within their intervals."""
    grid = cell_grid(features)
    with rasterio.open(dem) as source:
        half = round(grid.pixel_m / source.transform.a) // 2
    moved = out / "shifted"
    (moved / "layers").mkdir(parents=True, exist_ok=True)
    crop(dem, moved / "dem.tif", half)
    for path in sorted((out / "layers").glob("*.tif")):
        crop(path, moved / "layers" / path.name, half)
    table = str(moved / "features.parquet")
    cell_m = grid.pixel_m
    run(
        "features",
        dem=str(moved / "dem.tif"),
        layers=str(moved / "layers"),
        out=table,
        cell_m=cell_m,
    )
    run("score", features=table, out=str(moved), profile=profile)
    other, other_scores = pd.read_parquet(table), pd.read_parquet(moved / "scores.parquet")
    known = np.flatnonzero(np.isfinite(scores["score"]))
    drawn = np.random.default_rng(2).choice(known, PLACES, replace=False)
    x, y = features["x_m"].to_numpy()[drawn], features["y_m"].to_numpy()[drawn]
    share = (100.0 - percentiles(other, other_scores, x, y)) / 100.0
    rank = 1.0 + share * np.isfinite(scores["score"]).sum()
    low, high = scores["rank_low"].to_numpy()[drawn], scores["rank_high"].to_numpy()[drawn]
    known_too = np.isfinite(rank)
    held = ((rank >= low - 1.0) & (rank <= high + 1.0))[known_too]
    print(
        f"| {what}: rank of {known_too.sum()} places when cells are shifted by half a cell, within "
        f"the interval | ≥ 90 % | {100.0 * held.mean():.0f} % (median width "
        f"{np.median(high - low):.0f} of {len(known)}) | {reached(held.mean() >= 0.9)} |"
    )


def crop(path: Path, target: Path, pixels: int) -> None:
    """Write a raster without its first rows and columns."""
    with rasterio.open(path) as source:
        scale = 1
        window = Window(pixels, pixels, source.width - pixels, source.height - pixels)
        if (source.width < 1000 and "month" in path.name) or "night" in path.name:
            scale = 0
        made = source.profile | {"driver": "GTiff"}
        if scale:
            made |= {
                "width": window.width,
                "height": window.height,
                "transform": source.window_transform(window),
            }
        for key in ("blockxsize", "blockysize", "tiled", "interleave", "compress"):
            made.pop(key, None)
        tags = source.tags()
        with rasterio.open(target, "w", **made) as sink:
            sink.write(source.read(window=window if scale else None))
            sink.update_tags(**tags)
            sink.descriptions, sink.units = source.descriptions, source.units


def percentiles(
    features: pd.DataFrame, scores: pd.DataFrame, x: Any, y: Any
) -> np.ndarray[Any, Any]:
    """Return the percentiles of the cells at places; NaN without one."""
    grid = cell_grid(features)
    index = np.full(grid.shape, -1)
    index[features["row"], features["column"]] = np.arange(len(features))
    own = scores["percentile"].to_numpy()
    found = np.full(len(x), np.nan)
    for n, place in enumerate(zip(x, y, strict=True)):
        pixel = grid.pixel_of(*place)
        if pixel is not None and index[pixel] >= 0:
            found[n] = own[index[pixel]]
    return found


def best_discs(discs: Any, transform: Any, x: Any, y: Any) -> np.ndarray[Any, Any]:
    """Return the percentile of the best disc near each place among all discs."""
    ordered = np.sort(discs[np.isfinite(discs)])
    pixel = transform.a
    reach = int(WITHIN_M // pixel) + 1
    found = np.full(len(x), np.nan)
    for n, (px, py) in enumerate(zip(x, y, strict=True)):
        column, row = (px - transform.c) / pixel - 0.5, (transform.f - py) / pixel - 0.5
        rows = np.arange(max(0, int(row) - reach), min(discs.shape[0], int(row) + reach + 2))
        columns = np.arange(
            max(0, int(column) - reach), min(discs.shape[1], int(column) + reach + 2)
        )
        near = np.hypot(rows[:, None] - row, columns[None, :] - column) * pixel <= WITHIN_M
        values = discs[np.ix_(rows, columns)][near]
        if np.isfinite(values).any():
            found[n] = 100.0 * np.searchsorted(ordered, np.nanmax(values)) / len(ordered)
    return found


def reached(holds: Any) -> str:
    """Return the word for the table."""
    return "yes" if holds else "no"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
