"""Layers of a project as files that the engine reads.

What is a plain file and says the same as the layer is passed on as it is. Anything else (unsaved
edits, a subset, a selection, a database, a service, memory, a coordinate system set in the project)
is written to a temporary file first. A layer of another body is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessingUtils,
    QgsProviderRegistry,
    QgsRasterBlockFeedback,
    QgsRasterFileWriter,
    QgsRasterLayer,
    QgsRasterPipe,
    QgsVectorLayer,
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
"""The layer of points in the files of detect-craters and evaluate-craters."""


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
        CancelledError
            If it was cancelled meanwhile.
        """
        if self.provider is None or self.crs is None:
            return self.path
        target = QgsProcessingUtils.generateTempFilename(
            f"{layer_export.plain(self.name)}.tif", context
        )
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
        if feedback.isCanceled():
            raise CancelledError
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
    options = QgsRasterLayer.LayerOptions(loadDefaultStyle=False)
    if path and _says_the_same(QgsRasterLayer(path, "own", "gdal", options), layer):
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
    CancelledError
        If it was cancelled meanwhile.
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
        return layer_export.table(source, context, feedback)
    return layer_export.features(source, context, feedback)


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
    fits = path.lower().endswith(endings) and Path(path).is_file()
    if not (whole and fits and _is_what_is_read(path, str(parts.get("layerName") or ""))):
        return ""
    options = QgsVectorLayer.LayerOptions(loadDefaultStyle=False)
    return path if _says_the_same(QgsVectorLayer(path, "own", "ogr", options), layer) else ""


def _is_what_is_read(path: str, layer: str) -> bool:
    """Say whether the engine, given a file, reads this layer of it; empty names the first one.

    With a file of detected craters come what it says of itself and the raster of rims beside it.
    """
    names = [each.name() for each in QgsProviderRegistry.instance().querySublayers(path)]
    return len(names) == 1 or (names[:1] == [_CRATERS] and layer in ("", _CRATERS))


def _file_of(layer: QgsRasterLayer) -> str:
    """Return the file behind a raster layer, or nothing where it is not one."""
    if layer.providerType() != "gdal":
        return ""
    parts = QgsProviderRegistry.instance().decodeUri("gdal", layer.source())
    path = str(parts.get("path") or "")
    if parts.get("layerName") or parts.get("openOptions") or parts.get("vsiPrefix"):
        return ""
    return path if path and Path(path).is_file() else ""


def _says_the_same(file: QgsMapLayer, layer: QgsMapLayer) -> bool:
    """Say whether a file's own coordinate system is the layer's.

    The user may have set another in the project; then the layer counts.
    """
    own, shown = moon_crs.named(file.crs()), moon_crs.named(layer.crs())
    if not own.isValid() and not shown.isValid():
        return True
    return own == shown or own.toProj() == shown.toProj()
