"""Loading, using and unloading the plugin."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QEvent
from qgis.PyQt.QtWidgets import QApplication, QDockWidget

import lunarsite
from lunarsite.lunarsite_plugin import demo
from lunarsite.processing_provider import provider as toolbox
from lunarsite.qgis_common import location
from lunarsite.qgis_common.client import END_WITHIN_S
from tests.qgis.desktop import Desktop

ROOT = Path(__file__).resolve().parents[3]
PROVIDERS = []
"""References to the provider of the other tests, which QGIS does not keep itself."""


@pytest.fixture
def iface(qgis_app, engine, monkeypatch):
    monkeypatch.setenv(location.VARIABLE, str(engine.python))
    QgsProject.instance().clear()
    made = Desktop()
    made.window.resize(900, 700)
    made.window.show()
    yield made
    QgsProject.instance().clear()
    made.window.close()
    made.window.deleteLater()


@pytest.fixture
def plugin(iface):
    registry = QgsApplication.processingRegistry()
    registered = registry.providerById("lunarsite") is not None
    if registered:  # by the fixtures of other tests
        registry.removeProvider("lunarsite")
    made = lunarsite.classFactory(iface)
    made.initGui()
    yield made
    if made.desktop is not None:
        made.unload()
    if registered:
        PROVIDERS.append(toolbox.register())


def action(iface, start):
    return next(a for a in iface.menus["LunarSite"].actions() if a.text().startswith(start))


def settle():
    for _ in range(3):
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()


def test_loading_adds_a_menu_and_a_button_but_no_dock(iface, plugin):
    titles = [each.text() for each in iface.menus["LunarSite"].actions()]
    assert titles == ["LunarSite Panel", "Open Demo", "Engine Setup…", "Help"]
    assert not iface.menus["LunarSite"].icon().isNull()
    assert [each.text() for each in iface.toolbar.actions()] == ["LunarSite Panel"]
    assert not iface.toolbar.actions()[0].icon().isNull()
    assert iface.window.findChildren(QDockWidget) == []


def test_the_button_shows_and_hides_the_dock(iface, plugin):
    button = iface.toolbar.actions()[0]
    button.trigger()
    (dock,) = iface.window.findChildren(QDockWidget)
    assert dock.isVisible()
    button.trigger()
    assert not dock.isVisible()
    button.trigger()
    assert dock.isVisible()
    dock.close()
    assert not button.isChecked()


def test_a_place_is_scored_in_the_loaded_plugin(iface, plugin, run_folder, wait_until):
    layer = QgsRasterLayer(str(run_folder / "score.tif"), "score")
    QgsProject.instance().addMapLayer(layer)
    iface.toolbar.actions()[0].trigger()
    dock = plugin.desktop.dock
    wait_until(lambda: dock.run is not None and not dock.status.text())
    dock.score_at(*dock.run.best)
    wait_until(lambda: dock.panel.explanation is not None)
    assert dock.panel.explanation["rank"] == 1
    assert dock.engine.text.text().startswith("Engine 0.1.0 on CPU")


def test_without_an_engine_the_dock_shows_a_remedy(
    iface, plugin, run_folder, wait_until, monkeypatch
):
    monkeypatch.setenv(location.VARIABLE, "/nowhere/python")
    iface.toolbar.actions()[0].trigger()
    dock = plugin.desktop.dock
    dock.choose_run(run_folder)
    wait_until(lambda: "There is no Python interpreter at /nowhere/python" in dock.panel.text())
    assert "Engine Setup" in dock.panel.text()
    assert dock.engine.text.text() == "The engine is not available"
    dock.engine.button.click()
    assert plugin.desktop.setup.isVisible()
    monkeypatch.setenv(location.VARIABLE, str(ROOT / ".venv" / "bin" / "python"))
    plugin.desktop.setup.engineChanged.emit()
    wait_until(lambda: dock.engine.text.text().startswith("Engine 0.1.0 on CPU"))
    dock.score_at(*dock.run.best)
    wait_until(lambda: dock.panel.explanation is not None)


def test_the_dock_shows_when_an_engine_has_been_installed(iface, plugin, monkeypatch):
    monkeypatch.setenv(location.VARIABLE, "/nowhere/python")
    iface.toolbar.actions()[0].trigger()
    line = plugin.desktop.dock.engine.text
    assert line.text() == "The engine is not available"
    plugin.desktop.open_setup()
    monkeypatch.setenv(location.VARIABLE, str(ROOT / ".venv" / "bin" / "python"))
    plugin.desktop.setup.engineChanged.emit()
    assert line.text() == "The engine will start when it is needed"


def test_the_warning_without_an_engine_disappears_after_the_setup(
    iface, plugin, wait_until, monkeypatch, tmp_path
):
    monkeypatch.setattr(demo, "folder", lambda: tmp_path / "demo")
    monkeypatch.setenv(location.VARIABLE, "/nowhere/python")
    bar = iface.messageBar()
    bar.clearWidgets()

    def warnings():
        return [item for item in bar.items() if "/nowhere/python" in item.text()]

    plugin.desktop.open_demo()
    wait_until(warnings)
    plugin.desktop.open_setup()
    plugin.desktop.setup.engineChanged.emit()
    wait_until(lambda: not warnings())
    plugin.desktop.open_demo()
    wait_until(warnings)
    bar.popWidget(warnings()[0])  # like its close button
    wait_until(lambda: not warnings())
    plugin.desktop.setup.engineChanged.emit()


def test_the_demo_is_not_added_to_a_project_that_was_opened_meanwhile(
    iface, plugin, tmp_path, monkeypatch
):
    class Task:
        """A demo that ends when it is told to."""

        def __init__(self, _home, done, _failed):
            self.done, self.taskTerminated = done, self

        def connect(self, _slot):
            pass

        def cancel(self):
            pass

    monkeypatch.setattr(demo, "DemoTask", Task)
    monkeypatch.setattr(QgsApplication, "taskManager", lambda: QgsApplication, raising=False)
    monkeypatch.setattr(QgsApplication, "addTask", lambda _task: None, raising=False)
    plugin.desktop.open_demo()
    task = plugin.desktop._task
    project = QgsProject.instance()
    project.write(str(tmp_path / "other.qgz"))
    project.clear()
    assert project.read(str(tmp_path / "other.qgz"))
    crs = project.crs()
    task.done(tmp_path / "run")
    assert project.mapLayers() == {}
    assert project.crs() == crs
    assert any("Another project was opened" in each.text() for each in iface.bar.items())
    plugin.desktop.open_demo()
    shown = []
    monkeypatch.setattr(plugin.desktop, "_show_layers", lambda *_, **__: shown.append(1))
    plugin.desktop._task.done(tmp_path / "run")
    assert shown == [1]


def test_the_engine_stops_before_its_files_are_replaced(iface, plugin, run_folder, wait_until):
    iface.toolbar.actions()[0].trigger()
    dock = plugin.desktop.dock
    dock.choose_run(run_folder)
    wait_until(lambda: not dock.status.text())
    pids = dock.session.pids
    action(iface, "Engine Setup").trigger()
    plugin.desktop.setup.engineAboutToChange.emit()
    wait_until(lambda: not any(exists(pid) for pid in pids), within_s=5)


def test_unloading_leaves_nothing_behind(iface, plugin, run_folder, wait_until):
    settle()
    items = len(iface.canvas.scene().items())
    tool = iface.canvas.mapTool()
    iface.toolbar.actions()[0].trigger()
    action(iface, "Engine Setup").trigger()
    dock = plugin.desktop.dock
    dock.choose_run(run_folder)
    wait_until(lambda: not dock.status.text())
    dock.click.setChecked(True)
    dock.score_at(*dock.run.best)
    wait_until(lambda: dock.panel.explanation is not None)
    pids = plugin.desktop.session.pids
    assert len(iface.canvas.scene().items()) > items
    start = time.monotonic()
    plugin.unload()
    assert time.monotonic() - start < END_WITHIN_S  # without waiting for the engine processes
    wait_until(lambda: not any(exists(pid) for pid in pids), within_s=5)
    settle()
    assert iface.menus == {}
    assert iface.plugins.actions() == []
    assert iface.toolbar.actions() == []
    assert iface.window.findChildren(QDockWidget) == []
    assert [w for w in QApplication.topLevelWidgets() if "LunarSite" in w.objectName()] == []
    assert len(iface.canvas.scene().items()) == items
    assert iface.canvas.mapTool() is tool
    # Signals that are still connected would now call deleted widgets and fail.
    QgsProject.instance().addMapLayer(QgsRasterLayer(str(run_folder / "rank.tif"), "rank"))
    QgsProject.instance().clear()
    iface.canvas.setDestinationCrs(QgsProject.instance().crs())
    settle()
    assert QgsApplication.processingRegistry().providerById("lunarsite") is None


def test_the_plugin_can_be_loaded_again(iface, plugin):
    iface.toolbar.actions()[0].trigger()
    plugin.unload()
    settle()
    plugin.initGui()
    iface.toolbar.actions()[0].trigger()
    assert len(iface.window.findChildren(QDockWidget)) == 1


LOAD = """
import subprocess, sys, time
started = []
sys.addaudithook(lambda name, args: started.append(name) if name in
    ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.system") else None)
from qgis.core import QgsApplication
app = QgsApplication([], True)
app.initQgis()
sys.path.insert(0, {root!r})
from tests.qgis.desktop import Desktop
for name in [n for n in sys.modules if n.split(".")[0] in ("lunarsite", "numpy")]:
    del sys.modules[name]  # QGIS itself imports numpy
before = set(sys.modules)
import lunarsite
plugin = lunarsite.classFactory(Desktop())
plugin.initGui()
def heavy():
    new = {{name.split(".")[0] for name in set(sys.modules) - before}}
    return sorted(new & {{"numpy", "torch", "scipy", "matplotlib", "pandas", "rasterio"}})
print("loaded", heavy(), started)
plugin.desktop.toggle.setChecked(True)
print("shown", heavy(), started)
plugin.unload()
"""


def test_the_dock_imports_no_numpy_or_torch_and_starts_no_process(qgis_app):
    process = subprocess.run(
        [sys.executable, "-c", LOAD.format(root=str(ROOT))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert process.stdout.splitlines()[:2] == ["loaded [] []", "shown [] []"], process.stderr


def exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
