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
from lunarsite.lunarsite_plugin import project_runs, run_group
from lunarsite.lunarsite_plugin.image_text import AtClick

if TYPE_CHECKING:
    from lunarsite.lunarsite_plugin.image_window import ImageWindow
    from lunarsite.lunarsite_plugin.run_folder import RunFolder

FOLDERS = ("mc-dropout-1", "mc-dropout-2")
"""Two by turns: what the project shows is never written over while it is open."""

GROUP = "LunarSite, MC Dropout uncertainty"
"""Holds the layers where no run is in use."""

_SHOWN = {"mutual_information": True, "entropy": False}
"""From the top; ticked or not at first, for one over the other neither could be read."""


def folder(run: RunFolder | None) -> Path:
    """Return where the next answer goes: in the run, or among the session's temporary files."""
    inside = run is not None and os.access(run.path, os.W_OK)
    base = run.path if run is not None and inside else Path(QgsProcessingUtils.tempFolder())
    used = {path.parent for layer in _there() if (path := project_runs.source_path(layer))}
    return next((base / name for name in FOLDERS if base / name not in used), base / FOLDERS[0])


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
        ticked = self._take_away()
        home, at = _home(image, run)
        for k, (name, layer) in enumerate(made.items()):
            QgsProject.instance().addMapLayer(layer, False)
            node = home.insertLayer(at + k, layer)
            node.setItemVisibilityChecked(ticked.get(name, _SHOWN[name]))
            node.setExpanded(False)
            self._added.append(layer.id())
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

    def _take_away(self) -> dict[str, bool]:
        """Remove the layers of earlier clicks, also of an earlier session; say what was ticked."""
        root, ticked = QgsProject.instance().layerTreeRoot(), {}
        earlier = _there()
        for layer in earlier:
            node, path = root.findLayer(layer.id()), project_runs.source_path(layer)
            if node is not None and path is not None:
                ticked[path.stem] = node.itemVisibilityChecked()
        self._remove([layer.id() for layer in earlier])
        return ticked

    def _remove(self, ids: list[str]) -> None:
        project = QgsProject.instance()
        root = project.layerTreeRoot()
        nodes = [node for each in ids if (node := root.findLayer(each)) is not None]
        groups = {node.parent().name(): node.parent() for node in nodes}
        project.removeMapLayers(ids)
        own = groups.get(GROUP)
        if own is not None and not own.children():
            own.parent().removeChildNode(own)
        self._added = []


def _there() -> list[QgsRasterLayer]:
    """Return the project's layers that a click has left."""
    return [
        layer
        for layer in QgsProject.instance().mapLayers().values()
        if (path := project_runs.source_path(layer)) is not None
        and path.parent.name in FOLDERS
        and path.stem in _SHOWN
    ]


def _layer(name: str, path: str, image: QgsRasterLayer) -> QgsRasterLayer:
    # Imported here, so that loading the plugin does not wait for it.
    from lunarsite.processing_provider import layers  # noqa: PLC0415

    output = next(each for each in stages.load("segment-terrain").outputs if each.name == name)
    layer = QgsRasterLayer(path, output.title)
    if not layer.isValid():
        raise InputError(f"QGIS cannot read {path}", "Click the place again")
    layers.apply_style(layer, output.style)
    layer.setCrs(image.crs())  # which the user may have chosen
    return layer


def _home(image: QgsRasterLayer, run: RunFolder | None) -> tuple[QgsLayerTreeGroup, int]:
    """Return the group for the layers, and where in it: the run's, or over an image above that."""
    root = QgsProject.instance().layerTreeRoot()
    group = run_group.of_run(run) if run is not None else _own_group(root)
    node = root.findLayer(image.id())
    if node is None or _place(group) < _place(node):
        return group, 0
    parent = node.parent()
    if group is parent:
        return group, 0
    return parent, parent.children().index(node)


def _own_group(root: QgsLayerTreeGroup) -> QgsLayerTreeGroup:
    return root.findGroup(GROUP) or root.insertGroup(0, GROUP)


def _place(node: QgsLayerTreeNode) -> list[int]:
    """Return where a node stands in the tree, comparable with others: less is higher."""
    found: list[int] = []
    parent = node.parent()
    while parent is not None:
        found.insert(0, parent.children().index(node))
        node, parent = parent, parent.parent()
    return found
