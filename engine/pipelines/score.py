"""The stage ``score``: scores, ranks and sites of a feature table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import provenance
from lunarsite.engine.context import GIB
from lunarsite.engine.errors import InputError
from lunarsite.engine.io.vectors import vector
from lunarsite.engine.pipelines import estimates
from lunarsite.engine.scoring import bundle, cell_scores, profiles, scorer, tables
from lunarsite.engine.scoring.error_model import Errors

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

    from lunarsite.engine.context import Context
    from lunarsite.engine.pipelines.estimates import Estimate

_OF_THE_BEST = ("lon_deg", "lat_deg", "score", "rank_low", "rank_high")


def choose_scorer(values: dict[str, Any]) -> scorer.Scorer:
    """Return the requested scorer, or the bundled one for the profile.

    Raises
    ------
    InputError
        If none is requested and there is no bundled one.
    """
    profile = profiles.load(values["profile"])
    path = Path(values["scorer"]) if values["scorer"] else bundle.bundled(profile)
    if path is None:
        raise InputError(
            f"No trained scorer comes with LunarSite for the profile {profile.name!r}",
            "Train one: lunarsite train-scorer, or screen --train; then give it as --scorer",
        )
    return scorer.load(path, profile)


_START_S = 5.0
_CELL_S = 60e-6
"""Seconds per cell of scores and tables."""

_CELL_CORE_S = 50e-6
"""Core seconds per cell of SHAP contributions."""

_DRAW_CORE_S = 0.1e-6
"""Core seconds per cell and draw of the errors."""

_CELL_BYTES = 2500


def estimate(values: dict[str, Any], context: Context) -> Estimate:
    """Validate the inputs, and return what the stage needs."""
    cells = len(tables.read_features(values["features"]))
    choose_scorer(values)
    if values["regions"]:
        vector.read_polygons(values["regions"], "The regions", context)
    return of_cells(cells, values["draws"], context)


def of_cells(cells: int, draws: int, context: Context) -> Estimate:
    """Return what the scores of some cells need."""
    return estimates.estimate(
        cells,
        context,
        serial_s=_START_S + cells * _CELL_S,
        core_s=cells * (_CELL_CORE_S + _DRAW_CORE_S * draws),
        memory_bytes=0.15 * GIB + cells * _CELL_BYTES,
        disk_bytes=cells * 400,
        unit="cells",
    )


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Score a feature table, and write scores, rasters and sites."""
    table = tables.read_features(values["features"])
    estimates.announce(of_cells(len(table), values["draws"], context), values["out"], context)
    model = choose_scorer(values)
    chosen_by = tables.landing_profile(values["features"])
    if chosen_by not in (None, model.profile.fingerprint()):
        context.warn(
            "The landing discs of the feature table were chosen by other criteria than those of "
            f"{model.profile.name!r}: better discs may lie elsewhere in the cells. Run lunarsite "
            "landing and features with this profile, or screen."
        )
    regions = None
    if values["regions"]:
        regions = vector.read_polygons(values["regions"], "The regions", context)
    scores = cell_scores.score_table(
        table,
        model,
        Errors.from_parameters(values),
        draws=values["draws"],
        seed=values["seed"],
        context=context.part(0.0, 0.85),
    )
    limits = {"min_distance_m": values["min_distance_m"], "max_sites": values["max_sites"]}
    layers = {"sites": cell_scores.sites(table, scores, **limits)}
    if regions is not None:
        layers["sites_in_regions"] = cell_scores.sites_in_regions(
            table, scores, regions, context=context, **limits
        )
    context.progress(0.9, "writing scores")
    paths = _write(Path(values["out"]), table, scores, layers, _tags(values, model, context))
    best = layers["sites"].iloc[0]
    unknown = int((~np.isfinite(scores.table["score"])).sum())
    if unknown:
        context.warn(
            f"{unknown} cells have no score: a layer of a criterion is missing there, covers less "
            "than half of the cell, or leaves no landing disc known."
        )
    return {
        "outputs": paths,
        "cells": len(table),
        "unknown_cells": unknown,
        "passing_cells": int(scores.table["passes"].sum()),
        "sites": len(layers["sites"]),
        "scorer": {
            "name": model.card["name"],
            "training_cells": model.card["training_cells"],
            "validation": model.card["validation"],
        },
        "best": {name: float(best[name]) for name in _OF_THE_BEST},
    }


def _tags(values: dict[str, Any], model: scorer.Scorer, context: Context) -> dict[str, str]:
    shaping = {k: v for k, v in values.items() if k not in ("features", "out", "regions", "scorer")}
    shaping["profile"] = model.profile.as_dict()
    return provenance.as_tags(
        provenance.describe("score", shaping, [values["features"]], device=context.devices())
        | {"scorer": model.card["name"], "training_cells": model.card["training_cells"]}
    )


def _write(
    out: Path,
    table: pd.DataFrame,
    scores: cell_scores.Scores,
    layers: dict[str, gpd.GeoDataFrame],
    tags: dict[str, str],
) -> dict[str, str]:
    """Write rasters, sites and tables; return their paths."""
    paths = cell_scores.write_rasters(out, table, scores.table, tags)
    cell_scores.write_sites(out / "sites.gpkg", layers, tags)
    return paths | {"sites": str(out / "sites.gpkg")} | cell_scores.write_scores(out, scores, tags)
