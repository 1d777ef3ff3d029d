"""The demo: the real south pole, screened in the background and ready to click."""

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
from lunarsite.processing_provider.run import run
from lunarsite.qgis_common.location import PLUGIN_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable

DEM = PLUGIN_FOLDER / "resources" / "moon" / "lola_70S_1600m.tif"
"""The built-in elevation model: LOLA at 1.6 km, 70 to 90° S."""
AREA = {
    "aoi": "0,-90,310",
    "cell_m": 1600.0,
    "north_limit_deg": -80.0,
    "step_hours": 24.0,
    "azimuths": 180,
}
"""South of 80° S, in cells of one pixel, with fewer bearings and positions of the Sun than a
screening takes: 0.13 points of average illumination from those, without a bias.
"""
CRATERS = "craters.gpkg"
"""The craters detected in it."""
IMAGE = "image.tif"
"""A synthetic orbital image of the best site that resolves rocks."""
_NETWORK = PLUGIN_FOLDER / "models" / "craters.safetensors"
_SHARES = {
    "detect-craters": (0.0, 20.0),
    "screen": (20.0, 95.0),
    "synthesize-image": (95.0, 100.0),
}
"""The part of the progress bar for each stage, percent."""


def folder() -> Path:
    """Return the demo's folder in the user's profile."""
    return Path(QgsApplication.qgisSettingsDirPath()) / "lunarsite" / "demo"


class DemoTask(QgsTask):
    """Creates the demo: detected craters, a screening run, and an image of a site.

    It runs in a background thread. Files that are up to date are not created again.

    Parameters
    ----------
    home : Path
        The folder to create it in.
    done : callable
        Called in the main thread with the folder of the run when it is finished.
    failed : callable
        Called in the main thread with the error if it fails, but not if it is cancelled.
    """

    def __init__(
        self,
        home: Path,
        done: Callable[[Path], None],
        failed: Callable[[LunarSiteError], None],
    ) -> None:
        super().__init__("LunarSite demo", QgsTask.Flag.CanCancel)
        self._home, self._done, self._failed = home, done, failed
        self._error: LunarSiteError | None = None
        # Created here, so that the task can be cancelled before its thread starts.
        self._feedback = QgsProcessingFeedback(False)
        self._feedback.progressChanged.connect(self._show_progress)
        self._share = _SHARES["detect-craters"]

    def run(self) -> bool:
        """Create the demo; QGIS calls this in a background thread."""
        craters, image = (self._home / name for name in (CRATERS, IMAGE))
        run_path = self._home / "run"
        try:
            if not _is_newer(craters, DEM, _NETWORK):
                self._stage("detect-craters", dem=DEM, aoi=AREA["aoi"], out=craters)
            self._stage("screen", dem=DEM, **AREA, craters=craters, out=run_path)
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

    def finished(self, result: bool) -> None:  # noqa: FBT001  QGIS passes it by position
        """Report the outcome; QGIS calls this in the main thread."""
        if self.isCanceled():
            return  # even if it was finished just then: the receiver may be gone
        if result:
            self._done(self._home / "run")
        elif self._error is not None:
            self._failed(self._error)

    def _make_image(self, screened: Path, image: Path) -> None:
        best = RunFolder.open(screened).best
        if best is not None:
            self._stage("synthesize-image", lon=best[0], lat=best[1], out=image)

    def _stage(self, name: str, **parameters: Path | float | str) -> None:
        self._share = _SHARES[name]
        values = {k: str(v) if isinstance(v, Path) else v for k, v in parameters.items()}
        run(name, values, self._feedback)

    def _show_progress(self, percent: float) -> None:
        first, last = self._share
        self.setProgress(first + (last - first) * percent / 100.0)


def _is_newer(made: Path, *sources: Path) -> bool:
    """Return whether a file exists and is newer than its sources."""
    made_ns = made.stat().st_mtime_ns if made.is_file() else 0
    return made_ns > max(source.stat().st_mtime_ns for source in sources)
