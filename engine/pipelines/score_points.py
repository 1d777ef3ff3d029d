"""The stage ``score-points``: scores and contributions at candidate points."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd

from lunarsite.engine import moon, provenance
from lunarsite.engine.errors import InputError
from lunarsite.engine.io.vectors import vector
from lunarsite.engine.scoring.cell_scores import Scores, describe_cells
from lunarsite.engine.scoring.finished_run import open_run

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.scoring.finished_run import Run

    Float = NDArray[np.float64]

_INSIDE, _OUTSIDE, _UNKNOWN = "scored", "outside", "no score"


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Look up the scores of the cells that contain the points, and write them.

    All points are written, in their order, with the column ``state``: ``scored``, ``outside`` the
    cells of the run, or ``no score`` if a layer of a criterion is missing in the cell.

    Raises
    ------
    InputError
        If the run or the points cannot be read, or no point is in a cell of the run.
    """
    out = Path(values["out"])
    context.progress(0.0, "opening the run")
    run = open_run(values["run"], context)
    context.progress(0.6, "reading the points")
    points = vector.read_points(values["points"], "The points", context)
    x, y = points.geometry.x.to_numpy(), points.geometry.y.to_numpy()
    index = _cells_of(run, x, y)
    inside = np.flatnonzero(index >= 0)
    known = np.isfinite(run.scores["score"].to_numpy()[index[inside]])
    scored = inside[known]
    described = describe_cells(
        run.features, Scores(run.scores, run.shap, run.base_log_odds, run.inputs), index[scored]
    ).drop(columns=["site", "geometry"])
    names = ("lon_deg", "lat_deg", "x_m", "y_m")
    # The features are those of the best disc of the cell, which may lie a cell away.
    described = described.rename(columns={name: f"disc_{name}" for name in names})
    state = np.full(len(points), _OUTSIDE, dtype=object)
    state[inside] = _UNKNOWN
    state[scored] = _INSIDE
    lon, lat = moon.xy_to_lonlat(x, y)
    table = pd.DataFrame(
        {
            "point": np.arange(1, len(points) + 1),
            "name": points["name"],
            "state": state,
            "lon_deg": lon,
            "lat_deg": lat,
            "x_m": x,
            "y_m": y,
        }
    ).join(described.set_index(scored))
    for name in ("cell_id", "rank", "rank_low", "rank_high"):
        table[name] = table[name].astype("Int64")
    table["passes"] = table["passes"].astype("boolean")
    shaping = {"profile": run.profile.as_dict()}
    tags = provenance.as_tags(
        provenance.describe(
            "score-points", shaping, [values["points"], Path(values["run"]) / "manifest.json"]
        )
    )
    context.progress(0.9, "writing")
    vector.write_geopackage(
        out, {"points": gpd.GeoDataFrame(table, geometry=points.geometry)}, tags
    )
    unscored = len(points) - len(scored)
    if unscored:
        context.warn(f"{unscored} of {len(points)} points have no score: see the column state.")
    passing = int(table["passes"].fillna(value=False).sum())
    return {
        "outputs": {"points": str(out)},
        "points": len(points),
        "scored": len(scored),
        "passing": passing,
        "summary": [f"{len(scored)} of {len(points)} points scored, {passing} meet all criteria"],
    }


def _cells_of(run: Run, x_m: Float, y_m: Float) -> NDArray[np.int64]:
    """Return the rows of the cells that contain points; -1 outside.

    Raises
    ------
    InputError
        If no point is in a cell.
    """
    pixels = (run.grid.pixel_of(x, y) for x, y in zip(x_m, y_m, strict=True))
    index = np.array(
        [-1 if pixel is None else run.row_of_cell[pixel] for pixel in pixels], np.int64
    )
    if not (index >= 0).any():
        raise InputError(
            f"None of the {len(x_m)} points is in a cell of the run",
            "Give points inside the scored area, and check that longitude and latitude are not "
            "swapped",
        )
    return index
