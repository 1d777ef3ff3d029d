"""Draw detected, missed and new craters over the hillshade of an elevation model.

lunarsite detect-craters --dem D --out F.gpkg
lunarsite evaluate-craters --detections F.gpkg --catalogue C --bounds … --out compared.gpkg
.venv/bin/python tools/crater_picture.py D compared.gpkg W,S,E,N docs/images/craters.png
"""

import sys
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import rasterio

mpl.use("Agg")

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from lunarsite.engine import moon

KINDS = {
    "hit": ("#56b4e9", "found", 2.0),
    "miss": ("#d55e00", "missed", 2.0),
    "new": ("#f0e442", "new candidate", 1.6),
}


def main(dem: str, compared: str, bounds: str, out: str) -> None:
    """Draw the picture."""
    with rasterio.open(dem) as source:
        height, pixel, box = source.read(1), source.res[0], source.bounds
    south, east = np.gradient(height / pixel)
    shade = np.clip(0.5 + 0.6 * (south + east), 0.0, 1.0)
    figure = Figure(figsize=(9.0, 9.4), dpi=120)
    axes = figure.add_subplot()
    extent = np.array([box.left, box.right, box.bottom, box.top]) / 1000.0
    axes.imshow(shade, cmap="gray", vmin=0, vmax=1, extent=tuple(extent), interpolation="bilinear")
    craters = gpd.read_file(compared, layer="craters")
    counts = craters["kind"].value_counts()
    # Misses last, so that none is hidden.
    for kind in ("new", "hit", "miss"):
        color, _, width = KINDS[kind]
        for row in craters[craters["kind"] == kind].itertuples():
            radius = 0.5 * row.diameter_m * float(moon.map_scale(row.x_m, row.y_m)) / 1000.0
            for line, tint in ((width + 1.2, "#202020"), (width, color)):
                axes.add_patch(
                    Circle(
                        (row.x_m / 1000.0, row.y_m / 1000.0),
                        radius,
                        fill=False,
                        edgecolor=tint,
                        linewidth=line,
                    )
                )
    west, bottom, right, top = (float(v) / 1000.0 for v in bounds.split(","))
    axes.plot(
        [west, right, right, west, west], [bottom, bottom, top, top, bottom], color="w", lw=1.0
    )
    axes.set_xlim(extent[0], extent[1])
    axes.set_ylim(extent[2], extent[3])
    axes.set_xlabel("x on the south polar map, km")
    axes.set_ylabel("y, km")
    axes.legend(
        handles=[
            Line2D([], [], color=color, lw=3, label=f"{word} ({counts.get(kind, 0)})")
            for kind, (color, word, _) in KINDS.items()
        ]
        + [Line2D([], [], color="#999999", lw=1, label="inside this line the catalogue is known")],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.07),
        ncols=4,
        frameon=False,
        fontsize=9,
    )
    figure.savefig(Path(out), bbox_inches="tight")


if __name__ == "__main__":
    main(*sys.argv[1:5])
