"""The layer tree group of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import QgsLayerTreeGroup, QgsProject

from lunarsite.engine import stages
from lunarsite.lunarsite_plugin.runs import project as project_runs

if TYPE_CHECKING:
    from lunarsite.lunarsite_plugin.runs.folder import RunFolder


def of_run(run: RunFolder) -> QgsLayerTreeGroup:
    """Return the group that contains layers of the run, or a new group named after it."""
    # Imported here to keep loading the plugin fast.
    from lunarsite.qgis_common import layers  # noqa: PLC0415

    root = QgsProject.instance().layerTreeRoot()
    for node in root.findLayers():
        source = project_runs.source_path(node.layer()) if node.layer() is not None else None
        if source is not None and source.parent in (run.path, run.path / "layers"):
            parent = node.parent()
            if isinstance(parent, QgsLayerTreeGroup) and parent is not root:
                return parent
    name = layers.group_name(stages.load("screen"), run.path / "score.tif")
    return root.findGroup(name) or root.insertGroup(0, name)
