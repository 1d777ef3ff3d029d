"""Contact sheet of the candidates that a catalogue lacks, each lit from two sides.

lunarsite detect-craters --dem D --out F.gpkg
lunarsite evaluate-craters --detections F.gpkg --catalogue C --bounds … --out compared.gpkg
.venv/bin/python tools/crater_candidates.py D compared.gpkg W,S,E,N LEAST_M sheet.png list.csv

The list has a column for verdicts: crater, doubtful or false. One that is there already keeps
those of candidates at the same place.
"""

import sys
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pandas as pd
import rasterio

mpl.use("Agg")

from matplotlib.figure import Figure
from matplotlib.patches import Circle

COLUMNS = 4
"""Candidates in a row of the sheet, two pictures each."""

REACH = 2.2
"""Half of the side of a picture, in radii."""

SAME = 0.5
"""Distance of centres in radii within which a verdict is that of the same candidate."""


def main(dem: str, compared: str, bounds: str, least_m: str, sheet: str, table: str) -> None:
    """Draw the sheet, and list the candidates."""
    found = gpd.read_file(compared, layer="craters")
    west, south, east, north = (float(v) for v in bounds.split(","))
    inside = found["x_m"].between(west, east) & found["y_m"].between(south, north)
    new = found[(found["kind"] == "new") & inside & (found["diameter_m"] >= float(least_m))]
    new = new.sort_values("confidence", ascending=False).reset_index(drop=True)
    listed = pd.DataFrame(
        {
            "number": np.arange(1, len(new) + 1),
            "x_m": new["x_m"].round(),
            "y_m": new["y_m"].round(),
            "diameter_m": new["diameter_m"].round(),
            "confidence": new["confidence"].round(3),
            "verdict": "",
            "seen": "",
        }
    )
    _with_verdicts(listed, Path(table)).to_csv(table, index=False)
    _draw(dem, listed, Path(sheet))


def _with_verdicts(listed: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the list with the verdicts of an earlier one."""
    if not path.is_file():
        return listed
    before = pd.read_csv(path, keep_default_na=False)
    for row in range(len(listed)):
        x, y, wide = listed.loc[row, ["x_m", "y_m", "diameter_m"]]
        away = np.hypot(before["x_m"] - x, before["y_m"] - y) / (0.5 * wide)
        alike = (away < SAME) & ((before["diameter_m"] / wide - 1.0).abs() < SAME)
        if alike.any():
            at = int(away.where(alike).idxmin())
            listed.loc[row, ["verdict", "seen"]] = before.loc[at, ["verdict", "seen"]]
    return listed


def _draw(dem: str, listed: pd.DataFrame, path: Path) -> None:
    with rasterio.open(dem) as source:
        height, pixel, box = source.read(1), source.res[0], source.bounds
    south, east = np.gradient(height / pixel)
    rows = -(-max(len(listed), 1) // COLUMNS)
    figure = Figure(figsize=(3.6 * COLUMNS, 2.0 * rows), dpi=100)
    axes = figure.subplots(rows, 2 * COLUMNS, squeeze=False)
    for each in axes.flat:
        each.set_axis_off()
    extent = (box.left, box.right, box.bottom, box.top)
    for at, one in enumerate(listed.itertuples()):
        row, column = divmod(at, COLUMNS)
        for side, (right, up) in enumerate(((1.0, -1.0), (-1.0, -1.0))):
            panel = axes[row, 2 * column + side]
            shade = np.clip(0.5 + 0.75 * (right * east - up * south), 0.0, 1.0)
            panel.imshow(shade, cmap="gray", vmin=0, vmax=1, extent=extent)
            radius = 0.5 * one.diameter_m
            panel.set_xlim(one.x_m - REACH * radius, one.x_m + REACH * radius)
            panel.set_ylim(one.y_m - REACH * radius, one.y_m + REACH * radius)
            panel.add_patch(
                Circle((one.x_m, one.y_m), radius, fill=False, edgecolor="#f0e442", lw=0.8)
            )
            if side == 0:
                panel.set_title(
                    f"{one.number}: {one.diameter_m / 1000:.1f} km, {one.confidence:.2f}",
                    fontsize=8,
                    loc="left",
                )
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.93, wspace=0.03, hspace=0.18)
    figure.savefig(path)


if __name__ == "__main__":
    main(*sys.argv[1:7])
