"""The layers with the MC Dropout uncertainty around a click."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsLayerTreeGroup,
    QgsLayerTreeNode,
    QgsProcessingUtils,
    QgsProject,
    QgsRasterLayer,
)

from lunarsite.engine import stages
from lunarsite.engine.errors import InputError
from lunarsite.lunarsite_plugin.runs import group as run_group
from lunarsite.lunarsite_plugin.runs import project as project_runs
from lunarsite.lunarsite_plugin.uncertainty.text import AtClick

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qgis.core import QgsMapLayer, QgsPointXY

    from lunarsite.lunarsite_plugin.runs.folder import RunFolder

FOLDERS = ("mc-dropout-1", "mc-dropout-2")
"""Used alternately, so that files of layers in the project are never overwritten."""

GROUP = "LunarSite, MC Dropout uncertainty"
"""The group of the layers if no run is in use."""

_OWN = "lunarsite/mc-dropout"
"""Custom property of that group, which the user may rename."""

_CHECKED = {"mutual_information": True, "entropy": False}
"""The layers from top to bottom, and whether they are checked at first: one hides the other."""


def output_folder(run: RunFolder | None) -> Path:
    """Return the folder for the next result: in the run, or in QGIS's temporary folder."""
    writable = run is not None and os.access(run.path, os.W_OK)
    base = run.path if run is not None and writable else Path(QgsProcessingUtils.tempFolder())
    used = {path.parent for layer in _in_project() if (path := project_runs.source_path(layer))}
    return next((base / name for name in FOLDERS if base / name not in used), base / FOLDERS[0])


def is_result(layer: QgsMapLayer) -> bool:
    """Return whether a layer is the result of a click, which the next click replaces."""
    path = project_runs.source_path(layer)
    return path is not None and path.parent.name in FOLDERS and path.stem in _CHECKED


def rotated(layer: QgsRasterLayer) -> InputError:
    """Return the error for an image that is rotated on the map."""
    return InputError(
        f"The image {layer.name()} is rotated relative to its CRS, so its pixels cannot be "
        "located from a click",
        "Use Raster, Projections, Warp (Reproject) on it, and choose the result",
    )


class UncertaintyLayers:
    """The layers of the latest click."""

    def __init__(self) -> None:
        self._added: list[str] = []

    def show(
        self,
        result: dict[str, Any],
        point: QgsPointXY,
        image: QgsRasterLayer,
        run: RunFolder | None,
    ) -> AtClick:
        """Show a result in place of the previous one, and return its values at the click.

        Raises
        ------
        InputError
            If QGIS cannot read the result, or it does not contain the click.
        """
        made = {name: _layer(name, result["outputs"][name], image) for name in _CHECKED}
        for layer in made.values():
            if not layer.extent().contains(point):
                raise rotated(image)
        earlier = _in_project()
        checked = _visibility(earlier)
        group, at = _position(image, run, _beside(earlier, made.values()))
        for k, (name, layer) in enumerate(made.items()):
            QgsProject.instance().addMapLayer(layer, False)
            node = group.insertLayer(at + k, layer)
            node.setItemVisibilityChecked(checked.get(name, _CHECKED[name]))
            node.setExpanded(False)
        # Only now, so that a group that the user has moved or renamed is never empty and stays.
        self._remove([layer.id() for layer in earlier])
        self._added = [layer.id() for layer in made.values()]
        values = {name: layer.dataProvider().sample(point, 1)[0] for name, layer in made.items()}
        return AtClick(values["entropy"], values["mutual_information"])

    def hide(self) -> None:
        """Remove the layers that were added."""
        self._remove([each for each in self._added if QgsProject.instance().mapLayer(each)])

    def forget(self) -> None:
        """Leave the layers in the project, because another one is open now."""
        self._added = []

    def _remove(self, ids: list[str]) -> None:
        project = QgsProject.instance()
        project.removeMapLayers(ids)
        for group in _own_groups(project.layerTreeRoot()):
            if not group.children():
                group.parent().removeChildNode(group)
        self._added = []


def _in_project() -> list[QgsRasterLayer]:
    """Return the results of clicks in the project, also from an earlier session."""
    return [layer for layer in QgsProject.instance().mapLayers().values() if is_result(layer)]


def _visibility(layers: list[QgsRasterLayer]) -> dict[str, bool]:
    """Return whether the layers are checked, by file name without extension."""
    root, checked = QgsProject.instance().layerTreeRoot(), {}
    for layer in layers:
        node, path = root.findLayer(layer.id()), project_runs.source_path(layer)
        if node is not None and path is not None:
            checked[path.stem] = node.itemVisibilityChecked()
    return checked


def _beside(
    layers: list[QgsRasterLayer], others: Iterable[QgsRasterLayer]
) -> list[QgsLayerTreeNode]:
    """Return the nodes of the layers from the same run as others, or like them from no run."""
    root = QgsProject.instance().layerTreeRoot()
    bases = {_base(other) for other in others}
    nodes = [root.findLayer(layer.id()) for layer in layers if _base(layer) in bases]
    return sorted((node for node in nodes if node is not None), key=_tree_position)


def _base(layer: QgsRasterLayer) -> Path | None:
    path = project_runs.source_path(layer)
    return path.parent.parent if path is not None else None


def _layer(name: str, path: str, image: QgsRasterLayer) -> QgsRasterLayer:
    # Imported here to keep loading the plugin fast.
    from lunarsite.qgis_common import styles  # noqa: PLC0415

    output = next(each for each in stages.load("segment-terrain").outputs if each.name == name)
    layer = QgsRasterLayer(path, output.title)
    if not layer.isValid():
        raise InputError(f"QGIS cannot read {path}", "Click the place again")
    styles.apply(layer, output.style)
    layer.setCrs(image.crs())  # the user may have set it
    return layer


def _position(
    image: QgsRasterLayer, run: RunFolder | None, earlier: list[QgsLayerTreeNode]
) -> tuple[QgsLayerTreeGroup, int]:
    """Return the group for the layers, and the position in it.

    This is the position of the previous layers, or otherwise the group of the run, but in any case
    above the image.
    """
    root = QgsProject.instance().layerTreeRoot()
    node = root.findLayer(image.id())
    if earlier and (node is None or _tree_position(earlier[0]) < _tree_position(node)):
        return earlier[0].parent(), earlier[0].parent().children().index(earlier[0])
    group = run_group.of_run(run) if run is not None else _own_group(root)
    if node is None or _tree_position(group) < _tree_position(node):
        return group, 0
    parent = node.parent()
    if group is parent:
        return group, 0
    return parent, parent.children().index(node)


def _own_group(root: QgsLayerTreeGroup) -> QgsLayerTreeGroup:
    found = next(iter(_own_groups(root)), None)
    if found is None:
        found = root.insertGroup(0, GROUP)
        found.setCustomProperty(_OWN, True)
    return found


def _own_groups(root: QgsLayerTreeGroup) -> list[QgsLayerTreeGroup]:
    return [group for group in root.findGroups(True) if group.customProperty(_OWN)]


def _tree_position(node: QgsLayerTreeNode) -> list[int]:
    """Return the position of a node in the tree; smaller is higher."""
    found: list[int] = []
    parent = node.parent()
    while parent is not None:
        found.insert(0, parent.children().index(node))
        node, parent = parent, parent.parent()
    return found
