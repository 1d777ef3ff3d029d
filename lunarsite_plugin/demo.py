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
from lunarsite.lunarsite_plugin.runs.folder import RunFolder
from lunarsite.processing_provider.algorithm import run
from lunarsite.qgis_common.location import PLUGIN_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable

CRATERS = "craters.gpkg"
"""What is detected in the demo's terrain."""
IMAGE = "image.tif"
"""A made image around the best site, in which rocks can be seen: the terrain's pixels are 80 m."""
_NETWORK = PLUGIN_FOLDER / "models" / "craters.safetensors"
_SHARES = {
    "synthesize": (0.0, 5.0),
    "detect-craters": (5.0, 20.0),
    "screen": (20.0, 95.0),
    "synthesize-image": (95.0, 100.0),
}
"""Which part of the progress bar each stage takes, percent."""


def folder() -> Path:
    """Return where the demo lies: inside the user's profile."""
    return Path(QgsApplication.qgisSettingsDirPath()) / "lunarsite" / "demo"


class DemoTask(QgsTask):
    """Makes the demo's terrain, detects its craters, screens it, and makes an image of a site.

    It works in the task manager's thread. What is there already and unchanged is not made again.

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
        self._share = _SHARES["synthesize"]

    def run(self) -> bool:
        """Do the work; QGIS calls it in a thread of its own."""
        dem, craters, image = (self._place / name for name in ("dem.tif", CRATERS, IMAGE))
        run_path = self._place / "run"
        try:
            if not dem.is_file():
                self._stage("synthesize", out=dem)
            if not _is_newer(craters, dem, _NETWORK):
                self._stage("detect-craters", dem=dem, out=craters)
            self._stage("screen", dem=dem, craters=craters, out=run_path)
            if not _is_newer(image, run_path / "score.tif"):
                self._make_image(run_path, image)
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

    def _make_image(self, screened: Path, image: Path) -> None:
        best = RunFolder.open(screened).best
        if best is not None:
            self._stage("synthesize-image", lon=best[0], lat=best[1], out=image)

    def _stage(self, name: str, **given: Path | float) -> None:
        self._share = _SHARES[name]
        values = {key: str(each) if isinstance(each, Path) else each for key, each in given.items()}
        run(name, values, self._feedback)

    def _show(self, percent: float) -> None:
        first, last = self._share
        self.setProgress(first + (last - first) * percent / 100.0)


def _is_newer(made: Path, *sources: Path) -> bool:
    """Say whether a file is there and was made after those that it is made from."""
    made_ns = made.stat().st_mtime_ns if made.is_file() else 0
    return made_ns > max(source.stat().st_mtime_ns for source in sources)
