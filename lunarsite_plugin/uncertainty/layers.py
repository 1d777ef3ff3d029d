"""The layers that show how unsure the network is around a click: added, sampled, replaced."""

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

    from qgis.core import QgsMapLayer

    from lunarsite.lunarsite_plugin.runs.folder import RunFolder
    from lunarsite.lunarsite_plugin.uncertainty.window import ImageWindow

FOLDERS = ("mc-dropout-1", "mc-dropout-2")
"""Two by turns: what the project shows is never written over while it is open."""

GROUP = "LunarSite, MC Dropout uncertainty"
"""Holds the layers where no run is in use."""

_OWN = "lunarsite/mc-dropout"
"""Marks that group in the project, for its name is the user's to change."""

_SHOWN = {"mutual_information": True, "entropy": False}
"""From the top; ticked or not at first, for one over the other neither could be read."""


def folder(run: RunFolder | None) -> Path:
    """Return where the next answer goes: in the run, or among the session's temporary files."""
    inside = run is not None and os.access(run.path, os.W_OK)
    base = run.path if run is not None and inside else Path(QgsProcessingUtils.tempFolder())
    used = {path.parent for layer in _there() if (path := project_runs.source_path(layer))}
    return next((base / name for name in FOLDERS if base / name not in used), base / FOLDERS[0])


def of_click(layer: QgsMapLayer) -> bool:
    """Say whether a layer is one that a click has left: it is taken away at the next."""
    path = project_runs.source_path(layer)
    return path is not None and path.parent.name in FOLDERS and path.stem in _SHOWN


class ImageLayers:
    """What the project shows of the latest click."""

    def __init__(self) -> None:
        self._added: list[str] = []

    def show(
        self,
        result: dict[str, Any],
        window: ImageWindow,
        image: QgsRasterLayer,
        run: RunFolder | None,
    ) -> AtClick:
        """Show an answer in the place of the one before, and return its values at the click.

        Raises
        ------
        InputError
            If QGIS cannot read what the engine wrote, or it lies elsewhere than the click.
        """
        made = {name: _layer(name, result["outputs"][name], image) for name in _SHOWN}
        for layer in made.values():
            if not layer.extent().contains(window.point):
                raise InputError(
                    f"The image {image.name()} is turned against its map, so that its pixels "
                    "cannot be found from a click",
                    "Warp it with Raster, Projections, Warp, and choose the result",
                )
        earlier = _there()
        ticked = _ticked(earlier)
        home, at = _home(image, run, _beside(earlier, made.values()))
        for k, (name, layer) in enumerate(made.items()):
            QgsProject.instance().addMapLayer(layer, False)
            node = home.insertLayer(at + k, layer)
            node.setItemVisibilityChecked(ticked.get(name, _SHOWN[name]))
            node.setExpanded(False)
        # After the new ones are in, so that their group stays where the user has it, by its name.
        self._remove([layer.id() for layer in earlier])
        self._added = [layer.id() for layer in made.values()]
        values = {
            name: layer.dataProvider().sample(window.point, 1)[0] for name, layer in made.items()
        }
        return AtClick(values["entropy"], values["mutual_information"])

    def hide(self) -> None:
        """Take away what was added."""
        self._remove([each for each in self._added if QgsProject.instance().mapLayer(each)])

    def forget(self) -> None:
        """Leave the layers to the project, which is another one now or was read again."""
        self._added = []

    def _remove(self, ids: list[str]) -> None:
        project = QgsProject.instance()
        project.removeMapLayers(ids)
        for group in _own_groups(project.layerTreeRoot()):
            if not group.children():
                group.parent().removeChildNode(group)
        self._added = []


def _there() -> list[QgsRasterLayer]:
    """Return the project's layers that a click has left, also one of an earlier session."""
    return [layer for layer in QgsProject.instance().mapLayers().values() if of_click(layer)]


def _ticked(layers: list[QgsRasterLayer]) -> dict[str, bool]:
    """Return which of the layers of a click are ticked, by the names of their files."""
    root, ticked = QgsProject.instance().layerTreeRoot(), {}
    for layer in layers:
        node, path = root.findLayer(layer.id()), project_runs.source_path(layer)
        if node is not None and path is not None:
            ticked[path.stem] = node.itemVisibilityChecked()
    return ticked


def _beside(
    layers: list[QgsRasterLayer], others: Iterable[QgsRasterLayer]
) -> list[QgsLayerTreeNode]:
    """Return the nodes of layers that lie in the same run as others, or with them in none."""
    root = QgsProject.instance().layerTreeRoot()
    bases = {_base(other) for other in others}
    nodes = [root.findLayer(layer.id()) for layer in layers if _base(layer) in bases]
    return sorted((node for node in nodes if node is not None), key=_place)


def _base(layer: QgsRasterLayer) -> Path | None:
    path = project_runs.source_path(layer)
    return path.parent.parent if path is not None else None


def _layer(name: str, path: str, image: QgsRasterLayer) -> QgsRasterLayer:
    # Imported here, so that loading the plugin does not wait for it.
    from lunarsite.qgis_common import layers  # noqa: PLC0415

    output = next(each for each in stages.load("segment-terrain").outputs if each.name == name)
    layer = QgsRasterLayer(path, output.title)
    if not layer.isValid():
        raise InputError(f"QGIS cannot read {path}", "Click the place again")
    layers.apply_style(layer, output.style)
    layer.setCrs(image.crs())  # which the user may have chosen
    return layer


def _home(
    image: QgsRasterLayer, run: RunFolder | None, earlier: list[QgsLayerTreeNode]
) -> tuple[QgsLayerTreeGroup, int]:
    """Return the group for the layers, and where in it.

    That of those before them; without any, the run's; but over the image in any case.
    """
    root = QgsProject.instance().layerTreeRoot()
    node = root.findLayer(image.id())
    if earlier and (node is None or _place(earlier[0]) < _place(node)):
        return earlier[0].parent(), earlier[0].parent().children().index(earlier[0])
    group = run_group.of_run(run) if run is not None else _own_group(root)
    if node is None or _place(group) < _place(node):
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


def _place(node: QgsLayerTreeNode) -> list[int]:
    """Return where a node stands in the tree, comparable with others: less is higher."""
    found: list[int] = []
    parent = node.parent()
    while parent is not None:
        found.insert(0, parent.children().index(node))
        node, parent = parent, parent.parent()
    return found
