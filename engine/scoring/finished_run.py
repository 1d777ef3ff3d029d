"""Answers about single places, from a finished run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError
from lunarsite.engine.scoring import explanation, profiles, scorer, tables
from lunarsite.engine.scoring.features import columns
from lunarsite.engine.scoring.features.feature_table import cell_grid

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid


_MOST_RUNS = 3
"""A run of the whole cap holds 150 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A finished run, opened: its tables, its criteria, and where each cell's row is."""

    features: pd.DataFrame
    scores: pd.DataFrame
    shap: NDArray[np.float32]
    inputs: tuple[str, ...]
    base_log_odds: float
    profile: profiles.Profile
    grid: Grid
    row_of_cell: NDArray[np.int64]
    passing: explanation.Passing
    scored: int


def open_run(folder: str | Path, context: Context) -> Run:
    """Open a finished run, or return it from the worker's warm state while it is unchanged.

    Raises
    ------
    InputError
        If the folder holds no finished run.
    """
    path = Path(folder)
    manifest = path / "manifest.json"
    if not manifest.is_file():
        raise InputError(
            f"{path} holds no finished run: there is no manifest.json",
            "Give the output folder of lunarsite screen",
        )
    changed = manifest.stat().st_mtime_ns
    key = ("run", str(path.resolve()))
    if key in context.warm and context.warm[key][0] == changed:
        opened: Run = context.warm[key][1]
        return opened
    try:
        described = json.loads(manifest.read_text(encoding="utf-8"))
        profile = profiles.Profile.from_dict(described["profile"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The manifest of {path} cannot be read: {error}", "Run lunarsite screen again"
        ) from error
    if not described.get("finished"):
        raise InputError(f"The run in {path} is not finished", "Run lunarsite screen again")
    features = tables.read_features(path / "features.parquet")
    scores = tables.read_table(path / "scores.parquet", "The score table")
    shap = tables.read_table(path / "shap.parquet", "The table of contributions")
    inputs = scorer.inputs_for(profile)
    _check_together(path, features, scores, shap, inputs)
    grid = cell_grid(features)
    row_of_cell = np.full((grid.height, grid.width), -1, np.int64)
    row_of_cell[features["row"], features["column"]] = np.arange(len(features))
    run = Run(
        features,
        scores,
        shap[list(inputs)].to_numpy(np.float32),
        inputs,
        float(shap["base_log_odds"].iloc[0]),
        profile,
        grid,
        row_of_cell,
        explanation.Passing.of(profile, features),
        int(np.isfinite(scores["score"]).sum()),
    )
    _keep(context.warm, key, (changed, run))
    return run


def explain(folder: str | Path, lon: float, lat: float, context: Context) -> dict[str, Any]:
    """Explain the cell that holds a location.

    Parameters
    ----------
    folder : path
        A finished run.
    lon, lat : float
        Degrees.
    context : Context
        Warm state.

    Returns
    -------
    dict
        ``score`` (0 to 1), ``rank``, ``percentile``, ``interval`` (5 and 95 % of the rank),
        ``base_value`` and ``contributions`` (score points; base and contributions add up to the
        score), ``margins``, ``coverage`` (percent of the cell by layer), ``to_pass``, ``cell``.
        Where a criterion's layer is missing, ``score`` and what follows from it are null.

    Raises
    ------
    InputError
        If the location lies outside the cells of the run.
    """
    run = open_run(folder, context)
    place = run.grid.pixel_of(*_on_map(lon, lat))
    index = int(run.row_of_cell[place]) if place is not None else -1
    if index < 0:
        swapped = abs(lon) <= 90.0 and run.grid.pixel_of(*_on_map(lat, lon)) is not None
        raise InputError(
            f"There is no cell at {lon:g}°, {lat:g}°: the place lies outside the run's area or "
            "where the elevation model has no data",
            "Choose a place inside the scored area"
            + ("; it would be inside with longitude and latitude the other way" if swapped else ""),
        )
    features, scores = run.features.iloc[index], run.scores.iloc[index]
    found, base = explanation.named_contributions(
        run.shap[index].astype(np.float64), run.inputs, features, run.base_log_odds
    )
    known = bool(np.isfinite(scores["score"]))
    answer: dict[str, Any] = {
        "score": float(scores["score"]) if known else None,
        "rank": int(scores["rank"]) if known else None,
        "cells": run.scored,
        "percentile": float(scores["percentile"]) if known else None,
        "interval": [int(scores["rank_low"]), int(scores["rank_high"])] if known else None,
        "probability": float(scores["probability"]) if known else None,
        "base_value": base,
        "contributions": found if known else [],
        "margins": explanation.margins(run.profile, features),
        "coverage": {
            source: float(features[columns.coverage_column(source)]) for source in columns.SOURCES
        },
        "to_pass": explanation.to_pass(run.profile, run.features, index, run.passing),
        "cell": {
            "cell_id": int(features["cell_id"]),
            "lon_deg": float(features["lon_deg"]),
            "lat_deg": float(features["lat_deg"]),
            "x_m": float(features["x_m"]),
            "y_m": float(features["y_m"]),
            "size_m": run.grid.pixel_m,
        },
        "profile": run.profile.name,
        "features": {feature.name: _number(features[feature.name]) for feature in columns.FEATURES},
    }
    if known:
        answer["summary"] = [
            "score {score:.4f}, rank {rank} of {cells} ".format_map(answer)
            + "({}-{})".format(*answer["interval"]),
            *(
                f"{m['title']}: {m['value']:.2f} {m['unit']} (margin {m['margin']:+.2f})"
                for m in answer["margins"]
            ),
            "strongest: "
            + ", ".join(f"{c['title']} {100 * c['contribution']:+.1f}" for c in found[:3])
            + " score points",
            *_way_to_pass(answer["to_pass"]),
        ]
    else:
        answer["summary"] = ["no score: a criterion's layer is missing here"]
    return answer


def _on_map(lon: float, lat: float) -> tuple[float, float]:
    x, y = moon.lonlat_to_xy(lon, lat)
    return float(x), float(y)


def _check_together(
    path: Path,
    features: pd.DataFrame,
    scores: pd.DataFrame,
    shap: pd.DataFrame,
    inputs: tuple[str, ...],
) -> None:
    """Raise if the tables of a run are not of the same cells."""
    cells = features["cell_id"].to_numpy()
    wanted = {"cell_id", "base_log_odds", *inputs}
    same = (
        wanted <= set(shap)
        and {"cell_id", "score"} <= set(scores)
        and np.array_equal(cells, scores["cell_id"].to_numpy())
        and np.array_equal(cells, shap["cell_id"].to_numpy())
    )
    if not same:
        raise InputError(
            f"The tables in {path} do not belong together", "Run lunarsite screen again"
        )


def _keep(warm: dict[Any, Any], key: tuple[str, str], opened: tuple[int, Run]) -> None:
    """Put a run into the warm state, which holds no more than a few of them."""
    warm.pop(key, None)
    held = [other for other in warm if isinstance(other, tuple) and other[0] == "run"]
    for oldest in held[: len(held) - _MOST_RUNS + 1]:
        del warm[oldest]
    warm[key] = opened


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _way_to_pass(found: dict[str, Any]) -> list[str]:
    """Return what would make a place pass, in a line or two."""
    if found["passes"]:
        return ["it keeps every criterion"]
    lines = [
        f"to pass: {change['title']} from {change['value']:.2f} to {change['needed']:g} "
        f"{change['unit']}"
        for change in found["changes"]
        if change["value"] is not None
    ]
    near = found["nearest_passing"]
    if near is None:
        return [*lines, "no cell of the area keeps every criterion"]
    place = f"{near['lon_deg']:.3f}°, {near['lat_deg']:.3f}°"
    return [*lines, f"nearest cell that passes: {place}, {near['distance_m'] / 1000:.1f} km away"]
