"""What a stage leaves behind, as results of an algorithm and as layers of the project."""

from __future__ import annotations

import math
import re
from collections import deque
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingUtils,
    QgsRasterLayer,
    QgsSingleBandPseudoColorRenderer,
    QgsVectorLayer,
)

from lunarsite.engine import stages
from lunarsite.engine.contract import Kind, Output, Stage
from lunarsite.qgis_common import moon_crs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qgis.core import QgsLayerTreeGroup, QgsMapLayer, QgsProcessingFeedback, QgsProject

STYLES = Path(__file__).resolve().parents[1] / "resources" / "styles"

_LAYER_KINDS = (Kind.RASTER, Kind.VECTOR)
_ALIVE: deque[QgsProcessingLayerPostProcessorInterface] = deque(maxlen=200)
"""QGIS keeps no reference to what Python made, so these are kept until they have long been used."""
GROUND = "Elevation model"
_GROUND = Output(name="ground", kind=Kind.RASTER, title=GROUND, help="", style="hillshade")
"""What cell maps are shown over: the elevation model that they were made from."""
_MAIN = frozenset({"slope_deg", "illumination_pct", "earth_visibility_pct", "psr"})
"""What is shown of a folder of layers: opening a layer holds the desktop up for 10 ms."""
_OF_RANKS = frozenset({"rank", "uncertainty"})
_FEW = 2
"""So many layers of one run are all shown."""
_BELOW = -1
"""The place in the layer tree of what lies beside a chosen file; that file's own is 0."""
_IN_VIEW = frozenset({"ground", "sites", "score", "rank_change", "comparison"})
"""Outputs whose layers are ticked among the many that one run makes."""


def styled(stage: Stage) -> bool:
    """Say whether a stage leaves layers in its output folder, which QGIS would not load."""
    return any(output.style and output.path for output in stage.outputs)


def style_file(style: str) -> Path:
    """Return the QML file of a style."""
    return STYLES / f"{style}.qml"


def results(stage: Stage, values: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """Return an algorithm's results: paths by output, and the plain values of the stage."""
    plain = {
        name: value
        for name, value in result.items()
        if isinstance(value, bool | int | float | str) and value != ""
    }
    plain["summary"] = "\n".join(str(line) for line in result.get("summary") or [])
    asked = {p.name: values[p.name] for p in stage.parameters if p.output and p.name in values}
    return {**plain, **(result.get("outputs") or {}), **asked}


def made_layers(stage: Stage, result: Mapping[str, Any]) -> Iterator[tuple[Output, Path]]:
    """Yield the layers that a result holds with their declarations.

    Vectors come first, then the stage's own rasters. A folder among the outputs counts with the
    few layers in it that most criteria ask for; the others are a drag away.
    """
    there = result.get("outputs") or {}
    own = stage.outputs
    found: list[tuple[Output, Path]] = []
    for output in stage.outputs:
        path = Path(str(there.get(output.name) or ""))
        if output.kind in _LAYER_KINDS and path.is_file():
            found.append((output, path))
        elif output.kind is Kind.FOLDER and path.is_dir():
            chosen = ((name, each) for name, each in _declared().items() if each.name in _MAIN)
            inside = ((each, path / name) for name, each in chosen)
            found += [(each, file) for each, file in inside if file.is_file()]
    yield from sorted(found, key=lambda each: (each[0].kind is not Kind.VECTOR, each[0] not in own))


def load_on_completion(
    stage: Stage, result: Mapping[str, Any], dem: str, context: QgsProcessingContext
) -> None:
    """Have a result's layers added to the project when the algorithm's dialog is done with it.

    They are styled, and stand in a group named after the folder they are in. Maps of cells lie over
    the elevation model ``dem``, unless that is empty or a layer already.
    """
    made = [(output, path) for output, path in made_layers(stage, result) if output.path]
    several = len(made) > _FEW
    cells = any(output.name == "score" for output, _ in made)
    if cells and dem and not _is_shown(dem, context.project()):
        made.append((_GROUND, Path(dem)))
    for place, (output, path) in enumerate(made):
        details = QgsProcessingContext.LayerDetails(
            output.title, context.project(), output.name, QgsProcessingUtils.LayerHint.UnknownType
        )
        details.forceName = True
        details.groupName = group_name(stage, made[0][1])
        details.layerSortKey = -place
        details.setPostProcessor(
            Styler.make(output.style, shown=not several or output.name in _IN_VIEW)
        )
        context.addLayerToLoadOnCompletion(str(path), details)


def add_to_project(
    stage: Stage, result: Mapping[str, Any], project: QgsProject, group: QgsLayerTreeGroup
) -> list[QgsMapLayer]:
    """Add a result's layers to a group of the layer tree at once, styled; return them in order.

    Call it in the main thread.
    """
    made = list(made_layers(stage, result))
    added: list[QgsMapLayer] = []
    for output, path in made:
        kind = QgsVectorLayer if output.kind is Kind.VECTOR else QgsRasterLayer
        layer = kind(str(path), output.title)
        if not layer.isValid():
            continue
        apply_style(layer, output.style)
        moon_crs.name_layer(layer)
        project.addMapLayer(layer, addToLegend=False)
        node = group.addLayer(layer)
        shown = len(made) <= _FEW or output.name in _IN_VIEW
        node.setItemVisibilityChecked(shown)
        node.setExpanded(shown)
        added.append(layer)
    return added


def style_destinations(
    stage: Stage, result: Mapping[str, Any], context: QgsProcessingContext
) -> None:
    """Style the outputs that are a file of the user's choice, where QGIS is to load them.

    A raster that the stage leaves beside such a file is loaded with it, below it and unticked.
    """
    free = [(output, path) for output, path in made_layers(stage, result) if not output.path]
    loaded = [each for each in free if context.willLoadLayerOnCompletion(str(each[1]))]
    for output, path in loaded:
        details = context.layerToLoadOnCompletionDetails(str(path))
        details.setPostProcessor(Styler.make(output.style, shown=True))
    for output, path in free:
        if loaded and (output, path) not in loaded and _lies_beside(path, loaded[0][1]):
            details = QgsProcessingContext.LayerDetails(
                output.title, context.project(), "", QgsProcessingUtils.LayerHint.Raster
            )
            details.layerSortKey = _BELOW
            details.setPostProcessor(Styler.make(output.style, shown=False))
            context.addLayerToLoadOnCompletion(str(path), details)


def _lies_beside(path: Path, chosen: Path) -> bool:
    """Say whether a file was named by the stage after one that the user chose."""
    return path.parent == chosen.parent and path.name.startswith(f"{chosen.stem}.")


def _is_shown(path: str, project: QgsProject) -> bool:
    return any(layer.source() == path for layer in project.mapLayers().values())


def group_name(stage: Stage, path: Path) -> str:
    """Return the name of the group in the layer tree for a file of a run."""
    folder = path.parent.parent if path.parent.name == "layers" else path.parent
    return f"LunarSite, {stage.title.lower()}: {folder.name}"


def apply_style(layer: QgsMapLayer, style: str) -> None:
    """Give a layer one of our styles; an unknown one leaves it as it is."""
    if style and style_file(style).is_file():
        layer.loadNamedStyle(str(style_file(style)))
        if style in _OF_RANKS and isinstance(layer, QgsRasterLayer):
            _scale_to(layer)
        layer.triggerRepaint()


def _scale_to(layer: QgsRasterLayer) -> None:
    """Stretch a ramp of ranks, made for a large run, to the highest value of this one."""
    renderer, provider = layer.renderer(), layer.dataProvider()
    if not isinstance(renderer, QgsSingleBandPseudoColorRenderer):
        return
    highest = provider.bandStatistics(1).maximumValue
    function = renderer.shader().rasterShaderFunction()
    items = function.colorRampItemList()
    if not items or not items[-1].value > 1.0 or not highest > 1.0:
        return
    # In powers, so that the first of many ranks stay apart.
    power = math.log(highest) / math.log(items[-1].value)
    for item in items:
        if item.value > 0.0:
            item.value = round(item.value**power)
            item.label = re.sub(r"^[\d.e+]+", f"{item.value:g}", item.label)
    function.setColorRampItemList(items)
    function.setMaximumValue(highest)
    renderer.setClassificationMax(highest)


class Styler(QgsProcessingLayerPostProcessorInterface):
    """Styles a layer once it is in the project."""

    def __init__(self, style: str, *, shown: bool) -> None:
        super().__init__()
        self.style, self.shown = style, shown

    @classmethod
    def make(cls, style: str, *, shown: bool) -> Styler:
        """Return one that stays alive for as long as QGIS may ask for it."""
        made = cls(style, shown=shown)
        _ALIVE.append(made)
        return made

    def postProcessLayer(
        self,
        layer: QgsMapLayer,
        context: QgsProcessingContext,
        _feedback: QgsProcessingFeedback,
    ) -> None:
        """Style it, and untick it where it is one of many."""
        apply_style(layer, self.style)
        moon_crs.name_layer(layer)
        project = context.project()
        node = project.layerTreeRoot().findLayer(layer.id()) if project is not None else None
        if node is not None:
            node.setItemVisibilityChecked(self.shown)
            node.setExpanded(self.shown)


@cache
def _declared() -> dict[str, Output]:
    """Return all raster and vector outputs of all stages by their file names."""
    return {
        Path(output.path).name: output
        for stage in stages.load_all()
        for output in stage.outputs
        if output.path and output.kind in _LAYER_KINDS
    }
