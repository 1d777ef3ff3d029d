"""Response times of the toolbox: loading, cancellation, and blocking of the main thread.

    .venv-qgis/bin/python benchmarks/bench_qgis.py [load] [cancel] [heartbeat]

Runs QGIS offscreen with the engine of .venv. The heartbeat is a 5 ms timer in the main thread; its
longest gap is measured over a screening of real terrain in a QGIS task, including the loading and
styling of the layers at its end.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["GDAL_PAM_ENABLED"] = "NO"

from qgis.core import (
    QgsApplication,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
)
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QTimer

ROOT = Path(__file__).resolve().parents[1]
DEM = ROOT.parent / "shared" / "data" / "dem"
FRAME = DEM / "shackleton_ridge_25m.tif"
FAR = [DEM / "shackleton_ridge_200m.tif", DEM / "south_pole_80S_cells_4960m.tif"]

LOAD = """
import os, sys, time
from qgis.core import QgsApplication
application = QgsApplication([], True)
application.initQgis()
start = time.perf_counter()
import lunarsite
plugin = lunarsite.classFactory(None)
plugin.initProcessing()
print(1000 * (time.perf_counter() - start))
"""


def load() -> None:
    times = [
        float(
            subprocess.run(
                [sys.executable, "-c", LOAD], check=True, capture_output=True, text=True
            ).stdout
        )
        for _ in range(7)
    ]
    print(f"toolbox loaded in {statistics.median(times):.0f} ms, {max(times):.0f} ms at most")


def cancel() -> None:
    """Cancel a screening at ten times, and measure when its engine has ended."""
    times, left = [], []
    for number in range(10):
        with tempfile.TemporaryDirectory() as folder:
            wait_s = 0.5 + 2.5 * number
            feedback = QgsProcessingFeedback(False)
            task, begun = run_screen(folder, feedback), time.monotonic()
            ended: list[bool] = []
            task.executed.connect(partial(note, ended))
            QgsApplication.taskManager().addTask(task)
            while time.monotonic() - begun < wait_s and not ended:
                pump()
            asked = time.monotonic()
            task.cancel()
            while engines():
                pump()
            times.append(time.monotonic() - asked)
            while not ended:
                pump()
            left += [path.name for path in Path(folder).rglob("*") if half_written(path)]
    print(
        f"cancelled to engine gone: {statistics.median(times):.2f} s, {max(times):.2f} s at most; "
        f"incomplete files: {left or 'none'}"
    )


def heartbeat() -> None:
    """Screen real terrain in a task, and measure blocking of the main thread."""
    from processing.gui.Postprocessing import handleAlgorithmResults  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        canvas = QgsMapCanvas()
        canvas.resize(900, 700)
        canvas.show()
        context, feedback = QgsProcessingContext(), QgsProcessingFeedback(False)
        context.setProject(QgsProject.instance())
        beats: list[float] = []
        timer = QTimer()
        timer.setInterval(5)
        timer.timeout.connect(lambda: beats.append(time.monotonic()))
        task = run_screen(folder, feedback, context)
        ended: list[bool] = []
        task.executed.connect(partial(note, ended))
        timer.start()
        begun = time.monotonic()
        QgsApplication.taskManager().addTask(task)
        while not ended:
            pump()
        worked = time.monotonic()
        if not ended[0]:
            sys.exit(f"bench_qgis: {feedback.textLog()[-800:]}")
        handleAlgorithmResults(ALGORITHM, context, feedback, {})
        loaded = time.monotonic()
        for _ in range(100):
            pump()
        during = [b - a for a, b in pairwise(beats) if b <= worked]
        print(
            f"screening of the real frame: {worked - begun:.1f} s, longest gap of the main thread "
            f"{1000 * max(during):.0f} ms; adding and styling its "
            f"{len(QgsProject.instance().mapLayers())} layers {1000 * (loaded - worked):.0f} ms"
        )
        QgsProject.instance().clear()


def run_screen(
    folder: str, feedback: QgsProcessingFeedback, context: QgsProcessingContext | None = None
) -> QgsProcessingAlgRunnerTask:
    given = {
        "dem": str(FRAME),
        "far_field": [str(path) for path in FAR],
        "cell_m": 1000.0,
        "out": str(Path(folder) / "run"),
    }
    kept = context or QgsProcessingContext()
    task = QgsProcessingAlgRunnerTask(ALGORITHM, given, kept, feedback)
    task.kept = kept
    return task


def note(ended: list[bool], good: bool, _results: object) -> None:  # noqa: FBT001  a slot
    ended.append(good)


def engines() -> list[int]:
    """Return the engines that were started by this process and still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            if b"worker" in words and parent == os.getpid():
                found.append(int(entry.name))
    return found


def half_written(path: Path) -> bool:
    return path.is_file() and ("partial" in path.name or path.suffix in (".tmp", ".part"))


def pump() -> None:
    QgsApplication.processEvents()
    time.sleep(0.002)


if __name__ == "__main__":
    application = QgsApplication([], True)
    application.initQgis()
    sys.path.append("/usr/share/qgis/python/plugins")
    from processing.core.Processing import Processing

    from lunarsite.processing_provider.provider import register

    Processing.initialize()
    KEPT = register()
    ALGORITHM = QgsApplication.processingRegistry().createAlgorithmById("lunarsite:screen")
    for measure in (load, cancel, heartbeat):
        if measure.__name__ in sys.argv[1:] or len(sys.argv) == 1:
            measure()
