"""The real frame against published values: points on crests, and 81 cells of the PGDA maps.

    .venv/bin/python benchmarks/bench_published.py

Nothing surrounds the frame but what LunarSite adds by itself.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio

from lunarsite.engine import run

DEM = Path(__file__).parents[2] / "shared" / "data" / "dem"
SPAN = {"start": "2027-01-01", "stop": "2045-08-10"}


class Point(NamedTuple):
    """A published point: light in percent, and longest light and darkness in days."""

    name: str
    lon: float
    lat: float
    mast_m: float
    light_pct: float
    longest_light: float | None
    longest_dark: float | None


POINTS = (
    Point("Gläser 2014, spot 3", 222.7581, -89.4516, 10, 92.55, 262.42, 3.08),
    Point("Gläser 2014, spot 4", 222.8445, -89.4544, 10, 91.94, 262.42, 3.17),
    Point("Mazarico 2011, CR1", 222.69, -89.45, 10, 93.10, None, None),
    Point("Gläser 2018, Shackleton rim", 197.19, -89.6866, 2, 85.5, None, 2.75),
)
BOUNDS = (
    ("shackleton_ridge_200m", "centre", 1.55, 1.7),
    ("shackleton_ridge_25m", "centre", 1.10, 1.3),
    ("shackleton_ridge_25m", "any", 1.10, 1.3),
)
"""DEM, part of the Earth's disc, RMSE of illumination and of Earth visibility at most, points.

The published maps count any part of the Earth's disc.
"""


def main() -> None:
    """Print the table."""
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    for point in POINTS:
        published(point)
    for bounds in BOUNDS:
        cells(*bounds)


def published(point: Point) -> None:
    """Print a line for a published point."""
    found = run(
        "skyline",
        dem=str(DEM / "shackleton_ridge_25m.tif"),
        lon=point.lon,
        lat=point.lat,
        mast_height_m=point.mast_m,
        **SPAN,
    )
    light = found["illumination_pct"]
    longest = max(span["days"] for span in found["sun_up"])
    near = abs(light - point.light_pct) <= 1.0
    told, figure = f"{light:.2f} %", f"{point.light_pct:g} ± 1.0 %"
    if point.longest_light is not None:
        near = near and abs(longest - point.longest_light) <= 1.0
        told += f", longest light {longest:.2f} d"
        figure += f", {point.longest_light:g} ± 1 d"
    if point.longest_dark is not None:
        told += f", longest darkness {found['longest_night_days']:.2f} d"
        figure += f" (darkness {point.longest_dark:g} d)"
    place = f"{point.name}, {point.lon:g}°, {point.lat:g}°, mast {point.mast_m:g} m, 25 m DEM"
    print(f"| {place} | {figure} | {told} | {'yes' if near else 'no'} |", flush=True)


def cells(name: str, earth_part: str, light_rmse: float, earth_rmse: float) -> None:
    """Print a line for each map of the cells inside the frame."""
    with tempfile.TemporaryDirectory() as folder:
        dem = str(DEM / f"{name}.tif")
        made = run(
            "lighting", dem=dem, out=folder, earth_part=earth_part, mast_height_m=0.0, **SPAN
        )
        for layer, band, bound in (
            ("illumination_pct", "avg_illumination_pct", light_rmse),
            ("earth_visibility_pct", "earth_visibility_pct", earth_rmse),
        ):
            truth, found = compared(Path(made["outputs"][layer]), band)
            off = found - truth
            rmse, bias = float(np.sqrt((off**2).mean())), float(off.mean())
            near = rmse <= bound and (abs(bias) <= 0.6 or "earth" in layer)
            figure = f"RMSE ≤ {bound:g}" + ("" if "earth" in layer else ", bias within ±0.6")
            print(
                f"| {layer} of {len(truth)} cells, {name}, mast 0, automatic far field"
                f"{'' if 'illum' in layer else f', {earth_part} of the disc'} | {figure} "
                f"| RMSE {rmse:.2f}, bias {bias:+.2f}, r {np.corrcoef(truth, found)[0, 1]:.4f} | "
                f"{'yes' if near else 'no'} |",
                flush=True,
            )


def compared(path: Path, band: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of the published cells inside a layer, and its means over them."""
    with rasterio.open(DEM / "south_pole_80S_cells_4960m.tif") as table:
        truth = table.read(table.descriptions.index(band) + 1)
        side = table.transform.a
        left, top = table.transform.c, table.transform.f
    with rasterio.open(path) as source:
        layer, place = source.read(1), source.transform
    rows, columns = np.indices(layer.shape)
    column = np.floor((place.c + (columns + 0.5) * place.a - left) / side).astype(int)
    row = np.floor((top - place.f - (rows + 0.5) * place.e) / side).astype(int)
    cell = row * truth.shape[1] + column
    total = np.bincount(cell.ravel(), layer.ravel(), truth.size)
    count = np.bincount(cell.ravel(), minlength=truth.size)
    whole = (count >= (int(side / place.a)) ** 2 * 0.999) & np.isfinite(truth.ravel())
    return truth.ravel()[whole].astype(np.float64), total[whole] / count[whole]


if __name__ == "__main__":
    main()
