"""Draw the pictures in the help of `fetch`, `dossier` and `validate`.

make region demo && .venv/bin/python tools/make_data_help.py
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from matplotlib import image as plt_image
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import FuncFormatter

from lunarsite.engine import moon
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.builtin import BUILTIN
from lunarsite.engine.report import drawing
from lunarsite.engine.report.maps import hillshade

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "resources" / "help"
RUN = ROOT / ".cache" / "region" / "run"
DEMO = ROOT / "demo" / "run"
LUNARSITE = ROOT / ".venv" / "bin" / "lunarsite"
SIZE_PX = (232, 178)
HALF_KM = 540.0


def main() -> None:
    coverage()
    dossier()
    validation()


def validation() -> None:
    """Draw how often the best cells of the demo lie in candidate regions, beside rotated ones."""
    table = pd.read_csv(ROOT / "resources" / "moon" / "regions.csv")
    half = 500.0 * np.sqrt(table["area_km2"])
    with tempfile.TemporaryDirectory() as folder:
        regions = Path(folder) / "regions.gpkg"
        squares = shapely.box(
            table["x_m"] - half, table["y_m"] - half, table["x_m"] + half, table["y_m"] + half
        )
        frame = gpd.GeoDataFrame({"name": table["name"]}, geometry=squares, crs=moon.SOUTH_POLAR)
        frame.to_file(regions)
        subprocess.run(
            [
                LUNARSITE,
                "validate",
                "--run",
                DEMO,
                "--out",
                folder,
                "--regions",
                regions,
                "--quiet",
            ],
            check=True,
        )
        checks = json.loads((Path(folder) / "validation.json").read_text())["checks"]
    near = next(c for c in checks if c["name"] == "candidate-regions-near-the-pole")
    curve = near["figures"]["curve"]
    with drawing.style():
        picture = drawing.figure(SIZE_PX[0] / 100, SIZE_PX[1] / 100)
        axes = picture.subplots()
        count = curve["cells"]
        low, high, lift = (
            np.array(curve[name], np.float64) for name in ("rotated_low", "rotated_high", "lift")
        )
        axes.fill_between(count, low, high, color=drawing.MISSING)
        axes.plot(count, lift, color=drawing.EARTH, lw=2.0)
        axes.axhline(1.0, color=drawing.INK, lw=0.8, ls=":")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_xlabel("best cells", size=7)
        axes.set_ylabel("lift", size=7)
        axes.tick_params(labelsize=6)
        axes.spines[["top", "right"]].set_visible(False)
        picture.savefig(PICTURES / "validate.png", dpi=100, metadata={"Software": None})


def dossier() -> None:
    """Draw the first map of a dossier beside its calendar."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([LUNARSITE, "dossier", RUN, "--out", folder, "--quiet"], check=True)
        names = ("maps", "calendar")
        maps, calendar = (plt_image.imread(f"{folder}/figures/{name}.png") for name in names)
    high, wide = maps.shape[:2]
    ground = maps[
        round(0.035 * high) : round(0.365 * high), round(0.03 * wide) : round(0.46 * wide)
    ]
    high, wide = calendar.shape[:2]
    bars = calendar[: round(0.87 * high), round(0.11 * wide) :]
    with drawing.style():
        picture = drawing.figure(SIZE_PX[0] / 100, SIZE_PX[1] / 100, constrained=False)
        for image, box in ((ground, (0.0, 0.12, 0.5, 0.76)), (bars, (0.52, 0.12, 0.48, 0.76))):
            axes = picture.add_axes(box)
            axes.imshow(image, interpolation="antialiased", aspect="auto")
            axes.set_axis_off()
        picture.savefig(PICTURES / "dossier.png", dpi=100, metadata={"Software": None})


def coverage() -> None:
    """Draw the pole, the edge of LOLA's finer models, and a part of one."""
    with raster.opened(BUILTIN, "The model") as source:
        grid = raster.grid_of(source, "The model")
        shade = hillshade(raster.read_band(source, 1), grid)
    side_km = grid.bounds[2] / 1000.0
    with drawing.style():
        picture = drawing.figure(SIZE_PX[0] / 100, SIZE_PX[1] / 100, constrained=False)
        axes = picture.add_axes((0.0, 0.0, 1.0, 1.0))
        edges = (-side_km, side_km, -side_km, side_km)
        axes.imshow(shade, cmap="gray", extent=edges, alpha=0.8)
        radius_km = float(moon.lonlat_to_xy(0.0, -80.0)[1]) / 1000.0
        axes.add_patch(Circle((0, 0), radius_km, fill=False, color=drawing.SUN, linewidth=1.5))
        told = axes.text(0, radius_km + 15, "80° S: 20 and 80 m", ha="center", fontsize=7)
        told.set_path_effects(drawing.halo())
        axes.add_patch(
            Rectangle((-25, -60), 50, 50, fill=False, color=drawing.EARTH, linewidth=1.5)
        )
        told = axes.text(40, -55, "--aoi", color=drawing.EARTH, fontsize=8, weight="bold")
        told.set_path_effects(drawing.halo())
        axes.set_xlim(-HALF_KM, HALF_KM)
        axes.set_ylim(-HALF_KM * SIZE_PX[1] / SIZE_PX[0], HALF_KM * SIZE_PX[1] / SIZE_PX[0])
        axes.set_axis_off()
        picture.savefig(PICTURES / "fetch.png", dpi=100, metadata={"Software": None})


if __name__ == "__main__":
    main()
