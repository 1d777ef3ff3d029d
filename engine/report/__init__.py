"""The report of a run, and the pictures in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from lunarsite.engine.context import Context


def write_report(
    folder: Path, values: dict[str, Any], content: dict[str, Any], context: Context
) -> None:
    """Write ``report.html`` into a run's folder; see `page.write_report`."""
    from lunarsite.engine.report import page  # noqa: PLC0415  matplotlib takes a second to import

    page.write_report(folder, values, content, context)
