"""The plugin unticked and ticked, replaced by another version, and replaced during a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ENGINE = ROOT / ".venv" / "bin" / "python"
WITHIN_S = 240

STEPS = """
import json, os, shutil, sys, time
from pathlib import Path
from qgis import utils
from qgis.core import (
    QgsApplication, QgsProcessingAlgRunnerTask, QgsProcessingContext, QgsProcessingFeedback,
    QgsProject,
)

FOLDER, ROOT, RUN = map(Path, sys.argv[1:4])
app = QgsApplication([], True)
app.initQgis()
sys.path[:0] = [str(FOLDER / "plugins"), "/usr/share/qgis/python/plugins"]
from tests.qgis.desktop import Desktop
for name in [name for name in sys.modules if name.partition(".")[0] == "lunarsite"]:
    del sys.modules[name]
import processing
utils.iface = Desktop()
utils.plugin_paths = [str(FOLDER / "plugins")]


def start():
    assert utils.loadPlugin("lunarsite")
    assert utils.startPlugin("lunarsite")
    package = sys.modules["lunarsite"]
    assert package.__file__.startswith(str(FOLDER / "plugins")), package.__file__


def stop():
    assert utils.unloadPlugin("lunarsite")
    assert not [name for name in sys.modules if name.partition(".")[0] == "lunarsite"]


def wait_until(condition, within_s=60):
    limit = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < limit, "timed out"
        QgsApplication.processEvents()
        time.sleep(0.01)


def provider():
    return QgsApplication.processingRegistry().providerById("lunarsite")


def algorithms():
    made = {}
    for each in provider().algorithms():
        own = each.create()
        made[each.id()] = [
            [p.name(), p.type(), int(p.flags()), str(p.defaultValue()), p.description()]
            for p in own.parameterDefinitions()
        ] + [[o.name(), o.type()] for o in own.outputDefinitions()] + [own.shortHelpString()]
    return made


def work(name):
    dem = FOLDER / (name + ".tif")
    processing.run("lunarsite:synthesize", {"out": str(dem), "size_px": 96, "pixel_m": 240})
    made = processing.run(
        "lunarsite:terrain", {"dem": str(dem), "out": str(FOLDER / name), "device": "cpu"}
    )
    desktop = utils.plugins["lunarsite"].desktop
    desktop.toggle.setChecked(True)
    desktop.dock.choose_run(RUN)
    wait_until(lambda: not desktop.dock.status.text())
    desktop.dock.score_at(*desktop.dock.run.best)
    wait_until(lambda: desktop.dock.panel.explanation is not None)
    score = desktop.dock.panel.explanation["score"]
    desktop._show_layers(RUN, dem, None)
    layers = sorted(each.name() for each in QgsProject.instance().mapLayers().values())
    QgsProject.instance().clear()
    return {
        "summary": made["summary"].splitlines()[1:], "layers": layers, "algorithms": algorithms(),
        "score": score,
    }


def upgrade():
    shutil.rmtree(FOLDER / "plugins" / "lunarsite")
    shutil.copytree(FOLDER / "newer", FOLDER / "plugins" / "lunarsite")


found = {}
start()
found["first"] = work("first")
stop()
start()
found["again"] = work("again")
# An upgrade while an algorithm runs.
algorithm = QgsApplication.processingRegistry().createAlgorithmById("lunarsite:lighting")
context, feedback = QgsProcessingContext(), QgsProcessingFeedback(False)
values = {"dem": str(FOLDER / "first.tif"), "out": str(FOLDER / "light"), "azimuths": 1440,
          "step_hours": 1}
task = QgsProcessingAlgRunnerTask(algorithm, values, context, feedback)
ended = []
task.executed.connect(lambda good, result: ended.append(good))
QgsApplication.taskManager().addTask(task)
wait_until(lambda: feedback.progress() > 1)
stop()
upgrade()
wait_until(lambda: bool(ended))
found["ended"] = [ended, feedback.textLog(), sorted(p.name for p in FOLDER.glob("light/*.tif"))]
start()
found["version"] = sys.modules["lunarsite"].NEWER
found["upgraded"] = work("upgraded")
stop()
print("FOUND " + json.dumps(found))
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture
def plugins(tmp_path):
    """Return a folder with the packaged plugin, and a newer version of it."""
    subprocess.run([ENGINE, ROOT / "tools" / "package.py", tmp_path], check=True)
    with zipfile.ZipFile(next(tmp_path.glob("lunarsite-*.zip"))) as package:
        package.extractall(tmp_path / "plugins")
        package.extractall(tmp_path)
    (tmp_path / "lunarsite").rename(tmp_path / "newer")
    init = tmp_path / "newer" / "__init__.py"
    init.write_text(init.read_text() + "\nNEWER = 2\n")
    return tmp_path


def test_off_and_on_and_upgraded_during_a_run(plugins, run_folder):
    process = subprocess.run(
        [sys.executable, "-c", STEPS, plugins, ROOT, run_folder],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "QT_QPA_PLATFORM": "offscreen",
            "QGIS_CUSTOM_CONFIG_PATH": str(plugins / "profile"),
            "LUNARSITE_ENGINE_PYTHON": str(ENGINE),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )
    lines = [line for line in process.stdout.splitlines() if line.startswith("FOUND ")]
    assert lines, process.stdout + process.stderr
    found = json.loads(lines[0].removeprefix("FOUND "))
    assert len(found["first"]["layers"]) > 8
    assert len(found["first"]["algorithms"]) >= 21
    assert found["again"] == found["first"]
    assert found["upgraded"] == found["first"]
    assert found["version"] == 2
    ended, log, files = found["ended"]
    assert ended == [False], log
    assert "Cancelled" in log
    assert files == []
