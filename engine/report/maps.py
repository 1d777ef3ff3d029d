"""Maps of a run: shaded relief, sites, scores, layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from rasterio.enums import Resampling
from scipy import special

from lunarsite.engine import moon
from lunarsite.engine.io import raster
from lunarsite.engine.report import drawing, graticule, marks

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from lunarsite.engine.io.raster import Grid

    Float32 = NDArray[np.float32]

_LARGE_PX = 1_000
_SMALL_PX = 420
_LARGE_IN = 6.3
_SMALL_IN = 3.7
_LIGHT_FROM_DEG = 315.0
_LIGHT_HEIGHT_DEG = 40.0
_TYPICAL_SLOPE_DEG = 22.0
_FAINTEST, _STRONGEST = 1e-4, 0.9999
_SCORES = (1e-4, 1e-3, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999, 0.9999)


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """The mapped frame: its bounds in metres, its relief as grey values, its sites and regions.

    ``extent`` is west, east, south and north; ``shade`` float32 0 to 1, NaN for missing.
    """

    grid: Grid
    extent: tuple[float, float, float, float]
    shade: Float32
    sites: gpd.GeoDataFrame
    regions: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """How a layer is drawn: its colours, whether they grow with the logarithm, or are classes."""

    colours: str
    logarithmic: bool = False
    classes: tuple[str, ...] = ()


def ground(dem: str | Path, sites: gpd.GeoDataFrame, regions: dict[str, Any]) -> Ground:
    """Read an elevation model at the size of the map, and shade it."""
    heights, grid = read_small(dem, "The DEM", _LARGE_PX)
    west, south, east, north = grid.bounds
    return Ground(grid, (west, east, south, north), hillshade(heights, grid), sites, regions)


def read_small(
    path: str | Path, what: str, longest_px: int, *, resampling: Resampling = Resampling.average
) -> tuple[Float32, Grid]:
    """Read a raster averaged to at most ``longest_px`` a side, through overviews where it has them.

    Returns
    -------
    values : ndarray of float32
        NaN for nodata.
    grid : Grid
        With the raster's own outer bounds; the pixel is exact along the rows.
    """
    with raster.opened(path, what) as source:
        grid = raster.grid_of(source, what)
        factor = max(1, -(-max(grid.shape) // longest_px))
        shape = (-(-grid.height // factor), -(-grid.width // factor))
        values = source.read(
            1, out_shape=shape, resampling=resampling, masked=True, out_dtype=np.float64
        )
        scaled = values.filled(np.nan) * source.scales[0] + source.offsets[0]
    scaled[~(np.abs(scaled) < 1e30)] = np.nan  # heights of -3e38 mean nodata, undeclared
    pixel = grid.width * grid.pixel_m / shape[1]
    small = raster.Grid(grid.x_min_m, grid.y_max_m, pixel, shape[1], shape[0])
    return np.asarray(scaled, dtype=np.float32), small


def hillshade(height_m: Float32, grid: Grid) -> Float32:
    """Return the shaded relief, 0 to 1, lit from the map's upper left.

    Heights are drawn out, or pressed down, so that a steep tenth of the ground is sloped like
    a hillside; a map of plains shows its relief, one of crater walls keeps its greys.
    """
    down, right = np.gradient(height_m.astype(np.float64), grid.pixel_m)
    steep = np.hypot(down, right)
    known = np.isfinite(steep)
    typical = float(np.quantile(steep[known], 0.9)) if known.any() else 0.0
    wanted = np.tan(np.radians(_TYPICAL_SLOPE_DEG))
    factor = float(np.clip(wanted / max(typical, 1e-6), 0.5, 20.0))
    east, north = right * factor, -down * factor
    light, height = np.radians(_LIGHT_FROM_DEG), np.radians(_LIGHT_HEIGHT_DEG)
    facing = np.sin(height) - np.cos(height) * (east * np.sin(light) + north * np.cos(light))
    shade = np.clip(facing / np.sqrt(1.0 + east**2 + north**2), 0.0, 1.0)
    shade[~np.isfinite(height_m)] = np.nan
    return np.asarray(shade, dtype=np.float32)


def site_map(place: Ground) -> Figure:
    """Return the shaded relief with graticule, scale bar and numbered sites."""
    picture, axes = _large(place)
    _relief(axes, place)
    _furnish(axes, place)
    picture.legend(*axes.get_legend_handles_labels(), loc="lower center", ncols=2)
    return picture


def score_map(place: Ground, score: Path) -> Figure:
    """Return the scores over the shaded relief."""
    picture, axes = _large(place)
    _relief(axes, place)
    values, grid = read_small(score, "The score", _LARGE_PX)
    west, south, east, north = grid.bounds
    odds = special.logit(np.clip(values, 1e-12, 1.0 - 1e-12))
    known = odds[np.isfinite(odds)]
    best = max(0.0, float(known.max())) if known.size else 0.0
    high = min(best, float(special.logit(_STRONGEST)))
    scale = Normalize(float(special.logit(_FAINTEST)), high)
    axes.imshow(
        odds,
        extent=(west, east, south, north),
        cmap="viridis",
        norm=scale,
        alpha=0.68,
        interpolation="nearest",
    )
    height = picture.get_figheight()
    below = picture.add_axes((0.15, 0.42 / height, 0.7, 0.11 / height))
    opaque = ScalarMappable(scale, "viridis")
    bar = picture.colorbar(opaque, cax=below, orientation="horizontal", extend="min")
    shown = [p for p in _SCORES if special.logit(p) <= high + 1e-9]
    bar.set_ticks([float(special.logit(p)) for p in shown], labels=[f"{p:g}" for p in shown])
    bar.set_label("score: probability that every criterion holds")
    _furnish(axes, place)
    return picture


def layer_map(place: Ground, path: str | Path, look: Look, label: str, *, own: bool) -> Figure:
    """Return a small map of one layer with its colour bar.

    ``own`` says that the run made it, on the elevation model's map; another one is warped.
    """
    method = Resampling.mode if look.classes else Resampling.average
    if own:
        values, grid = read_small(path, "The layer", _SMALL_PX, resampling=method)
    else:
        factor = max(1.0, max(place.grid.shape) / _SMALL_PX)
        grid = raster.Grid(
            place.grid.x_min_m,
            place.grid.y_max_m,
            place.grid.pixel_m * factor,
            max(1, round(place.grid.width / factor)),
            max(1, round(place.grid.height / factor)),
        )
        values, _ = raster.read_layer(path, grid, what="The layer", resampling=method)
    west, south, east, north = grid.bounds
    picture, axes = _small(place)
    axes.patch.set(facecolor=drawing.MISSING, hatch="////")
    colours: Any = ListedColormap(look.colours.split()) if look.classes else look.colours
    scale, extend = _scale(values, look)
    image = axes.imshow(
        values,
        extent=(west, east, south, north),
        cmap=colours,
        norm=scale,
        interpolation="nearest",
    )
    points = place.sites[["x_m", "y_m"]].to_numpy(np.float64)
    graticule.draw(axes, place.extent, labels=False, avoid=points)
    graticule.scale_bar(axes, place.extent, avoid=points)
    marks.rings(axes, place.sites)
    if look.classes:
        handles = [
            Patch(facecolor=colours(k), edgecolor=drawing.FAINT, label=title)
            for k, title in enumerate(look.classes)
        ]
        picture.legend(handles=handles, loc="outside lower center", ncols=2)
    else:
        bar = picture.colorbar(
            image, ax=axes, location="bottom", shrink=0.85, aspect=32, pad=0.02, extend=extend
        )
        bar.set_label(label)
        if look.logarithmic:
            ends = (float(scale.vmin or 1.0), float(scale.vmax or 1.0))
            bar.ax.xaxis.set_major_locator(FixedLocator(_round_numbers(*ends)))
            bar.ax.xaxis.set_minor_locator(NullLocator())
            bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(place.extent[:2])
    axes.set_ylim(place.extent[2:])
    return picture


def _large(place: Ground) -> tuple[Figure, Axes]:
    """Return an empty large map with room for degrees around it and a colour bar below."""
    tall = _height_of_width(place)
    side, foot, head, map_in = 0.52, 0.78, 0.3, _LARGE_IN - 2 * 0.52
    height = map_in * tall + foot + head
    picture = drawing.figure(_LARGE_IN, height, arranged=False)
    axes = picture.add_axes(
        (side / _LARGE_IN, foot / height, map_in / _LARGE_IN, map_in * tall / height)
    )
    return picture, _empty(axes, place)


def _small(place: Ground) -> tuple[Figure, Axes]:
    """Return an empty small map that makes room for what is put beside it."""
    picture = drawing.figure(_SMALL_IN, _SMALL_IN * _height_of_width(place))
    return picture, _empty(picture.subplots(), place)


def _height_of_width(place: Ground) -> float:
    west, east, south, north = place.extent
    return float(np.clip((north - south) / (east - west), 0.3, 1.6))


def _empty(axes: Axes, place: Ground) -> Axes:
    west, east, south, north = place.extent
    axes.set_aspect("equal")
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def _relief(axes: Axes, place: Ground) -> None:
    axes.patch.set(facecolor=drawing.MISSING, hatch="////")
    axes.imshow(place.shade, extent=place.extent, cmap="gray", vmin=0.0, vmax=1.0)


def _scale(values: Float32, look: Look) -> tuple[Normalize, str]:
    """Return what carries values to colours, and at which ends values go beyond them."""
    if look.classes:
        return Normalize(-0.5, len(look.classes) - 0.5), "neither"
    known = values[np.isfinite(values)]
    if look.logarithmic:
        known = known[known > 0.0]
        low = float(np.quantile(known, 0.01)) if known.size else 1.0
        high = float(known.max()) if known.size else 10.0
        return LogNorm(low, max(high, 1.5 * low)), "neither"
    high = float(np.quantile(known, 0.99)) if known.size else 1.0
    high = high if high > 0.0 else 1.0
    return Normalize(0.0, high), "max" if known.size and float(known.max()) > high else "neither"


def _round_numbers(low: float, high: float) -> list[float]:
    """Return 1, 2, 5, 10, 20 … between two numbers, or 1, 10, 100 … where those are many."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        found = [s * p for p in powers.tolist() for s in steps if low <= s * p <= high]
        if len(found) <= 7:
            break
    return found


def _furnish(axes: Axes, place: Ground) -> None:
    """Lay graticule, scale bar, regions and sites over a large map."""
    points = place.sites[["x_m", "y_m"]].to_numpy(np.float64)
    graticule.draw(axes, place.extent, labels=True, avoid=points)
    graticule.scale_bar(axes, place.extent, avoid=points)
    marks.regions(axes, place.regions)
    marks.sites(axes, place.sites)


def area_km2(x_m: NDArray[np.float64], y_m: NDArray[np.float64], cell_m: float) -> float:
    """Return the ground area of cells: map squares over the square of the map's scale."""
    return float(np.sum((cell_m / moon.map_scale(x_m, y_m)) ** 2)) / 1e6
