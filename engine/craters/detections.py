"""Files of detected craters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyogrio
import pyogrio.errors
import pyproj
import shapely

from lunarsite.engine import moon
from lunarsite.engine.craters.catalogue import check_not_compared
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.errors import CrsError, InputError
from lunarsite.engine.io import raster

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context

    Float = NDArray[np.float64]

_LAYER = "craters"

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
    file = Path(path)
    if file.suffix.lower() == ".csv":
        raise InputError(
            f"The detections {file.name} are a CSV table",
            "Give a GeoPackage of detect-craters; if the table lists known craters, "
            "--detections and --catalogue are swapped",
        )
    frame, metadata = _layer(file)
    check_not_compared(frame.columns, f"The detections {file.name}")
    if "diameter_m" not in frame:
        raise InputError(
            f"The detections {file.name} have no column diameter_m "
            f"(they have {', '.join(map(str, frame.columns)) or 'none'})",
            "Give a GeoPackage of detect-craters, or points with diameter_m and confidence",
        )
    if "confidence" not in frame:
        context.warn("The detections have no confidence: their average precision is meaningless.")
    x, y = _centers(frame, file)
    numbers = {
        name: pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64)
        for name in ("diameter_m", "confidence", "depth_m")
        if name in frame
    }
    found = Circles.of_ground(
        x, y, numbers["diameter_m"], numbers.get("confidence"), numbers.get("depth_m")
    )
    bad = ~(np.isfinite(x) & np.isfinite(y) & (found.radius_m > 0) & np.isfinite(found.confidence))
    if bad.any():
        raise InputError(
            f"The detections {file.name} hold {int(bad.sum())} features without a position, "
            "a positive diameter or a confidence",
            "Remove or fix them",
        )
    return Detections(found, _smallest_m(metadata), _frame(file, metadata))


def frame_of(path: str | Path) -> tuple[float, float, float, float] | None:
    """Return west, south, east and north of the search, map metres; None if unknown.

    Known only for outputs of detect-craters with their rim raster beside them.
    """
    file = Path(path)
    if not file.with_suffix(".rims.tif").is_file():
        return None
    return _frame(file, _layer(file)[1])


def _layer(file: Path) -> tuple[gpd.GeoDataFrame, dict[str, Any]]:
    if not file.is_file():
        raise InputError(f"The detections: there is no file {file}", "Check the path")
    try:
        names = [str(name) for name in pyogrio.list_layers(file)[:, 0]]
        if not names:
            raise InputError(f"The detections {file.name} hold no layer", "Run detect-craters")
        layer = _LAYER if _LAYER in names else names[0]
        frame = pyogrio.read_dataframe(file, layer=layer)
        metadata = pyogrio.read_info(file, layer=layer).get("layer_metadata") or {}
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise InputError(
            f"The detections {file.name} cannot be read: {str(error).splitlines()[0][:200]}",
            "Give a GeoPackage of detect-craters",
        ) from error
    return frame, metadata


def _centers(frame: gpd.GeoDataFrame, file: Path) -> tuple[Float, Float]:
    """Return the centres of points or polygons, projected to the map."""
    crs = getattr(frame, "crs", None)
    if crs is None:
        raise CrsError(
            f"The detections {file.name} have no coordinate system",
            f"Set it: ogr2ogr -a_srs {moon.SOUTH_POLAR}",
        )
    crs = pyproj.CRS.from_user_input(crs)
    moon.check_body(crs, f"The detections {file.name}")
    shapes = frame.geometry.to_numpy()
    if crs.is_geographic:
        shapes = shapely.transform(shapes, _project)
    elif not moon.is_south_polar(crs):
        shapes = frame.to_crs(moon.SOUTH_POLAR).geometry.to_numpy()
    middle = shapely.centroid(shapes)
    return shapely.get_x(middle), shapely.get_y(middle)


def _project(lonlat: Float) -> Float:
    return np.column_stack(moon.lonlat_to_xy(lonlat[:, 0], lonlat[:, 1]))


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
