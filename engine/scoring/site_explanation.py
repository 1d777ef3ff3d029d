"""Explanation of the score of a location in a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError
from lunarsite.engine.scoring import explanation
from lunarsite.engine.scoring.features import columns
from lunarsite.engine.scoring.finished_run import open_run

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from lunarsite.engine.context import Context
    from lunarsite.engine.scoring.finished_run import Run


def explain(folder: str | Path, lon_deg: float, lat_deg: float, context: Context) -> dict[str, Any]:
    """Explain the score of the cell at a location.

    Parameters
    ----------
    folder : path
        A finished run.
    lon_deg, lat_deg : float
        East longitude and latitude, degrees.
    context : Context
        Caches opened runs, and takes the warnings of the run.

    Returns
    -------
    dict
        ``score`` (0 to 1), ``rank``, ``percentile``, ``interval`` (5th and 95th percentile of the
        rank), ``base_value`` and ``contributions`` (score points; base and contributions add up to
        the score), ``margins``, ``coverage`` (percent of the cell by layer), ``to_pass``, ``place``
        (the location that was asked for), ``cell`` (the cell around it), ``disc`` (the cell's best
        landing disc, whose values these are; null if the whole cell is evaluated), ``surroundings``
        (what is around the disc in its cell), ``slope_baseline_m`` (the distance over which slopes
        are measured), ``mast_height_m`` (the height above the ground to which light belongs). If a
        layer of a criterion is missing, the score and the values derived from it are null.

    Raises
    ------
    InputError
        If the location is outside the cells of the run.
    """
    run = open_run(folder, context)
    for warning in run.warnings:
        context.warn(warning)
    index = _cell_at(run, lon_deg, lat_deg)
    features, scores = run.features.iloc[index], run.scores.iloc[index]
    contributions, base = explanation.named_contributions(
        run.shap[index].astype(np.float64), run.inputs, features, run.base_log_odds
    )
    known = bool(np.isfinite(scores["score"]))
    result: dict[str, Any] = {
        "score": float(scores["score"]) if known else None,
        "rank": int(scores["rank"]) if known else None,
        "cells": run.scored,
        "percentile": float(scores["percentile"]) if known else None,
        "interval": [int(scores["rank_low"]), int(scores["rank_high"])] if known else None,
        "probability": float(scores["probability"]) if known else None,
        "base_value": base,
        "contributions": contributions if known else [],
        "margins": explanation.margins(run.profile, features),
        "coverage": {
            source: float(features[columns.coverage_column(source)]) for source in columns.SOURCES
        },
        "to_pass": explanation.to_pass(run.profile, run.features, index, run.passing),
        "place": _place(lon_deg, lat_deg),
        "cell": _cell(features, run.grid.pixel_m),
        "disc": _disc(features),
        "slope_baseline_m": 2.0 * float(features["pixel_m"]),
        "mast_height_m": run.mast_height_m,
        "surroundings": {name: _number(features[name]) for name in columns.CONTEXT},
        "profile": run.profile.name,
        "features": {feature.name: _number(features[feature.name]) for feature in columns.FEATURES},
    }
    result["summary"] = (
        _summary(result) if known else ["no score: a layer of a criterion is missing here"]
    )
    return result


def _cell_at(run: Run, lon_deg: float, lat_deg: float) -> int:
    """Return the row of the cell at a location in the tables of the run."""
    pixel = run.grid.pixel_of(*_on_map(lon_deg, lat_deg))
    index = int(run.row_of_cell[pixel]) if pixel is not None else -1
    if index < 0:
        swapped = abs(lon_deg) <= 90.0 and run.grid.pixel_of(*_on_map(lat_deg, lon_deg)) is not None
        raise InputError(
            f"There is no cell at {lon_deg:g}°, {lat_deg:g}°: the location is outside the area of "
            "the run, or the elevation model has no data there",
            "Choose a location inside the scored area"
            + ("; longitude and latitude may have been swapped" if swapped else ""),
        )
    return index


def _cell(features: pd.Series, size_m: float) -> dict[str, Any]:
    x_m, y_m = float(features["cell_x_m"]), float(features["cell_y_m"])
    lon, lat = (float(angle) for angle in moon.xy_to_lonlat(x_m, y_m))
    return {
        "cell_id": int(features["cell_id"]),
        "lon_deg": lon,
        "lat_deg": lat,
        "x_m": x_m,
        "y_m": y_m,
        "size_m": size_m,
    }


def _disc(features: pd.Series) -> dict[str, float] | None:
    radius_m = _number(features["landing_radius_m"])
    if radius_m is None:
        return None
    names = ("lon_deg", "lat_deg", "x_m", "y_m")
    return {name: float(features[name]) for name in names} | {"radius_m": radius_m}


def _place(lon_deg: float, lat_deg: float) -> dict[str, float]:
    x_m, y_m = _on_map(lon_deg, lat_deg)
    return {"lon_deg": lon_deg, "lat_deg": lat_deg, "x_m": x_m, "y_m": y_m}


def _on_map(lon_deg: float, lat_deg: float) -> tuple[float, float]:
    x, y = moon.lonlat_to_xy(lon_deg, lat_deg)
    return float(x), float(y)


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _summary(result: dict[str, Any]) -> list[str]:
    """Return the explanation in a few lines."""
    strongest = result["contributions"][:3]
    disc = result["disc"]
    where = []
    if disc is not None:
        at = f"{disc['lon_deg']:.4f}°, {disc['lat_deg']:.4f}°"
        where = [f"landing disc of {disc['radius_m']:g} m radius at {at}"]
    low, high = result["interval"]
    return [
        *where,
        (
            f"suitability {result['score']:.4f}, probability {result['probability']:.3g}, "
            f"rank {result['rank']} of {result['cells']} ({low}-{high})"
        ),
        *(
            f"{m['title']}: {m['value']:.2f} {m['unit']} (margin {m['margin']:+.2f})"
            for m in result["margins"]
        ),
        "strongest: "
        + ", ".join(f"{c['title']} {100 * c['contribution']:+.1f}" for c in strongest)
        + " score points",
        *_changes_to_pass(result["to_pass"]),
    ]


def _changes_to_pass(to_pass: dict[str, Any]) -> list[str]:
    """Return the changes with which a location would pass, in a few lines."""
    if to_pass["passes"]:
        return ["it meets every criterion"]
    lines = [
        f"to pass: {change['title']} from {change['value']:.2f} to {change['needed']:g} "
        f"{change['unit']}"
        for change in to_pass["changes"]
        if change["value"] is not None
    ]
    nearest = to_pass["nearest_passing"]
    if nearest is None:
        return [*lines, "no cell of the area meets every criterion"]
    location = f"{nearest['lon_deg']:.3f}°, {nearest['lat_deg']:.3f}°"
    distance_km = nearest["distance_m"] / 1000
    return [*lines, f"nearest cell that passes: {location}, {distance_km:.1f} km away"]
