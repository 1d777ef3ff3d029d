"""Which band of a raster holds heights, and whether any does."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
from rasterio.enums import ColorInterp

from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import display_name
from lunarsite.engine.io import remedies

if TYPE_CHECKING:
    import rasterio

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

_OWN_HEIGHTS = frozenset({"synthesize"})
"""Stages of ours that write elevation models."""


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


def refuse_results(source: rasterio.DatasetReader, what: str) -> bool:
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


def height_bands(source: rasterio.DatasetReader, what: str) -> tuple[int, int | None]:
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
