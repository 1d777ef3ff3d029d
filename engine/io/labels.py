"""Labels of planetary data: what a stored number means, from the PDS label beside a raster."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.file_names import is_virtual, local_file, part_of
from lunarsite.engine.io.access import header_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

_PDS3, _PDS4 = (".lbl", ".LBL", ".Lbl"), (".xml", ".XML")
_DETACHED = ("", "_jp2", "_JP2", "_img", "_IMG")
"""What the names of detached labels have besides that of the raster: LOLA's ``…_JP2.LBL``."""

_ARCHIVES, _COMPRESSED_ALONE = ("/vsizip/", "/vsitar/"), "/vsigzip/"

_NEAR_RADIUS_M = 50_000.0
"""Offsets that differ from the radius of the Moon by less are radii."""

_REALS = {4: ">f", 8: ">d"}

_KEYS = ("scaling_factor", "offset", "unit", "missing_constant", "sample_type")


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
    real : bool or None
        Whether stored numbers are real, not integers; None if the label does not say.
    """

    path: Path
    scale: float
    offset: float
    unit: str
    missing: float | None
    real: bool | None = None


def label_beside(raster: str | Path) -> Label | None:
    """Return the label of a raster, a PDS3 ``.lbl`` or a PDS4 ``.xml`` with the same name.

    Parameters
    ----------
    raster : path
        The raster. The label of one in an archive on this computer lies in the archive as well, or
        beside a file that is compressed alone.

    Returns
    -------
    Label or None
        None if there is no label, or it does not say how numbers are scaled.
    """
    part = part_of(raster)
    name = str(part[0] if part else raster)
    if name.startswith(_COMPRESSED_ALONE):
        name = str((local_file(name) or Path(name)).with_suffix(""))
    archived = is_virtual(name)
    if archived and not (name.startswith(_ARCHIVES) and local_file(name)):
        return None
    folder, bar, last = name.rpartition("/")
    for endings, parse in ((_PDS3, _pds3), (_PDS4, _pds4)):
        for ending in (detached + suffix for detached in _DETACHED for suffix in endings):
            if archived:
                beside = Path(folder + bar + Path(last).stem + ending)
                text = header_bytes.text_of(folder + bar + Path(last).stem + ending)
            else:
                beside = Path(name).with_name(Path(name).stem + ending)
                text = beside.read_text("latin-1") if beside.is_file() else None
            found = {} if text is None else parse(text)
            if "scaling_factor" in found:
                return _label(beside, found)
    return None


def describes(label: Label, dtype: str) -> bool:
    """Return whether a label is of a raster with stored numbers of a type.

    A raster that was converted to heights keeps the label of the one it was made of beside it.
    """
    return label.real is None or label.real == (np.dtype(dtype).kind == "f")


def above_sphere(offset_m: float) -> float:
    """Return the offset of heights for one of heights or of radii, metres."""
    is_radius = abs(offset_m - moon.RADIUS_M) < _NEAR_RADIUS_M
    return offset_m - moon.RADIUS_M if is_radius else offset_m


def _pds3(text: str) -> dict[str, str]:
    image = re.search(
        r"^\s*OBJECT\s*=\s*IMAGE\s*$(.*?)^\s*END_OBJECT", text, re.DOTALL | re.MULTILINE
    )
    text = image[1] if image else text
    found = {}
    for key in _KEYS:
        match = re.search(rf"^\s*{key}\s*=\s*(.+?)\s*$", text, re.IGNORECASE | re.MULTILINE)
        if match:
            found[key] = match[1]
    return found


def _pds4(text: str) -> dict[str, str]:
    """Return what the elements of the array are; ``offset`` of PDS4 is a place in the file."""
    element = re.search(r"<(?:\w+:)?Element_Array>(.*?)</(?:\w+:)?Element_Array>", text, re.DOTALL)
    found = {}
    for key, tag, inside in (
        ("scaling_factor", "scaling_factor", element and element[1]),
        ("offset", "value_offset", element and element[1]),
        ("unit", "unit", element and element[1]),
        ("missing_constant", "missing_constant", text),
        ("sample_type", "data_type", element and element[1]),
    ):
        match = re.search(rf"<(?:\w+:)?{tag}[^>]*>\s*([^<]+?)\s*<", inside or "")
        if match:
            found[key] = match[1]
    return found


def _label(path: Path, found: Mapping[str, str]) -> Label | None:
    scale = _number(found.get("scaling_factor"))
    offset = _number(found.get("offset"))
    if scale is None:
        return None
    unit = found.get("unit", "").strip("'\"<> ")
    kind = found.get("sample_type", "").upper()
    real = None if not kind else ("REAL" in kind or "IEEE754" in kind or "FLOAT" in kind)
    missing = _number(found.get("missing_constant"), real=bool(real))
    return Label(path, scale, offset or 0.0, unit, missing, real)


def _number(text: str | None, *, real: bool = False) -> float | None:
    """Return the first number of a text, such as ``0.5 <m/DN>``, or that of ``16#FF7FFFFB#``.

    Numbers with a base are the bits of stored numbers, ``real`` ones or integers with a sign.
    """
    based = re.match(r"\W*(\d+)#([0-9A-Fa-f]+)#", text or "")
    if based:
        digits = based[2] if based[1] == "16" else f"{int(based[2], int(based[1])):X}"
        stored = bytes.fromhex(digits.zfill(-(-len(digits) // 4) * 4))
        if real and len(stored) in _REALS:
            return float(struct.unpack(_REALS[len(stored)], stored)[0])
        return float(int.from_bytes(stored, "big", signed=True))
    match = re.match(r"[^\d.+-]*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?)", text or "")
    return float(re.sub("[dD]", "e", match[1])) if match else None
