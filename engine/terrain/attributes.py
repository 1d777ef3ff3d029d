"""Slope, aspect, curvature, roughness, relief and topographic position in one pass.

Map lengths are corrected by the map scale k (`moon.map_scale`): a pixel of s map metres is s/k
metres on the ground. Nodata is preserved: a pixel without a height has no value in any layer,
derivatives need all 3 x 3 pixels, and windows need at least half of their pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.errors import ParameterError
from lunarsite.engine.io.grid import Dem, require_dem
from lunarsite.engine.terrain import _attribute_kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.io.grid import Grid

    Float32 = NDArray[np.float32]

WIDEST_PX = 255


@dataclass(frozen=True, slots=True)
class Layer:
    """A terrain layer: its name, which is also its file name, its title and its unit."""

    name: str
    title: str
    unit: str


LAYERS: tuple[Layer, ...] = (
    Layer("slope_deg", "Slope", "deg"),
    Layer("aspect_deg", "Downhill direction, clockwise from geographic north", "deg"),
    Layer("profile_curvature_per_km", "Curvature along the slope, convex positive", "1/km"),
    Layer("plan_curvature_per_km", "Curvature across the slope, convex positive", "1/km"),
    Layer("roughness_fine_m", "Roughness about the plane, narrow window", "m"),
    Layer("roughness_medium_m", "Roughness about the plane, medium window", "m"),
    Layer("roughness_coarse_m", "Roughness about the plane, wide window", "m"),
    Layer("relief_m", "Highest less lowest height in the window", "m"),
    Layer("position_index_m", "Height above the mean of the window", "m"),
)


@dataclass(frozen=True, slots=True)
class Windows:
    """Sides of the moving windows, odd numbers of pixels.

    Parameters
    ----------
    roughness_px : tuple of three int
        Narrow, medium and wide windows of roughness.
    relief_px, position_px : int
        Windows of relief and topographic position.

    Raises
    ------
    ParameterError
        If a side is even, less than 3 or more than 255, or the roughness windows do not increase.
    """

    roughness_px: tuple[int, int, int] = (3, 9, 27)
    relief_px: int = 9
    position_px: int = 27

    def __post_init__(self) -> None:
        for side in (*self.roughness_px, self.relief_px, self.position_px):
            if side % 2 == 0 or not 3 <= side <= WIDEST_PX:
                raise ParameterError(
                    f"A window of {side} pixels is not an odd number from 3 to {WIDEST_PX}",
                    f"Give {min(max(side + 1 - side % 2, 3), WIDEST_PX)}",
                )
        fine, medium, coarse = self.roughness_px
        if not fine < medium < coarse:
            raise ParameterError(
                f"The roughness windows {fine}, {medium}, {coarse} do not grow",
                "Give three different odd sides from the narrowest to the widest: 3,9,27",
            )

    @classmethod
    def parse(cls, roughness: str, relief_px: int, position_px: int) -> Windows:
        """Return the windows from a text such as ``3,9,27`` and two numbers."""
        try:
            sides = tuple(int(part) for part in roughness.split(","))
        except ValueError:
            sides = ()
        if len(sides) != 3:
            raise ParameterError(
                f"--roughness-windows-px: {roughness!r} is not three whole numbers",
                "Write them with commas between: 3,9,27",
            )
        return cls(sides, relief_px, position_px)

    @property
    def halo_px(self) -> int:
        """Width of the halo of a block, pixels."""
        return max(*self.roughness_px, self.relief_px, self.position_px) // 2


DEFAULT_WINDOWS = Windows()


def terrain_attributes(dem: Dem, *, windows: Windows = DEFAULT_WINDOWS) -> dict[str, Float32]:
    """Return slope, aspect, curvatures, roughness, relief and topographic position.

    Parameters
    ----------
    dem : Dem
        The elevation model.
    windows : Windows, optional
        Sides of the windows of roughness, relief and topographic position.

    Returns
    -------
    dict of str to ndarray of float32, shape of the grid
        By name, with the unit as suffix: ``slope_deg``, ``aspect_deg`` (downhill, clockwise from
        geographic north), ``profile_curvature_per_km``, ``plan_curvature_per_km``,
        ``roughness_fine_m``, ``roughness_medium_m``, ``roughness_coarse_m``, ``relief_m``,
        ``position_index_m``. NaN for nodata.

    Raises
    ------
    ParameterError
        If ``dem`` is not an elevation model.

    References
    ----------
    Slope and aspect: Horn (1981), Proc. IEEE 69:14. Curvatures: Evans (1980), Z. Geomorph.
    Suppl. 36:274; Minár, Evans & Jenčo (2020), Earth-Sci. Rev. 211:103414.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.tile(0.1 * np.arange(40) * 20.0, (40, 1))
    >>> dem = Dem.from_array(ramp, pixel_m=20.0, x_min_m=-400.0, y_max_m=400.0)
    >>> layers = terrain_attributes(dem)
    >>> round(float(layers["slope_deg"][20, 20]), 2)
    5.71
    """
    require_dem(dem)
    if not isinstance(windows, Windows):
        raise ParameterError(f"windows is a {type(windows).__name__}", "Give a Windows")
    return derivatives(dem.height_m, dem.grid, windows=windows)


def derivatives(
    height_m: Float32, grid: Grid, *, windows: Windows = DEFAULT_WINDOWS
) -> dict[str, Float32]:
    """Return all terrain layers of a whole array.

    Parameters
    ----------
    height_m : ndarray of float32, shape of the grid
        Metres above the sphere; NaN where missing.
    grid : Grid
        Its grid, for pixel size, map scale and the direction of north.
    windows : Windows
        Sides of the windows.

    Returns
    -------
    dict of ndarray of float32
        By the names of `LAYERS`; NaN where missing.

    Examples
    --------
    >>> from lunarsite.engine.io.grid import Grid
    >>> grid = Grid(-200.0, 200.0, 40.0, 10, 10)
    >>> x_m = np.broadcast_to(grid.column_x_m(), grid.shape)
    >>> layers = derivatives((0.1 * x_m).astype(np.float32), grid)
    >>> round(float(layers["slope_deg"][4, 4]), 3)
    5.711
    """
    padded = np.pad(
        np.asarray(height_m, np.float32), windows.halo_px, constant_values=np.float32(np.nan)
    )
    stack = block_layers(padded, grid, windows)
    return {layer.name: values for layer, values in zip(LAYERS, stack, strict=True)}


def block_layers(padded_m: Float32, grid: Grid, windows: Windows) -> Float32:
    """Return all layers of a block. Thread-safe.

    Parameters
    ----------
    padded_m : ndarray of float32, shape (rows + 2 halo, columns + 2 halo)
        Heights of the block with a halo of ``windows.halo_px``, metres; NaN for nodata and outside
        the raster.
    grid : Grid
        Grid of the block without its halo.
    windows : Windows
        Sides of the windows.

    Returns
    -------
    ndarray of float32, shape (layers, rows, columns)
        In the order of `LAYERS`; NaN for nodata.
    """
    halo = windows.halo_px
    out = np.empty((len(LAYERS), *grid.shape), np.float32)
    x_m, y_m = grid.x_min_m + 0.5 * grid.pixel_m, grid.y_max_m - 0.5 * grid.pixel_m
    missing = np.isnan(padded_m)
    if missing.all():
        out[:] = np.nan
        return out
    whole = not missing.any()
    _attribute_kernels.derive(padded_m, halo, x_m, y_m, grid.pixel_m, out)
    spare = np.empty(grid.shape, np.float32)
    spreads = {side: out[4 + n] for n, side in enumerate(windows.roughness_px)}
    for side in sorted({*spreads, windows.position_px}):
        position = out[8] if side == windows.position_px else spare
        _attribute_kernels.windowed(
            padded_m, halo, side // 2, whole, spreads.get(side, spare), position
        )
    _attribute_kernels.relief(padded_m, halo, windows.relief_px // 2, whole, out[7])
    return out
