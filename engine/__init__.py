"""LunarSite's engine: terrain, light, craters, rocks and scores of lunar landing sites.

What is listed in ``__all__`` is the public API; the rest may change between versions. Names are
imported when they are first used, so that importing the engine costs nothing but the standard
library. Nothing here knows of QGIS.

Examples
--------
>>> import numpy as np
>>> from lunarsite import engine as ls
>>> heights_m = np.tile(np.linspace(0.0, 200.0, 100), (100, 1))
>>> dem = ls.Dem.from_array(heights_m, pixel_m=20.0, x_min_m=-1000.0, y_max_m=1000.0)
>>> round(float(ls.terrain_attributes(dem)["slope_deg"][50, 50]), 1)
5.8
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

_PUBLIC = {
    "BusyError": "errors",
    "CancelledError": "errors",
    "Context": "context",
    "CrsError": "errors",
    "Dem": "io.grid",
    "Grid": "io.grid",
    "InputError": "errors",
    "LunarSiteError": "errors",
    "MissingDependencyError": "errors",
    "OutputError": "errors",
    "ParameterError": "errors",
    "Windows": "terrain.attributes",
    "detect_craters": "craters.detection.detect",
    "ephemeris": "illumination.ephemeris",
    "explain": "frontends.library",
    "horizon": "illumination.horizon",
    "illumination": "illumination.lighting",
    "light_at_places": "illumination.places",
    "lonlat_to_xy": "moon",
    "mc_predict": "uncertainty.prediction",
    "read_catalogue": "craters.catalogue",
    "read_dem": "io.elevation.dem",
    "run": "frontends.library",
    "screen": "frontends.library",
    "segment": "segmentation.segment",
    "skyline": "illumination.skyline",
    "terrain_attributes": "terrain.attributes",
    "tracks": "illumination.skyline",
    "xy_to_lonlat": "moon",
}
"""Each public name and the module that defines it, as ``__init__.pyi`` says it to type checkers."""

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604  all of them are strings


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name == "__version__":
        from lunarsite.engine.provenance import version  # noqa: PLC0415  reads a file

        return version()
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


class _Engine(ModuleType):
    """The engine as a module whose function ``illumination`` is not hidden by the package.

    Python binds a package to its name in its parent when it is imported. The public function of
    that name goes before; the package is reached by ``from lunarsite.engine.illumination import``.
    """

    @property
    def illumination(self) -> object:
        """The public function, with the modules of the package as attributes.

        So ``lunarsite.engine.illumination.horizon`` is found by its dotted name, too.
        """
        function = __getattr__("illumination")
        package = sys.modules.get(f"{__name__}.illumination")
        for name, value in vars(package).items() if package is not None else ():
            if isinstance(value, ModuleType):
                setattr(function, name, value)
        return function

    @illumination.setter
    def illumination(self, value: object) -> None:
        """Leave the name to the function when the import system binds the package to it."""
        if not isinstance(value, ModuleType):
            raise TypeError("lunarsite.engine.illumination cannot be replaced")


def _give_numba_a_cache() -> None:
    """Let numba keep compiled functions in a temporary folder if it can nowhere else.

    It raises where neither the package nor the user's cache can be written: a plugin that an
    administrator installed, for a service without a home.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    for folder in (Path(__file__).parent, Path(home)):
        existing = next(each for each in (folder, *folder.parents) if each.is_dir())
        if os.access(existing, os.W_OK):
            return
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    os.environ["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"lunarsite-numba-{user}")


if "NUMBA_CACHE_DIR" not in os.environ:
    _give_numba_a_cache()
sys.modules[__name__].__class__ = _Engine
