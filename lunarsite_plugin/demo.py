"""The demo: a region that never was, screened and shown, one click away from a score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import (
    QgsApplication,
    QgsProcessingFeedback,
    QgsTask,
)

from lunarsite.engine.errors import CancelledError, LunarSiteError
from lunarsite.processing_provider.algorithm import run

if TYPE_CHECKING:
    from collections.abc import Callable

_TERRAIN_SHARE = 10.0
"""How much of the progress bar the terrain takes, percent; the rest is the screening's."""


def folder() -> Path:
    """Return where the demo lies: inside the user's profile."""
    return Path(QgsApplication.qgisSettingsDirPath()) / "lunarsite" / "demo"


class DemoTask(QgsTask):
    """Makes the demo's terrain and screens it, in a thread of the task manager.

    What is there already and unchanged is not made again.

    Parameters
    ----------
    done : callable
        Called in the main thread with the run's folder once it is finished.
    failed : callable
        Called in the main thread with the error otherwise; not after a cancellation.
    """

    def __init__(
        self,
        place: Path,
        done: Callable[[Path], None],
        failed: Callable[[LunarSiteError], None],
    ) -> None:
        super().__init__("LunarSite: the demo", QgsTask.Flag.CanCancel)
        self._place, self._done, self._failed = place, done, failed
        self._error: LunarSiteError | None = None
        # There from the start, so that a cancellation is not lost on the way into the thread.
        self._feedback = QgsProcessingFeedback(False)
        self._feedback.progressChanged.connect(self._show)
        self._share = (0.0, _TERRAIN_SHARE)

    def run(self) -> bool:
        """Do the work; QGIS calls it in a thread of its own."""
        dem, craters = self._place / "dem.tif", self._place / "dem.craters.csv"
        try:
            if not (dem.is_file() and craters.is_file()):
                run("synthesize", {"out": str(dem)}, self._feedback)
            self._share = (_TERRAIN_SHARE, 100.0)
            run(
                "screen",
                {"dem": str(dem), "craters": str(craters), "out": str(self._place / "run")},
                self._feedback,
            )
        except CancelledError:
            return False
        except LunarSiteError as error:
            self._error = error
            return False
        return True

    def cancel(self) -> None:
        """Stop the engine."""
        self._feedback.cancel()
        super().cancel()

    def finished(self, good: bool) -> None:  # noqa: FBT001  QGIS gives it by place
        """Tell whoever asked; QGIS calls it in the main thread."""
        if self.isCanceled():
            return  # also where the work was done just then: who asked may be gone
        if good:
            self._done(self._place / "run")
        elif self._error is not None:
            self._failed(self._error)

    def _show(self, percent: float) -> None:
        first, last = self._share
        self.setProgress(first + (last - first) * percent / 100.0)
