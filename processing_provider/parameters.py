"""A stage's declaration in QGIS's terms, and QGIS's values in the stage's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingOutputFile,
    QgsProcessingOutputFolder,
    QgsProcessingOutputNumber,
    QgsProcessingOutputRasterLayer,
    QgsProcessingOutputString,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDateTime,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)
from qgis.PyQt.QtCore import QDate, QDateTime, QTime

from lunarsite.engine.contract import Kind, Output, Parameter
from lunarsite.processing_provider import compat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qgis.core import QgsProcessingOutputDefinition
_MAX_INT = 2**31 - 1


def definition(parameter: Parameter) -> QgsProcessingParameterDefinition:
    """Return the parameter of an algorithm for one of a stage's."""
    made = _destination(parameter) if parameter.output else _input(parameter)
    made.setHelp(help_text(parameter))
    if parameter.advanced:
        made.setFlags(made.flags() | compat.ADVANCED)
    return made


def output_definition(output: Output) -> QgsProcessingOutputDefinition:
    """Return the output of an algorithm for one of a stage's."""
    kinds = {
        Kind.RASTER: QgsProcessingOutputRasterLayer,
        Kind.VECTOR: QgsProcessingOutputVectorLayer,
        Kind.FOLDER: QgsProcessingOutputFolder,
        Kind.NUMBER: QgsProcessingOutputNumber,
        Kind.INTEGER: QgsProcessingOutputNumber,
        Kind.TEXT: QgsProcessingOutputString,
    }
    return kinds.get(output.kind, QgsProcessingOutputFile)(output.name, output.title)


def is_layer(parameter: Parameter) -> bool:
    """Say whether the user may give a layer of the project for it.

    A table may be one where the engine reads it as CSV; Parquet stays a file.
    """
    kinds = (Kind.RASTER, Kind.VECTOR)
    table = parameter.kind is Kind.TABLE and ".csv" in parameter.endings
    return not parameter.output and (parameter.kind in kinds or table)


def label(parameter: Parameter) -> str:
    """Return what stands beside the field: the title, and the unit in brackets."""
    return f"{parameter.title} [{parameter.unit}]" if parameter.unit else parameter.title


def help_text(parameter: Parameter) -> str:
    """Return the tooltip: what it is, its range, and what holds where it is left empty."""
    unit = f" {parameter.unit}" if parameter.unit else ""
    low, high = parameter.minimum, parameter.maximum
    said = parameter.help
    if low is not None and high is not None:
        said += f" From {low:g} to {high:g}{unit}."
    elif low is not None:
        said += f" At least {low:g}{unit}."
    elif high is not None:
        said += f" At most {high:g}{unit}."
    return said


def value_of(  # noqa: PLR0911  one return a kind
    parameter: Parameter,
    algorithm: QgsProcessingAlgorithm,
    given: Mapping[str, Any],
    context: QgsProcessingContext,
) -> Any:
    """Return what the user gave for a parameter that is no input layer, or None for nothing."""
    name, kind = parameter.name, parameter.kind
    # A field that was left alone comes as nothing, as an empty text, or as a null of Qt's.
    empty = given.get(name) is None or given[name] == "" or _is_null(given[name])
    if empty:
        # A destination that was left alone has a temporary place in its default.
        return (
            algorithm.parameterAsString(given, name, context) or None if parameter.output else None
        )
    if parameter.output:
        return _destination_value(parameter, algorithm, given, context)
    if parameter.many:
        return list(algorithm.parameterAsFileList(given, name, context)) or None
    if kind is Kind.INTEGER:
        return algorithm.parameterAsInt(given, name, context)
    if kind is Kind.NUMBER:
        return algorithm.parameterAsDouble(given, name, context)
    if kind is Kind.BOOLEAN:
        return algorithm.parameterAsBoolean(given, name, context)
    if kind is Kind.CHOICE:
        return algorithm.parameterAsEnumString(given, name, context)
    if kind is Kind.DATE:
        moment = algorithm.parameterAsDateTime(given, name, context)
        return moment.date().toString("yyyy-MM-dd") if moment.isValid() else str(given[name])
    return algorithm.parameterAsString(given, name, context) or None


def _is_null(value: Any) -> bool:
    return bool(getattr(value, "isNull", bool)())


def _destination_value(
    parameter: Parameter,
    algorithm: QgsProcessingAlgorithm,
    given: Mapping[str, Any],
    context: QgsProcessingContext,
) -> str:
    if parameter.kind in (Kind.RASTER, Kind.VECTOR):
        return algorithm.parameterAsOutputLayer(given, parameter.name, context)
    if parameter.kind is Kind.FOLDER:
        return algorithm.parameterAsString(given, parameter.name, context)
    return algorithm.parameterAsFileOutput(given, parameter.name, context)


def _input(parameter: Parameter) -> QgsProcessingParameterDefinition:  # noqa: PLR0911  likewise
    name, text = parameter.name, label(parameter)
    optional = not parameter.required and parameter.default is None
    if is_layer(parameter):
        return _layer(parameter, optional=not parameter.required)
    if parameter.kind in (Kind.NUMBER, Kind.INTEGER):
        return _number(parameter, optional=optional)
    if parameter.kind is Kind.BOOLEAN:
        return QgsProcessingParameterBoolean(name, text, parameter.default)
    if parameter.kind is Kind.CHOICE:
        made = QgsProcessingParameterEnum(
            name, text, list(parameter.choices), defaultValue=parameter.default, optional=optional
        )
        made.setUsesStaticStrings(True)
        return made
    if parameter.kind is Kind.DATE:
        date = QDate.fromString(parameter.default or "", "yyyy-MM-dd")
        start = QDateTime(date, QTime(0, 0)) if date.isValid() else None
        return QgsProcessingParameterDateTime(name, text, compat.DATE, start, optional)
    if parameter.kind is Kind.TEXT:
        return QgsProcessingParameterString(name, text, parameter.default, optional=optional)
    if parameter.many:
        return QgsProcessingParameterMultipleLayers(
            name, text, compat.FILES, optional=not parameter.required
        )
    behavior = compat.ANY_FOLDER if parameter.kind is Kind.FOLDER else compat.ANY_FILE
    made = QgsProcessingParameterFile(name, text, behavior, optional=optional)
    if parameter.endings:
        made.setFileFilter(_filter(parameter))
    return made


def _layer(parameter: Parameter, *, optional: bool) -> QgsProcessingParameterDefinition:
    name, text = parameter.name, label(parameter)
    if parameter.kind is not Kind.RASTER:
        shown = {"point": compat.POINTS, "polygon": compat.POLYGONS}.get(
            parameter.geometry, compat.VECTOR
        )
        return QgsProcessingParameterFeatureSource(name, text, [shown], optional=optional)
    if parameter.many:
        return QgsProcessingParameterMultipleLayers(name, text, compat.RASTER, optional=optional)
    return QgsProcessingParameterRasterLayer(name, text, optional=optional)


def _number(parameter: Parameter, *, optional: bool) -> QgsProcessingParameterNumber:
    whole = parameter.kind is Kind.INTEGER
    made = QgsProcessingParameterNumber(
        parameter.name,
        label(parameter),
        compat.INTEGER if whole else compat.DOUBLE,
        parameter.default,
        optional,
    )
    if parameter.minimum is not None:
        made.setMinimum(parameter.minimum)
    if not whole:
        made.setMetadata({"widget_wrapper": {"decimals": _decimals(parameter)}})
    # The spin box of a whole number holds 32 bits.
    if parameter.maximum is not None and not (whole and parameter.maximum > _MAX_INT):
        made.setMaximum(parameter.maximum)
    return made


def _decimals(parameter: Parameter) -> int:
    """Return how many decimals a spin box shows: those of the default and the range, 2 at least.

    A place in degrees has no default and needs them all.
    """
    if parameter.required and parameter.unit in ("", "deg"):
        return 6
    given = (parameter.default, parameter.minimum, parameter.maximum)
    texts = [f"{value:.6f}".rstrip("0") for value in given if value is not None]
    return max([2, *(len(text.partition(".")[2]) for text in texts)])


def _destination(parameter: Parameter) -> QgsProcessingParameterDefinition:
    name, text = parameter.name, label(parameter)
    optional = not parameter.required
    if parameter.kind is Kind.FOLDER:
        made = QgsProcessingParameterFolderDestination(name, text, None, optional)
    elif parameter.kind is Kind.RASTER:
        made = QgsProcessingParameterRasterDestination(name, text, None, optional)
    elif parameter.kind is Kind.VECTOR:
        made = QgsProcessingParameterVectorDestination(
            name, text, compat.VECTOR, defaultValue=None, optional=optional
        )
    else:
        made = QgsProcessingParameterFileDestination(name, text, _filter(parameter), None, optional)
    # What nobody has to write is not written unless it is asked for.
    made.setCreateByDefault(not optional)
    return made


def _filter(parameter: Parameter) -> str:
    """Return the file dialog's filter."""
    patterns = " ".join(f"*{ending}" for ending in parameter.endings) or "*"
    names = ", ".join(ending[1:].upper() for ending in parameter.endings) or "All"
    return f"{names} files ({patterns})"
