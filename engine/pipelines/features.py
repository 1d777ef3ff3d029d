"""The stage ``features``: the feature table of an area."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import provenance
from lunarsite.engine.context import GIB
from lunarsite.engine.craters import catalogue
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.area import narrowed
from lunarsite.engine.io.elevation.dem import dem_grid, posting
from lunarsite.engine.pipelines import estimates
from lunarsite.engine.scoring import tables
from lunarsite.engine.scoring.features import feature_table, rocks
from lunarsite.engine.scoring.features.columns import (
    DISC_LIGHT_FILES,
    LANDING_FILES,
    LANDING_PROFILE,
    LANDING_SHA256,
    LAYER_FILES,
    SOURCES,
    USER_LAYERS,
    coverage_column,
    table_columns,
)
from lunarsite.engine.scoring.features.layers import Layers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lunarsite.engine.context import Context
    from lunarsite.engine.pipelines.estimates import Estimate


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
    more = (values.get(name) for name in ("craters", "rocks", "rock_image"))
    return Layers(values["dem"], rasters, *more)


def with_landing(layers: Layers, values: dict[str, Any]) -> Layers:
    """Return layers with the landing discs in their folder, unless whole cells are evaluated.

    Raises
    ------
    InputError
        If the folder holds no landing discs.
    """
    if values["place"] == "cell":
        return layers
    folder = Path(values["layers"])
    paths = landing_files(folder, "; or rank whole cells: --place cell")
    at_discs = {
        source: str(folder / name)
        for source, name in DISC_LIGHT_FILES.items()
        if (folder / name).is_file()
    }
    for path in at_discs.values():
        _check_same_discs(path, paths[0])
    return replace(
        layers, rasters=layers.rasters | at_discs, landing=(str(paths[0]), str(paths[1]))
    )


def landing_files(folder: Path, otherwise: str = "") -> tuple[Path, Path]:
    """Return the suitability and the probability of the landing discs in a folder.

    ``otherwise`` is added to the remedy.

    Raises
    ------
    InputError
        If the folder does not hold them.
    """
    paths = folder / LANDING_FILES[0], folder / LANDING_FILES[1]
    if not all(path.is_file() for path in paths):
        raise InputError(
            f"The folder of layers {folder} holds no landing discs",
            f"Make them: lunarsite landing, with the same --layers and --out{otherwise}",
        )
    return paths


def _check_same_discs(light: str, suitability: Path) -> None:
    """Raise if the light at landing discs is that of other discs.

    Raises
    ------
    InputError
        With the remedy.
    """
    with raster.opened(light, "The light at landing discs") as source:
        made_for = source.tags().get(LANDING_SHA256)
    if made_for != provenance.sha256(suitability):
        raise InputError(
            f"{Path(light).name} is the light at other landing discs than those of "
            f"{suitability.name}",
            "Make it again: lunarsite disc-light, with the same --layers and --out; or delete it, "
            "and do without, or with what lighting has of the middle of cells",
        )


def _check_same_layers(
    record: dict[str, Any], made: str | None, replaced: Iterable[str], context: Context
) -> None:
    """Raise if landing discs were evaluated on other layers than those of the features.

    Parameters
    ----------
    record : dict
        Provenance of the features.
    made : str or None
        That of the landing discs, JSON; None warns that it is not known.
    replaced : iterable of str
        Layers at hand in whose place the features take those at the discs.
    context : Context
        Takes the warning.

    Raises
    ------
    InputError
        Names the layers.
    """
    if made is None:
        context.warn("The landing discs do not say on which layers they were evaluated.")
        return
    given = {each["sha256"] for each in record["inputs"]}
    given |= {provenance.sha256(path) for path in replaced}
    others = [
        each["name"] for each in json.loads(made).get("inputs", []) if each["sha256"] not in given
    ]
    if others:
        raise InputError(
            f"The landing discs were evaluated on another {' and '.join(dict.fromkeys(others))}",
            "Make them again: lunarsite landing, with the same --layers and --out; or rank whole "
            "cells: --place cell",
        )


_START_S = 3.0
_PIXEL_S = 45e-9
"""Seconds per pixel of a layer."""


def estimate(values: dict[str, Any], context: Context) -> Estimate:
    """Validate the inputs, and return what the stage needs."""
    values = narrowed(values, "dem", context)
    grid = dem_grid(values["dem"])
    coarse, _ = posting(grid, values["cell_m"])
    layers = with_landing(layers_of(values), values)
    for source, path in layers.rasters.items():
        what = f"The layer {Path(path).name} ({source})"
        with raster.opened(path, what) as opened:
            raster.crs_of(opened, what)
    if values["craters"]:
        catalogue.read_catalogue(values["craters"])
    if values["rocks"]:
        rocks.check(values["rocks"])
    if values["rock_image"]:
        rocks.check_image(values["rock_image"])
    pixels = grid.width * grid.height
    return of_layers(pixels, coarse.width * coarse.height, 1 + len(layers.rasters), context)


def of_layers(pixels: int, cells: int, layers: int, context: Context) -> Estimate:
    """Return what the features of some layers need."""
    columns = 4 * len(table_columns())
    return estimates.estimate(
        pixels,
        context,
        core_s=0.0,
        serial_s=_START_S + _PIXEL_S * pixels * layers,
        memory_bytes=0.1 * GIB + 8 * pixels**0.5 * 64 * 48 + 4 * cells * columns,
        disk_bytes=cells * columns,
    )


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Build a feature table and write it."""
    values = narrowed(values, "dem", context)
    dem_grid(values["dem"])
    layers = with_landing(layers_of(values), values)
    if context.announces:
        # A longer run has validated the inputs of its steps; large catalogues take a while.
        estimates.announce(estimate(values, context), Path(values["out"]).parent, context)
    shaping = {key: values[key] for key in ("cell_m", "north_limit_deg", "place")}
    record = provenance.describe("features", shaping, layers.paths())
    tags = provenance.as_tags(record)
    if layers.landing is not None:
        with raster.opened(layers.landing[0], "The landing suitability") as source:
            tags[LANDING_PROFILE] = source.tags().get(LANDING_PROFILE, "")
            if context.announces:  # a longer run has made them itself
                replaced = set(layers_of(values).rasters.values()) - set(layers.rasters.values())
                _check_same_layers(record, source.tags().get("LUNARSITE"), replaced, context)
    table = feature_table.build(
        layers,
        cell_m=values["cell_m"],
        north_limit_deg=values["north_limit_deg"],
        context=context,
    )
    path = Path(values["out"])
    tables.write_features(path, table, tags)
    coverage = {
        source: round(float(np.mean(table[coverage_column(source)])), 2) for source in SOURCES
    }
    return {"outputs": {"features": str(path)}, "cells": len(table), "coverage_pct": coverage}
