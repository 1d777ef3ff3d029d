"""Which runs are in the project, and QGIS's messages about their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import (
    Qgis,
    QgsProject,
)

from lunarsite.lunarsite_plugin.runs import project as project_runs
from lunarsite.qgis_common import moon_crs

if TYPE_CHECKING:
    from pathlib import Path

    from qgis.gui import QgsMessageBar, QgsMessageBarItem


def shown(folder: Path, project: QgsProject) -> bool:
    """Return whether the project contains a layer of a run."""
    sources = (project_runs.source_path(layer) for layer in project.mapLayers().values())
    return any(
        source is not None and folder in (source.parent, source.parent.parent) for source in sources
    )


def dismiss_crs_warnings(bar: QgsMessageBar, before: list[QgsMessageBarItem]) -> None:
    """Remove new messages of QGIS about the missing transform to EPSG:4326.

    QGIS locates every new project and layer on the Earth, and reports that it cannot do so for
    the Moon: there is no transform from the Moon's CRS to EPSG:4326, and none is needed.
    """
    for item in bar.items():
        about = moon_crs.SOUTH_POLAR in item.text() or "EPSG:4326" in item.text()
        if item not in before and about and item.level() == Qgis.MessageLevel.Critical:
            bar.popWidget(item)
