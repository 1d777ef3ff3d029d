"""A band whose several fill values are one nodata value, as warping needs it.

GDAL leaves a single value out of what it resamples. Any other fill value would be averaged with the
numbers beside it, and what results is neither.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET  # nosec B405  # written here, not read

import rasterio
from rasterio.enums import MaskFlags
from rasterio.io import MemoryFile

from lunarsite.engine.io.cog import no_georeferencing_warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TYPES = {"uint8": "Byte"}
_BY_VALUE = {MaskFlags.all_valid, MaskFlags.nodata}


@contextmanager
def one_nodata(
    source: rasterio.DatasetReader, band: int, nodata: float, fills: Sequence[float]
) -> Iterator[tuple[rasterio.DatasetReader, int]]:
    """Open a band with further fill values as one with a single nodata value.

    Parameters
    ----------
    source : rasterio.DatasetReader
        The raster, open.
    band : int
        Number of the band, from 1.
    nodata : float
        The value that takes the place of the others.
    fills : sequence of float
        Stored numbers that are fill values as well.

    Yields
    ------
    source : rasterio.DatasetReader
        The raster itself where it has no other fill values, or says by an alpha band or a mask
        which pixels are valid; else a virtual one of the band.
    band : int
        Number of the band in it.
    """
    others = [fill for fill in fills if fill != nodata]
    if not others or not _BY_VALUE.issuperset(source.mask_flag_enums[band - 1]):
        yield source, band
        return
    with ExitStack() as stack:
        held, at = source, band
        for fill in others:
            document = _without(held, at, nodata, fill)
            memory = stack.enter_context(MemoryFile(document, ext=".vrt"))
            with no_georeferencing_warning():
                held, at = stack.enter_context(rasterio.open(memory.name, driver="VRT")), 1
        yield held, at


def _without(source: rasterio.DatasetReader, band: int, nodata: float, fill: float) -> bytes:
    """Return a virtual raster of a band, with ``nodata`` where it holds ``fill``."""
    dtype = source.dtypes[band - 1]
    kind = _TYPES.get(dtype, dtype.capitalize().replace("Uint", "UInt"))
    root = ET.Element("VRTDataset", rasterXSize=str(source.width), rasterYSize=str(source.height))
    _add(root, "SRS", source.crs.to_wkt())
    _add(root, "GeoTransform", ", ".join(map(repr, source.transform.to_gdal())))
    layer = ET.SubElement(root, "VRTRasterBand", dataType=kind, band="1")
    _add(layer, "NoDataValue", repr(nodata))
    _add(layer, "Scale", repr(source.scales[band - 1]))
    _add(layer, "Offset", repr(source.offsets[band - 1]))
    pixels = ET.SubElement(layer, "ComplexSource")
    ET.SubElement(pixels, "SourceFilename", relativeToVRT="0").text = source.name
    _add(pixels, "SourceBand", str(band))
    _add(pixels, "NODATA", repr(fill))
    return ET.tostring(root)


def _add(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = text
