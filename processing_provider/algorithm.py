"""One algorithm for any stage, made from its declaration."""

from __future__ import annotations

import queue
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingParameterBoolean,
    QgsRasterLayer,
)
from qgis.PyQt.QtGui import QIcon

from lunarsite.engine.contract import COMMON, PATH_KINDS, Kind, Stage
from lunarsite.engine.errors import CancelledError, LunarSiteError
from lunarsite.processing_provider import inputs, parameters
from lunarsite.processing_provider.help import short_help
from lunarsite.qgis_common import layers, location
from lunarsite.qgis_common.client import Client

if TYPE_CHECKING:
    from qgis.core import QgsProcessingContext, QgsProcessingFeedback

ROOT = Path(__file__).resolve().parents[1]
LOAD = "load_layers"
"""Our own parameter: whether the layers that were made are added to the project."""


class StageAlgorithm(QgsProcessingAlgorithm):
    """A stage of the engine as a Processing algorithm.

    Parameters
    ----------
    stage : Stage
        Its declaration; everything the user sees comes from it.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self._rasters: dict[str, list[inputs.RasterSource]] = {}
        self._result: dict[str, Any] = {}
        self._dem = ""
        self._load = False

    def createInstance(self) -> StageAlgorithm:
        """Return a fresh one, which QGIS asks for before each run."""
        return StageAlgorithm(self._stage)

    def name(self) -> str:
        """Return the id after ``lunarsite:``."""
        return self._stage.name

    def displayName(self) -> str:
        """Return the name in the toolbox."""
        return self._stage.title

    def group(self) -> str:
        """Return the group in the toolbox."""
        return self._stage.group

    def groupId(self) -> str:
        """Return the group's id."""
        return self._stage.group.lower().replace(" ", "-")

    def tags(self) -> list[str]:
        """Return the words that find it."""
        return [*self._stage.tags, "moon", "lunar", "lunarsite"]

    def icon(self) -> QIcon:
        """Return the icon of its group."""
        return QIcon(self.svgIconPath())

    def svgIconPath(self) -> str:
        """Return the icon's file."""
        own = ROOT / "resources" / "icons" / f"{self.groupId()}.svg"
        return str(own if own.is_file() else ROOT / "resources" / "icons" / "lunarsite.svg")

    def shortDescription(self) -> str:
        """Return one sentence."""
        return self._stage.summary

    def shortHelpString(self) -> str:
        """Return the help beside the dialog."""
        return short_help(self._stage)

    def initAlgorithm(self, _configuration: dict[str, Any] | None = None) -> None:
        """Make the parameters and the outputs."""
        for parameter in (*self._stage.parameters, *COMMON):
            self.addParameter(parameters.definition(parameter), createOutput=parameter.output)
        if layers.styled(self._stage):
            shown = QgsProcessingParameterBoolean(LOAD, "Add the layers to the project", True)
            shown.setHelp("The layers that were made, styled and in a group of their own.")
            self.addParameter(shown)
        for output in self._stage.outputs:
            # An output without a path of its own is a destination among the parameters.
            if output.path or output.kind not in PATH_KINDS:
                self.addOutput(parameters.output_definition(output))

    def canExecute(self) -> tuple[bool, str]:
        """Say whether there is an engine to run it."""
        try:
            location.find()
        except LunarSiteError as error:
            return False, str(error)
        return True, ""

    def checkParameterValues(
        self, given: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Refuse what can be refused before anything starts: a layer of another body."""
        fits, why = super().checkParameterValues(given, context)
        if not fits:
            return fits, why
        try:
            for parameter in self._stage.parameters:
                if parameter.kind is Kind.RASTER and parameters.is_layer(parameter):
                    for layer in self._layers(parameter.name, given, context):
                        inputs.check_body(layer.crs(), layer.name())
                elif parameters.is_layer(parameter) and given.get(parameter.name):
                    source = self.parameterAsSource(given, parameter.name, context)
                    if source is not None:
                        inputs.check_body(source.sourceCrs(), source.sourceName())
        except LunarSiteError as error:
            return False, str(error)
        return True, ""

    def prepareAlgorithm(
        self,
        given: dict[str, Any],
        context: QgsProcessingContext,
        _feedback: QgsProcessingFeedback,
    ) -> bool:
        """Take the raster layers apart, in the thread they live in."""
        try:
            for parameter in self._stage.parameters:
                if parameter.kind is Kind.RASTER and parameters.is_layer(parameter):
                    found = self._layers(parameter.name, given, context)
                    self._rasters[parameter.name] = [inputs.raster_source(each) for each in found]
        except LunarSiteError as error:
            raise QgsProcessingException(str(error)) from error
        self._load = layers.styled(self._stage) and self.parameterAsBoolean(given, LOAD, context)
        return True

    def processAlgorithm(
        self,
        given: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """Run the stage in a process of its own."""
        try:
            values = self._values(given, context, feedback)
            self._dem = str(values.get("dem") or "")
            self._result = run(self._stage.name, values, feedback)
        except CancelledError as error:
            raise QgsProcessingException("Cancelled. Nothing is half-written.") from error
        except LunarSiteError as error:
            for line in getattr(error, "lines", ()):
                feedback.pushConsoleInfo(line)
            raise QgsProcessingException(self._in_titles(str(error))) from error
        for line in self._result.get("summary") or []:
            feedback.pushInfo(str(line))
        return layers.results(self._stage, values, self._result)

    def postProcessAlgorithm(
        self, context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Have the layers added to the project, styled and in a group; runs in the main thread."""
        layers.style_destinations(self._stage, self._result, context)
        if self._load and context.project() is not None:
            layers.load_on_completion(self._stage, self._result, self._dem, context)
        return {}

    def _in_titles(self, text: str) -> str:
        """Return the engine's words with the dialog's titles for the command line's options."""
        titles = {p.flag: f"‘{parameters.label(p)}’" for p in (*self._stage.parameters, *COMMON)}
        return re.sub(r"--[a-z0-9-]+", lambda found: titles.get(found[0], found[0]), text)

    def _values(
        self,
        given: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """Return the stage's parameters; what was not given is left to its declaration."""
        values: dict[str, Any] = {}
        for parameter in (*self._stage.parameters, *COMMON):
            if parameter.name in self._rasters:
                files = [each.file(context, feedback) for each in self._rasters[parameter.name]]
                value: Any = files if parameter.many else next(iter(files), None)
            elif parameters.is_layer(parameter):
                there = given.get(parameter.name)
                value = (
                    inputs.vector_file(parameter, self, given, context, feedback) if there else None
                )
            else:
                value = parameters.value_of(parameter, self, given, context)
            if value is not None:
                values[parameter.name] = value
        return values

    def _layers(self, name: str, given: dict[str, Any], context: QgsProcessingContext) -> list[Any]:
        """Return the raster layers given for a parameter.

        Raises
        ------
        LunarSiteError
            If something was given that is no raster.
        """
        value = given.get(name)
        if value is None or value in ("", []):
            return []
        definition = self.parameterDefinition(name)
        asked = value if isinstance(value, list | tuple) else [value]
        found = [
            layer
            for each in asked
            for layer in self.parameterAsLayerList({name: [each]}, name, context) or [None]
        ]
        for each, layer in zip(asked, found, strict=False):
            if not isinstance(layer, QgsRasterLayer):
                raise inputs.InputError(
                    f"{definition.description()}: {each!r} is no raster that QGIS can read",
                    "Choose a raster layer of the project or a file",
                )
        return found


def run(method: str, values: dict[str, Any], feedback: QgsProcessingFeedback) -> dict[str, Any]:
    """Ask a fresh engine for one thing and return its result.

    The engine's progress and log come in on other threads; they are handed to ``feedback`` from
    this one only.

    Raises
    ------
    LunarSiteError
        What the engine says; `EngineDiedError` if its process ended; `CancelledError`.
    """
    news: queue.SimpleQueue[tuple[float | None, str]] = queue.SimpleQueue()
    told = ""

    def pass_on() -> bool:
        nonlocal told
        while not news.empty():
            fraction, text = news.get()
            if fraction is None:
                feedback.pushConsoleInfo(text)
                continue
            feedback.setProgress(100.0 * fraction)
            if text and text != told:
                told = text
                feedback.setProgressText(text)
        return bool(feedback.isCanceled())

    engine = location.find()
    feedback.pushDebugInfo(f"Engine: {engine.python} ({engine.origin})")
    with Client(engine, on_log=lambda line: news.put((None, line))) as client:
        try:
            result = client.request(
                method,
                values,
                progress=lambda fraction, message: news.put((fraction, message)),
                cancelled=pass_on,
            )
        finally:
            pass_on()
    for warning in result.get("warnings") or []:
        feedback.pushWarning(str(warning))
    feedback.setProgress(100.0)
    return result
