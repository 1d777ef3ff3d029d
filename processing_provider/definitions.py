"""Turns the declaration of a stage into parameter and output definitions of Processing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import (
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
    QgsProcessingParameterExtent,
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

from lunarsite.engine.contract import COMMON, DRY_RUN, Kind, Output, Parameter, Stage
from lunarsite.processing_provider import compat, preselection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qgis.core import QgsProcessingOutputDefinition

_MAX_INT = 2**31 - 1
_ESTIMATE_LINE = "lunarsite.processing_provider.estimate_line.EstimateLine"
"""The widget of a dry run; its name, since there are no widgets in ``qgis_process``."""


def parameters_of(stage: Stage) -> Iterator[Parameter]:
    """Yield the parameters of a stage's algorithm: its own, and the common ones."""
    yield from with_area_layers(stage.parameters)
    if stage.estimates:
        yield DRY_RUN
    yield from COMMON


def definition(parameter: Parameter) -> QgsProcessingParameterDefinition:
    """Return the parameter definition for a parameter of a stage."""
    made = _destination(parameter) if parameter.output else _input(parameter)
    made.setHelp(help_text(parameter))
    if parameter is DRY_RUN:
        made.setMetadata({"widget_wrapper": {"class": _ESTIMATE_LINE}})
    if parameter.advanced:
        made.setFlags(made.flags() | compat.ADVANCED)
    return made


def with_area_layers(parameters: Iterable[Parameter]) -> Iterator[Parameter]:
    """Yield parameters, and after an area of interest one for a layer with its polygons.

    An area is a rectangle or a layer, which no widget of QGIS offers both.
    """
    for parameter in parameters:
        yield parameter
        if parameter.kind is Kind.AREA:
            yield Parameter(
                name=f"{parameter.name}_layer",
                kind=Kind.VECTOR,
                geometry="polygon",
                title=f"{parameter.title}, as polygons",
                help="A layer with polygons, in place of a rectangle: the rectangle around them "
                "is worked on.",
            )


def output_definition(output: Output) -> QgsProcessingOutputDefinition:
    """Return the output definition for an output of a stage."""
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
    """Return whether the parameter accepts a layer of the project.

    This includes tables if the engine reads them as CSV, but not Parquet files.
    """
    kinds = (Kind.RASTER, Kind.VECTOR)
    table = parameter.kind is Kind.TABLE and ".csv" in parameter.endings
    return not parameter.output and (parameter.kind in kinds or table)


def label(parameter: Parameter) -> str:
    """Return the label of the widget: the title, and the unit in brackets."""
    return f"{parameter.title} [{parameter.unit}]" if parameter.unit else parameter.title


def help_text(parameter: Parameter) -> str:
    """Return the tooltip: the help text and the range."""
    unit = f" {parameter.unit}" if parameter.unit else ""
    low, high = parameter.minimum, parameter.maximum
    text = parameter.help
    if low is not None and high is not None:
        text += f" From {low:g} to {high:g}{unit}."
    elif low is not None:
        text += f" At least {low:g}{unit}."
    elif high is not None:
        text += f" At most {high:g}{unit}."
    if parameter.suggestions:
        text += f" Models by name: {', '.join(parameter.suggestions)}."
    return text


def _input(parameter: Parameter) -> QgsProcessingParameterDefinition:  # noqa: PLR0911  one return per kind
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
            name,
            text,
            list(parameter.choices),
            allowMultiple=parameter.many,
            defaultValue=parameter.default,
            optional=optional,
        )
        made.setUsesStaticStrings(True)
        return made
    if parameter.kind is Kind.DATE:
        date = QDate.fromString(parameter.default or "", "yyyy-MM-dd")
        start = QDateTime(date, QTime(0, 0)) if date.isValid() else None
        return QgsProcessingParameterDateTime(name, text, compat.DATE, start, optional)
    if parameter.kind is Kind.AREA:
        return QgsProcessingParameterExtent(name, text, optional=True)
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
        source_type = {"point": compat.POINTS, "polygon": compat.POLYGONS}.get(
            parameter.geometry, compat.VECTOR
        )
        return QgsProcessingParameterFeatureSource(name, text, [source_type], optional=optional)
    if parameter.many:
        return QgsProcessingParameterMultipleLayers(name, text, compat.RASTER, optional=optional)
    default = None if optional else preselection.proposed()
    return QgsProcessingParameterRasterLayer(name, text, default, optional)


def _number(parameter: Parameter, *, optional: bool) -> QgsProcessingParameterNumber:
    integer = parameter.kind is Kind.INTEGER
    made = QgsProcessingParameterNumber(
        parameter.name,
        label(parameter),
        compat.INTEGER if integer else compat.DOUBLE,
        parameter.default,
        optional,
    )
    if parameter.minimum is not None:
        made.setMinimum(parameter.minimum)
    if not integer:
        made.setMetadata({"widget_wrapper": {"decimals": _decimals(parameter)}})
    # The spin box for integers is limited to 32 bits.
    if parameter.maximum is not None and not (integer and parameter.maximum > _MAX_INT):
        made.setMaximum(parameter.maximum)
    return made


def _decimals(parameter: Parameter) -> int:
    """Return the decimals of a spin box: those of the default and the range, at least 2.

    Coordinates in degrees have no default, and need them all.
    """
    if parameter.required and parameter.unit in ("", "deg"):
        return 6
    numbers = (parameter.default, parameter.minimum, parameter.maximum)
    texts = [f"{value:.6f}".rstrip("0") for value in numbers if value is not None]
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
    # Optional outputs are only created on request.
    made.setCreateByDefault(not optional)
    return made


def _filter(parameter: Parameter) -> str:
    """Return the filter of the file dialog."""
    patterns = " ".join(f"*{ending}" for ending in parameter.endings) or "*"
    names = ", ".join(ending[1:].upper() for ending in parameter.endings) or "All"
    return f"{names} files ({patterns})"
