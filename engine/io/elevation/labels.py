"""Labels of planetary data: what a stored number means, from the PDS label beside a raster."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lunarsite.engine.file_names import is_virtual, part_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_PDS3, _PDS4 = (".lbl", ".LBL"), (".xml", ".XML")
_KEYS = ("scaling_factor", "offset", "value_offset", "unit", "missing_constant")


class Label(NamedTuple):
    """Meaning of the stored numbers of a raster.

    Parameters
    ----------
    path : Path
        The label.
    scale, offset : float
        value = scale · stored number + offset.
    unit : str
        Unit of the value, as it is written.
    missing : float or None
        Stored number where there is no value.
    """

    path: Path
    scale: float
    offset: float
    unit: str
    missing: float | None


def label_beside(raster: str | Path) -> Label | None:
    """Return the label of a raster, a PDS3 ``.lbl`` or a PDS4 ``.xml`` with the same name.

    Parameters
    ----------
    raster : path
        The raster.

    Returns
    -------
    Label or None
        None if there is no label, or it does not say how numbers are scaled.
    """
    part = part_of(raster)
    path = Path(part[0] if part else raster)
    if is_virtual(path):
        return None
    for ending, parse in ((_PDS3, _pds3), (_PDS4, _pds4)):
        for suffix in ending:
            beside = path.with_suffix(suffix)
            if beside.is_file():
                found = parse(beside.read_text("latin-1"))
                if "scaling_factor" in found:
                    return _label(beside, found)
    return None


def _pds3(text: str) -> dict[str, str]:
    found = {}
    for key in _KEYS:
        match = re.search(rf"^\s*{key}\s*=\s*(.+?)\s*$", text, re.IGNORECASE | re.MULTILINE)
        if match:
            found[key] = match[1]
    return found


def _pds4(text: str) -> dict[str, str]:
    found = {}
    for key in _KEYS:
        match = re.search(rf"<(?:\w+:)?{key}[^>]*>\s*([^<]+?)\s*<", text, re.IGNORECASE)
        if match:
            found[key] = match[1]
    return found


def _label(path: Path, found: Mapping[str, str]) -> Label | None:
    scale = _number(found.get("scaling_factor"))
    offset = _number(found.get("offset") or found.get("value_offset"))
    if scale is None:
        return None
    unit = found.get("unit", "").strip("'\" ")
    return Label(path, scale, offset or 0.0, unit, _number(found.get("missing_constant")))


def _number(text: str | None) -> float | None:
    """Return the first number of a text, such as ``0.5 <m/DN>``."""
    match = re.match(r"[^\d.+-]*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)", text or "")
    return float(match[1]) if match else None
