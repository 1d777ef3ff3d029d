"""Input layers as files that the engine can read.

If the layer is a plain file with the same contents and CRS, that file is used. Anything else
(unsaved edits, filters, selections, databases, services, memory layers, or a CRS that was set in
the project) is exported to a temporary file first. Layers on another body are rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFields,
    QgsProcessingUtils,
    QgsProviderRegistry,
    QgsRasterBlockFeedback,
    QgsRasterFileWriter,
    QgsRasterLayer,
    QgsRasterPipe,
    QgsVectorLayer,
    QgsWkbTypes,
)

from lunarsite.engine.contract import Kind, Parameter
from lunarsite.engine.errors import CancelledError, CrsError, InputError
from lunarsite.processing_provider import layer_export
from lunarsite.qgis_common import moon_crs

if TYPE_CHECKING:
    from qgis.core import (
        QgsMapLayer,
        QgsProcessingAlgorithm,
        QgsProcessingContext,
        QgsProcessingFeedback,
        QgsRasterDataProvider,
    )


_VECTOR_ENDINGS = (".gpkg", ".geojson", ".json", ".shp")
_CRATERS = "craters"
"""The point layer in the files of detect-craters and evaluate-craters."""


@dataclass(frozen=True)
class RasterSource:
    """A raster layer that can be exported in another thread.

    ``path`` is set if the engine can read the layer's own file; otherwise ``provider`` is a clone
    of the layer's data provider.
    """

    name: str
    path: str = ""
    provider: QgsRasterDataProvider | None = None
    crs: QgsCoordinateReferenceSystem | None = None

    def file(self, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> str:
        """Return a file that the engine can read; export the layer if necessary.

        Raises
        ------
        InputError
            If it cannot be exported.
        CancelledError
            If the user cancelled.
        """
        if self.provider is None or self.crs is None:
            return self.path
        target = layer_export.temporary_file(self.name, ".tif", context)
        feedback.pushInfo(f"Exporting the layer {self.name} to a file for the engine")
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
        if feedback.isCanceled():
            raise CancelledError
        if error != QgsRasterFileWriter.WriterError.NoError:
            raise InputError(
                f"Could not export the layer {self.name} (error {int(error)})",
                "Export it to GeoTIFF yourself, and use that file",
            )
        return target


def raster_source(layer: QgsRasterLayer) -> RasterSource:
    """Return the source of a raster layer; call this in the main thread.

    Raises
    ------
    CrsError
        If the layer is on another body.
    InputError
        If the layer is invalid, has no native pixels, or its nodata value is switched off.
    """
    if not layer.isValid():
        raise InputError(
            f"Cannot read the layer {layer.name()}: {layer.error().summary()}",
            "Repair its data source, or choose another layer",
        )
    check_body(layer.crs(), layer.name())
    provider = layer.dataProvider()
    path = _file_of(layer)
    options = QgsRasterLayer.LayerOptions(loadDefaultStyle=False)
    own = path and _has_same_crs(QgsRasterLayer(path, "own", "gdal", options), layer)
    bands = range(1, provider.bandCount() + 1)
    for band in bands:
        if provider.sourceHasNoDataValue(band) and not provider.useSourceNoDataValue(band):
            raise InputError(
                f"The nodata value {provider.sourceNoDataValue(band):g} of the layer "
                f"{layer.name()} is switched off, so that what is unknown would count as ground",
                "Switch it on in the layer's properties, Transparency",
            )
    if own and not any(provider.userNoDataValues(band) for band in bands):
        return RasterSource(layer.name(), path)
    if provider.xSize() < 1 or provider.ySize() < 1:
        raise InputError(
            f"The layer {layer.name()} has no native pixels ({provider.name()})",
            "Export the area to GeoTIFF: right-click the layer, Export, Save As",
        )
    return RasterSource(layer.name(), provider=provider.clone(), crs=layer.crs())


def check_body(crs: QgsCoordinateReferenceSystem, name: str) -> None:
    """Reject a layer on another body; layers without a CRS are left to the engine.

    Raises
    ------
    CrsError
        If the CRS belongs to another body.
    """
    body = moon_crs.body(crs)
    if body and body != moon_crs.MOON:
        # Files without a CRS of their own are degrees of the Earth to QGIS.
        lunar = moon_crs.GEOGRAPHIC if crs.isGeographic() else moon_crs.SOUTH_POLAR
        raise CrsError(
            f"The layer {name} is on {body} ({crs.authid() or crs.description()}), not on the Moon",
            f"Choose a lunar layer; if this is one, set its CRS to {lunar}",
        )


def vector_file(
    parameter: Parameter,
    algorithm: QgsProcessingAlgorithm,
    parameters: dict[str, Any],
    context: QgsProcessingContext,
    feedback: QgsProcessingFeedback,
) -> str:
    """Return a file with the features of a layer, respecting edits, filters and selections.

    Raises
    ------
    CrsError
        If the layer is on another body, or has no CRS.
    InputError
        If it has no features, or cannot be exported.
    CancelledError
        If the user cancelled.
    """
    plain = _plain_file(parameters[parameter.name], parameter, context)
    if plain:
        return plain
    source = algorithm.parameterAsSource(parameters, parameter.name, context)
    if source is None:
        raise InputError(
            f"{parameter.title}: {parameters[parameter.name]!r} is not a layer that QGIS can read",
            "Choose a layer of the project or a file",
        )
    check_body(source.sourceCrs(), source.sourceName())
    if not source.sourceCrs().isValid():
        raise CrsError(
            f"The layer {source.sourceName()} has no valid CRS",
            f"Set it in the layer properties to {moon_crs.SOUTH_POLAR} or another lunar CRS",
        )
    if source.featureCount() == 0:
        raise InputError(
            f"{parameter.title}: the layer {source.sourceName()} has no features",
            "Choose a layer with features, or change its filter or the selection",
        )
    feedback.pushInfo(f"Exporting the layer {source.sourceName()} to a file for the engine")
    # Of circles the table would lose position and size.
    polygons = (
        QgsWkbTypes.geometryType(source.wkbType()) == QgsWkbTypes.GeometryType.PolygonGeometry
    )
    if parameter.kind is Kind.TABLE and not polygons:
        return layer_export.export_table(source, context, feedback)
    return layer_export.export_features(source, context, feedback)


def _plain_file(value: Any, parameter: Parameter, context: QgsProcessingContext) -> str:
    """Return the path if the value is a file or an unmodified layer of a file, otherwise ""."""
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
    fields = layer.fields()
    own = QgsFields.FieldOrigin.OriginProvider
    computed = any(fields.fieldOrigin(index) != own for index in range(fields.count()))
    changed = layer.subsetString() or layer.isModified() or computed
    unmodified = not (changed or parts.get("vsiPrefix"))
    readable = path.lower().endswith(endings) and Path(path).is_file()
    sublayer = str(parts.get("layerName") or "")
    if not (unmodified and readable and _is_default_sublayer(path, sublayer)):
        return ""
    options = QgsVectorLayer.LayerOptions(loadDefaultStyle=False)
    return path if _has_same_crs(QgsVectorLayer(path, "own", "ogr", options), layer) else ""


def _is_default_sublayer(path: str, layer: str) -> bool:
    """Return whether the engine reads this layer of a file; empty stands for the first one.

    Files of detected craters have several layers, and a raster of rims next to them.
    """
    names = [each.name() for each in QgsProviderRegistry.instance().querySublayers(path)]
    return len(names) == 1 or (names[:1] == [_CRATERS] and layer in ("", _CRATERS))


def _file_of(layer: QgsRasterLayer) -> str:
    """Return the file of a raster layer, or "" if it is not a plain file."""
    if layer.providerType() != "gdal":
        return ""
    parts = QgsProviderRegistry.instance().decodeUri("gdal", layer.source())
    path = str(parts.get("path") or "")
    if parts.get("layerName") or parts.get("openOptions") or parts.get("vsiPrefix"):
        return ""
    return path if path and Path(path).is_file() else ""


def _has_same_crs(file: QgsMapLayer, layer: QgsMapLayer) -> bool:
    """Return whether a file's own CRS is that of the layer.

    The user may have set another CRS in the project, which takes precedence.
    """
    own, shown = moon_crs.named(file.crs()), moon_crs.named(layer.crs())
    if not own.isValid() and not shown.isValid():
        return True
    return own == shown or own.toProj() == shown.toProj()
