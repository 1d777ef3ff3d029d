"""The stage ``score-points``: scores and reasons of candidate points."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd

from lunarsite.engine import moon, provenance
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import vector
from lunarsite.engine.scoring.cell_scores import Scores, described
from lunarsite.engine.scoring.finished_run import open_run

if TYPE_CHECKING:
    from lunarsite.engine.context import Context

_INSIDE, _OUTSIDE, _UNKNOWN = "scored", "outside", "no score"


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Look up the cells that points lie in and write what the run knows of them.

    Every point comes back, in its order, with the column ``state``: ``scored``; ``outside`` the
    cells of the run; or ``no score`` where a criterion's layer is missing in its cell.

    Raises
    ------
    InputError
        If the run or the points cannot be read, or no point lies in a cell of the run.
    """
    out = Path(values["out"])
    context.progress(0.0, "opening the run")
    run = open_run(values["run"], context)
    context.progress(0.6, "reading the points")
    points = vector.read_points(values["points"], "The points", context)
    x, y = points.geometry.x.to_numpy(), points.geometry.y.to_numpy()
    index = np.array(
        [
            -1 if place is None else run.row_of_cell[place]
            for place in (run.grid.pixel_of(*each) for each in zip(x, y, strict=True))
        ],
        np.int64,
    )
    inside = np.flatnonzero(index >= 0)
    if len(inside) == 0:
        raise InputError(
            f"None of the {len(points)} points lies in a cell of the run",
            "Give points inside the scored area, and check that longitude and latitude are not "
            "swapped",
        )
    known = np.isfinite(run.scores["score"].to_numpy()[index[inside]])
    scored = inside[known]
    found = described(
        run.features, Scores(run.scores, run.shap, run.base_log_odds, run.inputs), index[scored]
    ).drop(columns=["site", "geometry", "lon_deg", "lat_deg", "x_m", "y_m"])
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
    ).join(found.set_index(scored))
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
    left = len(points) - len(scored)
    if left:
        context.warn(f"{left} of {len(points)} points got no score: see the column state.")
    passing = int(table["passes"].fillna(value=False).sum())
    return {
        "outputs": {"points": str(out)},
        "points": len(points),
        "scored": len(scored),
        "passing": passing,
        "summary": [f"{len(scored)} of {len(points)} points scored, {passing} keep all criteria"],
    }
