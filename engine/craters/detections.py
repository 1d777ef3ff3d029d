"""Files of detected craters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lunarsite.engine.context import Context
from lunarsite.engine.craters.catalogue import LAYER, check_not_compared, listed_once
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.diameters import diameters_m
from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import file_of
from lunarsite.engine.io import raster
from lunarsite.engine.io.vectors import layers, vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float64]

_RECORD = "LUNARSITE"
"""Tag with the provenance of a file."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Contents of a file of detections.

    Parameters
    ----------
    circles : Circles
        Detections, in the order of the file.
    smallest_m : float
        Smallest diameter of the search, metres; 0 if unknown.
    frame : tuple of float or None
        West, south, east and north of the elevation model, map metres; None unless the rim raster
        of the same run lies beside the file.
    """

    circles: Circles
    smallest_m: float
    frame: tuple[float, float, float, float] | None


def read(path: str | Path, context: Context) -> Detections:
    """Read an output of detect-craters, or another layer with diameters.

    Raises
    ------
    InputError
        If it cannot be read or its features have no diameters.
    CrsError
        If it lies on another body or has no coordinate system.
    """
    file = Path(file_of(path))
    if file.suffix.lower() == ".csv":
        raise InputError(
            f"The detections {file.name} are a CSV table",
            "Give a GeoPackage of detect-craters; if the table lists known craters, "
            "--detections and --catalogue are swapped",
        )
    layer = layers.read_layer(
        path, "The detections", ("Point", "Polygon"), context, preferred=LAYER
    )
    frame = layer.frame
    check_not_compared(frame.columns, layer.what)
    x, y, shapes = vector.centers(layer, context) or _nowhere(layer)
    diameter = diameters_m(frame, layer.what, context, shapes)
    if "confidence" not in frame:
        context.warn("The detections have no confidence: their average precision is meaningless.")
    numbers = {
        name: pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64)
        for name in ("confidence", "depth_m")
        if name in frame
    }
    found = Circles.of_ground(x, y, diameter, numbers.get("confidence"), numbers.get("depth_m"))
    bad = ~(np.isfinite(x) & np.isfinite(y) & (found.radius_m > 0) & np.isfinite(found.confidence))
    if bad.any():
        raise InputError(
            f"{layer.what} hold {int(bad.sum())} features without a position, "
            "a positive diameter or a confidence",
            "Remove or fix them",
        )
    # Of equal circles, the most confident one counts.
    order = np.argsort(-found.confidence, kind="stable")
    on_ground = pd.DataFrame({"x_m": x, "y_m": y, "diameter_m": diameter}).iloc[order]
    once = listed_once(on_ground, layer.what, context, "detection")
    found = found.kept(np.sort(order[once]))
    metadata = layer.metadata
    return Detections(found, _smallest_m(metadata), _frame(layer.file, metadata))


def frame_of(path: str | Path) -> tuple[float, float, float, float] | None:
    """Return west, south, east and north of the search, map metres; None if unknown.

    Known only for outputs of detect-craters with their rim raster beside them.
    """
    file = Path(file_of(path))
    if not file.with_suffix(".rims.tif").is_file():
        return None
    kinds = ("Point", "Polygon")
    layer = layers.read_layer(
        path, "The detections", kinds, Context(), preferred=LAYER, features=False
    )
    return _frame(file, layer.metadata)


def _nowhere(layer: layers.Layer) -> tuple[Float, Float, None]:
    """Return the positions of no detections.

    Raises
    ------
    InputError
        If there are some, without a geometry.
    """
    if len(layer.frame):
        raise InputError(
            f"{layer.what} have no geometry",
            "Give a GeoPackage of detect-craters, or points with diameter_m and confidence",
        )
    return np.empty(0), np.empty(0), None


def _smallest_m(metadata: dict[str, Any]) -> float:
    try:
        record = json.loads(metadata.get(_RECORD, ""))
        return float(record["parameters"]["min_diameter_m"])
    except (ValueError, KeyError, TypeError):
        return 0.0  # not written by detect-craters


def _frame(file: Path, metadata: dict[str, Any]) -> tuple[float, float, float, float] | None:
    rims = file.with_suffix(".rims.tif")
    if not rims.is_file():
        return None
    with raster.opened(rims, "The rims beside the detections") as source:
        # They may be from an earlier run with another DEM: template matching writes no rims.
        if source.tags().get(_RECORD) != metadata.get(_RECORD):
            return None
        return raster.grid_of(source, "The rims beside the detections").bounds
