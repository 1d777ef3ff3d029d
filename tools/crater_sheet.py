"""Draw each new crater of a comparison in its own picture, for visual inspection.

lunarsite evaluate-craters --detections F.gpkg --catalogue C --bounds … --out compared.gpkg
.venv/bin/python tools/crater_sheet.py D compared.gpkg 2000 docs/images/candidates.png

Each has two pictures, lit from the north-west and the north-east: a crater is visible in both.
"""

import sys
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import rasterio
from rasterio.windows import Window

mpl.use("Agg")

from matplotlib.figure import Figure
from matplotlib.patches import Circle

from lunarsite.engine import moon

COLUMNS = 4
AROUND = 2.2
"""Each picture reaches to so many radii."""


def main(dem: str, compared: str, least_m: str, out: str) -> None:
    """Draw the sheet."""
    craters = gpd.read_file(compared, layer="craters")
    craters = craters[(craters["kind"] == "new") & (craters["diameter_m"] >= float(least_m))]
    craters = craters.sort_values("confidence", ascending=False).reset_index(drop=True)
    rows = -(-len(craters) // COLUMNS)
    figure = Figure(figsize=(4.4 * COLUMNS, 2.5 * rows), dpi=100, layout="constrained")
    grid = figure.subplots(rows, 2 * COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    with rasterio.open(dem) as source:
        for number, crater in enumerate(craters.itertuples()):
            radius = 0.5 * crater.diameter_m * float(moon.map_scale(crater.x_m, crater.y_m))
            row, column = source.index(crater.x_m, crater.y_m)
            half = int(AROUND * radius / source.res[0])
            window = Window(column - half, row - half, 2 * half + 1, 2 * half + 1)
            height = source.read(1, window=window, boundless=True, fill_value=np.nan)
            for east in (0, 1):
                axes = grid[number // COLUMNS, 2 * (number % COLUMNS) + east]
                axes.imshow(shaded(height / source.res[0], -1.0 if east else 1.0), cmap="gray")
                across = radius / source.res[0]
                axes.add_patch(
                    Circle(
                        (half, half), across, fill=False, color="#f0e442", lw=0.9, ls=(0, (4, 4))
                    )
                )
                axes.set_axis_on()
                axes.set_xticks([])
                axes.set_yticks([])
            lon, lat = moon.xy_to_lonlat(crater.x_m, crater.y_m)
            grid[number // COLUMNS, 2 * (number % COLUMNS)].set_title(
                f"{number + 1}: {crater.diameter_m / 1000:.1f} km, {crater.confidence:.2f}, "
                f"{float(lat):.3f}° {float(lon):.2f}°",
                fontsize=8,
                loc="left",
            )
    figure.savefig(Path(out))


def shaded(height: np.ndarray, way: float) -> np.ndarray:
    """Return the hillshade of heights in pixels, stretched to its range."""
    south, east = np.gradient(height)
    light = south + way * east
    known = light[np.isfinite(light)]
    low, high = np.quantile(known, (0.02, 0.98)) if known.size else (0.0, 1.0)
    return np.clip((light - low) / max(high - low, 1e-9), 0.0, 1.0)


if __name__ == "__main__":
    main(*sys.argv[1:5])
