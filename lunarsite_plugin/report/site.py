"""A page about one place: PDF on A4, or one HTML file that holds all it shows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qgis.PyQt.QtCore import QRectF

from lunarsite.engine.errors import CrsError
from lunarsite.lunarsite_plugin.charts import words
from lunarsite.lunarsite_plugin.report import html as report_html
from lunarsite.lunarsite_plugin.report import page as report_page
from lunarsite.lunarsite_plugin.whole_file import whole_file, write_text
from lunarsite.qgis_common import map_place

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from qgis.gui import QgsMapCanvas
    from qgis.PyQt.QtGui import QImage

    from lunarsite.engine.contract import Values
    from lunarsite.lunarsite_plugin.runs.folder import Input, RunFolder


@dataclass(frozen=True)
class Site:
    """What a page shows: the engine's answers, a picture of the map, and where it all comes from.

    ``skyline`` is None where there is none (yet), ``map_picture`` where no map shows the place.
    """

    explanation: Values
    skyline: Values | None
    map_picture: QImage | None
    provenance: str


def save_report(path: Path, site: Site) -> None:
    """Write the page; HTML where the name says so, else PDF.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    if path.suffix.lower() in {".html", ".htm"}:
        write_text(path, report_html.page(site))
        return
    with whole_file(path) as partial:
        report_page.write_pdf(partial, site)


def map_picture(canvas: QgsMapCanvas, cell: Mapping[str, Any]) -> QImage | None:
    """Return the map with its marks, or None where it does not show a cell's centre."""
    try:
        crs = canvas.mapSettings().destinationCrs()
        centre = map_place.point_on(crs, cell["x_m"], cell["y_m"])
    except CrsError:
        return None
    at = canvas.getCoordinateTransform().transform(centre)
    if not QRectF(canvas.rect()).contains(at.x(), at.y()):
        return None
    return canvas.grab().toImage()


def provenance(run: RunFolder, engine: str) -> str:
    """Return where a page comes from, in one line."""
    inputs = ", ".join(f"{each.name} ({_told(each)})" for each in run.inputs)
    return (
        f"Run {run.title}, {run.profile}, screened by LunarSite {run.version} from {inputs}; "
        f"light from {run.start.isoformat()} to {run.stop.isoformat()}. {engine}."
    )


def _told(given: Input) -> str:
    """Return what tells an input apart: the day it was written, and the start of its SHA-256."""
    short = f"SHA-256 {given.sha256[:12]}…"
    if given.path is None:
        return short
    day = dt.datetime.fromtimestamp(given.path.stat().st_mtime, tz=dt.UTC).date()
    return f"{words.day(day)}, {short}"
