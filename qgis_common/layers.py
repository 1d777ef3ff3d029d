"""The outputs of a stage, as results of an algorithm and as layers of the project."""

from __future__ import annotations

from collections import deque
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis import utils
from qgis.core import (
    Qgis,
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingUtils,
    QgsRasterLayer,
    QgsVectorLayer,
)

from lunarsite.engine import stages
from lunarsite.engine.contract import Kind, Output, Stage
from lunarsite.qgis_common import moon_crs, plain_text, styles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from qgis.core import QgsLayerTreeGroup, QgsMapLayer, QgsProcessingFeedback, QgsProject

_LAYER_KINDS = (Kind.RASTER, Kind.VECTOR)
_ALIVE: deque[QgsProcessingLayerPostProcessorInterface] = deque(maxlen=200)
"""References that QGIS does not keep itself; enough of them that old ones are no longer needed."""
GROUND = "Elevation model"
_GROUND = Output(name="ground", kind=Kind.RASTER, title=GROUND, help="", style="hillshade")
"""The elevation model below the cell rasters."""
_MAIN = frozenset({"slope_deg", "illumination_pct", "earth_visibility_pct", "psr"})
"""The layers of a folder that are loaded: opening a layer blocks QGIS for 10 ms."""
_FEW = 2
"""Up to this number, all layers of a run are visible."""
_BELOW = -1
"""Sort key of layers next to a destination file, whose own key is 0."""
_VISIBLE = frozenset({"ground", "sites", "score", "rank_change", "comparison", "classes"})
"""The visible layers if a run has many."""


def has_folder_layers(stage: Stage) -> bool:
    """Return whether a stage writes layers to a folder, which QGIS does not load by itself."""
    return any(output.style and output.path for output in stage.outputs)


def simple_results(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of an algorithm that are no files: numbers, texts, the summary."""
    simple = {
        name: value
        for name, value in result.items()
        if isinstance(value, bool | int | float | str) and value != ""
    }
    simple["summary"] = "\n".join(str(line) for line in result.get("summary") or [])
    return simple


def results(stage: Stage, values: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of an algorithm: paths of outputs, and simple values."""
    destinations = {
        p.name: values[p.name] for p in stage.parameters if p.output and p.name in values
    }
    return {**simple_results(result), **(result.get("outputs") or {}), **destinations}


def output_layers(stage: Stage, result: Mapping[str, Any]) -> Iterator[tuple[Output, Path]]:
    """Yield the layers of a result and their declarations.

    Vector layers come first, then the stage's own rasters. Of an output folder, only the layers
    that most criteria use are included; the user can add the others.
    """
    paths = result.get("outputs") or {}
    own = stage.outputs
    found: list[tuple[Output, Path]] = []
    for output in stage.outputs:
        path = Path(str(paths.get(output.name) or ""))
        if output.kind in _LAYER_KINDS and path.is_file():
            found.append((output, path))
        elif output.kind is Kind.FOLDER and path.is_dir():
            chosen = ((name, each) for name, each in _declared().items() if each.name in _MAIN)
            inside = ((each, path / name) for name, each in chosen)
            found += [(each, file) for each, file in inside if file.is_file()]
    yield from sorted(found, key=lambda each: (each[0].kind is not Kind.VECTOR, each[0] not in own))


def load_on_completion(
    stage: Stage,
    result: Mapping[str, Any],
    dem: str,
    context: QgsProcessingContext,
    then: Callable[[QgsMapLayer, QgsProject], None] | None = None,
) -> None:
    """Load the layers of a result when the algorithm is finished, or the model that it is part of.

    They are styled, in a group named after their folder. The elevation model ``dem`` is added below
    cell rasters unless it is empty or in the project already. ``then`` is called in the main thread
    with the last layer, when all of them are in the project.
    """
    made = [(output, path) for output, path in output_layers(stage, result) if output.path]
    several = len(made) > _FEW
    cells = any(output.name == "score" for output, _ in made)
    if cells and dem and not _is_shown(dem, context.project()):
        made.append((_GROUND, Path(dem)))
    for order, (output, path) in enumerate(made):
        details = QgsProcessingContext.LayerDetails(
            output.title, context.project(), output.name, QgsProcessingUtils.LayerHint.UnknownType
        )
        details.forceName = True
        details.groupName = group_name(stage, made[0][1])
        details.layerSortKey = -order
        last = order == len(made) - 1
        visible = not several or output.name in _VISIBLE
        details.setPostProcessor(
            Styler.make(output.style, visible=visible, then=then if last else None)
        )
        context.addLayerToLoadOnCompletion(str(path), details)


def add_to_project(
    stage: Stage, result: Mapping[str, Any], project: QgsProject, group: QgsLayerTreeGroup
) -> list[QgsMapLayer]:
    """Add the layers of a result to a layer tree group now, styled, and return them.

    Call this in the main thread. Files that QGIS cannot open are told in its message bar or log.
    """
    made = list(output_layers(stage, result))
    added: list[QgsMapLayer] = []
    unreadable: list[Path] = []
    for output, path in made:
        kind = QgsVectorLayer if output.kind is Kind.VECTOR else QgsRasterLayer
        layer = kind(str(path), output.title)
        if not layer.isValid():
            unreadable.append(path)
            continue
        styles.apply(layer, output.style)
        moon_crs.name_layer(layer)
        project.addMapLayer(layer, addToLegend=False)
        node = group.addLayer(layer)
        visible = len(made) <= _FEW or output.name in _VISIBLE
        node.setItemVisibilityChecked(visible)
        node.setExpanded(visible)
        added.append(layer)
    tell_unreadable(unreadable)
    return added


def tell_unreadable(paths: list[Path]) -> None:
    """Tell that QGIS cannot open some files: in the message bar, or without a desktop in the log.

    A GeoPackage in a folder whose name has a percent sign is such a file.
    """
    if not paths:
        return
    names = ", ".join(path.name for path in paths)
    text = f"QGIS cannot open {names} in {paths[0].parent}: move the folder to a plain path."
    if utils.iface is not None:
        utils.iface.messageBar().pushMessage(
            "LunarSite", plain_text.shown(text), Qgis.MessageLevel.Warning
        )
    else:
        QgsApplication.messageLog().logMessage(text, "LunarSite", Qgis.MessageLevel.Warning)


def style_destinations(
    stage: Stage, result: Mapping[str, Any], context: QgsProcessingContext
) -> None:
    """Style the destination files that QGIS will load.

    A raster that the stage writes next to such a file is also loaded, below it and unchecked.
    """
    free = [(output, path) for output, path in output_layers(stage, result) if not output.path]
    loaded = [each for each in free if context.willLoadLayerOnCompletion(str(each[1]))]
    for output, path in loaded:
        details = context.layerToLoadOnCompletionDetails(str(path))
        details.setPostProcessor(Styler.make(output.style, visible=True))
    for output, path in free:
        if loaded and (output, path) not in loaded and _is_next_to(path, loaded[0][1]):
            details = QgsProcessingContext.LayerDetails(
                output.title, context.project(), "", QgsProcessingUtils.LayerHint.Raster
            )
            details.layerSortKey = _BELOW
            details.setPostProcessor(Styler.make(output.style, visible=False))
            context.addLayerToLoadOnCompletion(str(path), details)


def _is_next_to(path: Path, chosen: Path) -> bool:
    """Return whether the stage derived the name of a file from one that the user chose."""
    return path.parent == chosen.parent and path.name.startswith(f"{chosen.stem}.")


def _is_shown(path: str, project: QgsProject) -> bool:
    return any(layer.source() == path for layer in project.mapLayers().values())


def group_name(stage: Stage, path: Path) -> str:
    """Return the name of the layer tree group for a file of a run."""
    folder = path.parent.parent if path.parent.name == "layers" else path.parent
    return f"LunarSite, {stage.title.lower()}: {folder.name}"


class Styler(QgsProcessingLayerPostProcessorInterface):
    """Styles a layer when it has been loaded."""

    def __init__(
        self,
        style: str,
        *,
        visible: bool,
        then: Callable[[QgsMapLayer, QgsProject], None] | None = None,
    ) -> None:
        super().__init__()
        self.style, self.visible, self.then = style, visible, then

    @classmethod
    def make(
        cls,
        style: str,
        *,
        visible: bool,
        then: Callable[[QgsMapLayer, QgsProject], None] | None = None,
    ) -> Styler:
        """Return a post-processor that stays alive as long as QGIS may need it."""
        made = cls(style, visible=visible, then=then)
        _ALIVE.append(made)
        return made

    def postProcessLayer(
        self,
        layer: QgsMapLayer,
        context: QgsProcessingContext,
        _feedback: QgsProcessingFeedback,
    ) -> None:
        """Style the layer, and set its visibility."""
        styles.apply(layer, self.style)
        moon_crs.name_layer(layer)
        project = context.project()
        if project is not None:
            moon_crs.show_on_moon(project)
        node = project.layerTreeRoot().findLayer(layer.id()) if project is not None else None
        if node is not None:
            node.setItemVisibilityChecked(self.visible)
            node.setExpanded(self.visible)
        if self.then is not None and project is not None:
            self.then(layer, project)


@cache
def _declared() -> dict[str, Output]:
    """Return the raster and vector outputs of all stages by file name."""
    return {
        Path(output.path).name: output
        for stage in stages.load_all()
        for output in stage.outputs
        if output.path and output.kind in _LAYER_KINDS
    }
