"""Opening of elevation models: which band holds the heights, and what its numbers mean.

Whatever a file declares about its numbers, in the band, in a label beside it or by its unit, is
applied here once, so that every reader gets metres above the sphere.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from rasterio.enums import ColorInterp

from lunarsite.engine.io import raster, remedies
from lunarsite.engine.io.elevation.bands import height_bands, refuse_pictures, refuse_results
from lunarsite.engine.io.elevation.numbers import scaling_of, spread_scale, title_of
from lunarsite.engine.io.heights import HIGHEST_M, LOWEST_M
from lunarsite.engine.io.labels import describes, label_beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import rasterio
    from numpy.typing import NDArray
    from rasterio.windows import Window

    from lunarsite.engine.context import Context

    Float32 = NDArray[np.float32]

_ROUNDING = 0.3
"""How far a stored number that was scaled and stored as float32 may be from a whole number."""


@dataclass(slots=True, eq=False)
class Elevation:
    """An open elevation model.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The open raster.
    band : int
        The band with the heights, from 1.
    spread_band : int or None
        The band with the standard deviation within each pixel, if there is one.
    scaling : tuple of float
        height = scale · stored number + offset, in metres.
    alpha : int or None
        The band that says where heights are valid, if GDAL does not take it for one.
    notes : list of str
        What was assumed; the caller warns of it.
    whole_numbers : bool
        Whether heights are integers of which nothing says that they count metres.
    synthetic : bool
        Whether the stage ``synthesize`` generated it.
    spread_scale : float
        spread = scale · stored number of its band, in metres.
    missing : tuple of float
        Stored numbers that a label declares as nodata.
    """

    source: rasterio.DatasetReader
    band: int
    spread_band: int | None
    scaling: tuple[float, float]
    alpha: int | None = None
    notes: list[str] = field(default_factory=list)
    whole_numbers: bool = False
    synthetic: bool = False
    spread_scale: float = 1.0
    missing: tuple[float, ...] = ()
    _seen: set[float] = field(default_factory=set)
    _fills: tuple[float, ...] | None = None

    def read(
        self, window: Window | None = None, *, shape: tuple[int, int] | None = None
    ) -> Float32:
        """Read heights, whole or a window.

        Parameters
        ----------
        window : rasterio.windows.Window, optional
            Part to read; it may extend beyond the raster.
        shape : tuple of int, optional
            Rows and columns of the result, fewer than are read: heights are averaged, from
            overviews where there are any.

        Returns
        -------
        ndarray of float32, shape (rows, columns)
            Metres above the sphere; NaN for nodata and outside the raster.
        """
        heights = raster.read_band(
            self.source,
            self.band,
            window=window,
            shape=shape,
            scaling=self.scaling,
            alpha=self.alpha,
            fills=(*self.fills, *self.missing),
        )
        self._drop_fills(heights)
        return heights

    def _drop_fills(self, heights: Float32) -> None:
        """Make nodata of fill values that cannot be heights, wherever they stand."""
        with np.errstate(invalid="ignore"):
            row, column = np.nonzero((heights < LOWEST_M) | (heights > HIGHEST_M))
        if not len(row):
            return
        from lunarsite.engine.io import fill  # noqa: PLC0415  an unchanged run only opens its inputs

        scale, offset = self.scaling
        stored = (heights[row, column].astype(np.float64) - offset) / scale
        known = np.array([*fill.USUAL, *range(fill.ISIS_INT16_MIN, fill.ISIS_INT16_MAX + 1)])
        whole = np.round(stored)
        special = np.isin(whole, known) & (np.abs(stored - whole) < _ROUNDING)
        special |= np.abs(stored) >= fill.HUGE
        heights[row[special], column[special]] = np.nan
        self._seen.update(float(value) for value in np.unique(whole[special]))

    def read_spread(
        self, window: Window | None = None, *, shape: tuple[int, int] | None = None
    ) -> Float32:
        """Read the standard deviation of the heights within each pixel.

        Only for models with a ``spread_band``; parameters as in `read`.
        """
        if self.spread_band is None:
            raise ValueError("there is no band with the spread of the heights")
        spread = raster.read_band(
            self.source,
            self.spread_band,
            window=window,
            shape=shape,
            scaling=(self.spread_scale, 0.0),
            alpha=self.alpha,
            fills=self.missing,
        )
        with np.errstate(invalid="ignore"):
            spread[spread < 0.0] = np.nan
        return spread

    def command(self, factor: float, shift_m: float) -> str:
        """Return the command that declares heights as they are, by a factor and a shift."""
        scale, offset = self.scaling
        nodata = self.source.nodatavals[self.band - 1]
        return remedies.rescale(self.source.name, scale * factor, offset * factor + shift_m, nodata)

    def declare(self, height_m: float) -> str:
        """Return the command that declares a height as nodata."""
        scale, offset = self.scaling
        stored = (height_m - offset) / scale
        if np.dtype(self.source.dtypes[self.band - 1]).kind in "iu":
            stored = float(round(stored))
        return remedies.declare(self.source, f"-a_nodata {stored:.15g}", "nodata")

    def warn(self, context: Context, what: str) -> None:
        """Warn of what was assumed, and of what looks like a fill value but counts as ground."""
        for note in self.notes:
            context.warn(note)
        self.warn_of_fills(context, what)
        for held, nodata in self._areas(alone=True):
            context.warn(
                f"{what}: {held} and count as ground. If that is a fill value, declare it: "
                f"{remedies.declare(self.source, f'-a_nodata {nodata:.15g}', 'nodata')}"
            )

    def warn_of_fills(self, context: Context, what: str) -> None:
        """Warn of undeclared fill values, those that were met while reading among them.

        Who warns before reading calls it again afterwards: the sample misses single pixels.
        """
        fills = sorted({*self.fills, *self._seen})
        if fills:
            listed = ", ".join(f"{value:g}" for value in fills)
            context.warn(
                f"{what}: pixels with the value {listed}, which is a fill value but not declared "
                "as one, were taken for nodata."
            )

    def drop_areas(self, context: Context, what: str) -> None:
        """Take large areas of one exact value for nodata: in a far field they are no ground.

        Of an elevation model itself it is doubtful, and only warned of.
        """
        for held, nodata in self._areas():
            self.missing = (*self.missing, nodata)
            context.warn(f"{what}: {held} and were taken for nodata.")

    def _areas(self, *, alone: bool = False) -> list[tuple[str, float]]:
        """Return what is said of large areas of one exact value, and the value as it is stored.

        ``alone`` is whether a raster that holds nothing else is one.
        """
        from lunarsite.engine.io import fill  # noqa: PLC0415  an unchanged run only opens its inputs

        stored, known = fill.sample(self.source, self.band)
        known = known & ~np.isin(stored, (*self.fills, *self._seen, *self.missing))
        values = stored[known]
        if values.size and (values == values[0]).all():
            value = float(values[0])
            height_m = self.scaling[0] * value + self.scaling[1]
            held = f"all pixels that were sampled hold one exact value, {height_m:g} m,"
            return [(held, value)] if alone else []
        edge = fill.at_edge(stored[None], known)
        if edge is not None:
            known &= stored != edge.values[0]
        areas = []
        for where, found in (("at its edge", edge), ("inside it", fill.inside(stored, known))):
            if found is not None:
                height_m = self.scaling[0] * found.values[0] + self.scaling[1]
                share = f"{100 * found.share:.{int(found.share < 0.01)}f} %"
                held = (
                    f"{share} of the sampled pixels, {where}, hold one exact value, {height_m:g} m,"
                )
                areas.append((held, found.values[0]))
        return areas

    @property
    def fills(self) -> tuple[float, ...]:
        """Stored numbers that are fill values, though the raster does not declare them."""
        if self._fills is None:
            from lunarsite.engine.io import fill  # noqa: PLC0415  likewise

            self._fills = fill.undeclared(self.source, self.band)
        return self._fills


@contextmanager
def open_elevation(path: str | Path, what: str) -> Iterator[Elevation]:
    """Open an elevation model, and find out what its numbers mean.

    Parameters
    ----------
    path : path
        A raster in a format that GDAL reads, or another name that GDAL opens.
    what : str
        Name of the raster in messages.

    Yields
    ------
    Elevation
        The open model.

    Raises
    ------
    InputError
        If it is unreadable, a picture or another thing than heights, or has several bands none of
        which can be told to be the heights.
    """
    with raster.opened(path, what) as source:
        refuse_pictures(source, what)
        synthetic = refuse_results(source, what)
        band, spread = height_bands(source, what)
        scaling, notes, whole = scaling_of(source, band, what)
        alphas = [
            number
            for number, meaning in enumerate(source.colorinterp, 1)
            if meaning == ColorInterp.alpha
        ]
        if band != 1:
            described = source.descriptions[band - 1]
            title = title_of(what, path)
            notes.append(f"{title}: heights are read from band {band}, {described!r}.")
        label = label_beside(path)
        if label is not None and not describes(label, source.dtypes[band - 1]):
            label = None
        yield Elevation(
            source,
            band,
            spread,
            scaling,
            alphas[0] if alphas else None,
            notes,
            whole,
            synthetic,
            spread_scale(source, band, spread, scaling[0]),
            () if label is None or label.missing is None else (label.missing,),
        )
