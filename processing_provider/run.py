"""Runs one stage in an engine process of its own, with QGIS's feedback."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

from lunarsite.qgis_common import location
from lunarsite.qgis_common.client import Client

if TYPE_CHECKING:
    from qgis.core import QgsProcessingFeedback


def run(stage: str, values: dict[str, Any], feedback: QgsProcessingFeedback) -> dict[str, Any]:
    """Run a stage, and return its result.

    The engine's progress and log arrive on other threads; they are passed on to ``feedback`` from
    the calling thread only.

    Raises
    ------
    LunarSiteError
        If the engine reports an error; `EngineDiedError` if its process exits; `CancelledError`.
    """
    news: queue.SimpleQueue[tuple[float | None, str]] = queue.SimpleQueue()
    last_message = ""

    def log(line: str) -> None:
        news.put((None, line))

    def progress(fraction: float, message: str) -> None:
        news.put((fraction, message))

    def update_feedback() -> bool:
        """Pass on what has arrived, and return whether the user has cancelled."""
        nonlocal last_message
        while not news.empty():
            fraction, text = news.get()
            if fraction is None:
                feedback.pushConsoleInfo(text)
                continue
            feedback.setProgress(100.0 * fraction)
            if text and text != last_message:
                last_message = text
                feedback.setProgressText(text)
        return bool(feedback.isCanceled())

    engine = location.find()
    feedback.pushDebugInfo(f"Engine: {engine.python} ({engine.origin})")
    with Client(engine, on_log=log) as client:
        try:
            result = client.request(stage, values, progress=progress, cancelled=update_feedback)
        finally:
            update_feedback()
    for warning in result.get("warnings") or []:
        feedback.pushWarning(str(warning))
    feedback.setProgress(100.0)
    return result
