"""Scores of a feature table, and the files that show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import cog, vector
from lunarsite.engine.scoring import explanation, labels, ranking, scorer, tables
from lunarsite.engine.scoring.features import columns
from lunarsite.engine.scoring.features.feature_table import cell_grid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.scoring.scorer import Scorer

    Float = NDArray[np.float64]

REASONS = 3
"""How many contributions stand beside a site."""

RASTERS = (
    ("score", "Score", ""),
    ("rank", "Rank, 1 the best", ""),
    ("rank_interval", "Width of the 5-95 % interval of the rank", ""),
    ("probability", "Closed-form probability that every criterion holds", ""),
)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What `score_table` found.

    ``table`` has one row a cell, in the feature table's order; ``shap`` the contributions to the
    log-odds, float32, shape (cells, features); ``base_log_odds`` what they start from; ``inputs``
    the features' names.
    """

    table: pd.DataFrame
    shap: NDArray[np.float32]
    base_log_odds: float
    inputs: tuple[str, ...]


def score_table(
    features: pd.DataFrame,
    model: Scorer,
    errors: labels.Errors,
    *,
    draws: int,
    seed: int,
    context: Context,
) -> Scores:
    """Score every cell.

    Returns
    -------
    Scores
        ``score`` (0 to 1), ``log_odds``, ``rank``, ``percentile``, ``rank_low`` and ``rank_high``
        (5 % and 95 %), ``probability`` (closed form), ``passes``, a margin for each criterion, and
        ``coverage_pct``, the least coverage among the criteria's layers. NaN where a criterion's
        feature is missing: such a cell is unknown, not unsuitable.
    """
    profile = model.profile
    context.progress(0.0, "scoring")
    log_odds = model.log_odds(features, context.threads)
    if not np.isfinite(log_odds).any():
        lacking = [
            c.feature for c in profile.criteria if not np.isfinite(features[c.feature]).any()
        ]
        raise InputError(
            "No cell can be scored: " + (", ".join(lacking) or "some criterion") + " is missing "
            "everywhere",
            "Give the layers that these features come from",
        )
    rank = ranking.ranks(log_odds)
    low, high = ranking.rank_intervals(
        log_odds,
        features,
        profile,
        errors,
        count=draws,
        seed=seed,
        context=context.part(0.05, 0.4),
    )
    closed = labels.closed_form_log_odds(features, profile, errors)
    table = pd.DataFrame(
        {
            "cell_id": features["cell_id"],
            "score": scorer.score_of(log_odds),
            "log_odds": log_odds.astype(np.float32),
            "rank": rank,
            "percentile": ranking.percentiles(rank),
            "rank_low": low,
            "rank_high": high,
            "probability": scorer.score_of(closed),
            "passes": profile.passes(features),
        }
    )
    for criterion in profile.criteria:
        name = f"margin_{criterion.feature}"
        table[name] = criterion.margin(features[criterion.feature].to_numpy())
    sources = {columns.BY_NAME[c.feature].source for c in profile.criteria}
    covers = [features[columns.coverage_column(source)].to_numpy() for source in sorted(sources)]
    table["coverage_pct"] = np.min(covers, axis=0)
    context.progress(0.45, "contributions of all features")
    shap, base = explanation.contributions(model, features)
    return Scores(table, shap.astype(np.float32), base, model.inputs)


def agreement(features: pd.DataFrame, one: Scorer, other: Scorer) -> dict[str, float]:
    """Return how far two scorers agree on an area: rank correlation and shared best hundredth."""
    a, b = one.log_odds(features), other.log_odds(features)
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    best = max(1, len(a) // 100)
    shared = len(np.intersect1d(np.argsort(-a)[:best], np.argsort(-b)[:best]))
    spearman = float(pd.Series(a).corr(pd.Series(b), method="spearman")) if len(a) > 2 else 1.0
    return {"spearman": round(spearman, 4), "best_hundredth_shared": round(shared / best, 4)}


def write_rasters(
    folder: Path, features: pd.DataFrame, scores: pd.DataFrame, tags: Mapping[str, str]
) -> dict[str, str]:
    """Write score, rank, interval and probability as rasters of cells; return their paths."""
    grid = cell_grid(features)
    row, column = features["row"].to_numpy(), features["column"].to_numpy()
    written = scores.assign(rank_interval=scores["rank_high"] - scores["rank_low"])
    paths = {}
    for name, title, unit in RASTERS:
        values = np.full(grid.shape, np.nan, np.float32)
        values[row, column] = written[name].to_numpy(np.float32)
        path = folder / f"{name}.tif"
        cog.write_raster(path, values, grid, description=title, unit=unit, tags=tags)
        paths[name] = str(path)
    return paths


def sites(
    features: pd.DataFrame,
    found: Scores,
    *,
    min_distance_m: float,
    max_sites: int,
) -> gpd.GeoDataFrame:
    """Return the best cells that keep a distance from one another, best first, with reasons."""
    best = ranking.local_maxima(
        features, found.table["score"].to_numpy(), distance_m=min_distance_m, count=max_sites
    )
    return described(features, found, best)


def sites_in_regions(
    features: pd.DataFrame,
    found: Scores,
    regions: gpd.GeoDataFrame,
    *,
    min_distance_m: float,
    max_sites: int,
    context: Context,
) -> gpd.GeoDataFrame:
    """Return the best cells inside each polygon, ranked within it.

    A polygon without a scored cell is said and left out.
    """
    x, y = features["x_m"].to_numpy(), features["y_m"].to_numpy()
    parts = []
    for name, shape in zip(regions["name"], regions.geometry, strict=True):
        shapely.prepare(shape)
        inside = np.flatnonzero(shapely.contains_xy(shape, x, y))
        inside = inside[np.isfinite(found.table["score"].to_numpy()[inside])]
        if len(inside) == 0:
            context.warn(f"The region {name!r} holds no scored cell.")
            continue
        score = found.table["score"].to_numpy()[inside]
        best = ranking.local_maxima(
            features.iloc[inside], score, distance_m=min_distance_m, count=max_sites
        )
        part = described(features, found, inside[best])
        part.insert(0, "region", name)
        order = ranking.ranks(score)
        part.insert(1, "rank_in_region", order[best].astype(np.int64))
        part.insert(2, "cells_in_region", len(inside))
        parts.append(part)
    if not parts:
        raise InputError(
            "No region holds a scored cell", "Give regions that overlap the elevation model"
        )
    return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=moon.SOUTH_POLAR)


def write_sites(
    path: Path, layers: dict[str, gpd.GeoDataFrame], tags: Mapping[str, str] | None = None
) -> None:
    """Write the lists of sites as one GeoPackage."""
    vector.write_geopackage(path, layers, tags)


def write_scores(
    folder: Path, found: Scores, tags: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Write the score table and the contributions as Parquet; return their paths."""
    shap = pd.DataFrame(found.shap, columns=list(found.inputs))
    shap.insert(0, "cell_id", found.table["cell_id"])
    shap.insert(1, "base_log_odds", np.float64(found.base_log_odds))
    paths = {"scores": folder / "scores.parquet", "shap": folder / "shap.parquet"}
    tables.write_table(paths["scores"], found.table, tags)
    tables.write_table(paths["shap"], shap, tags)
    return {name: str(path) for name, path in paths.items()}


def described(features: pd.DataFrame, found: Scores, index: NDArray[np.int64]) -> gpd.GeoDataFrame:
    """Return scored cells with rank, interval, margins and their strongest reasons, as points."""
    cells = features.iloc[index].reset_index(drop=True)
    scores = found.table.iloc[index].reset_index(drop=True)
    points, _ = explanation.in_score_points(
        found.shap[index].astype(np.float64), found.base_log_odds
    )
    whole = scores[["rank", "rank_low", "rank_high"]].astype(np.int64)
    out: dict[str, Any] = {
        "site": np.arange(1, len(index) + 1),
        "cell_id": cells["cell_id"],
        "rank": whole["rank"],
        "score": scores["score"],
        "percentile": scores["percentile"],
        "rank_low": whole["rank_low"],
        "rank_high": whole["rank_high"],
        "passes": scores["passes"],
        "coverage_pct": scores["coverage_pct"],
        "lon_deg": cells["lon_deg"],
        "lat_deg": cells["lat_deg"],
        "x_m": cells["x_m"],
        "y_m": cells["y_m"],
    }
    for name in (name for name in scores if str(name).startswith("margin_")):
        out[str(name).removeprefix("margin_")] = cells[str(name).removeprefix("margin_")]
        out[str(name)] = scores[name]
    order = np.argsort(-np.abs(points), axis=1, kind="stable")[:, :REASONS]
    for place in range(REASONS):
        which = order[:, place]
        out[f"reason_{place + 1}"] = [columns.BY_NAME[found.inputs[k]].title for k in which]
        out[f"reason_{place + 1}_points"] = points[np.arange(len(index)), which]
    geometry = gpd.GeoSeries.from_xy(cells["x_m"], cells["y_m"], crs=moon.SOUTH_POLAR)
    return gpd.GeoDataFrame(out, geometry=geometry, crs=moon.SOUTH_POLAR)
