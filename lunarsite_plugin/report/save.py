"""Save a site report as PDF or HTML, depending on the file name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunarsite.engine.atomic import whole_file
from lunarsite.lunarsite_plugin.report.html import html_page
from lunarsite.lunarsite_plugin.report.pdf import write_pdf

if TYPE_CHECKING:
    from pathlib import Path

    from lunarsite.lunarsite_plugin.report.site import Site

HTML_SUFFIXES = (".html", ".htm")


def save_report(path: Path, site: Site) -> None:
    """Write a site report: HTML if the file name ends in .html or .htm, otherwise PDF.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with whole_file(path) as partial:
        if path.suffix.lower() in HTML_SUFFIXES:
            partial.write_text(html_page(site), encoding="utf-8", newline="")
        else:
            write_pdf(partial, site)
