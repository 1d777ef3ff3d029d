"""Names of files: those that GDAL opens, in archives, in other files and on servers, and of models.

Standard library only.

Archives are ``/vsizip/a.zip/dem.tif``, parts of a file ``NETCDF:"a.nc":height`` or
``vrt://dem.tif?bands=2``, servers ``/vsicurl/https://host/dem.tif``.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

SHIPPED_MODELS = Path(__file__).resolve().parents[1] / "models"
"""The models that ship with LunarSite."""

MODELS_VARIABLE = "LUNARSITE_MODELS"
"""Environment variable with the folder of installed models, in place of the user's."""

_PARTS = re.compile(r"^[A-Za-z][A-Za-z0-9_]+:(?!//)")
"""Start of a name such as ``NETCDF:"a.nc":height``; a drive of Windows has one letter."""

_PART = re.compile(r"vrt://(.+)\?srcwin=(\d+),(\d+),(\d+),(\d+)")

_ARCHIVES = ("/vsizip/", "/vsitar/", "/vsigzip/", "/vsirar/", "/vsi7z/")
_OF_LAYER = ("layername=", "layerid=", "subset=", "geometrytype=", "option:")
"""What QGIS appends to the path of a file, after a vertical bar."""


def file_of(name: str | Path) -> str:
    """Return the file of a vector layer, without QGIS's ``|layername=NAME`` after it."""
    file, _, rest = str(name).partition("|")
    return file if rest.lower().startswith(_OF_LAYER) else str(name)


def is_virtual(name: str | Path) -> bool:
    """Return whether GDAL takes a name for something other than a file.

    Examples
    --------
    >>> is_virtual("/vsizip/a.zip/dem.tif"), is_virtual("dem.tif")
    (True, False)
    """
    text = str(name)
    return text.startswith(("/vsi", "vrt://")) or bool(_PARTS.match(text))


def part_name(name: str | Path, left: int, top: int, width: int, height: int) -> str:
    """Return the name under which GDAL opens a part of a raster.

    Parameters
    ----------
    name : path
        The raster.
    left, top, width, height : int
        First column and row, columns and rows.

    Examples
    --------
    >>> part_name("dem.tif", 10, 20, 300, 200)
    'vrt://dem.tif?srcwin=10,20,300,200'
    """
    return f"vrt://{name}?srcwin={left},{top},{width},{height}"


def part_of(name: str | Path) -> tuple[str, tuple[int, int, int, int]] | None:
    """Return the raster of which a name opens a part, and the part; None for other names."""
    match = _PART.fullmatch(str(name))
    if match is None:
        return None
    left, top, width, height = (int(match[k]) for k in range(2, 6))
    return match[1], (left, top, width, height)


def local_file(name: str | Path) -> Path | None:
    """Return the file on this computer that holds what a name opens; None if there is none.

    Parameters
    ----------
    name : path
        A path, or a name that GDAL opens.

    Returns
    -------
    Path or None
        The file itself, the archive, or the file of which the name is a part.
    """
    text = file_of(name)
    if not is_virtual(text):
        return Path(text) if Path(text).is_file() else None
    if text.startswith("vrt://"):
        return local_file(text.removeprefix("vrt://").split("?", 1)[0])
    if text.startswith("/vsi"):
        return _archive(text)
    parts = [part.strip('"') for part in re.findall(r'"[^"]+"|[^:]+', text)[1:]]
    return next((Path(part) for part in parts if Path(part).is_file()), None)


def is_inside(name: str) -> bool:
    r"""Return whether a relative path stays inside its folder.

    Examples
    --------
    >>> is_inside("layers/psr.tif"), is_inside("../psr.tif"), is_inside("/etc/passwd")
    (True, False, False)
    >>> is_inside("C:\\\\psr.tif"), is_inside("layers\\\\..\\\\..\\\\psr.tif"), is_inside("")
    (False, False, False)
    """
    parts = re.split(r"[/\\\\]", name)
    return all(part not in ("", ".", "..") and ":" not in part for part in parts)


def display_name(name: str | Path) -> str:
    """Return the last part of a name, as it is shown, with QGIS's ``|layername=`` if it has one.

    Examples
    --------
    >>> display_name("/vsizip/moon.zip/s/dem.tif"), display_name('NETCDF:"/data/a.nc":z')
    ('dem.tif', 'a.nc:z')
    """
    text = file_of(name)
    if text != str(name):
        return display_name(text) + str(name).removeprefix(text)
    if text.startswith("vrt://"):
        return display_name(text.removeprefix("vrt://").split("?", 1)[0])
    if text.startswith("/vsi") or not is_virtual(text):
        return Path(text).name
    return text.replace('"', "").rsplit("/", 1)[-1].rsplit("\\", 1)[-1]


def installed_models() -> Path:
    """Return the folder of the models that the user has installed, which may not exist.

    Each has a folder of its own in it: its files are put there at once.
    """
    named = os.environ.get(MODELS_VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(os.path.expanduser(base)) / "lunarsite" / "models"  # noqa: PTH111  pathlib raises without a home


def model_file(name: str, endings: tuple[str, ...]) -> str:
    """Return the file of a model for its name; a path is returned as it is.

    Parameters
    ----------
    name : str
        Name of a model that ships or is installed, or a path.
    endings : tuple of str
        What files of such models end in.

    Examples
    --------
    >>> Path(model_file("craters", (".safetensors",))).name
    'craters.safetensors'
    >>> model_file("mine/craters.safetensors", (".safetensors",))
    'mine/craters.safetensors'
    """
    if Path(name).name != name or name.startswith(".") or Path(name).is_file():
        return name
    for folder in (SHIPPED_MODELS, installed_models() / name):
        for ending in endings:
            file = folder / f"{name}{ending}"
            if file.is_file():
                return str(file)
    return name


_OWN_ENTRY = {"craters": "tiles_version", "rocks": "classes", "scorer": "monotone"}
"""Entry of a card that models of a kind have, and others lack."""


def model_names(endings: tuple[str, ...], kind: str) -> list[str]:
    """Return the names of models that ship or are installed.

    Parameters
    ----------
    endings : tuple of str
        What files of such models end in.
    kind : str
        ``craters``, ``rocks`` or ``scorer``.

    Examples
    --------
    >>> [name for name in model_names((".ubj",), "scorer") if name.startswith("scorer-")]
    ['scorer-cassa', 'scorer-hls']
    """
    found: set[str] = set()
    for pattern in (SHIPPED_MODELS.glob("*.json"), installed_models().glob("*/*.json")):
        for card in sorted(pattern):
            name = card.stem
            if not any(card.with_suffix(ending).is_file() for ending in endings):
                continue
            try:
                if _OWN_ENTRY[kind] in json.loads(card.read_text(encoding="utf-8")):
                    found.add(name)
            except (OSError, ValueError, TypeError):
                continue
    return sorted(found)


def _archive(text: str) -> Path | None:
    """Return the archive of a ``/vsi`` name."""
    while text.startswith(_ARCHIVES):
        text = text.split("/", 2)[2]
    text = text.removeprefix("{")
    best = None
    for end in [*(match.start() for match in re.finditer(r"[/}]", text)), len(text)]:
        if end and Path(text[:end]).is_file():
            best = Path(text[:end])
    return best
