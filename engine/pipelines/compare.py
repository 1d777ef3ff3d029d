"""The stage ``compare``: comparison of two scorings of the same cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd

from lunarsite.engine import moon, provenance
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import cog, raster
from lunarsite.engine.io.vectors import vector
from lunarsite.engine.scoring import tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid

_COLUMNS = ("score", "rank", "rank_low", "rank_high", "passes")


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Compare two scorings, and write the differences of their ranks.

    ``rank_change.tif`` contains the rank in the first minus the rank in the second: positive where
    the second ranks a cell higher. ``comparison.gpkg`` contains the best cells of either with both
    scores, ranks and intervals; ``differ`` is true if the 5-95 % intervals do not overlap.

    Raises
    ------
    InputError
        If a folder contains no scores, or the two scorings do not have the same cells.
    """
    out = Path(values["out"])
    folders = [Path(values["first"]), Path(values["second"])]
    context.progress(0.0, "reading the scores")
    first, second = (
        tables.read_table(folder / "scores.parquet", f"The {which} scoring")
        for folder, which in zip(folders, ("first", "second"), strict=True)
    )
    grid, cells = _cells(folders, first, second)
    context.progress(0.5, "comparing")
    both = _joined(first, second)
    shaping = {"best": values["best"]}
    tags = provenance.as_tags(
        provenance.describe("compare", shaping, [f / "scores.parquet" for f in folders])
    )
    change = np.full(grid.shape, np.nan, np.float32)
    change[cells] = both["rank_change"].to_numpy(np.float32)
    paths = {"rank_change": out / "rank_change.tif", "comparison": out / "comparison.gpkg"}
    context.progress(0.8, "writing")
    cog.write_raster(
        paths["rank_change"],
        change,
        grid,
        description="Rank change",
        unit="ranks",
        tags=tags,
        context=context,
    )
    best = _best(both, cells, grid, values["best"])
    vector.write_geopackage(paths["comparison"], {"comparison": best}, tags)
    known = both["rank_change"].notna()
    spearman = _spearman(both[known])
    shared = int((best["best_of"] == "both").sum())
    compared = min(values["best"], int(known.sum()))
    return {
        "outputs": {name: str(path) for name, path in paths.items()},
        "spearman": None if spearman is None else round(spearman, 4),
        "shared_best": shared,
        "summary": [
            f"rank correlation {spearman:.3f}" if spearman is not None else "too few cells",
            f"{shared} of the best {compared} cells are the same",
            "passing: {} in the first, {} in the second".format(
                int(first["passes"].sum()), int(second["passes"].sum())
            ),
        ],
    }


def _cells(
    folders: list[Path], first: pd.DataFrame, second: pd.DataFrame
) -> tuple[Grid, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the common grid of both scorings, and row and column of every cell."""
    grids = []
    for folder in folders:
        with raster.opened(folder / "score.tif", "The score raster") as source:
            grids.append(raster.grid_of(source, "The score raster", least_px=1))
    same = grids[0] == grids[1] and first["cell_id"].equals(second["cell_id"])
    required = {"cell_id", *_COLUMNS}
    if not same or not required <= set(first) or not required <= set(second):
        raise InputError(
            f"{folders[0]} and {folders[1]} do not score the same cells",
            "Score one feature table with both profiles and the same cell size",
        )
    row, column = np.divmod(first["cell_id"].to_numpy(np.int64), grids[0].width)
    return grids[0], (row, column)


def _joined(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of both scorings side by side, with their differences."""
    both = pd.DataFrame({"cell_id": first["cell_id"]})
    for name in _COLUMNS:
        both[f"{name}_first"], both[f"{name}_second"] = first[name], second[name]
    both["rank_change"] = first["rank"] - second["rank"]
    both["differ"] = (both["rank_low_first"] > both["rank_high_second"]) | (
        both["rank_low_second"] > both["rank_high_first"]
    )
    return both


def _spearman(known: pd.DataFrame) -> float | None:
    """Return the rank correlation of the cells with both scores; None for too few."""
    return float(known["rank_first"].corr(known["rank_second"])) if len(known) > 2 else None


def _best(
    both: pd.DataFrame,
    cells: tuple[NDArray[np.int64], NDArray[np.int64]],
    grid: Grid,
    count: int,
) -> gpd.GeoDataFrame:
    """Return the cells that are among the best of either scoring, in the order of the first."""
    in_first = (both["rank_first"] <= count).to_numpy()
    in_second = (both["rank_second"] <= count).to_numpy()
    chosen = np.flatnonzero(in_first | in_second)
    chosen = chosen[np.argsort(both["rank_first"].to_numpy()[chosen], kind="stable")]
    best = both.iloc[chosen].reset_index(drop=True)
    best_of = np.where(in_first & in_second, "both", np.where(in_first, "first", "second"))[chosen]
    best.insert(1, "best_of", best_of)
    x = grid.x_min_m + (cells[1][chosen] + 0.5) * grid.pixel_m
    y = grid.y_max_m - (cells[0][chosen] + 0.5) * grid.pixel_m
    best["lon_deg"], best["lat_deg"] = moon.xy_to_lonlat(x, y)
    return gpd.GeoDataFrame(
        best, geometry=gpd.GeoSeries.from_xy(x, y, crs=moon.SOUTH_POLAR), crs=moon.SOUTH_POLAR
    )
