"""What the stored numbers of an elevation model mean in metres: scale, offset, unit and label."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import display_name
from lunarsite.engine.io import remedies
from lunarsite.engine.io.labels import Label, above_sphere, describes, label_beside

if TYPE_CHECKING:
    from pathlib import Path

    import rasterio

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


def scaling_of(
    source: rasterio.DatasetReader, band: int, what: str
) -> tuple[tuple[float, float], list[str], bool]:
    """Return what stored numbers mean in metres, what was assumed, and whether that is in doubt."""
    name = title_of(what, source.name)
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
    if label is not None:
        offset = above_sphere(offset)
    undeclared = label is None and (scale, offset) == (1.0, 0.0)
    return (scale, offset), notes, integer and undeclared and not source.units[band - 1]


def title_of(what: str, name: str | Path) -> str:
    """Return what a raster is called in messages, with its name once."""
    shown = display_name(name)
    return what if shown in what else f"{what} {shown}"


def spread_scale(
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
