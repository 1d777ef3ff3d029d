"""Turns the parameters of an algorithm into those of a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProperty,
    QgsRasterLayer,
)

from lunarsite.engine.contract import Kind, Parameter, Stage
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.processing_provider import inputs
from lunarsite.processing_provider.definitions import is_layer, parameters_of, with_area_layers
from lunarsite.qgis_common import moon_crs

if TYPE_CHECKING:
    from qgis.core import QgsProcessingFeedback

    from lunarsite.processing_provider.inputs import RasterSource

Parameters = dict[str, Any]

_STRICT = (Kind.NUMBER, Kind.INTEGER, Kind.BOOLEAN, Kind.CHOICE)
"""Kinds whose values the engine parses: QGIS makes 0 of a number that it cannot read."""


def check_bodies(
    stage: Stage,
    algorithm: QgsProcessingAlgorithm,
    parameters: Parameters,
    context: QgsProcessingContext,
) -> None:
    """Check that no input layer is on another body than the Moon.

    Raises
    ------
    LunarSiteError
        If one is, or cannot be read.
    """
    for parameter in filter(is_layer, with_area_layers(stage.parameters)):
        if parameter.kind is Kind.RASTER:
            for layer in _raster_layers(parameter, algorithm, parameters, context):
                inputs.check_body(layer.crs(), layer.name())
        elif parameters.get(parameter.name):
            source = algorithm.parameterAsSource(parameters, parameter.name, context)
            if source is not None:
                inputs.check_body(source.sourceCrs(), source.sourceName())


def raster_sources(
    stage: Stage,
    algorithm: QgsProcessingAlgorithm,
    parameters: Parameters,
    context: QgsProcessingContext,
) -> dict[str, list[RasterSource]]:
    """Return the raster layers of every parameter; call this in the main thread.

    Raises
    ------
    LunarSiteError
        If a layer cannot be read, or is on another body.
    """
    return {
        parameter.name: [
            inputs.raster_source(layer)
            for layer in _raster_layers(parameter, algorithm, parameters, context)
        ]
        for parameter in filter(is_layer, stage.parameters)
        if parameter.kind is Kind.RASTER
    }


def stage_values(
    stage: Stage,
    algorithm: QgsProcessingAlgorithm,
    parameters: Parameters,
    rasters: dict[str, list[RasterSource]],
    context: QgsProcessingContext,
    feedback: QgsProcessingFeedback,
) -> dict[str, Any]:
    """Return the values of a stage's parameters, without those that are left at their default.

    Raises
    ------
    LunarSiteError
        If a layer cannot be exported for the engine.
    """
    values: dict[str, Any] = {}
    for parameter in parameters_of(stage):
        if parameter.name in rasters:
            files = [source.file(context, feedback) for source in rasters[parameter.name]]
            value: Any = files if parameter.many else next(iter(files), None)
        elif is_layer(parameter):
            value = None
            if parameters.get(parameter.name):
                value = inputs.vector_file(parameter, algorithm, parameters, context, feedback)
        else:
            value = _value(parameter, algorithm, parameters, context)
        if value is not None:
            values[parameter.name] = value
    for parameter in stage.parameters:
        if parameter.kind is Kind.AREA:
            _take_area_layer(parameter, values)
    return values


def _take_area_layer(parameter: Parameter, values: dict[str, Any]) -> None:
    """Put the layer of an area of interest in the place of its rectangle.

    Raises
    ------
    ParameterError
        If there are both.
    """
    layer = values.pop(f"{parameter.name}_layer", None)
    if layer is None:
        return
    if parameter.name in values:
        raise ParameterError(
            f"{parameter.title}: there is a rectangle and a layer with polygons",
            "Leave one of them out",
        )
    values[parameter.name] = layer


def _value(  # noqa: PLR0911  one return per kind
    parameter: Parameter,
    algorithm: QgsProcessingAlgorithm,
    parameters: Parameters,
    context: QgsProcessingContext,
) -> Any:
    """Return the value of a parameter that is not an input layer, or None if it is not set."""
    name, kind = parameter.name, parameter.kind
    value = parameters.get(name)
    # Dialogs pass None, an empty string or a Qt null for empty fields.
    if value is None or value == "" or _is_null(value):
        # The default of a destination is a temporary file.
        default = parameter.output and algorithm.parameterAsString(parameters, name, context)
        return default or None
    if parameter.output:
        return _destination(parameter, algorithm, parameters, context)
    if parameter.many and kind is Kind.CHOICE:
        return list(algorithm.parameterAsEnumStrings(parameters, name, context)) or None
    if parameter.many:
        return list(algorithm.parameterAsFileList(parameters, name, context)) or None
    if kind in _STRICT:
        return parameter.parse(_evaluated(value, context))
    if kind is Kind.AREA:
        own = algorithm.parameterAsExtentCrs(parameters, name, context)
        if own.isValid():
            inputs.check_body(own, parameter.title)
        area = algorithm.parameterAsExtent(parameters, name, context, moon_crs.crs())
        if area.isNull() or area.isEmpty():
            raise InputError(
                f"{parameter.title}: {value!r} is not a rectangle on the Moon",
                "Draw it on a map in a lunar CRS, or leave it out",
            )
        edges = (area.xMinimum(), area.yMinimum(), area.xMaximum(), area.yMaximum())
        return ",".join(f"{edge:.15g}" for edge in edges)
    if kind is Kind.DATE:
        date_time = algorithm.parameterAsDateTime(parameters, name, context)
        return date_time.date().toString("yyyy-MM-dd") if date_time.isValid() else str(value)
    return algorithm.parameterAsString(parameters, name, context) or None


def _evaluated(value: Any, context: QgsProcessingContext) -> Any:
    """Return a value, computed if it is an expression; ``qgis_process`` gives texts."""
    if isinstance(value, QgsProperty):
        value, valid = value.value(context.expressionContext())
        if not valid:
            raise ParameterError("An expression has no value", "Correct it, or give a value")
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _destination(
    parameter: Parameter,
    algorithm: QgsProcessingAlgorithm,
    parameters: Parameters,
    context: QgsProcessingContext,
) -> str:
    if parameter.kind is Kind.VECTOR and _in_memory(parameters[parameter.name]):
        # The engine writes files: a temporary one takes the place of a layer in memory.
        parameters[parameter.name] = QgsProcessing.TEMPORARY_OUTPUT
    if parameter.kind in (Kind.RASTER, Kind.VECTOR):
        return algorithm.parameterAsOutputLayer(parameters, parameter.name, context)
    if parameter.kind is Kind.FOLDER:
        return algorithm.parameterAsString(parameters, parameter.name, context)
    return algorithm.parameterAsFileOutput(parameters, parameter.name, context)


def _in_memory(value: Any) -> bool:
    sink = getattr(value, "sink", value)
    text = sink.staticValue() if isinstance(sink, QgsProperty) else sink
    return str(text).startswith("memory:")


def _raster_layers(
    parameter: Parameter,
    algorithm: QgsProcessingAlgorithm,
    parameters: Parameters,
    context: QgsProcessingContext,
) -> list[QgsRasterLayer]:
    """Return the raster layers of a parameter.

    Raises
    ------
    InputError
        If something is not a raster layer.
    """
    name = parameter.name
    value = parameters.get(name)
    if value is None or value in ("", []):
        return []
    found = []
    for item in value if isinstance(value, list | tuple) else [value]:
        layers = algorithm.parameterAsLayerList({name: [item]}, name, context)
        if not layers or not all(isinstance(layer, QgsRasterLayer) for layer in layers):
            raise InputError(
                f"{parameter.title}: {item!r} is not a raster that QGIS can read",
                "Choose a raster layer of the project or a raster file",
            )
        found += layers
    return found


def _is_null(value: Any) -> bool:
    return bool(getattr(value, "isNull", bool)())
