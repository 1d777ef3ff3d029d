"""The scoring stages, from paths to paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import provenance
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.io import vector
from lunarsite.engine.scoring import bundle, cell_scores, labels, profiles, scorer, tables
from lunarsite.engine.scoring.features import feature_table
from lunarsite.engine.scoring.features.columns import GIVEN, LAYER_FILES, SOURCES, coverage_column

if TYPE_CHECKING:
    from lunarsite.engine.context import Context

_OF_THE_BEST = ("lon_deg", "lat_deg", "score", "rank_low", "rank_high")


def layers_of(values: dict[str, Any]) -> feature_table.Layers:
    """Return the layers that a call of ``features`` means: those given, else those in the folder.

    Raises
    ------
    InputError
        If the folder does not exist.
    """
    folder = Path(values["layers"])
    if not folder.is_dir():
        raise InputError(
            f"There is no folder of layers {folder}", "Make it: lunarsite terrain and lighting"
        )
    rasters = {
        source: str(folder / name)
        for source, name in LAYER_FILES.items()
        if (folder / name).is_file()
    }
    for source in GIVEN:
        if values[source]:
            rasters[source] = values[source]
            # The sensitivity belongs to the computed map, not to the given one.
            if source == "illumination":
                rasters.pop("illumination_sensitivity", None)
            if source == "earth_visibility":
                rasters.pop("earth_sensitivity", None)
    return feature_table.Layers(
        values["dem"], rasters, values["craters"], values["rocks"], values["rock_image"]
    )


def write_features(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Build a feature table and write it."""
    layers = layers_of(values)
    table = feature_table.build(
        layers,
        cell_m=values["cell_m"],
        north_limit_deg=values["north_limit_deg"],
        context=context,
    )
    path = Path(values["out"])
    shaping = {key: values[key] for key in ("cell_m", "north_limit_deg")}
    tables.write_features(
        path, table, provenance.as_tags(provenance.describe("features", shaping, layers.paths()))
    )
    coverage = {
        source: round(float(np.mean(table[coverage_column(source)])), 2) for source in SOURCES
    }
    return {"outputs": {"features": str(path)}, "cells": len(table), "coverage_pct": coverage}


def write_scorer(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Train a scorer and write it with its card."""
    path = Path(values["out"])
    if path.suffix != ".ubj":
        raise ParameterError(f"--out: {path.name} does not end in .ubj", "Name the scorer x.ubj")
    table = tables.read_features(values["features"])
    model = scorer.train(
        table,
        profiles.load(values["profile"]),
        errors_of(values),
        context,
        draws=values["draws"],
        folds=values["folds"],
        seed=values["seed"],
    )
    model.save(path)
    return {
        "outputs": {"scorer": str(path), "card": str(path.with_suffix(".json"))},
        "cells": model.card["training_cells"],
        "validation": model.card["validation"],
    }


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


def write_scores(values: dict[str, Any], context: Context) -> dict[str, Any]:
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
        errors_of(values),
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


def agreement(
    features_path: Path, profile: profiles.Profile, own: Path, other: Path
) -> dict[str, float]:
    """Return how far two scorers on disk agree on a feature table."""
    table = tables.read_features(features_path)
    return cell_scores.agreement(table, scorer.load(own, profile), scorer.load(other, profile))


def errors_of(values: dict[str, Any]) -> labels.Errors:
    """Return the error model that the parameters describe."""
    return labels.Errors(
        values["dem_error_m"], values["dem_correlation_m"], values["horizon_error_deg"]
    )
