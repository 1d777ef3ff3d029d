"""Layers of a project as files that the engine reads.

What is a plain file and says the same as the layer is passed on as it is. Anything else (unsaved
edits, a subset, a selection, a database, a service, memory, a coordinate system set in the project)
is written to a temporary file first. A layer of another body is refused.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsFeatureRequest,
    QgsProcessingUtils,
    QgsProviderRegistry,
    QgsRasterBlockFeedback,
    QgsRasterFileWriter,
    QgsRasterLayer,
    QgsRasterPipe,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)

from lunarsite.engine.contract import Kind, Parameter
from lunarsite.engine.errors import CrsError, InputError
from lunarsite.lunarsite_plugin import moon_crs

if TYPE_CHECKING:
    from qgis.core import (
        QgsProcessingAlgorithm,
        QgsProcessingContext,
        QgsProcessingFeatureSource,
        QgsProcessingFeedback,
        QgsRasterDataProvider,
    )


_VECTOR_ENDINGS = (".gpkg", ".geojson", ".json", ".shp")


@dataclass(frozen=True)
class RasterSource:
    """A raster layer, taken apart in the main thread so that another can write it.

    ``path`` is set where the engine can read the layer's own file; otherwise ``provider`` is a copy
    that belongs to nobody else.
    """

    name: str
    path: str = ""
    provider: QgsRasterDataProvider | None = None
    crs: QgsCoordinateReferenceSystem | None = None

    def file(self, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> str:
        """Return a file that the engine can read, written now where there is none.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        if self.provider is None or self.crs is None:
            return self.path
        target = QgsProcessingUtils.generateTempFilename(f"{_plain(self.name)}.tif", context)
        feedback.pushInfo(f"Writing the layer {self.name} to a file for the engine")
        pipe = QgsRasterPipe()
        pipe.set(self.provider)
        writer = QgsRasterFileWriter(target)
        writer.setOutputFormat("GTiff")
        block = QgsRasterBlockFeedback(feedback)
        error = writer.writeRaster(
            pipe,
            self.provider.xSize(),
            self.provider.ySize(),
            self.provider.extent(),
            self.crs,
            context.transformContext(),
            block,
        )
        if error != QgsRasterFileWriter.WriterError.NoError:
            raise InputError(
                f"The layer {self.name} could not be written to a file (error {int(error)})",
                "Save it as a GeoTIFF and give that",
            )
        return target


def raster_source(layer: QgsRasterLayer) -> RasterSource:
    """Take a raster layer apart; call it in the main thread.

    Raises
    ------
    CrsError
        If the layer lies on another body.
    InputError
        If the layer is broken, or has no pixels of its own.
    """
    if not layer.isValid():
        raise InputError(
            f"The layer {layer.name()} cannot be read: {layer.error().summary()}",
            "Mend its source, or give another",
        )
    check_body(layer.crs(), layer.name())
    provider = layer.dataProvider()
    path = _file_of(layer)
    if path and _says_the_same(path, layer):
        return RasterSource(layer.name(), path)
    if provider.xSize() < 1 or provider.ySize() < 1:
        raise InputError(
            f"The layer {layer.name()} has no pixels of its own ({provider.name()})",
            "Export the part you want as a GeoTIFF: right-click the layer, Export, Save As",
        )
    return RasterSource(layer.name(), provider=provider.clone(), crs=layer.crs())


def check_body(crs: QgsCoordinateReferenceSystem, name: str) -> None:
    """Refuse a layer of another body. One without a coordinate system is left to the engine.

    Raises
    ------
    CrsError
        If the coordinate system belongs to another body.
    """
    body = moon_crs.body(crs)
    if body and body != moon_crs.MOON:
        raise CrsError(
            f"The layer {name} lies on {body} ({crs.authid() or crs.description()}), "
            "and LunarSite works on the Moon",
            "Give a layer of the Moon; if it is one, set its coordinate system to "
            f"{moon_crs.SOUTH_POLAR}",
        )


def vector_file(
    parameter: Parameter,
    algorithm: QgsProcessingAlgorithm,
    given: dict[str, Any],
    context: QgsProcessingContext,
    feedback: QgsProcessingFeedback,
) -> str:
    """Return a file with the features that the user gave, edits, subset and selection included.

    Raises
    ------
    CrsError
        If they lie on another body.
    InputError
        If there are none, or they cannot be written.
    """
    plain = _plain_file(given[parameter.name], parameter, context)
    if plain:
        return plain
    source = algorithm.parameterAsSource(given, parameter.name, context)
    if source is None:
        raise InputError(
            f"{parameter.title}: {given[parameter.name]!r} is no layer that QGIS can read",
            "Choose a layer of the project or a file",
        )
    check_body(source.sourceCrs(), source.sourceName())
    if not source.sourceCrs().isValid():
        raise CrsError(
            f"The layer {source.sourceName()} has no coordinate system that QGIS knows",
            f"Set it among the layer's properties, to {moon_crs.SOUTH_POLAR} or another of the "
            "Moon's",
        )
    if source.featureCount() == 0:
        raise InputError(
            f"{parameter.title}: the layer {source.sourceName()} holds no features",
            "Choose a layer with features, or widen its filter or the selection",
        )
    feedback.pushInfo(f"Writing the layer {source.sourceName()} to a file for the engine")
    if parameter.kind is Kind.TABLE:
        return _write_table(source, context)
    return _write_features(source, context)


def _plain_file(value: Any, parameter: Parameter, context: QgsProcessingContext) -> str:
    """Return the path where a whole file was given, or a layer that shows just that."""
    endings = parameter.endings or _VECTOR_ENDINGS
    if isinstance(value, str) and value.lower().endswith(endings) and Path(value).is_file():
        return value
    layer = value
    if isinstance(value, str):
        layer = QgsProcessingUtils.mapLayerFromString(value, context, allowLoadingNewLayers=False)
    if not isinstance(layer, QgsVectorLayer) or layer.providerType() != "ogr":
        return ""
    parts = QgsProviderRegistry.instance().decodeUri("ogr", layer.source())
    path = str(parts.get("path") or "")
    whole = not (layer.subsetString() or layer.isModified() or parts.get("vsiPrefix"))
    alone = len(layer.dataProvider().subLayers()) == 1
    fits = path.lower().endswith(endings) and Path(path).is_file()
    return path if whole and alone and fits else ""


def _file_of(layer: QgsRasterLayer) -> str:
    """Return the file behind a raster layer, or nothing where it is not one."""
    if layer.providerType() != "gdal":
        return ""
    parts = QgsProviderRegistry.instance().decodeUri("gdal", layer.source())
    path = str(parts.get("path") or "")
    if parts.get("layerName") or parts.get("openOptions") or parts.get("vsiPrefix"):
        return ""
    return path if path and Path(path).is_file() else ""


def _says_the_same(path: str, layer: QgsRasterLayer) -> bool:
    """Say whether the file's own coordinate system is the layer's.

    The user may have set another in the project; then the layer counts.
    """
    options = QgsRasterLayer.LayerOptions(loadDefaultStyle=False)
    own = QgsRasterLayer(path, "own", "gdal", options).crs()
    if not own.isValid() and not layer.crs().isValid():
        return True
    return own == layer.crs() or own.toProj() == layer.crs().toProj()


def _write_features(source: QgsProcessingFeatureSource, context: QgsProcessingContext) -> str:
    target = QgsProcessingUtils.generateTempFilename(f"{_plain(source.sourceName())}.gpkg", context)
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
    for feature in source.getFeatures():
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


def _write_table(source: QgsProcessingFeatureSource, context: QgsProcessingContext) -> str:
    """Write attributes as CSV; points without columns of position get theirs from the geometry."""
    target = QgsProcessingUtils.generateTempFilename(f"{_plain(source.sourceName())}.csv", context)
    names = source.fields().names()
    placed = {"lon_deg", "lat_deg"} <= set(names) or {"x_m", "y_m"} <= set(names)
    points = QgsWkbTypes.geometryType(source.wkbType()) == QgsWkbTypes.GeometryType.PointGeometry
    to_map = None
    if points and not placed:
        names = [*names, "x_m", "y_m"]
        to_map = QgsCoordinateTransform(
            source.sourceCrs(),
            moon_crs.crs(),
            context.transformContext(),
        )
    with Path(target).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(names)
        for feature in source.getFeatures(QgsFeatureRequest()):
            row = ["" if value is None else value for value in feature.attributes()]
            if to_map is not None:
                try:
                    place = to_map.transform(feature.geometry().asPoint())
                except (QgsCsException, TypeError, ValueError):
                    row += ["", ""]
                else:
                    row += [place.x(), place.y()]
            rows.writerow(row)
    return target


def _plain(name: str) -> str:
    """Return a layer's name as a file may be called."""
    kept = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in name)
    return kept[:60] or "layer"
