"""What a site report contains, for either format."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qgis.PyQt.QtCore import QRectF

from lunarsite.engine.errors import CrsError
from lunarsite.lunarsite_plugin.charts import formatting
from lunarsite.qgis_common import map_place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qgis.gui import QgsMapCanvas
    from qgis.PyQt.QtGui import QImage

    from lunarsite.engine.contract import Values
    from lunarsite.lunarsite_plugin.runs.folder import Input, RunFolder

NO_SKYLINE = "The skyline had not been computed when this report was saved."


@dataclass(frozen=True)
class Site:
    """The contents of a report: the engine's answers, a picture of the map, and the provenance.

    ``skyline`` is None if it has not been computed, ``map_picture`` if the map does not show the
    place.
    """

    explanation: Values
    skyline: Values | None
    map_picture: QImage | None
    provenance: str


def map_picture(canvas: QgsMapCanvas, place: Mapping[str, Any]) -> QImage | None:
    """Return a picture of the map with its marker, or None if the place is out of view."""
    try:
        crs = canvas.mapSettings().destinationCrs()
        centre = map_place.point_on(crs, place["x_m"], place["y_m"])
    except CrsError:
        return None
    at = canvas.getCoordinateTransform().transform(centre)
    if not QRectF(canvas.rect()).contains(at.x(), at.y()):
        return None
    return canvas.grab().toImage()


def provenance(run: RunFolder, engine: str) -> str:
    """Return the provenance of a report in one line."""
    inputs = ", ".join(f"{each.name} ({_fingerprint(each)})" for each in run.inputs)
    return (
        f"Run {run.title}, {run.profile}, screened by LunarSite {run.version} from {inputs}; "
        f"lighting from {run.start.isoformat()} to {run.stop.isoformat()}. {engine}."
    )


def _fingerprint(source: Input) -> str:
    """Return what identifies an input: its modification date and the start of its SHA-256."""
    short = f"SHA-256 {source.sha256[:12]}…"
    if source.path is None:
        return short
    day = dt.datetime.fromtimestamp(source.path.stat().st_mtime, tz=dt.UTC).date()
    return f"{formatting.day(day)}, {short}"
