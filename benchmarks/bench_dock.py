"""Response times of the desktop: plugin start, a click until the dock is filled, the skyline.

    bench_dock.py [RUN] [--dem DEM] [--far-field DEM ...]

Runs in the Python of QGIS, that of .venv-qgis, without a display. RUN is the folder of a finished
screening, by default that of the 80 m cap of bench_cap.py. Skylines use the elevation models of the
run, or the ones that are named, around the middle of the first.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from qgis.gui import QgsMapCanvas

    from lunarsite.lunarsite_plugin.dock.dock import LunarSiteDock
    from lunarsite.lunarsite_plugin.plugin import LunarSitePlugin
    from tests.qgis.desktop import Desktop

ROOT = Path(__file__).resolve().parents[1]
QGIS_PYTHON = ROOT / ".venv-qgis" / "bin" / "python"
CAP = ROOT / ".cache" / "bench" / "cap" / "run"
CLICKS = 20
WITHIN_S = 60.0

try:
    from qgis.core import QgsApplication, QgsPointXY, QgsRasterLayer
    from qgis.PyQt.QtCore import QPoint, Qt, QTimer
    from qgis.PyQt.QtTest import QTest
except ImportError:
    if not QGIS_PYTHON.is_file() or Path(sys.executable) == QGIS_PYTHON:
        sys.exit("There is no QGIS for Python here: skipped")
    os.execv(QGIS_PYTHON, [str(QGIS_PYTHON), *sys.argv])  # noqa: S606  the same words again


def main() -> None:
    given = arguments()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ["GDAL_PAM_ENABLED"] = "NO"  # leaves no statistics beside the data
    application = QgsApplication([], True)
    application.initQgis()
    plugin, desktop = load()
    dock = show(plugin, desktop, given.run)
    desktop.canvas.setExtent(QgsRasterLayer(str(given.run / "score.tif")).extent())
    measure_clicks(dock, desktop.canvas)
    if given.dem:
        measure_nested(dock, given.dem, given.far_field)
    plugin.unload()
    application.processEvents()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, default=CAP)
    parser.add_argument("--dem", type=Path)
    parser.add_argument("--far-field", type=Path, nargs="*", default=[])
    given = parser.parse_args()
    if not (given.run / "manifest.json").is_file():
        sys.exit(f"There is no run in {given.run}: bench_cap.py makes it; skipped")
    real = ROOT.parent / "shared" / "data" / "dem"
    if given.dem is None and real.is_dir():
        given.dem = real / "shackleton_ridge_25m.tif"
        given.far_field = [
            real / "shackleton_ridge_200m.tif",
            real / "south_pole_80S_cells_4960m.tif",
        ]
    return given


def load() -> tuple[LunarSitePlugin, Desktop]:
    sys.path.insert(0, str(ROOT))
    from tests.qgis.desktop import Desktop  # noqa: PLC0415  stands beside the tests

    desktop = Desktop()
    desktop.window.resize(1200, 900)
    desktop.window.show()
    start = time.perf_counter()
    import lunarsite  # noqa: PLC0415  what is timed

    plugin = lunarsite.classFactory(desktop)
    plugin.initGui()
    tell("plugin load", [time.perf_counter() - start])
    return plugin, desktop


def show(plugin: LunarSitePlugin, desktop: Desktop, run: Path) -> LunarSiteDock:
    start = time.perf_counter()
    plugin.desktop.toggle.setChecked(True)
    QgsApplication.processEvents()
    tell("dock shown the first time", [time.perf_counter() - start])
    dock = plugin.desktop.dock
    from lunarsite.qgis_common import moon_crs  # noqa: PLC0415

    desktop.canvas.setDestinationCrs(moon_crs.crs())
    beats = []
    timer = QTimer()
    timer.setInterval(5)
    timer.timeout.connect(lambda: beats.append(time.perf_counter()))
    timer.start()
    start = time.perf_counter()
    dock.choose_run(run)
    wait_until(lambda: not dock.status.text())
    tell("run opened, in the background", [time.perf_counter() - start])
    wait_until(lambda: "read" not in dock.flow._ids)  # noqa: SLF001  the terrain is warm too
    tell("terrain read, in the background", [time.perf_counter() - start])
    timer.stop()
    gaps = [after - before for before, after in itertools.pairwise(beats)]
    tell("longest gap in the main thread's heartbeat meanwhile", [max(gaps)])
    return dock


def measure_clicks(dock: LunarSiteDock, canvas: QgsMapCanvas) -> None:
    """Click the map at random; clicks outside the cells are not timed."""
    shown, lit = [], []
    chosen = random.Random(7)  # noqa: S311  places, not secrets
    dock.click.setChecked(True)
    while len(shown) < CLICKS:
        point = QPoint(
            round(canvas.width() * chosen.uniform(0.2, 0.8)),
            round(canvas.height() * chosen.uniform(0.2, 0.8)),
        )
        dock.panel.clear()
        QgsApplication.processEvents()
        answers = []
        dock.flow.explained.connect(answers.append)
        start = time.perf_counter()
        QTest.mouseClick(
            canvas.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point
        )
        wait_until(lambda: dock.panel.explanation is not None or "no cell" in dock.panel.text())
        dock.repaint()
        QgsApplication.processEvents()
        first = time.perf_counter() - start
        dock.flow.explained.disconnect(answers.append)
        if not answers:
            continue
        shown.append(first)
        wait_until(lambda: dock.panel.skyline is not None)
        dock.repaint()
        QgsApplication.processEvents()
        lit.append(time.perf_counter() - start - first)
    cells = answers[0]["cells"]
    tell(f"click to full dock, {cells:,} cells", shown)
    tell("skyline after the score, the run's own terrain", lit)


def measure_nested(dock: LunarSiteDock, dem: Path, far: list[Path]) -> None:
    """Request skylines on nested elevation models, as a run on them would."""
    extent = QgsRasterLayer(str(dem)).extent()
    centre = extent.center()
    terrain = {"dem": str(dem), "far_field": [str(path) for path in far]}
    from lunarsite.qgis_common import map_place, moon_crs  # noqa: PLC0415

    times, found = [], []
    dock.session.answered.connect(lambda _, answer: found.append(answer))
    start, stop = dock.panel.dates()
    for k in range(CLICKS + 1):
        at = QgsPointXY(centre.x() + 40.0 * k, centre.y() - 55.0 * k)
        place = map_place.place_at(at, moon_crs.crs())
        found.clear()
        begin = time.perf_counter()
        dock.session.ask(
            "skyline",
            {**terrain, "lon": place.lon_deg, "lat": place.lat_deg, "start": start, "stop": stop}
            | {"mast_height_m": 0.0},
        )
        wait_until(lambda: any("sun_up" in answer for answer in found))
        dock.panel.show_skyline(found[-1])
        dock.repaint()
        QgsApplication.processEvents()
        times.append(time.perf_counter() - begin)
    tell(f"skyline, {1 + len(far)} nested terrains, the first that reads them", times[:1])
    tell(f"skyline, {1 + len(far)} nested terrains, warm", times[1:])


def wait_until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + WITHIN_S
    while not condition():
        if time.monotonic() > limit:
            sys.exit("No answer within a minute")
        QgsApplication.processEvents()
        time.sleep(0.0005)


def tell(what: str, times_s: list[float]) -> None:
    if len(times_s) == 1:
        print(f"{what}: {1000.0 * times_s[0]:.0f} ms")
        return
    print(
        f"{what}: median {1000.0 * statistics.median(times_s):.0f} ms, "
        f"max {1000.0 * max(times_s):.0f} ms ({len(times_s)} times)"
    )


if __name__ == "__main__":
    main()
