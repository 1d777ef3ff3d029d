"""The stage ``score``: scores, ranks and sites of a feature table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import provenance
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import vector
from lunarsite.engine.scoring import bundle, cell_scores, labels, profiles, scorer, tables

if TYPE_CHECKING:
    from lunarsite.engine.context import Context

_OF_THE_BEST = ("lon_deg", "lat_deg", "score", "rank_low", "rank_high")


def choose_scorer(values: dict[str, Any]) -> scorer.Scorer:
    """Return the scorer that is asked for, or the one that comes with LunarSite.

    Raises
    ------
    InputError
        If none comes with LunarSite for the profile and none is given.
    """
    profile = profiles.load(values["profile"])
    path = Path(values["scorer"]) if values["scorer"] else bundle.bundled(profile)
    if path is None:
        raise InputError(
            f"No trained scorer comes with LunarSite for the profile {profile.name!r}",
            "Train one: lunarsite train-scorer, or screen --train; then give it as --scorer",
        )
    return scorer.load(path, profile)


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Score a feature table and write everything that shows the scores."""
    out = Path(values["out"])
    table = tables.read_features(values["features"])
    model = choose_scorer(values)
    regions = None
    if values["regions"]:
        regions = vector.read_polygons(values["regions"], "The regions", context)
    found = cell_scores.score_table(
        table,
        model,
        labels.Errors.from_parameters(values),
        draws=values["draws"],
        seed=values["seed"],
        context=context.part(0.0, 0.85),
    )
    limits = {"min_distance_m": values["min_distance_m"], "max_sites": values["max_sites"]}
    layers = {"sites": cell_scores.sites(table, found, **limits)}
    if regions is not None:
        layers["sites_in_regions"] = cell_scores.sites_in_regions(
            table, found, regions, context=context, **limits
        )
    context.progress(0.9, "writing scores")
    shaping = {k: v for k, v in values.items() if k not in ("features", "out", "regions", "scorer")}
    shaping["profile"] = model.profile.as_dict()
    tags = provenance.as_tags(
        provenance.describe("score", shaping, [values["features"]])
        | {"scorer": model.card["name"], "training_cells": model.card["training_cells"]}
    )
    paths = cell_scores.write_rasters(out, table, found.table, tags)
    cell_scores.write_sites(out / "sites.gpkg", layers, tags)
    paths |= {"sites": str(out / "sites.gpkg")} | cell_scores.write_scores(out, found, tags)
    best = layers["sites"].iloc[0]
    unknown = int((~np.isfinite(found.table["score"])).sum())
    if unknown:
        context.warn(f"{unknown} cells lack a criterion's layer and got no score.")
    return {
        "outputs": paths,
        "cells": len(table),
        "unknown_cells": unknown,
        "passing_cells": int(found.table["passes"].sum()),
        "sites": len(layers["sites"]),
        "scorer": {
            "name": model.card["name"],
            "training_cells": model.card["training_cells"],
            "validation": model.card["validation"],
        },
        "best": {name: float(best[name]) for name in _OF_THE_BEST},
    }
