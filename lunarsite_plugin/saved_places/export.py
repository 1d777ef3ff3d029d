"""Export of saved places to CSV and GeoPackage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsField,
    QgsFields,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsVectorFileWriter,
)
from qgis.PyQt.QtCore import QMetaType, QVariant

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.errors import OutputError
from lunarsite.lunarsite_plugin.saved_places.places import csv_text, records
from lunarsite.qgis_common import moon_crs

if TYPE_CHECKING:
    from pathlib import Path

    from lunarsite.lunarsite_plugin.saved_places.places import SavedPlace

LAYER = "saved_places"

_TRUE_AT_THE_POLE = (
    "+proj=stere +lat_0=-90 +lat_ts=-90 +lon_0=0 +x_0=0 +y_0=0 +R=1737400 +units=m +no_defs "
    "+type=crs"
)
"""The south polar CRS, defined by its true scale at the pole: the same as the registered one."""
_SPHERE = "Moon (2015) - Sphere"
_NAMES = {
    "PROJCRS": f"Moon 2015 south polar stereographic ({moon_crs.SOUTH_POLAR})",
    "BASEGEOGCRS": f"{_SPHERE} / Ocentric",
    "DATUM": _SPHERE,
    "ELLIPSOID": _SPHERE,
}
_METATYPES_FROM = 33800
"""The QGIS version that introduced QMetaType for fields and deprecated QVariant."""
_INTEGER = frozenset({"cell_id", "rank", "rank_low", "rank_high", "cells"})
_TEXT = frozenset({"name", "profile", "run"})
_BOOLEAN = frozenset({"passes"})


def write_csv(path: Path, places: list[SavedPlace]) -> None:
    """Write places as CSV, one row each.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with whole_file(path) as partial:
        partial.write_text(csv_text(places), encoding="utf-8", newline="")


def write_geopackage(path: Path, places: list[SavedPlace]) -> None:
    """Write places as points in the Moon's south polar CRS, IAU_2015:30135.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    names, rows = records(places)
    fields = QgsFields()
    for name in names:
        fields.append(QgsField(name, _type_of(name)))
    with whole_file(path) as partial:
        writer = _writer(partial, path, fields)
        for place, row in zip(places, rows, strict=True):
            feature = QgsFeature(fields)
            feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(place.x_m, place.y_m)))
            feature.setAttributes(list(row))
            if not writer.addFeature(feature):
                raise _cannot(path, writer.errorMessage())
        del writer  # closes the file


def _writer(partial: Path, path: Path, fields: QgsFields) -> QgsVectorFileWriter:
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.layerName = "GPKG", LAYER
    writer = QgsVectorFileWriter.create(
        str(partial),
        fields,
        Qgis.WkbType.Point,
        _file_crs(),
        QgsProject.instance().transformContext(),
        options,
    )
    if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
        raise _cannot(path, writer.errorMessage())
    return writer


def _file_crs() -> QgsCoordinateReferenceSystem:
    """Return the south polar CRS without its authority code, as in the engine's own files.

    QGIS considers the CRS of a GeoPackage invalid if it has an IAU code that GDAL does not know
    (seen with QGIS 3.40 on GDAL 3.6).
    """
    text = QgsCoordinateReferenceSystem.fromProj(_TRUE_AT_THE_POLE).toWkt(
        QgsCoordinateReferenceSystem.WktVariant.WKT_PREFERRED
    )
    for part, name in _NAMES.items():
        text = text.replace(f'{part}["unknown"', f'{part}["{name}"', 1)
    made = QgsCoordinateReferenceSystem()
    made.createFromWkt(text)
    return made


def _type_of(name: str) -> Any:
    kind = "Double"
    if name in _INTEGER:
        kind = "LongLong"
    elif name in _TEXT:
        kind = "QString"
    elif name in _BOOLEAN:
        kind = "Bool"
    if Qgis.QGIS_VERSION_INT >= _METATYPES_FROM:
        return getattr(QMetaType.Type, kind)
    return getattr(QVariant, {"QString": "String"}.get(kind, kind))


def _cannot(path: Path, reason: str) -> OutputError:
    return OutputError(f"{path} cannot be written: {reason}", "Choose another folder or name")
