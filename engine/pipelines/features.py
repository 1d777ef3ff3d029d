"""The stage ``features``: the feature table of an area."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import provenance
from lunarsite.engine.errors import InputError
from lunarsite.engine.io.area import narrowed
from lunarsite.engine.scoring import tables
from lunarsite.engine.scoring.features import feature_table
from lunarsite.engine.scoring.features.columns import (
    LAYER_FILES,
    SOURCES,
    USER_LAYERS,
    coverage_column,
)
from lunarsite.engine.scoring.features.layers import Layers

if TYPE_CHECKING:
    from lunarsite.engine.context import Context


def layers_of(values: dict[str, Any]) -> Layers:
    """Return the layers of a run of ``features``: those of the user, and the others in the folder.

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
    for source in USER_LAYERS:
        if values[source]:
            rasters[source] = values[source]
            # The sensitivity is that of the computed map, not of the user's.
            if source == "illumination":
                rasters.pop("illumination_sensitivity", None)
            if source == "earth_visibility":
                rasters.pop("earth_sensitivity", None)
    return Layers(values["dem"], rasters, values["craters"], values["rocks"], values["rock_image"])


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Build a feature table and write it."""
    values = narrowed(values, "dem", context)
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
