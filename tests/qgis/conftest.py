"""What the tests inside QGIS share. QGIS and the engine, that of the checkout's .venv, are real."""

from __future__ import annotations

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


class Feedback(QgsProcessingFeedback):
    """Remembers what it is told; calls ``each`` at every progress."""

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
def engine() -> location.Located:
    return location.Located(
        location._interpreter_of(ROOT / ".venv"), "the checkout's own environment"
    )


@pytest.fixture(scope="session")
def processing(qgis_app, qgis_processing):
    """Return QGIS's processing module, with our provider in the toolbox."""
    sys.path.append("/usr/share/qgis/python/plugins")
    import processing  # noqa: PLC0415

    # From QGIS 3.44 on, dialogs hand the layer tree to C++, which takes no stand-in.
    tree = QgsLayerTreeView()
    utils.iface.layerTreeView = lambda: tree
    kept = toolbox.register()  # QGIS keeps no reference to its Python side
    yield processing
    QgsApplication.processingRegistry().removeProvider("lunarsite")
    del kept


@pytest.fixture(scope="session")
def wait_until(qgis_app):
    """Return a function that lets the event loop run until a condition holds."""

    def wait(condition, within_s=60.0):
        limit = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < limit, "it did not happen in time"
            QgsApplication.processEvents()
            time.sleep(0.01)

    return wait


@pytest.fixture
def feedback():
    return Feedback()


@pytest.fixture(scope="session")
def dem(processing, tmp_path_factory):
    """Return a small made elevation model, with its craters beside it."""
    path = tmp_path_factory.mktemp("dem") / "dem.tif"
    processing.run("lunarsite:synthesize", {"out": str(path), "size_px": 96, "pixel_m": 240})
    return path


@pytest.fixture(scope="session")
def run_folder(processing, dem, tmp_path_factory):
    """Return the folder of a finished screening of it."""
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
    """Return a maker of docks on a canvas that shows the south polar map."""
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
        dock.shut()
        session.shut()
        dock.deleteLater()
        canvas.deleteLater()


@pytest.fixture
def dock(make_dock, run_folder, wait_until):
    """Return a dock whose run is open."""
    made = make_dock()
    assert made.choose_run(run_folder)
    wait_until(lambda: not made.status.text())
    return made


SMALL = {"azimuths": 72, "step_hours": 48, "stop": "2028-01-01", "draws": 20, "profile": "hls"}
"""What makes a screening short."""
