"""The columns of a feature table, cell by cell from their definitions (docs/concepts/score.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from oracles.ground import Raster, distance_m, lonlat, scale

if TYPE_CHECKING:
    from pathlib import Path

WALK_M, FARTHEST_CLEARANCE_M, AROUND_M = 2000.0, 500.0, 5000.0

LAYERS = {
    "slope": "slope_deg",
    "roughness": "roughness_fine_m",
    "relief": "relief_m",
    "position_index": "position_index_m",
    "illumination": "illumination_pct",
    "earth_visibility": "earth_visibility_pct",
    "psr": "psr",
    "illumination_sensitivity": "illumination_sensitivity",
    "earth_sensitivity": "earth_sensitivity",
    "darkest_month": "illumination_darkest_month_pct",
    "longest_night": "longest_night_days",
}
OF_DISCS = {
    "darkest_month": "disc_darkest_month_pct",
    "longest_night": "disc_longest_darkness_days",
}
"""Instead of these, where cells have the features of their best disc."""

OF_CELLS = {"darkest_month": "darkest_month_pct", "longest_night": "longest_night_days"}
STATISTICS = ("mean", "std", "min", "max")


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a feature table was computed from.

    ``radius_m`` is that of the landing disc, NaN without discs; ``side`` that of a cell.
    """

    rasters: dict[str, Raster]
    craters: pd.DataFrame
    side: int
    radius_m: float
    landing: dict[str, Raster] = field(default_factory=dict)

    @classmethod
    def read(cls, dem: Path, layers: Path, craters: Path, side: int, radius_m: float, **more: Path):
        rasters = {"elevation": Raster.read(dem)}
        files = LAYERS | OF_DISCS if np.isfinite(radius_m) else LAYERS
        rasters |= {name: Raster.read(layers / f"{file}.tif") for name, file in files.items()}
        rasters |= {name: Raster.read(path) for name, path in more.items()}
        landing = {}
        if np.isfinite(radius_m):
            for name in ("suitability", "probability"):
                landing[name] = Raster.read(layers / f"landing_{name}.tif")
        return cls(rasters, pd.read_csv(craters), side, radius_m, landing)

    @property
    def discs(self) -> bool:
        return bool(np.isfinite(self.radius_m))

    def best_disc(self, row: int, column: int) -> tuple[int, int] | None:
        """Return the pixel of the most suitable disc of a cell; None without a known disc."""
        block = self.landing["suitability"].block(row, column, self.side)
        if not np.isfinite(block).any():
            return None
        down, across = np.unravel_index(np.nanargmax(block), block.shape)
        return row * self.side + int(down), column * self.side + int(across)


def features(inputs: Inputs, row: int, column: int) -> dict[str, float]:
    """Return all columns of one cell."""
    dem, side = inputs.rasters["elevation"], inputs.side
    cell_m = side * dem.pixel_m
    west, north = dem.x_m[0] - 0.5 * dem.pixel_m, dem.y_m[0] + 0.5 * dem.pixel_m
    x = cell_x = west + (column + 0.5) * cell_m
    y = cell_y = north - (row + 0.5) * cell_m
    place = inputs.best_disc(row, column) if inputs.discs else None
    if place is not None:
        x, y = dem.x_m[place[1]], dem.y_m[place[0]]
    lon, lat = lonlat(x, y)
    across = int(np.ceil(dem.pixels.shape[1] / side))
    out = {"cell_id": row * across + column, "row": row, "column": column}
    out |= {"lon_deg": lon, "lat_deg": lat, "x_m": x, "y_m": y}
    out |= {"cell_x_m": cell_x, "cell_y_m": cell_y, "cell_m": cell_m}
    out |= {"landing_radius_m": inputs.radius_m, "pixel_m": dem.pixel_m}
    for source, raster in inputs.rasters.items():
        if source in OF_CELLS:
            out[OF_CELLS[source]] = raster.at(cell_x, cell_y)
            out[f"coverage_{source}_pct"] = 100.0 * np.isfinite(out[OF_CELLS[source]])
            continue
        block = raster.block(row, column, side)
        if "sensitivity" not in source:
            out[f"coverage_{source}_pct"] = 100.0 * np.isfinite(block).sum() / side**2
        evaluated = block
        if inputs.discs:
            evaluated = raster.disc(*place, inputs.radius_m) if place else np.full(1, np.nan)
            out |= _context(source, block)
        out |= of_pixels(source, evaluated)
    out |= clearances(inputs, place, row, column, x, y)
    out |= _shadow(inputs.rasters["psr"], x, y)
    out |= _craters(inputs, place, row, column, x, y)
    if inputs.discs:
        out |= _landable(inputs.landing["probability"].block(row, column, side), dem.pixel_m)
    return out


def _known(values):
    return values[np.isfinite(values)]


def of_pixels(source: str, pixels) -> dict[str, float]:
    known = _known(pixels)
    if known.size == 0:
        known = np.full(1, np.nan)
    mean, std, low, high = known.mean(), known.std(), known.min(), known.max()
    named = {
        "relief": {"relief_mean_m": mean},
        "position_index": {"position_index_mean_m": mean},
        "illumination": {"avg_illumination_pct": mean, "illumination_min_pct": low},
        "earth_visibility": {"earth_visibility_pct": mean},
        "psr": {"psr_fraction": mean},
        "illumination_sensitivity": {"illumination_sensitivity": mean},
        "earth_sensitivity": {"earth_sensitivity": mean},
    }
    if source in named:
        return named[source]
    unit = "deg" if source == "slope" else "m"
    four = zip(STATISTICS, (mean, std, low, high), strict=True)
    return {f"{source}_{statistic}_{unit}": value for statistic, value in four}


def _context(source: str, block) -> dict[str, float]:
    names = {
        "slope": "cell_slope_mean_deg",
        "roughness": "cell_roughness_mean_m",
        "illumination": "cell_illumination_pct",
        "earth_visibility": "cell_earth_visibility_pct",
    }
    if source not in names:
        return {}
    known = _known(block)
    return {names[source]: known.mean() if known.size else np.nan}


def clearances(inputs: Inputs, place, row: int, column: int, x: float, y: float):
    """Return the distance of the disc's centre from steep slopes, or that of a cell's best pixel.

    Beyond the edge of the slopes nothing is known to be steep.
    """
    slope, out = inputs.rasters["slope"], {}
    for limit in (5, 8):
        steep = np.argwhere(slope.pixels > limit)
        if inputs.discs:
            centers = [place] if place else []
        else:
            side = inputs.side
            block = slope.block(row, column, side)
            centers = [(row * side + j, column * side + i) for j, i in np.ndindex(block.shape)]
        # The map has one scale within a cell, that of the place.
        found = [
            np.hypot(*(steep - center).T).min(initial=np.inf) * slope.pixel_m / scale(x, y)
            for center in centers
            if np.isfinite(slope.pixels[center])
        ]
        out[f"clearance_{limit}deg_m"] = min(max(found), FARTHEST_CLEARANCE_M) if found else np.nan
    return out


def _shadow(psr: Raster, x: float, y: float) -> dict[str, float]:
    """Return distance to permanent shadow and its area within a walk, as far as they are known."""
    rows, columns = psr.pixels.shape
    # With a ring of unknown ground around the mask.
    mask = np.pad(psr.pixels, 1, constant_values=np.nan)
    px = psr.x_m[0] + np.arange(-1, columns + 1) * psr.pixel_m
    py = psr.y_m[0] - np.arange(-1, rows + 1) * psr.pixel_m
    away = distance_m(x, y, *np.meshgrid(px, py))
    nearest = away[mask == 1.0].min(initial=np.inf)
    if mask[np.argmin(np.abs(py - y)), np.argmin(np.abs(px - x))] == 1.0:
        nearest = 0.0
    unknown = away[np.isnan(mask)].min(initial=np.inf)
    within = away <= WALK_M
    partly = np.isnan(mask[within]).any()
    ground = (psr.pixel_m / scale(px[None, :], py[:, None])) ** 2
    area = ground[within & (mask == 1.0)].sum() / 1e6
    return {
        # As near as unknown ground is near enough; the map's scale differs between the two.
        "psr_distance_m": nearest if nearest <= unknown * (1.0 + 1e-4) else np.nan,
        "psr_area_2km_km2": np.nan if partly else area,
    }


def _craters(inputs: Inputs, place, row: int, column: int, x: float, y: float):
    """Return the crater columns: circles on the sphere, whose centres and diameters are listed."""
    dem, listed, side = inputs.rasters["elevation"], inputs.craters, inputs.side
    cx, cy = listed["x_m"].to_numpy(), listed["y_m"].to_numpy()
    diameter = listed["diameter_m"].to_numpy()
    ratio = (listed["depth_m"] / listed["diameter_m"]).to_numpy()
    height, width = dem.pixels.shape
    inner = min(side, height - row * side) * min(side, width - column * side)
    out = {"coverage_craters_pct": 100.0 * inner / side**2}
    away = distance_m(x, y, cx, cy)
    out["crater_rim_distance_m"] = np.abs(away - 0.5 * diameter).min()
    out["crater_density_per_km2"] = (away <= AROUND_M).sum() / (np.pi * (AROUND_M / 1e3) ** 2)
    if not inputs.discs:
        half = 0.5 * side * dem.pixel_m
        own = (np.abs(cx - x) < half) & (np.abs(cy - y) < half)
        down, across = np.indices(dem.block(row, column, side).shape)
        pixels = np.column_stack([down.ravel() + row * side, across.ravel() + column * side])
    elif place is None:
        names = ("count", "coverage_pct", "mean_diameter_m", "max_diameter_m", "mean_depth_ratio")
        return out | {f"crater_{name}": np.nan for name in names}
    else:
        own = away < 0.5 * diameter + inputs.radius_m / scale(x, y)
        reach = int(inputs.radius_m // dem.pixel_m) + 1
        across, down, _ = dem.around(*place, reach)
        within = np.hypot(across, down) * dem.pixel_m <= inputs.radius_m * (1.0 + 1e-9)
        pixels = np.column_stack([down[within] + place[0], across[within] + place[1]])
    covered = [
        (distance_m(dem.x_m[i], dem.y_m[j], cx, cy) <= 0.5 * diameter).any() for j, i in pixels
    ]
    known = ratio[own & np.isfinite(ratio)]
    return out | {
        "crater_count": own.sum(),
        "crater_coverage_pct": 100.0 * np.mean(covered),
        "crater_mean_diameter_m": diameter[own].mean() if own.any() else 0.0,
        "crater_max_diameter_m": diameter[own].max(initial=0.0),
        "crater_mean_depth_ratio": known.mean() if known.size else np.nan,
    }


def _landable(probability, pixel_m: float) -> dict[str, float]:
    """Return share, largest circle and number of areas of the landable ground of a cell.

    A circle is about the centre of a landable disc, and reaches half a pixel short of the nearest
    centre that is not landable or not of the cell.
    """
    names = ("landable_pct", "landing_circle_m", "landable_areas")
    known = np.isfinite(probability)
    if not known.any():
        return dict.fromkeys(names, np.nan)
    good = np.pad(known & (probability >= 0.5), 1)
    spots, others = np.argwhere(good), np.argwhere(~good)
    widest = max((np.hypot(*(others - spot).T).min() for spot in spots), default=0.5)
    areas, left = 0, {tuple(spot) for spot in spots}
    while left:
        areas, edge = areas + 1, [left.pop()]
        while edge:
            j, i = edge.pop()
            near = {(j + v, i + h) for v in (-1, 0, 1) for h in (-1, 0, 1)} & left
            left -= near
            edge += near
    share = 100.0 * len(spots) / known.sum()
    return dict(zip(names, (share, (widest - 0.5) * pixel_m, areas), strict=True))
