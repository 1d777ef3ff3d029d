"""Fixtures of the tests that run in QGIS, with the engine of the checkout's .venv."""

from __future__ import annotations

import atexit
import os
import sys
import time
from pathlib import Path

import pytest
from qgis import utils
from qgis.core import QgsApplication, QgsProcessingFeedback, QgsProject
from qgis.gui import QgsLayerTreeView, QgsMapCanvas

from lunarsite.lunarsite_plugin.dock.dock import LunarSiteDock
from lunarsite.processing_provider import provider as toolbox
from lunarsite.qgis_common import location, moon_crs
from lunarsite.qgis_common.session import EngineSession

ROOT = Path(__file__).resolve().parents[2]


def pytest_sessionfinish(exitstatus):
    """End the process with the result of the tests: QGIS may crash while it is taken down."""
    atexit.register(_end, int(exitstatus))


def _end(status):
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


@pytest.fixture(autouse=True, scope="session")
def qgis_app():
    """Return the application in place of pytest-qgis's fixture, which takes it apart at the end.

    Deleting canvases and handling the last events may crash QGIS, after the last test of a process.
    """
    return QgsApplication.instance()


class Feedback(QgsProcessingFeedback):
    """Records what it receives; calls ``each`` on every change of progress."""

    def __init__(self, each=None):
        super().__init__(False)
        self.fractions, self.texts, self.log, self.warnings, self.errors = [], [], [], [], []
        self.each = each
        self.progressChanged.connect(self._progress)

    def _progress(self, value):
        self.fractions.append(value)
        if self.each is not None:
            self.each(value)

    def setProgressText(self, text):
        self.texts.append(text)

    def pushInfo(self, text):
        self.log.append(text)

    def pushConsoleInfo(self, text):
        self.log.append(text)

    def pushWarning(self, text):
        self.warnings.append(text)

    def reportError(self, text, _fatal=False):  # noqa: FBT002
        self.errors.append(text)


@pytest.fixture(scope="session")
def engine() -> location.EngineInterpreter:
    return location.EngineInterpreter(
        location._interpreter_of(ROOT / ".venv"), "the environment of the checkout"
    )


@pytest.fixture(scope="session")
def processing(qgis_app, qgis_processing):
    """Return QGIS's processing module, with our provider in the toolbox."""
    sys.path.append("/usr/share/qgis/python/plugins")
    import processing  # noqa: PLC0415

    # Since QGIS 3.44, dialogs pass the layer tree view to C++, which does not accept a mock.
    tree = QgsLayerTreeView()
    utils.iface.layerTreeView = lambda: tree
    provider = toolbox.register()  # a reference that QGIS does not keep itself
    yield processing
    QgsApplication.processingRegistry().removeProvider("lunarsite")
    del provider


@pytest.fixture(scope="session")
def wait_until(qgis_app):
    """Return a function that processes events until a condition holds."""

    def wait(condition, within_s=180.0):
        limit = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < limit, "timed out"
            QgsApplication.processEvents()
            time.sleep(0.01)

    return wait


@pytest.fixture
def feedback():
    return Feedback()


@pytest.fixture(scope="session")
def dem(processing, tmp_path_factory):
    """Return a small synthetic elevation model, with its crater catalogue next to it."""
    path = tmp_path_factory.mktemp("dem") / "dem.tif"
    processing.run("lunarsite:synthesize", {"out": str(path), "size_px": 96, "pixel_m": 240})
    return path


@pytest.fixture(scope="session")
def run_folder(processing, dem, tmp_path_factory):
    """Return the folder of a finished screening of this model."""
    out = tmp_path_factory.mktemp("screened") / "run"
    processing.run("lunarsite:screen", {**SMALL, "dem": str(dem), "out": str(out)})
    return out


@pytest.fixture
def project(qgis_app):
    found = QgsProject.instance()
    found.clear()
    yield found
    found.clear()


@pytest.fixture
def make_dock(project, engine, wait_until):
    """Return a function that creates docks on a canvas in the south polar CRS."""
    made = []

    def make(find=lambda: engine):
        canvas = QgsMapCanvas()
        canvas.resize(400, 300)
        canvas.setDestinationCrs(moon_crs.crs())
        canvas.show()
        session = EngineSession(find=find)
        dock = LunarSiteDock(canvas, session)
        dock.resize(420, 800)
        dock.show()
        made.append((canvas, session, dock))
        return dock

    yield make
    for canvas, session, dock in made:
        dock.shut_down()
        session.shut_down()
        dock.deleteLater()
        canvas.deleteLater()


@pytest.fixture
def dock(make_dock, run_folder, wait_until):
    """Return a dock with an open run."""
    made = make_dock()
    assert made.choose_run(run_folder)
    wait_until(lambda: not made.status.text())
    return made


SMALL = {"azimuths": 72, "step_hours": 48, "stop": "2028-01-01", "draws": 20, "profile": "hls"}
"""Parameters of a quick screening."""
