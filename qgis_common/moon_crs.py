"""The Moon's coordinate systems in QGIS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import QgsCoordinateReferenceSystem

if TYPE_CHECKING:
    from qgis.core import QgsMapLayer

SOUTH_POLAR = "IAU_2015:30135"
NORTH_POLAR = "IAU_2015:30130"
GEOGRAPHIC = "IAU_2015:30100"
MOON = "Moon"

_RADIUS = "+R=1737400"
_RADIUS_M, _TOLERANCE_M = 1_737_400.0, 2_000.0
_POLAR = "+proj=stere +lat_0={} +lon_0=0 +k=1 +x_0=0 +y_0=0 +R=1737400 +units=m +no_defs +type=crs"
_BY_PROJ = {
    GEOGRAPHIC: "+proj=longlat +R=1737400 +no_defs +type=crs",
    NORTH_POLAR: _POLAR.format(90),
    SOUTH_POLAR: _POLAR.format(-90),
}
_TITLES = {
    GEOGRAPHIC: "Moon 2015, longitude and latitude (LunarSite)",
    NORTH_POLAR: "Moon 2015, north polar stereographic (LunarSite)",
    SOUTH_POLAR: "Moon 2015, south polar stereographic (LunarSite)",
}


def crs(name: str = SOUTH_POLAR) -> QgsCoordinateReferenceSystem:
    """Return one of the Moon's coordinate systems.

    Where QGIS's PROJ lacks the IAU's registry, it is the user's system that `ensure` has saved, or
    one that is equal to it.
    """
    registered = QgsCoordinateReferenceSystem(name)
    return registered if registered.isValid() else _from_proj(name)


def ensure() -> list[str]:
    """Save the systems that QGIS's PROJ does not know among the user's own; return their names."""
    lacking = [name for name in _TITLES if not QgsCoordinateReferenceSystem(name).isValid()]
    return [title for name in lacking if (title := save(_from_proj(name), _TITLES[name]))]


def save(made: QgsCoordinateReferenceSystem, title: str) -> str:
    """Save a system among the user's own, unless an equal one is there; return its name there."""
    if made.authid() or made.saveAsUserCrs(title) == -1:
        return ""
    return title


def named(given: QgsCoordinateReferenceSystem) -> QgsCoordinateReferenceSystem:
    """Return the registered system that one without a name is equal to, or the given one."""
    if given.authid() or not given.isValid():
        return given
    words = set(given.toProj().split())
    if _RADIUS not in words:
        return given
    zero = {"+lon_0=0", "+x_0=0", "+y_0=0", "+units=m"}
    if "+proj=longlat" in words:
        return crs(GEOGRAPHIC)
    for name, latitude in ((SOUTH_POLAR, "-90"), (NORTH_POLAR, "90")):
        true_scale = {"+k=1", "+k_0=1", f"+lat_ts={latitude}"}
        if {"+proj=stere", f"+lat_0={latitude}", *zero} <= words and words & true_scale:
            return crs(name)
    return given


def name_layer(layer: QgsMapLayer) -> None:
    """Give a layer whose system has no name the registered one that it is equal to."""
    known = named(layer.crs())
    if known.authid() and known.authid() != layer.crs().authid():
        layer.setCrs(known)


def body(given: QgsCoordinateReferenceSystem) -> str:
    """Return the body that a system belongs to, empty where it does not say.

    PROJ names it by the registered system that it recognises; what it does not recognise is the
    Moon's by its radius.
    """
    if not given.isValid():
        return ""
    for word in given.toProj().split():
        key, _, value = word.partition("=")
        if key in ("+R", "+a") and abs(float(value) - _RADIUS_M) < _TOLERANCE_M:
            return MOON
    return str(given.celestialBodyName())


def _from_proj(name: str) -> QgsCoordinateReferenceSystem:
    return QgsCoordinateReferenceSystem.fromProj(_BY_PROJ[name])
