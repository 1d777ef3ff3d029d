"""Export of vector layers to temporary files that the engine can read."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import (
    QgsCsException,
    QgsProcessingUtils,
    QgsVariantUtils,
    QgsVectorFileWriter,
    QgsWkbTypes,
)

from lunarsite.engine.errors import CancelledError, InputError
from lunarsite.qgis_common import map_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qgis.core import (
        QgsFeature,
        QgsProcessingContext,
        QgsProcessingFeatureSource,
        QgsProcessingFeedback,
    )


def export_features(
    source: QgsProcessingFeatureSource,
    context: QgsProcessingContext,
    feedback: QgsProcessingFeedback,
) -> str:
    """Export features to a temporary GeoPackage, and return its path.

    Raises
    ------
    InputError
        If it cannot be written.
    CancelledError
        If the user cancelled.
    """
    target = temporary_file(source.sourceName(), ".gpkg", context)
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.fileEncoding = "UTF-8"
    # Duplicate fids, for example after a join, would be an error: let the file assign new ones.
    options.skipAttributeCreation = False
    fields = source.fields()
    fid = fields.lookupField("fid")
    if fid >= 0:
        fields.remove(fid)
    writer = QgsVectorFileWriter.create(
        target,
        fields,
        source.wkbType(),
        source.sourceCrs(),
        context.transformContext(),
        options,
    )
    for feature in _each(source, feedback):
        if fid >= 0:
            attributes = feature.attributes()
            del attributes[fid]
            feature.setAttributes(attributes)
        writer.addFeature(feature)
    problem = writer.errorMessage()
    del writer  # closes the file
    if problem:
        raise InputError(
            f"Could not export the layer {source.sourceName()}: {problem}",
            "Export it to GeoPackage yourself, and use that file",
        )
    return target


def export_table(
    source: QgsProcessingFeatureSource,
    context: QgsProcessingContext,
    feedback: QgsProcessingFeedback,
) -> str:
    """Export attributes to a temporary CSV file, and return its path.

    Points without coordinate columns get ``x_m`` and ``y_m`` from their geometry.

    Raises
    ------
    CrsError
        If their CRS cannot be transformed to the south polar CRS.
    CancelledError
        If the user cancelled.
    """
    target = temporary_file(source.sourceName(), ".csv", context)
    names = source.fields().names()
    has_coordinates = {"lon_deg", "lat_deg"} <= set(names) or {"x_m", "y_m"} <= set(names)
    points = QgsWkbTypes.geometryType(source.wkbType()) == QgsWkbTypes.GeometryType.PointGeometry
    transforms = None
    if points and not has_coordinates:
        names = [*names, "x_m", "y_m"]
        transforms = map_place.to_south_polar(source.sourceCrs(), context.transformContext())
    with Path(target).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(names)
        for feature in _each(source, feedback):
            # Empty values are Qt nulls, which would be written as NULL.
            row = ["" if QgsVariantUtils.isNull(each) else each for each in feature.attributes()]
            if transforms is not None:
                try:
                    point = feature.geometry().asPoint()
                    for transform in transforms:
                        point = transform.transform(point)
                except (QgsCsException, TypeError, ValueError):
                    row += ["", ""]
                else:
                    row += [point.x(), point.y()]
            rows.writerow(row)
    return target


def temporary_file(layer_name: str, suffix: str, context: QgsProcessingContext) -> str:
    """Return the path of a temporary file named after a layer."""
    stem = "".join(char if char.isalnum() or char in "-_" else "_" for char in layer_name)
    return QgsProcessingUtils.generateTempFilename(f"{stem[:60] or 'layer'}{suffix}", context)


def _each(
    source: QgsProcessingFeatureSource, feedback: QgsProcessingFeedback
) -> Iterator[QgsFeature]:
    for feature in source.getFeatures():
        if feedback.isCanceled():
            raise CancelledError
        yield feature
