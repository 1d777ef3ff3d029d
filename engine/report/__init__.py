"""Report of a screening run, and the figures in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from lunarsite.engine.context import Context


def write_report(
    folder: Path, values: dict[str, Any], content: dict[str, Any], context: Context
) -> None:
    """Write ``report.html`` into the folder of a run; see `page.write_page`."""
    from lunarsite.engine.report.page import write_page  # noqa: PLC0415  matplotlib loads slowly

    write_page(folder, values, content, context)
