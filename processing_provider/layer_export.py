"""Features of a layer, written to temporary files that the engine reads."""

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


def features(
    source: QgsProcessingFeatureSource,
    context: QgsProcessingContext,
    feedback: QgsProcessingFeedback,
) -> str:
    """Write features to a temporary GeoPackage and return its path.

    Raises
    ------
    InputError
        If it cannot be written.
    CancelledError
        If it was cancelled meanwhile.
    """
    target = QgsProcessingUtils.generateTempFilename(f"{plain(source.sourceName())}.gpkg", context)
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.fileEncoding = "UTF-8"
    # An fid that repeats, as after a join, must not end the work: the file gives its own.
    options.skipAttributeCreation = False
    fields = source.fields()
    taken = fields.lookupField("fid")
    if taken >= 0:
        fields.remove(taken)
    writer = QgsVectorFileWriter.create(
        target,
        fields,
        source.wkbType(),
        source.sourceCrs(),
        context.transformContext(),
        options,
    )
    for feature in _each(source, feedback):
        if taken >= 0:
            attributes = feature.attributes()
            del attributes[taken]
            feature.setAttributes(attributes)
        writer.addFeature(feature)
    problem = writer.errorMessage()
    del writer  # closes the file
    if problem:
        raise InputError(
            f"The layer {source.sourceName()} could not be written: {problem}",
            "Export it as a GeoPackage and give that",
        )
    return target


def table(
    source: QgsProcessingFeatureSource,
    context: QgsProcessingContext,
    feedback: QgsProcessingFeedback,
) -> str:
    """Write attributes to a temporary CSV and return its path.

    Points without columns of position get ``x_m`` and ``y_m`` from their geometry.

    Raises
    ------
    CrsError
        If there is no way from their map to the south polar one.
    CancelledError
        If it was cancelled meanwhile.
    """
    target = QgsProcessingUtils.generateTempFilename(f"{plain(source.sourceName())}.csv", context)
    names = source.fields().names()
    placed = {"lon_deg", "lat_deg"} <= set(names) or {"x_m", "y_m"} <= set(names)
    points = QgsWkbTypes.geometryType(source.wkbType()) == QgsWkbTypes.GeometryType.PointGeometry
    steps = None
    if points and not placed:
        names = [*names, "x_m", "y_m"]
        steps = map_place.to_south_polar(source.sourceCrs(), context.transformContext())
    with Path(target).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(names)
        for feature in _each(source, feedback):
            # What is empty comes as a null of Qt's, which would be written as the word NULL.
            row = ["" if QgsVariantUtils.isNull(each) else each for each in feature.attributes()]
            if steps is not None:
                try:
                    place = feature.geometry().asPoint()
                    for step in steps:
                        place = step.transform(place)
                except (QgsCsException, TypeError, ValueError):
                    row += ["", ""]
                else:
                    row += [place.x(), place.y()]
            rows.writerow(row)
    return target


def plain(name: str) -> str:
    """Return a layer's name as a file may be called."""
    kept = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in name)
    return kept[:60] or "layer"


def _each(
    source: QgsProcessingFeatureSource, feedback: QgsProcessingFeedback
) -> Iterator[QgsFeature]:
    for feature in source.getFeatures():
        if feedback.isCanceled():
            raise CancelledError
        yield feature
