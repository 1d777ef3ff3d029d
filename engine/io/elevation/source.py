"""Opening of elevation models: which band holds the heights, and what its numbers mean.

Whatever a file declares about its numbers, in the band, in a label beside it or by its unit, is
applied here once, so that every reader gets metres above the sphere.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import ColorInterp, Resampling
from rasterio.windows import Window

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import display_name, local_file, part_of
from lunarsite.engine.io import raster, remedies
from lunarsite.engine.io.heights import HIGHEST_M, LOWEST_M
from lunarsite.engine.io.labels import Label, describes, label_beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import rasterio
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.fill import EdgeFill

    Float32 = NDArray[np.float32]

_PICTURES = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
_COLOURS = 3
"""Least number of unsigned integer bands of a picture."""

_HEIGHTS = re.compile(r"elev|height|altitude|\bdem\b|\bdtm\b|topograph|\blola\b", re.IGNORECASE)
_NO_HEIGHTS = re.compile(
    r"slope|aspect|hillshade|shade|rough|curvature|illumin|visib|shadow|count|error|uncert|"
    r"sigma|\bstd\b|[_ ]std|[_ ](min|max)\b|quality|mask",
    re.IGNORECASE,
)
_MEAN = re.compile(r"mean|average", re.IGNORECASE)
_SPREAD = re.compile(r"std|standard dev", re.IGNORECASE)

_METRES = {"m": 1.0, "km": 1000.0, "cm": 0.01, "mm": 0.001, "dm": 0.1, "ft": 0.3048}
_UNITS = {
    "": "m",
    "unknown": "m",
    "m": "m",
    "meter": "m",
    "meters": "m",
    "metre": "m",
    "metres": "m",
    "km": "km",
    "kilometer": "km",
    "kilometers": "km",
    "kilometre": "km",
    "kilometres": "km",
    "cm": "cm",
    "centimeter": "cm",
    "centimetre": "cm",
    "dm": "dm",
    "mm": "mm",
    "ft": "ft",
    "foot": "ft",
    "feet": "ft",
    "international foot": "ft",
    "us survey foot": "ft",
    "us-ft": "ft",
}
"""Names of units of length. A survey foot differs from a foot by 2 parts in a million."""

_NEAR_RADIUS_M = 50_000.0
"""Offsets that differ from the radius of the Moon by less are radii."""

_SAMPLE_PX = 640
"""Rows and columns, at most, of the sample in which fill values are looked for."""

_LARGE_PX, _FIRST_ROWS, _SAMPLES = 8192**2, 64, 8

_ROUNDING = 0.3
"""How far a stored number that was scaled and stored as float32 may be from a whole number."""

_OWN_HEIGHTS = frozenset({"synthesize"})
"""Stages of ours that write elevation models."""


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
    _stored: tuple[NDArray[Any], NDArray[np.bool_]] | None = None

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
        from lunarsite.engine.io import fill  # noqa: PLC0415  likewise

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

    def warn(self, context: Context, what: str) -> None:
        """Warn of what was assumed, and of what looks like a fill value but counts as ground."""
        for note in self.notes:
            context.warn(note)
        fills = sorted({*self.fills, *self._seen})
        if fills:
            listed = ", ".join(f"{value:g}" for value in fills)
            context.warn(
                f"{what}: pixels with the value {listed}, which is a fill value but not declared "
                "as one, were taken for nodata."
            )
        edge = self._edge_fill()
        if edge is not None:
            height = self.scaling[0] * edge.values[0] + self.scaling[1]
            nodata = edge.values[0]
            context.warn(
                f"{what}: {100 * edge.share:.0f} % of the pixels, at its edge, hold one exact "
                f"value, {height:g} m, and count as ground. If that is a fill value, declare it: "
                f"{remedies.declare(self.source, f'-a_nodata {nodata:.15g}', 'nodata')}"
            )

    def drop_edge_fill(self, context: Context, what: str) -> None:
        """Take a large area of one exact value at the edge for nodata: in a far field it is none.

        Of an elevation model itself it is doubtful, and only warned of.
        """
        edge = self._edge_fill()
        if edge is not None:
            height = self.scaling[0] * edge.values[0] + self.scaling[1]
            self.missing = (*self.missing, edge.values[0])
            context.warn(
                f"{what}: {100 * edge.share:.0f} % of the pixels, at its edge, hold one exact "
                f"value, {height:g} m, and were taken for nodata."
            )

    def _edge_fill(self) -> EdgeFill | None:
        from lunarsite.engine.io import fill  # noqa: PLC0415  an unchanged run only opens its inputs

        stored, known = self._sample()
        return fill.at_edge(
            stored[None], known & ~np.isin(stored, (*self.fills, *self._seen, *self.missing))
        )

    @property
    def fills(self) -> tuple[float, ...]:
        """Stored numbers that are fill values, though the raster does not declare them."""
        if self._fills is None:
            from lunarsite.engine.io import fill  # noqa: PLC0415  likewise

            stored, known = self._sample()
            special = stored[known & fill.special_pixels(stored)]
            numbers = np.unique(
                special[~np.isnan(special)] if special.dtype.kind == "f" else special
            )
            self._fills = tuple(float(value) for value in numbers)
        return self._fills

    def _sample(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return a sample of the stored numbers, and where they are declared to be known.

        It is read from overviews; of large rasters without any only the first rows are read. A part
        of a raster has no overviews of its own, but the raster may.
        """
        if self._stored is None:
            found = part_of(self.source.name)
            name, window = found or (
                self.source.name,
                (0, 0, self.source.width, self.source.height),
            )
            file = local_file(name)
            version = None if file is None else file.stat().st_mtime_ns
            self._stored = _sample(name, version, self.band, window)
        return self._stored


@lru_cache(maxsize=_SAMPLES)
def _sample(
    name: str,
    version: int | None,  # noqa: ARG001  a changed file is sampled again
    band: int,
    part: tuple[int, int, int, int],
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return a sample of stored numbers; the same raster is opened many times, as for tiles."""
    left, top, width, height = part
    with raster.opened(name, "The raster") as source:
        if height * width > _LARGE_PX and not source.overviews(band):
            height = min(height, _FIRST_ROWS)
        side = max(1.0, max(height, width) / _SAMPLE_PX)
        raw = source.read(
            band,
            window=Window(left, top, width, height),
            out_shape=(max(1, round(height / side)), max(1, round(width / side))),
            resampling=Resampling.nearest,
            masked=True,
        )
        return raw.data, ~np.ma.getmaskarray(raw)


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
        synthetic = _refuse_results(source, what)
        band, spread = _bands(source, what)
        scaling, notes, whole = _scaling(source, band, what)
        alphas = [
            number
            for number, meaning in enumerate(source.colorinterp, 1)
            if meaning == ColorInterp.alpha
        ]
        if band != 1:
            described = source.descriptions[band - 1]
            title = _title(what, path)
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
            _spread_scale(source, band, spread, scaling[0]),
            () if label is None or label.missing is None else (label.missing,),
        )


def refuse_pictures(source: rasterio.DatasetReader, what: str) -> None:
    """Raise `InputError` if an open raster is a picture rather than an elevation model."""
    kinds = [np.dtype(name) for name in source.dtypes]
    coloured = source.count >= _COLOURS and kinds[0].kind == "u"
    declared = source.units[0] or (source.scales[0], source.offsets[0]) != (1.0, 0.0)
    shades = all(kind.itemsize == 1 for kind in kinds) and not declared
    if source.driver in _PICTURES or coloured or shades:
        bands = "1 band" if source.count == 1 else f"{source.count} bands"
        raise InputError(
            f"{what} {display_name(source.name)} is a picture ({source.driver}, {bands} "
            f"of {source.dtypes[0]}): its pixels are shades or colours, not heights",
            "Give an elevation model: one band of heights in metres, such as LOLA's GeoTIFF",
        )
    if any(kind.kind == "c" for kind in kinds):
        raise InputError(
            f"{what} {display_name(source.name)} holds complex numbers, not heights",
            "Give an elevation model: one band of heights in metres",
        )


def _refuse_results(source: rasterio.DatasetReader, what: str) -> bool:
    """Refuse what LunarSite computed from an elevation model; return whether it generated it."""
    try:
        stage = str(json.loads(source.tags().get("LUNARSITE", "{}")).get("stage", ""))
    except (ValueError, AttributeError):
        stage = ""
    if stage and stage not in _OWN_HEIGHTS:
        described = source.descriptions[0] or "no description"
        raise InputError(
            f"{what} {display_name(source.name)} is a result of LunarSite's stage {stage} "
            f"({described}), not heights",
            "Give the elevation model that it was computed from",
        )
    return bool(stage)


def _bands(source: rasterio.DatasetReader, what: str) -> tuple[int, int | None]:
    """Return the band of the heights and that of their spread within a pixel, if there is one."""
    bands = [
        number
        for number, meaning in enumerate(source.colorinterp, 1)
        if meaning != ColorInterp.alpha or source.count == 1
    ]
    told = {number: source.descriptions[number - 1] or "" for number in bands}
    name = f"{what} {display_name(source.name)}"
    if len(bands) == 1:
        if _NO_HEIGHTS.search(told[bands[0]]) and not _HEIGHTS.search(told[bands[0]]):
            raise InputError(
                f"{name} holds {told[bands[0]]!r}, not heights",
                "Give the elevation model that it was computed from",
            )
        return bands[0], None
    heights = [
        number
        for number in bands
        if _HEIGHTS.search(told[number]) and not _NO_HEIGHTS.search(told[number])
    ]
    means = [number for number in heights if _MEAN.search(told[number])]
    chosen = heights if len(heights) == 1 else means
    if len(chosen) != 1:
        listed = ", ".join(f"{n} ({told[n] or 'no description'})" for n in bands[:8])
        other = heights[0] if heights else bands[-1]
        raise InputError(
            f"{name} has {len(bands)} bands, and nothing says which holds the heights: {listed}",
            f"Copy the band with the heights, for example: {remedies.one_band(source.name, other)}",
        )
    spreads = [
        number for number in bands if _SPREAD.search(told[number]) and _HEIGHTS.search(told[number])
    ]
    return chosen[0], spreads[0] if len(spreads) == 1 else None


def _scaling(
    source: rasterio.DatasetReader, band: int, what: str
) -> tuple[tuple[float, float], list[str], bool]:
    """Return what stored numbers mean in metres, what was assumed, and whether that is in doubt."""
    name = _title(what, source.name)
    scale, offset = source.scales[band - 1], source.offsets[band - 1]
    unit = source.units[band - 1] or ""
    integer = np.dtype(source.dtypes[band - 1]).kind in "iu"
    label = label_beside(source.name)
    notes = []
    if label is not None and not describes(label, source.dtypes[band - 1]):
        notes.append(
            f"{name}: the label {label.path.name} beside it is of other numbers than the "
            f"{source.dtypes[band - 1]} of this raster, and was left out."
        )
        label = None
    if scale == 0.0:
        raise InputError(
            f"{name} has the scale 0: all its heights would be the same",
            f"Declare its scale: {remedies.rescale(source.name, 1.0, offset)}",
        )
    if label is not None and (scale, offset) in ((1.0, 0.0), (label.scale, label.offset)):
        scale, offset, unit = label.scale, label.offset, unit or label.unit
        notes.append(_told(name, label))
    metres = _metres(unit, name, source, band)
    if metres != 1.0:
        notes.append(f"{name} is in {unit}, and was converted to metres.")
    scale, offset = scale * metres, offset * metres
    if label is not None and abs(offset - moon.RADIUS_M) < _NEAR_RADIUS_M:
        offset -= moon.RADIUS_M
    undeclared = label is None and (scale, offset) == (1.0, 0.0)
    return (scale, offset), notes, integer and undeclared and not source.units[band - 1]


def _title(what: str, name: str | Path) -> str:
    """Return what a raster is called in messages, with its name once."""
    shown = display_name(name)
    return what if shown in what else f"{what} {shown}"


def _spread_scale(
    source: rasterio.DatasetReader, band: int, spread: int | None, scale: float
) -> float:
    """Return the scale of the band with the spread: its own, or that of the heights."""
    if spread is None:
        return 1.0
    own = (source.scales[spread - 1], (source.units[spread - 1] or "").strip().lower())
    heights = (source.scales[band - 1], (source.units[band - 1] or "").strip().lower())
    if own == heights:
        return scale
    unit = _UNITS.get(own[1] or heights[1], "m")
    return float(own[0]) * _METRES[unit]


def _told(name: str, label: Label) -> str:
    unit = f" {label.unit}" if label.unit else ""
    return (
        f"{name}: numbers are read as its label {label.path.name} says, "
        f"{label.scale:g} · number + {label.offset:.10g}{unit}."
    )


def _metres(unit: str, name: str, source: rasterio.DatasetReader, band: int) -> float:
    """Return the length of a unit in metres.

    Raises
    ------
    InputError
        If it is no unit of length.
    """
    metres = metres_per_unit(unit)
    if metres is None:
        raise InputError(
            f"{name} is in {unit!r} by its band {band}; heights in metres are needed",
            f"If they are metres, say so: {remedies.set_unit(source)}",
        )
    return metres


def metres_per_unit(unit: str) -> float | None:
    """Return the length of a unit, as files name it, in metres; None if it is no unit of length.

    Examples
    --------
    >>> metres_per_unit("kilometre"), metres_per_unit("deg")
    (1000.0, None)
    """
    text = unit.strip().strip("'\"").lower()
    known = _UNITS.get(text) or _UNITS.get(re.sub(r"[\s(/].*", "", text))
    return None if known is None else _METRES[known]
