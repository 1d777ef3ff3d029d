"""Bands of an image that are shown, and which of their pixels are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags

from lunarsite.engine.errors import InputError
from lunarsite.engine.io import fill, remedies
from lunarsite.engine.text import quoted

if TYPE_CHECKING:
    import rasterio
    from numpy.typing import NDArray
    from rasterio.windows import Window

    Bool = NDArray[np.bool_]

WHAT = "The image"

_LENGTHS = ("m", "km", "metre", "metres", "meter", "meters", "kilometre", "kilometer")
"""Units of bands of heights."""


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """The bands of an open image that a network sees.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The image.
    numbers : tuple of int
        Numbers of the red, green and blue bands; one for a grey image or a colour table.
    alpha : tuple of int
        Numbers of the alpha bands.
    table : ndarray of uint8, shape (values, 4), or None
        Colour table: red, green, blue and alpha of each value.
    """

    source: rasterio.DatasetReader
    numbers: tuple[int, ...]
    alpha: tuple[int, ...]
    table: NDArray[np.uint8] | None

    @property
    def white(self) -> int:
        """The largest grey level of unsigned numbers: with two or four bits it is less than 255."""
        bits = 8 * np.dtype(self.source.dtypes[self.numbers[0] - 1]).itemsize
        tags = self.source.tags(self.numbers[0], ns="IMAGE_STRUCTURE")
        return (1 << int(tags.get("NBITS", bits))) - 1

    @property
    def is_negative(self) -> bool:
        """Whether 0 is white, as in scans of film."""
        meaning = self.source.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE")
        return self.table is None and meaning == "YES"

    @property
    def is_8_bit(self) -> bool:
        """Whether the bands hold grey levels or colours of at most eight bits."""
        return self.table is not None or all(
            np.dtype(self.source.dtypes[band - 1]) == np.uint8 for band in self.numbers
        )

    @property
    def declares_nodata(self) -> bool:
        """Whether the file says which pixels are valid, by nodata, a mask or alpha."""
        flags = self.source.mask_flag_enums
        valid = all(MaskFlags.all_valid in flags[band - 1] for band in self.numbers)
        transparent = self.table is not None and bool((self.table[:, 3] == 0).any())
        return bool(self.alpha) or transparent or not valid

    def read(
        self,
        *,
        window: Window | None = None,
        shape: tuple[int, int] | None = None,
        fills: tuple[float, ...] = (),
    ) -> tuple[NDArray[Any], Bool]:
        """Read a window, or the whole image at the nearest of fewer pixels.

        Parameters
        ----------
        window : rasterio.windows.Window, optional
            Part of the stored image.
        shape : tuple of int, optional
            Rows and columns to read it with.
        fills : tuple of float, optional
            Fill values by convention, which the whole image decides: `fill.usual_fills`.

        Returns
        -------
        values : ndarray, shape (bands, rows, columns)
            Stored values, larger ones for brighter ground; red, green and blue of a colour table.
        known : ndarray of bool, shape (rows, columns)
            False where the file declares nodata, by a value, a mask, an alpha band of any type or
            transparent colours, and where a band holds a fill value that is not declared.
        """

        def read(bands: tuple[int, ...], *, masked: bool) -> Any:
            out = None if shape is None else (len(bands), *shape)
            return self.source.read(bands, window=window, out_shape=out, masked=masked)

        raw = read(self.numbers, masked=True)
        known = ~np.ma.getmaskarray(raw).any(axis=0)
        values = raw.data
        known &= ~fill.special_pixels(values, fills).any(axis=0)
        known &= self.source.dataset_mask(out_shape=shape, window=window) > 0
        if self.alpha:
            # GDAL takes alpha bands of 8 and 16 bits alone for masks.
            known &= (read(self.alpha, masked=False) > 0).all(axis=0)
        if self.table is not None:
            colors = self.table[np.minimum(values[0].astype(np.int64), len(self.table) - 1)]
            known &= colors[:, :, 3] > 0
            values = np.moveaxis(colors[:, :, :3], 2, 0)
        if self.is_negative and values.dtype.kind == "u":
            values = (self.white - values).astype(values.dtype)
        return values, known


def of(source: rasterio.DatasetReader) -> Bands:
    """Return the bands of an image that are shown.

    Raises
    ------
    InputError
        If they hold heights or complex numbers, or nothing says which are red, green and blue.
    """
    kinds = list(source.colorinterp)
    alpha = tuple(at for at, kind in enumerate(kinds, start=1) if kind == ColorInterp.alpha)
    numbers, table = _numbers(source, kinds), None
    if kinds[numbers[0] - 1] == ColorInterp.palette:
        table = _table(source, numbers[0])
    unit = source.units[numbers[0] - 1] or ""
    if len(numbers) == 1 and unit.strip().lower() in _LENGTHS:
        raise InputError(
            f"{WHAT} {source.name} holds lengths in {unit}, as an elevation model does",
            "Give an image of the ground",
        )
    if any(np.dtype(source.dtypes[band - 1]).kind == "c" for band in numbers):
        raise InputError(
            f"{WHAT} {source.name} holds complex numbers", "Give its magnitude as an image"
        )
    return Bands(source, numbers, alpha, table)


def _numbers(source: rasterio.DatasetReader, kinds: list[ColorInterp]) -> tuple[int, ...]:
    """Return the numbers of the red, green and blue bands, or of the grey band."""
    colors = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if all(kind in kinds for kind in colors):
        red, green, blue = (kinds.index(kind) + 1 for kind in colors)
        return red, green, blue
    shown = [band for band, kind in enumerate(kinds, start=1) if kind != ColorInterp.alpha]
    if len(shown) == 1:
        return (shown[0],)
    if len(shown) == 3:
        return shown[0], shown[1], shown[2]
    if len(shown) == 2:
        listed = ", ".join(f"{n} ({source.descriptions[n - 1] or 'no description'})" for n in shown)
        raise InputError(
            f"{WHAT} {source.name} has two bands, and nothing says which is the image: {listed}",
            f"Copy the one that is: {remedies.one_band(source.name, shown[0])}",
        )
    raise InputError(
        f"{WHAT} {source.name} has {source.count} bands, and nothing says which are red, green and "
        "blue",
        f"Choose one or three: gdal_translate -b 1 -b 2 -b 3 {quoted(source.name)} rgb.tif",
    )


def _table(source: rasterio.DatasetReader, band: int) -> NDArray[np.uint8]:
    """Return the colour table of a band; values that it does not have are transparent."""
    entries = source.colormap(band)
    table = np.zeros((max(entries) + 2, 4), np.uint8)
    for value, color in entries.items():
        table[value] = color
    return table
