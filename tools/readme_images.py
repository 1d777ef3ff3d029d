"""Draw the pictures of the README from the demo run: make images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import geopandas as gpd

from lunarsite.engine.context import Context
from lunarsite.engine.io.elevation.area import part
from lunarsite.engine.report import charts, drawing, maps
from lunarsite.engine.scoring import tables

ROOT = Path(__file__).parents[1]
POLE = ROOT / "resources" / "moon" / "lola_70S_1600m.tif"
AREA = "0,-90,310"
DEMO, IMAGES = ROOT / "demo", ROOT / "docs" / "images"


def main() -> None:
    """Write sites.png, reasons.png and skyline.png."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    run = DEMO / "run"
    sites = gpd.read_file(run / "sites.gpkg", layer="sites").head(20)
    area = maps.map_frame(part(POLE, AREA, Context()), sites, {})
    shap = tables.read_table(run / "shap.parquet", "The table of contributions")
    features = tables.read_features(run / "features.parquet")
    with drawing.style():
        drawing.save(maps.site_map(area), IMAGES / "sites.png", "png")
        drawing.save(charts.contributions(shap, features), IMAGES / "reasons.png", "png")
    best = sites.iloc[0]
    command = [Path(sys.executable).with_name("lunarsite"), "skyline", "--quiet"]
    where = [
        "--dem",
        POLE,
        "--lon",
        str(best["lon_deg"]),
        "--lat",
        str(best["lat_deg"]),
    ]
    subprocess.run([*command, *where, "--picture", IMAGES / "skyline.png"], check=True)


if __name__ == "__main__":
    main()
