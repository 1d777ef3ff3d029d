"""Maps of a run: hillshade, sites, scores and layers."""

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

from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.source import open_elevation
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.report import drawing, graticule, marks, place_names
from lunarsite.engine.report.labels import Labels
from lunarsite.engine.text import LOWEST_TOP_SCORE, SCORE_TICKS

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]

_LARGE_PX = 1_000
_SMALL_PX = 420
_LARGE_IN = 6.3
_SMALL_IN = 3.7
_LIGHT_AZIMUTH_DEG = 315.0
_LIGHT_ELEVATION_DEG = 40.0
_TYPICAL_SLOPE_DEG = 22.0


@dataclass(frozen=True, slots=True, eq=False)
class MapFrame:
    """Mapped area with its hillshade, sites and regions.

    Parameters
    ----------
    grid : Grid
        Grid of the hillshade.
    extent : tuple of float
        West, east, south and north edge, metres.
    shade : ndarray of float32, shape of the grid
        Hillshade, 0 to 1; NaN for nodata.
    sites : GeoDataFrame
        Listed sites.
    regions : dict
        Outlines of the regions, by their labels.
    names : list of Name
        Craters and mountains of the real Moon inside.
    """

    grid: Grid
    extent: tuple[float, float, float, float]
    shade: Float32
    sites: gpd.GeoDataFrame
    regions: dict[str, Any] = field(default_factory=dict)
    names: list[place_names.Name] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LayerStyle:
    """Symbology of a layer.

    Parameters
    ----------
    colours : str
        Name of a colour map, or the colours of the classes.
    logarithmic : bool
        Whether the colour scale is logarithmic.
    classes : tuple of str
        Titles of the classes of a categorical layer.
    """

    colours: str
    logarithmic: bool = False
    classes: tuple[str, ...] = ()


def map_frame(dem: str | Path, sites: gpd.GeoDataFrame, regions: dict[str, Any]) -> MapFrame:
    """Return the frame of an elevation model with its hillshade at the size of the map."""
    with open_elevation(dem, "The DEM") as model:
        whole = raster.grid_of(model.source, "The DEM")
        grid = _overview_grid(whole, _LARGE_PX)
        heights = model.read(shape=grid.shape)
        named = [] if model.synthetic else place_names.inside(grid.bounds)
    west, south, east, north = grid.bounds
    shade = hillshade(heights, grid)
    return MapFrame(grid, (west, east, south, north), shade, sites, regions, named)


def read_overview(
    path: str | Path, what: str, longest_px: int, *, resampling: Resampling = Resampling.average
) -> tuple[Float32, Grid]:
    """Read a raster downsampled to at most ``longest_px`` a side, using its overviews if any.

    Returns
    -------
    values : ndarray of float32
        NaN for nodata.
    grid : Grid
        With the outer bounds of the raster; the pixel size is exact along rows.
    """
    with raster.opened(path, what) as source:
        grid = raster.grid_of(source, what, least_px=1)
        small = _overview_grid(grid, longest_px)
        return raster.read_band(source, 1, shape=small.shape, resampling=resampling), small


def _overview_grid(grid: Grid, longest_px: int) -> Grid:
    factor = max(1, -(-max(grid.shape) // longest_px))
    height, width = -(-grid.height // factor), -(-grid.width // factor)
    return Grid(grid.x_min_m, grid.y_max_m, grid.width * grid.pixel_m / width, width, height)


def hillshade(height_m: Float32, grid: Grid) -> Float32:
    """Return the hillshade, 0 to 1, lit from the upper left of the map.

    Vertical exaggeration is chosen by the 90th percentile of the slope, so that plains show their
    relief and crater walls are not saturated.
    """
    down, right = (_gradient(height_m.astype(np.float64), grid.pixel_m, axis) for axis in (0, 1))
    slope = np.hypot(down, right)
    known = np.isfinite(slope)
    steep = float(np.quantile(slope[known], 0.9)) if known.any() else 0.0
    target = np.tan(np.radians(_TYPICAL_SLOPE_DEG))
    factor = float(np.clip(target / max(steep, 1e-6), 0.5, 20.0))
    east, north = right * factor, -down * factor
    azimuth, elevation = np.radians(_LIGHT_AZIMUTH_DEG), np.radians(_LIGHT_ELEVATION_DEG)
    towards_light = east * np.sin(azimuth) + north * np.cos(azimuth)
    incidence = np.sin(elevation) - np.cos(elevation) * towards_light
    shade = np.clip(incidence / np.sqrt(1.0 + east**2 + north**2), 0.0, 1.0)
    shade[~np.isfinite(height_m)] = np.nan
    return np.asarray(shade, dtype=np.float32)


def _gradient(height_m: NDArray[np.float64], pixel_m: float, axis: int) -> NDArray[np.float64]:
    """Return the gradient along an axis: none along one of a single pixel."""
    if height_m.shape[axis] < 2:
        return np.zeros_like(height_m)
    return np.asarray(np.gradient(height_m, pixel_m, axis=axis))


def site_map(frame: MapFrame) -> Figure:
    """Return the hillshade with graticule, scale bar and numbered sites."""
    picture, axes = _large(frame)
    _relief(axes, frame)
    _decorate(axes, frame)
    picture.legend(*axes.get_legend_handles_labels(), loc="lower center", ncols=2)
    return picture


def score_map(frame: MapFrame, score: Path) -> Figure:
    """Return the scores over the hillshade."""
    picture, axes = _large(frame)
    _relief(axes, frame)
    values, grid = read_overview(score, "The score", _LARGE_PX)
    west, south, east, north = grid.bounds
    odds = special.logit(np.clip(values, 1e-12, 1.0 - 1e-12))
    known = odds[np.isfinite(odds)]
    low, least, most = special.logit([SCORE_TICKS[0], LOWEST_TOP_SCORE, SCORE_TICKS[-1]])
    best = float(known.max()) if known.size else least
    high = float(np.clip(best, least, most))
    scale = Normalize(low, high)
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
    shown = [p for p in SCORE_TICKS if special.logit(p) <= high + 1e-9]
    bar.set_ticks([float(special.logit(p)) for p in shown], labels=[f"{p:g}" for p in shown])
    bar.set_label("suitability, 0 to 1")
    _decorate(axes, frame)
    return picture


def layer_map(
    frame: MapFrame, path: str | Path, layer_style: LayerStyle, label: str, *, own: bool
) -> Figure:
    """Return a small map of one layer with its colour bar.

    Layers computed by the run (``own``) share the projection of the elevation model; external
    layers are warped to it.
    """
    method = Resampling.mode if layer_style.classes else Resampling.average
    if own:
        values, grid = read_overview(path, "The layer", _SMALL_PX, resampling=method)
    else:
        factor = max(1.0, max(frame.grid.shape) / _SMALL_PX)
        grid = Grid(
            frame.grid.x_min_m,
            frame.grid.y_max_m,
            frame.grid.pixel_m * factor,
            max(1, round(frame.grid.width / factor)),
            max(1, round(frame.grid.height / factor)),
        )
        values, _ = raster.read_layer(path, grid, what="The layer", resampling=method)
    west, south, east, north = grid.bounds
    picture, axes = _small(frame)
    axes.patch.set(facecolor=drawing.MISSING, hatch="////")
    colours: Any = (
        ListedColormap(layer_style.colours.split()) if layer_style.classes else layer_style.colours
    )
    scale, extend = _scale(values, layer_style)
    image = axes.imshow(
        values,
        extent=(west, east, south, north),
        cmap=colours,
        norm=scale,
        interpolation="nearest",
    )
    points = frame.sites[["x_m", "y_m"]].to_numpy(np.float64)
    graticule.draw(axes, frame.extent)
    graticule.scale_bar(axes, frame.extent, avoid=points)
    marks.rings(axes, frame.sites)
    if layer_style.classes:
        handles = [
            Patch(facecolor=colours(k), edgecolor=drawing.FAINT, label=title)
            for k, title in enumerate(layer_style.classes)
        ]
        picture.legend(handles=handles, loc="outside lower center", ncols=2)
    else:
        bar = picture.colorbar(
            image, ax=axes, location="bottom", shrink=0.85, aspect=32, pad=0.02, extend=extend
        )
        bar.set_label(label)
        if layer_style.logarithmic:
            ends = (float(scale.vmin or 1.0), float(scale.vmax or 1.0))
            bar.ax.xaxis.set_major_locator(FixedLocator(_round_numbers(*ends)))
            bar.ax.xaxis.set_minor_locator(NullLocator())
            bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(frame.extent[:2])
    axes.set_ylim(frame.extent[2:])
    return picture


def _large(frame: MapFrame) -> tuple[Figure, Axes]:
    """Return an empty large map with margins for degree labels and a colour bar."""
    aspect = _aspect_ratio(frame)
    side, bottom, top, map_in = 0.52, 0.78, 0.3, _LARGE_IN - 2 * 0.52
    height = map_in * aspect + bottom + top
    picture = drawing.figure(_LARGE_IN, height, constrained=False)
    axes = picture.add_axes(
        (side / _LARGE_IN, bottom / height, map_in / _LARGE_IN, map_in * aspect / height)
    )
    return picture, _empty(axes, frame)


def _small(frame: MapFrame) -> tuple[Figure, Axes]:
    """Return an empty small map with constrained layout."""
    picture = drawing.figure(_SMALL_IN, _SMALL_IN * _aspect_ratio(frame))
    return picture, _empty(picture.subplots(), frame)


def _aspect_ratio(frame: MapFrame) -> float:
    """Return the height over the width of a map, within limits."""
    west, east, south, north = frame.extent
    return float(np.clip((north - south) / (east - west), 0.3, 1.6))


def _empty(axes: Axes, frame: MapFrame) -> Axes:
    """Set up axes for map coordinates without ticks."""
    west, east, south, north = frame.extent
    axes.set_aspect("equal")
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def _relief(axes: Axes, frame: MapFrame) -> None:
    """Draw the hillshade, with nodata hatched."""
    axes.patch.set(facecolor=drawing.MISSING, hatch="////")
    axes.imshow(frame.shade, extent=frame.extent, cmap="gray", vmin=0.0, vmax=1.0)


def _scale(values: Float32, layer_style: LayerStyle) -> tuple[Normalize, str]:
    """Return the normalisation of the colours, and the ends beyond which values extend."""
    if layer_style.classes:
        return Normalize(-0.5, len(layer_style.classes) - 0.5), "neither"
    known = values[np.isfinite(values)]
    if layer_style.logarithmic:
        known = known[known > 0.0]
        low = float(np.quantile(known, 0.01)) if known.size else 1.0
        high = float(known.max()) if known.size else 10.0
        return LogNorm(low, max(high, 1.5 * low)), "neither"
    high = float(np.quantile(known, 0.99)) if known.size else 1.0
    high = high if high > 0.0 else 1.0
    return Normalize(0.0, high), "max" if known.size and float(known.max()) > high else "neither"


def _round_numbers(low: float, high: float) -> list[float]:
    """Return ticks 1, 2, 5, 10, 20 … between two numbers, or 1, 10, 100 … if there are many."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        found = [s * p for p in powers.tolist() for s in steps if low <= s * p <= high]
        if len(found) <= 7:
            break
    return found


def _decorate(axes: Axes, frame: MapFrame) -> None:
    """Draw graticule, scale bar, regions and sites on a large map."""
    points = frame.sites[["x_m", "y_m"]].to_numpy(np.float64)
    graticule.draw(axes, frame.extent)
    labels = Labels(axes)
    graticule.take_pole(frame.extent, labels)
    graticule.scale_bar(axes, frame.extent, avoid=points, labels=labels)
    marks.outlines(axes, frame.regions)
    marks.sites(axes, frame.sites, labels)
    marks.region_names(axes, frame.regions, labels)
    graticule.write(axes, frame.extent, labels)
    marks.names(axes, frame.names, labels)
