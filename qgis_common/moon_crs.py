"""Lunar coordinate reference systems in QGIS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import QgsCoordinateReferenceSystem

if TYPE_CHECKING:
    from qgis.core import QgsMapLayer, QgsProject

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
    """Return a lunar CRS.

    If QGIS's PROJ does not have the IAU registry, it is the custom CRS saved by `ensure`, or an
    equivalent one.
    """
    registered = QgsCoordinateReferenceSystem(name)
    return registered if registered.isValid() else _from_proj(name)


def ensure() -> list[str]:
    """Save the CRSs that PROJ does not know as custom CRSs; return their names."""
    missing = [name for name in _TITLES if not QgsCoordinateReferenceSystem(name).isValid()]
    return [title for name in missing if (title := save(_from_proj(name), _TITLES[name]))]


def save(new: QgsCoordinateReferenceSystem, title: str) -> str:
    """Save a custom CRS unless an equivalent one exists; return its name, or an empty string."""
    if new.authid() or new.saveAsUserCrs(title) == -1:
        return ""
    return title


def named(unnamed: QgsCoordinateReferenceSystem) -> QgsCoordinateReferenceSystem:
    """Return the registered CRS that is equivalent to one without an authority code, if any."""
    if unnamed.authid() or not unnamed.isValid():
        return unnamed
    terms = set(unnamed.toProj().split())
    if _RADIUS not in terms:
        return unnamed
    zero = {"+lon_0=0", "+x_0=0", "+y_0=0", "+units=m"}
    if "+proj=longlat" in terms:
        return crs(GEOGRAPHIC)
    for name, latitude in ((SOUTH_POLAR, "-90"), (NORTH_POLAR, "90")):
        true_scale = {"+k=1", "+k_0=1", f"+lat_ts={latitude}"}
        if {"+proj=stere", f"+lat_0={latitude}", *zero} <= terms and terms & true_scale:
            return crs(name)
    return unnamed


def name_layer(layer: QgsMapLayer) -> None:
    """Replace an unnamed CRS of a layer by the equivalent registered one."""
    known = named(layer.crs())
    if known.authid() and known.authid() != layer.crs().authid():
        layer.setCrs(known)


def body(crs: QgsCoordinateReferenceSystem) -> str:
    """Return the celestial body of a CRS, empty if it is unknown.

    PROJ knows the body of registered CRSs; others are considered lunar if they have the Moon's
    radius.
    """
    if not crs.isValid():
        return ""
    for term in crs.toProj().split():
        key, _, value = term.partition("=")
        if key in ("+R", "+a") and abs(float(value) - _RADIUS_M) < _TOLERANCE_M:
            return MOON
    return str(crs.celestialBodyName())


def foreign_layers(project: QgsProject) -> list[str]:
    """Return the names of a project's layers that are not on the Moon."""
    known = ((layer.name(), body(layer.crs())) for layer in project.mapLayers().values())
    return [name for name, of in known if of not in ("", MOON)]


def show_on_moon(project: QgsProject) -> None:
    """Give a project the south polar CRS, unless it has a lunar one or layers of another body."""
    if body(project.crs()) != MOON and not foreign_layers(project):
        project.setCrs(crs())


def _from_proj(name: str) -> QgsCoordinateReferenceSystem:
    return QgsCoordinateReferenceSystem.fromProj(_BY_PROJ[name])
