"""Features of the landing disc around every pixel, and the suitability and probability of it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rasterio.enums import Resampling
from rasterio.windows import Window
from scipy import special

from lunarsite.engine import moon
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.numbers import metres_per_unit
from lunarsite.engine.scoring import suitability
from lunarsite.engine.scoring.error_model import Footprint
from lunarsite.engine.scoring.features import cells, source_layers
from lunarsite.engine.scoring.features.columns import BY_NAME, OF_CELLS, SENSITIVITIES
from lunarsite.engine.scoring.landing import disc_statistics
from lunarsite.engine.scoring.landing.discs import LEAST_KNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.scoring.error_model import Errors
    from lunarsite.engine.scoring.features.layers import Layers
    from lunarsite.engine.scoring.landing.discs import Disc
    from lunarsite.engine.scoring.profiles import Profile

    Float32 = NDArray[np.float32]
    Read = Callable[[Window], Float32]

_STRIP_PX = 4_000_000
_PIXEL_BYTES = 400
"""Memory for a pixel of a strip: float32 copies of its layers, float64 ones of its features."""


class _Kind(NamedTuple):
    """How a feature follows from a layer: its source, and a statistic on the disc."""

    source: str
    statistic: str


def _kinds() -> dict[str, _Kind]:
    """Return the features that are known at every pixel."""
    kinds = {
        "avg_illumination_pct": _Kind("illumination", "mean"),
        "illumination_min_pct": _Kind("illumination", "min"),
        "earth_visibility_pct": _Kind("earth_visibility", "mean"),
        "psr_fraction": _Kind("psr", "mean"),
        "relief_mean_m": _Kind("relief", "mean"),
        "position_index_mean_m": _Kind("position_index", "mean"),
        "clearance_5deg_m": _Kind("slope", "5"),
        "clearance_8deg_m": _Kind("slope", "8"),
    }
    for name in SENSITIVITIES:
        kinds[name] = _Kind(name, "mean")
    for stem in ("elevation", "slope", "roughness", "elevation_error"):
        unit = "deg" if stem == "slope" else "m"
        for statistic in ("mean", "std", "min", "max"):
            kinds[f"{stem}_{statistic}_{unit}"] = _Kind(stem, statistic)
    for name, source in OF_CELLS.items():
        kinds[name] = _Kind(source, "own")
    return kinds


KINDS = _kinds()


@dataclass(frozen=True, slots=True)
class Evaluable:
    """The criteria of a profile that can be evaluated at every pixel.

    Parameters
    ----------
    profile : Profile
        The profile, with these criteria alone.
    left_out : tuple of str
        Features of the criteria that are known of cells only.
    """

    profile: Profile
    left_out: tuple[str, ...]


def evaluable(profile: Profile, layers: Layers, grid: Grid) -> Evaluable:
    """Return the criteria that can be evaluated at every pixel with the layers at hand.

    Where cells are larger than pixels, darkest month and longest darkness are not among them: their
    layers hold the middle of each cell, while the disc that is chosen has its own.
    """
    at_hand = {"elevation", *layers.rasters}
    for source in at_hand.intersection(OF_CELLS.values()):
        what = source_layers.name_of(source, layers.rasters[source])
        with raster.opened(layers.rasters[source], what) as layer:
            if layer.res[0] > 1.001 * grid.pixel_m:
                at_hand.remove(source)
    own = tuple(
        c for c in profile.criteria if c.feature in KINDS and KINDS[c.feature].source in at_hand
    )
    others = tuple(c.feature for c in profile.criteria if c not in own)
    return Evaluable(profile.with_criteria(own), tuple(dict.fromkeys(others)))


class Strip(NamedTuple):
    """Suitability and probability of the discs around the pixels of some rows.

    Parameters
    ----------
    window : Window
        The rows.
    suitability, probability : ndarray of float32, shape of the window
        0 to 1; NaN where a tenth of the disc or more is unknown.
    """

    window: Window
    suitability: Float32
    probability: Float32


def evaluate(
    layers: Layers, grid: Grid, disc: Disc, profile: Profile, errors: Errors, context: Context
) -> Iterator[Strip]:
    """Evaluate the criteria on the disc around every pixel, strip by strip.

    Parameters
    ----------
    layers : Layers
        DEM and rasters.
    grid : Grid
        Grid of the DEM.
    disc : Disc
        The landing disc.
    profile : Profile
        Criteria on features of `KINDS`.
    errors : Errors
        The error model.
    context : Context
        Memory, progress, warnings.

    Yields
    ------
    Strip
        From north to south. The values do not depend on the height of the strips.
    """
    names = _needed(profile, layers)
    reach = max([disc.reach, *(_reach(KINDS[name], grid, disc) for name in names)])
    footprint = Footprint(grid.pixel_m, radius_m=disc.radius_m)
    strip_px = min(_STRIP_PX, context.memory_limit_bytes // (2 * _PIXEL_BYTES))
    rows = max(1, strip_px // grid.width - 2 * reach)
    with ExitStack() as stack:
        readers = {
            source: stack.enter_context(_reader(source, layers, grid, context))
            for source in dict.fromkeys(KINDS[name].source for name in names)
        }
        for top in range(0, grid.height, rows):
            context.progress(top / grid.height, "landing discs")
            window = Window(0, top, grid.width, min(rows, grid.height - top))
            values = _features(names, readers, grid, disc, window)
            odds = suitability.log_odds(values, profile, errors, footprint)
            probability = suitability.probability(values, profile, errors, footprint)
            found = special.expit(odds), probability
            yield Strip(window, *(each.astype(np.float32) for each in found))


def padded(read: Read, grid: Grid, window: Window, reach: int) -> Float32:
    """Return a window of full width with a margin on every side, NaN outside the raster."""
    top, bottom = int(window.row_off) - reach, int(window.row_off + window.height) + reach
    inner = max(0, top), min(grid.height, bottom)
    out = np.full((bottom - top, grid.width + 2 * reach), np.nan, np.float32)
    pixels = read(Window(0, inner[0], grid.width, inner[1] - inner[0]))
    out[inner[0] - top : inner[1] - top, reach : reach + grid.width] = pixels
    return out


def _needed(profile: Profile, layers: Layers) -> list[str]:
    """Return the features that the criteria and their errors need, as far as there are layers."""
    names = dict.fromkeys(criterion.feature for criterion in profile.criteria)
    limited = {BY_NAME[name].source for name in names}
    for name, source in zip(SENSITIVITIES, ("illumination", "earth_visibility"), strict=True):
        if source in limited and name in layers.rasters:
            names[name] = None
    if "slope" in limited and "elevation_error" in layers.rasters:
        names["elevation_error_mean_m"] = None
    return list(names)


def _reach(kind: _Kind, grid: Grid, disc: Disc) -> int:
    """Return the margin that a feature needs, pixels."""
    if not kind.statistic.isdigit():
        return disc.reach
    west, south, east, north = np.abs(grid.bounds)
    farthest = float(moon.map_scale(max(west, east), max(south, north)))
    return int(np.ceil(cells.CLEARANCE_M * farthest / grid.pixel_m))


def _features(
    names: list[str], readers: dict[str, Read], grid: Grid, disc: Disc, window: Window
) -> dict[str, Float32]:
    """Return features of the discs around the pixels of a window of full width."""
    half, least = disc.half_widths, int(np.ceil(LEAST_KNOWN * disc.pixels))
    read: dict[tuple[str, int], Float32] = {}
    values = {}
    for name in names:
        source, statistic = KINDS[name]
        reach = 0 if statistic == "own" else _reach(KINDS[name], grid, disc)
        if (source, reach) not in read:
            read[source, reach] = padded(readers[source], grid, window, reach)
        pixels = read[source, reach]
        if statistic == "own":
            values[name] = pixels
        elif statistic == "mean":
            values[name] = disc_statistics.disc_mean(pixels, half, least)
        elif statistic == "max":
            values[name] = disc_statistics.disc_greatest(pixels, half, least)
        elif statistic == "min":
            values[name] = -disc_statistics.disc_greatest(-pixels, half, least)
        elif statistic == "std":
            values[name] = disc_statistics.disc_deviation(pixels, half, least)
        else:
            distance = cells.clearance(pixels, float(statistic), reach)
            own = distance[reach : reach + int(window.height), reach : reach + grid.width]
            scale = moon.map_scale(
                *np.meshgrid(grid.part(window).column_x_m(), grid.part(window).row_y_m())
            )
            values[name] = np.minimum(own * grid.pixel_m / scale, cells.CLEARANCE_M).astype(
                np.float32
            )
    return values


@contextmanager
def _reader(source: str, layers: Layers, grid: Grid, context: Context) -> Iterator[Read]:
    """Open a layer on the pixels of the DEM, in the unit of its features."""
    path = layers.dem if source == "elevation" else layers.rasters[source]
    what = source_layers.name_of(source, path)
    if source in OF_CELLS.values():
        with raster.open_layer(path, grid, what=what, resampling=Resampling.nearest) as layer:
            yield layer.read
        return
    with source_layers.opened(source, path, grid, what, context) as read:
        factor = np.float32(1.0)
        if source in ("illumination", "earth_visibility"):
            factor = _percent_factor(read, path, grid, what, context)
        elif source == "elevation_error":
            low, high = _ends(read, grid, context)
            source_layers.as_errors((low, low, low, high), path, what)
            with raster.opened(path, what) as opened:
                factor = np.float32(metres_per_unit(opened.units[0] or "") or 1.0)
        yield read if factor == 1.0 else lambda window: read(window) * factor


def _percent_factor(read: Read, path: str, grid: Grid, what: str, context: Context) -> np.float32:
    """Return the factor that converts a layer to percent."""
    with raster.opened(path, what) as opened:
        if (opened.units[0] or "").strip() == "%":
            return np.float32(1.0)
    return source_layers.percent_per_unit(*_ends(read, grid, context), path, what, context)


def _ends(read: Read, grid: Grid, context: Context) -> tuple[Float32, Float32]:
    """Return the least and the greatest value of a layer, shape (1,); NaN without any."""
    low = high = np.float32(np.nan)
    for window in grid.tiles(source_layers.SCAN_PX):
        context.check()
        pixels = read(window).ravel()
        low = np.fmin(low, np.fmin.reduce(pixels))
        high = np.fmax(high, np.fmax.reduce(pixels))
    return np.full(1, low, np.float32), np.full(1, high, np.float32)
