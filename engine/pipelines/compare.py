"""The stage ``compare``: two scorings of the same cells, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd

from lunarsite.engine import moon, provenance
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import cog, raster, vector
from lunarsite.engine.scoring import tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid

_OWN = ("score", "rank", "rank_low", "rank_high", "passes")


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Compare two scorings and write where their ranks differ.

    ``rank_change.tif`` holds the rank in the first less the rank in the second: positive where the
    second thinks better of a cell. ``comparison.gpkg`` holds the best cells of either with both
    scores, ranks and intervals; ``differ`` says that the 5-95 % intervals do not meet.

    Raises
    ------
    InputError
        If a folder holds no scores, or the two are not of the same cells.
    """
    out = Path(values["out"])
    folders = [Path(values["first"]), Path(values["second"])]
    context.progress(0.0, "reading the scores")
    first, second = (
        tables.read_table(folder / "scores.parquet", f"The {which} scoring")
        for folder, which in zip(folders, ("first", "second"), strict=True)
    )
    grid, place = _cells(folders, first, second)
    context.progress(0.5, "comparing")
    both = pd.DataFrame({"cell_id": first["cell_id"]})
    for name in _OWN:
        both[f"{name}_first"], both[f"{name}_second"] = first[name], second[name]
    both["rank_change"] = first["rank"] - second["rank"]
    both["differ"] = (both["rank_low_first"] > both["rank_high_second"]) | (
        both["rank_low_second"] > both["rank_high_first"]
    )
    shaping = {"best": values["best"]}
    tags = provenance.as_tags(
        provenance.describe("compare", shaping, [f / "scores.parquet" for f in folders])
    )
    change = np.full(grid.shape, np.nan, np.float32)
    change[place] = both["rank_change"].to_numpy(np.float32)
    paths = {"rank_change": out / "rank_change.tif", "comparison": out / "comparison.gpkg"}
    context.progress(0.8, "writing")
    cog.write_raster(
        paths["rank_change"], change, grid, description="Rank change", unit="ranks", tags=tags
    )
    best = _best(both, place, grid, values["best"])
    vector.write_geopackage(paths["comparison"], {"comparison": best}, tags)
    known = both["rank_change"].notna()
    spearman = (
        float(both.loc[known, "rank_first"].corr(both.loc[known, "rank_second"]))
        if known.sum() > 2
        else None
    )
    shared = int((best["best_of"] == "both").sum())
    asked = min(values["best"], int(known.sum()))
    return {
        "outputs": {name: str(path) for name, path in paths.items()},
        "spearman": None if spearman is None else round(spearman, 4),
        "shared_best": shared,
        "summary": [
            f"rank correlation {spearman:.3f}" if spearman is not None else "too few cells",
            f"{shared} of the best {asked} cells are the same",
            "passing: {} in the first, {} in the second".format(
                int(first["passes"].sum()), int(second["passes"].sum())
            ),
        ],
    }


def _cells(
    folders: list[Path], first: pd.DataFrame, second: pd.DataFrame
) -> tuple[Grid, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the grid that both scorings share, and the row and column of every cell."""
    grids = []
    for folder in folders:
        with raster.opened(folder / "score.tif", "The score raster") as source:
            grids.append(raster.grid_of(source, "The score raster"))
    same = grids[0] == grids[1] and first["cell_id"].equals(second["cell_id"])
    wanted = {"cell_id", *_OWN}
    if not same or not wanted <= set(first) or not wanted <= set(second):
        raise InputError(
            f"{folders[0]} and {folders[1]} do not score the same cells",
            "Score one feature table under both profiles, with the same cell size",
        )
    row, column = np.divmod(first["cell_id"].to_numpy(np.int64), grids[0].width)
    return grids[0], (row, column)


def _best(
    both: pd.DataFrame,
    place: tuple[NDArray[np.int64], NDArray[np.int64]],
    grid: Grid,
    count: int,
) -> gpd.GeoDataFrame:
    """Return the cells that are among the best of either scoring, the best of the first first."""
    in_first = (both["rank_first"] <= count).to_numpy()
    in_second = (both["rank_second"] <= count).to_numpy()
    chosen = np.flatnonzero(in_first | in_second)
    chosen = chosen[np.argsort(both["rank_first"].to_numpy()[chosen], kind="stable")]
    found = both.iloc[chosen].reset_index(drop=True)
    of = np.where(in_first & in_second, "both", np.where(in_first, "first", "second"))[chosen]
    found.insert(1, "best_of", of)
    x = grid.x_min_m + (place[1][chosen] + 0.5) * grid.pixel_m
    y = grid.y_max_m - (place[0][chosen] + 0.5) * grid.pixel_m
    found["lon_deg"], found["lat_deg"] = moon.xy_to_lonlat(x, y)
    return gpd.GeoDataFrame(
        found, geometry=gpd.GeoSeries.from_xy(x, y, crs=moon.SOUTH_POLAR), crs=moon.SOUTH_POLAR
    )
