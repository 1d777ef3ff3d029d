"""Scores of the cells of a feature table, and their output files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import cog
from lunarsite.engine.io.vectors import vector
from lunarsite.engine.scoring import explanation, ranking, scorer, suitability, tables
from lunarsite.engine.scoring.error_model import footprint_of
from lunarsite.engine.scoring.features import columns
from lunarsite.engine.scoring.features.feature_table import cell_grid
from lunarsite.engine.scoring.profiles import LEAST_COVERAGE_PCT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.scoring.error_model import Errors
    from lunarsite.engine.scoring.profiles import Profile
    from lunarsite.engine.scoring.scorer import Scorer

    Float = NDArray[np.float64]

REASONS = 3
"""Number of contributions listed for a site."""

RASTERS = (
    ("score", "Suitability", ""),
    ("rank", "Rank, 1 the best", ""),
    ("rank_interval", "Width of the 5-95 % interval of the rank", ""),
    ("probability", "Probability that every criterion is met", ""),
)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores and contributions of all cells.

    Parameters
    ----------
    table : DataFrame
        One row per cell, in the order of the feature table.
    shap : ndarray of float32, shape (cells, inputs)
        Contributions to the log-odds.
    base_log_odds : float
        Log-odds to which the contributions are added.
    inputs : tuple of str
        Features that the scorer uses.
    """

    table: pd.DataFrame
    shap: NDArray[np.float32]
    base_log_odds: float
    inputs: tuple[str, ...]


def score_table(
    features: pd.DataFrame,
    model: Scorer,
    errors: Errors,
    *,
    draws: int,
    seed: int,
    context: Context,
) -> Scores:
    """Score every cell.

    Parameters
    ----------
    features : DataFrame
        Feature table.
    model : Scorer
        The scorer.
    errors : Errors
        Error model.
    draws, seed : int
        Number of Monte Carlo draws of the rank intervals, and their seed.
    context : Context
        Threads and progress.

    Returns
    -------
    Scores
        ``score`` (the suitability, 0 to 1), ``log_odds``, ``rank``, ``percentile``, ``rank_low``
        and ``rank_high`` (5th and 95th percentile), ``probability`` (that every criterion is met,
        given the errors), ``passes``, a margin for each limited feature, the smaller of two, and
        ``coverage_pct``, the least coverage of the layers of the criteria. NaN if the feature of a
        criterion is missing: such a cell is unknown, not unsuitable.

    Raises
    ------
    InputError
        If no cell has all features of the criteria.
    """
    profile = model.profile
    context.progress(0.0, "scoring")
    log_odds = model.log_odds(features, context, errors)
    if not np.isfinite(log_odds).any():
        _raise_if_too_little_is_known(features, profile)
        missing = [
            c.feature for c in profile.criteria if not np.isfinite(features[c.feature]).any()
        ]
        raise InputError(
            "No cell can be scored: " + (", ".join(missing) or "some criterion") + " is missing "
            "everywhere",
            "Give the layers from which these features are computed",
        )
    rank = ranking.ranks(log_odds)
    low, high = ranking.rank_intervals(
        log_odds,
        features,
        profile,
        errors,
        count=draws,
        seed=seed,
        scorer_error=model.card["validation"].get("rmse_log_odds_above_a_tenth") or 0.0,
        context=context.part(0.05, 0.4),
    )
    probability = suitability.probability(features, profile, errors, footprint_of(features))
    table = pd.DataFrame(
        {
            "cell_id": features["cell_id"],
            "score": scorer.score_of(log_odds),
            "log_odds": log_odds.astype(np.float32),
            "rank": rank,
            "percentile": ranking.percentiles(rank),
            "rank_low": low,
            "rank_high": high,
            "probability": np.where(np.isfinite(log_odds), probability, np.nan),
            "passes": profile.passes(features),
        }
    )
    for criterion in profile.criteria:
        name = f"margin_{criterion.feature}"
        margin = criterion.margin(features[criterion.feature].to_numpy())
        # Of two limits on one feature the nearer counts.
        table[name] = np.minimum(table[name], margin) if name in table else margin
    sources = {columns.BY_NAME[c.feature].source for c in profile.criteria}
    coverage = [features[columns.coverage_column(source)].to_numpy() for source in sorted(sources)]
    table["coverage_pct"] = np.min(coverage, axis=0)
    context.progress(0.45, "contributions of the features")
    shap, base = explanation.contributions(model, features, errors)
    return Scores(table, shap.astype(np.float32), base, model.inputs)


def _raise_if_too_little_is_known(features: pd.DataFrame, profile: Profile) -> None:
    """Raise if less than half of every cell is covered by the layer of a criterion."""
    for source in dict.fromkeys(columns.BY_NAME[c.feature].source for c in profile.criteria):
        most = float(features[columns.coverage_column(source)].max())
        if 0.0 < most < LEAST_COVERAGE_PCT:
            cell_m = float(features["cell_m"].iloc[0])
            raise InputError(
                f"No cell of {cell_m:g} m can be scored: the layer of {source.replace('_', ' ')} "
                f"covers {most:.0f} % of one at most, less than half",
                "Use other cells (--cell-m), or layers with a larger extent",
            )


def agreement(features: pd.DataFrame, one: Scorer, other: Scorer) -> dict[str, float]:
    """Return rank correlation and overlap of the best 1 % of the cells of two scorers."""
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
    """Write score, rank, rank interval and probability as rasters; return their paths."""
    grid = cell_grid(features)
    row, column = features["row"].to_numpy(), features["column"].to_numpy()
    columns_of = scores.assign(rank_interval=scores["rank_high"] - scores["rank_low"])
    paths = {}
    for name, title, unit in RASTERS:
        values = np.full(grid.shape, np.nan, np.float32)
        values[row, column] = columns_of[name].to_numpy(np.float32)
        path = folder / f"{name}.tif"
        cog.write_raster(path, values, grid, description=title, unit=unit, tags=tags)
        paths[name] = str(path)
    return paths


def sites(
    features: pd.DataFrame,
    scores: Scores,
    *,
    min_distance_m: float,
    max_sites: int,
) -> gpd.GeoDataFrame:
    """Return the best cells with a minimum distance between them, best first, with reasons."""
    best = ranking.local_maxima(
        features, scores.table["score"].to_numpy(), distance_m=min_distance_m, count=max_sites
    )
    return describe_cells(features, scores, best)


def _too_small(region: shapely.Geometry, features: pd.DataFrame) -> tuple[str, str]:
    """Return why a region smaller than a cell has none, and what to do; else nothing."""
    cell_m = float(features["cell_m"].iloc[0])
    edges = features["cell_x_m"], features["cell_y_m"]
    west, south, east, north = shapely.bounds(region)
    among = all(
        low < float(edge.max()) + 0.5 * cell_m and high > float(edge.min()) - 0.5 * cell_m
        for edge, low, high in zip(edges, (west, south), (east, north), strict=True)
    )
    side_m = float(np.sqrt(shapely.area(region)))
    if not among or side_m >= 2.0 * cell_m:
        return "", ""
    why = f": it is about {side_m:.0f} m across, and a cell is {cell_m:g} m"
    remedy = "Draw it larger, or screen with smaller cells (--cell-m) on a finer elevation model"
    return why, remedy


def sites_in_regions(
    features: pd.DataFrame,
    scores: Scores,
    regions: gpd.GeoDataFrame,
    *,
    min_distance_m: float,
    max_sites: int,
    context: Context,
) -> gpd.GeoDataFrame:
    """Return the best cells inside each region, ranked within it.

    Polygons of one name are one region. One without scored cells is skipped with a warning.
    """
    regions = regions.dissolve("name", sort=False, as_index=False)
    x, y = features["x_m"].to_numpy(), features["y_m"].to_numpy()
    parts = []
    small = remedy = ""
    for name, shape in zip(regions["name"], regions.geometry, strict=True):
        shapely.prepare(shape)
        inside = np.flatnonzero(shapely.contains_xy(shape, x, y))
        inside = inside[np.isfinite(scores.table["score"].to_numpy()[inside])]
        if len(inside) == 0:
            small, remedy = _too_small(shape, features)
            advice = f" {remedy}." if remedy else ""
            context.warn(f"The region {name!r} holds no scored cell{small}.{advice}")
            continue
        score = scores.table["score"].to_numpy()[inside]
        best = ranking.local_maxima(
            features.iloc[inside], score, distance_m=min_distance_m, count=max_sites
        )
        part = describe_cells(features, scores, inside[best])
        part.insert(0, "region", name)
        order = ranking.ranks(score)
        part.insert(1, "rank_in_region", order[best].astype(np.int64))
        part.insert(2, "cells_in_region", len(inside))
        parts.append(part)
    if not parts:
        raise InputError(
            f"No region holds a scored cell{small}",
            remedy or "Give regions that overlap the elevation model",
        )
    return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=moon.SOUTH_POLAR)


def write_sites(
    path: Path, layers: dict[str, gpd.GeoDataFrame], tags: Mapping[str, str] | None = None
) -> None:
    """Write lists of sites as layers of one GeoPackage."""
    vector.write_geopackage(path, layers, tags)


def write_scores(
    folder: Path, scores: Scores, tags: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Write the score table and the contributions as Parquet; return their paths."""
    shap = pd.DataFrame(scores.shap, columns=list(scores.inputs))
    shap.insert(0, "cell_id", scores.table["cell_id"])
    shap.insert(1, "base_log_odds", np.float64(scores.base_log_odds))
    paths = {"scores": folder / "scores.parquet", "shap": folder / "shap.parquet"}
    tables.write_table(paths["scores"], scores.table, tags)
    tables.write_table(paths["shap"], shap, tags)
    return {name: str(path) for name, path in paths.items()}


def describe_cells(
    features: pd.DataFrame, scores: Scores, index: NDArray[np.int64]
) -> gpd.GeoDataFrame:
    """Return scored cells as points with rank, interval, margins and strongest contributions."""
    cells = features.iloc[index].reset_index(drop=True)
    rows = scores.table.iloc[index].reset_index(drop=True)
    points, _ = explanation.in_score_points(
        scores.shap[index].astype(np.float64), scores.base_log_odds
    )
    integers = rows[["rank", "rank_low", "rank_high"]].astype(np.int64)
    out: dict[str, Any] = {
        "site": np.arange(1, len(index) + 1),
        "cell_id": cells["cell_id"],
        "rank": integers["rank"],
        "score": rows["score"],
        "probability": rows["probability"],
        "percentile": rows["percentile"],
        "rank_low": integers["rank_low"],
        "rank_high": integers["rank_high"],
        "passes": rows["passes"],
        "coverage_pct": rows["coverage_pct"],
        "lon_deg": cells["lon_deg"],
        "lat_deg": cells["lat_deg"],
        "x_m": cells["x_m"],
        "y_m": cells["y_m"],
        "landing_radius_m": cells["landing_radius_m"],
    } | {name: cells[name] for name in columns.CONTEXT}
    for name in (name for name in rows if str(name).startswith("margin_")):
        out[str(name).removeprefix("margin_")] = cells[str(name).removeprefix("margin_")]
        out[str(name)] = rows[name]
    order = np.argsort(-np.abs(points), axis=1, kind="stable")[:, :REASONS]
    for place in range(order.shape[1]):
        which = order[:, place]
        out[f"reason_{place + 1}"] = [columns.BY_NAME[scores.inputs[k]].title for k in which]
        out[f"reason_{place + 1}_points"] = points[np.arange(len(index)), which]
    geometry = gpd.GeoSeries.from_xy(cells["x_m"], cells["y_m"], crs=moon.SOUTH_POLAR)
    return gpd.GeoDataFrame(out, geometry=geometry, crs=moon.SOUTH_POLAR)
