"""The base algorithm: turns the declaration of a stage into parameters, and runs the stage."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingParameterBoolean,
)
from qgis.PyQt.QtGui import QIcon

from lunarsite.engine.contract import DRY_RUN, PATH_KINDS, Stage
from lunarsite.engine.errors import CancelledError, LunarSiteError
from lunarsite.processing_provider import definitions
from lunarsite.processing_provider.help import short_help
from lunarsite.processing_provider.run import run
from lunarsite.processing_provider.values import check_bodies, raster_sources, stage_values
from lunarsite.qgis_common import layers, location

if TYPE_CHECKING:
    from qgis.core import QgsMapLayer, QgsProcessingContext, QgsProcessingFeedback, QgsProject

    from lunarsite.processing_provider.inputs import RasterSource

ICONS = Path(__file__).resolve().parents[1] / "resources" / "icons"


class StageAlgorithm(QgsProcessingAlgorithm):
    """A stage of the engine as a Processing algorithm.

    Parameters
    ----------
    stage : Stage
        The declaration of the stage.
    """

    LOAD_LAYERS = "load_layers"
    """An additional parameter: whether to add the layers in the output folder to the project."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self._rasters: dict[str, list[RasterSource]] = {}
        self._result: dict[str, Any] = {}
        self._copies: dict[str, str] = {}
        self._dem = self._craters = ""
        self._load_layers = False

    def createInstance(self) -> StageAlgorithm:
        """Return a new instance, which QGIS needs for each run."""
        return StageAlgorithm(self._stage)

    def name(self) -> str:
        """Return the id within the provider."""
        return self._stage.name

    def displayName(self) -> str:
        """Return the name in the toolbox."""
        return self._stage.title

    def group(self) -> str:
        """Return the group in the toolbox."""
        return self._stage.group

    def groupId(self) -> str:
        """Return the id of the group."""
        return self._stage.group.lower().replace(" ", "-")

    def tags(self) -> list[str]:
        """Return the search terms."""
        return [*self._stage.tags, "moon", "lunar", "lunarsite"]

    def icon(self) -> QIcon:
        """Return the icon of the group."""
        return QIcon(self.svgIconPath())

    def svgIconPath(self) -> str:
        """Return the path of the icon."""
        icon = ICONS / f"{self.groupId()}.svg"
        return str(icon if icon.is_file() else ICONS / "lunarsite.svg")

    def shortDescription(self) -> str:
        """Return a one-sentence summary."""
        return self._stage.summary

    def shortHelpString(self) -> str:
        """Return the text of the help panel."""
        return short_help(self._stage)

    def initAlgorithm(self, _configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters and the outputs."""
        for parameter in definitions.parameters_of(self._stage):
            self.addParameter(definitions.definition(parameter), createOutput=parameter.output)
        if layers.has_folder_layers(self._stage):
            load = QgsProcessingParameterBoolean(self.LOAD_LAYERS, "Add layers to project", True)
            load.setHelp("Add the resulting layers to the project, styled and in a group.")
            self.addParameter(load)
        for output in self._stage.outputs:
            # An output without a fixed path is a destination parameter already.
            if output.path or output.kind not in PATH_KINDS:
                self.addOutput(definitions.output_definition(output))

    def canExecute(self) -> tuple[bool, str]:
        """Return whether there is an engine to run the stage."""
        try:
            location.find()
        except LunarSiteError as error:
            return False, str(error)
        return True, ""

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Reject layers that are on another body than the Moon, before anything is run."""
        valid, message = super().checkParameterValues(self._with_models(parameters), context)
        if not valid:
            return valid, message
        try:
            check_bodies(self._stage, self, parameters, context)
        except LunarSiteError as error:
            return False, str(error)
        return True, ""

    def _with_models(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters with files in place of names of models, which QGIS looks for."""
        files = {
            each.name: each.parse(parameters[each.name])
            for each in self._stage.parameters
            if each.model and not each.many and isinstance(parameters.get(each.name), str)
        }
        return parameters | files

    def prepareAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        _feedback: QgsProcessingFeedback,
    ) -> bool:
        """Get the raster layers, which belong to the main thread."""
        try:
            self._rasters = raster_sources(self._stage, self, parameters, context)
        except LunarSiteError as error:
            raise QgsProcessingException(str(error)) from error
        self._load_layers = layers.has_folder_layers(self._stage) and self.parameterAsBoolean(
            parameters, self.LOAD_LAYERS, context
        )
        return True

    def processAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """Run the stage in an engine process of its own."""
        try:
            values = self.values(parameters, context, feedback)
            self._dem = str(values.get("dem") or "")
            self._craters = str(values.get("craters") or "")
            self._result = run(self._stage.name, values, feedback)
        except CancelledError as error:
            raise QgsProcessingException("Cancelled. No incomplete files are left.") from error
        except LunarSiteError as error:
            for line in getattr(error, "lines", ()):
                feedback.pushConsoleInfo(line)
            raise QgsProcessingException(self.with_titles(str(error))) from error
        for line in self._result.get("summary") or []:
            feedback.pushInfo(str(line))
        if values.get(DRY_RUN.name):
            # Nothing was written that could be loaded.
            context.setLayersToLoadOnCompletion({})
            self._load_layers = False
            return layers.simple_results(self._result)
        return layers.results(self._stage, values, self._result)

    def postProcessAlgorithm(
        self, context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Style the resulting layers, and add them to the project."""
        layers.style_destinations(self._stage, self._result, context)
        project = context.project()
        if not self._load_layers or project is None:
            return {}
        then = self._arrange if self._stage.name == "screen" else None
        layers.load_on_completion(self._stage, self._result, self._dem, context, then)
        return {}

    def _arrange(self, layer: QgsMapLayer, project: QgsProject) -> None:
        """Show a run as the dock shows it: over mosaic and hillshade, with craters, in view."""
        from lunarsite.qgis_common import run_layers  # noqa: PLC0415  only after a run

        folder = Path(self._result["outputs"]["report"]).parent
        craters = Path(self._craters) if self._craters else None
        run_layers.arrange(layer, project, folder, craters)

    def values(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """Return the values of the stage's parameters, with layers as files."""
        values = stage_values(self._stage, self, parameters, self._rasters, context, feedback)
        for name, sources in self._rasters.items():
            files = values.get(name, [])
            paths = files if isinstance(files, list) else [files]
            pairs = zip(sources, paths, strict=False)
            self._copies |= {path: source.name for source, path in pairs if not source.path}
        return values

    def values_now(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any] | None:
        """Return the values of the parameters in the main thread, or None if some are missing."""
        if not super().checkParameterValues(parameters, context)[0]:
            return None
        self._rasters = raster_sources(self._stage, self, parameters, context)
        return self.values(parameters, context, feedback)

    def with_titles(self, message: str) -> str:
        """Return a message of the engine in the words of the dialog.

        Options of the command line become titles, and temporary copies the layers they are of.
        """
        for path, name in self._copies.items():
            message = message.replace(path, f"the layer {name}")
        parameters = definitions.parameters_of(self._stage)
        titles = {each.flag: f"‘{definitions.label(each)}’" for each in parameters}
        return re.sub(r"--[a-z0-9-]+", lambda found: titles.get(found[0], found[0]), message)
