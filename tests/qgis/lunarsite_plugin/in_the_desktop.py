"""What a user does in the desktop, run by ``qgis --code``; tells in a file how it went.

``LUNARSITE_TEST_FOLDER`` names the folder that everything goes into.
"""

import importlib
import json
import os
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from qgis import utils
from qgis.core import QgsApplication, QgsProject
from qgis.PyQt.QtCore import QEvent, QTimer
from qgis.PyQt.QtWidgets import QAction, QDockWidget, QTextEdit, QToolButton

FOLDER = Path(os.environ["LUNARSITE_TEST_FOLDER"])
WITHIN_S = 120


def wait_until(condition):
    limit = time.monotonic() + WITHIN_S
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError("it did not happen in time")
        QgsApplication.processEvents()
        time.sleep(0.01)


def provider():
    return QgsApplication.processingRegistry().providerById("lunarsite")


def menus():
    return [action.text() for action in utils.iface.pluginMenu().actions()]


def children():
    """Return the processes that this one has started and not yet ended."""
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return " ".join(path.read_text() for path in tasks).split()


def furniture():
    """Return how many of each thing the main window holds."""
    for _ in range(20):
        QgsApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QgsApplication.processEvents()
    window = utils.iface.mainWindow()
    kinds = {QAction: "text", QDockWidget: "objectName", QToolButton: "objectName"}
    return Counter(
        f"{kind.__name__} {getattr(each, name)()}"
        for kind, name in kinds.items()
        for each in window.findChildren(kind)
        # QGIS itself keeps a plugin's submenu, empty and out of sight, and its separator.
        if kind is not QAction or not (each.menu() or each.isSeparator())
    )


def look_around():
    package = sys.modules["lunarsite"]
    return {
        "plugins": sorted(utils.plugins),
        "file": package.__file__,
        "algorithms": [each.id() for each in provider().algorithms()],
        "menus": menus(),
        "children": children(),
        "docks": [
            dock.windowTitle()
            for dock in utils.iface.mainWindow().findChildren(QDockWidget)
            if dock.isVisible() and "lunarsite" in type(dock).__module__
        ],
    }


def run_one():
    processing = importlib.import_module("processing")
    path = FOLDER / "dem.tif"
    processing.run("lunarsite:synthesize", {"out": str(path), "size_px": 96, "pixel_m": 240})
    return path.is_file()


def run_batch():
    """Run two rows of the batch panel, and return how many layers they brought and the log."""
    dialogs = importlib.import_module("processing.gui.BatchAlgorithmDialog")
    made = QgsApplication.processingRegistry().createAlgorithmById("lunarsite:terrain")
    dialog = dialogs.BatchAlgorithmDialog(made, parent=utils.iface.mainWindow())
    dialog.show()
    panel = dialog.mainWidget()
    panel.addRow(1)
    for row, name in enumerate(("a", "b")):
        wrapper = panel.wrappers[row][panel.parameter_to_column["dem"]]
        wrapper.setParameterValue(str(FOLDER / "dem.tif"), dialog.processingContext())
        cell = panel.tblParameters.cellWidget(row + 1, panel.parameter_to_column["out"])
        cell.setValue(str(FOLDER / name))
    dialog.runAlgorithm()
    wait_until((FOLDER / "b" / "slope_deg.tif").is_file)
    wait_until(lambda: QgsApplication.taskManager().countActiveTasks() == 0)
    wait_until(lambda: len(QgsProject.instance().mapLayers()) >= 2 * 9)
    log = "\n".join(each.toPlainText() for each in dialog.findChildren(QTextEdit))
    dialog.close()
    dialog.deleteLater()
    return {"layers": len(QgsProject.instance().mapLayers()), "log": log}


def come_and_go():
    """Unload the plugin, load it again, unload it again; return what the second round left."""
    utils.unloadPlugin("lunarsite")
    before = furniture()
    utils.loadPlugin("lunarsite")
    utils.startPlugin("lunarsite")
    again = len(provider().algorithms())
    utils.unloadPlugin("lunarsite")
    return {
        "again": again,
        "left": sorted((furniture() - before).elements()),
        "provider": provider() is not None,
        "menus": menus(),
        "children": children(),
    }


def main():
    told = {}
    try:
        for name, step in (
            ("start", look_around),
            ("one", run_one),
            ("batch", run_batch),
            ("end", come_and_go),
        ):
            told[name] = step()
    except Exception:  # noqa: BLE001  the test shows whatever it was
        told["error"] = traceback.format_exc()
    (FOLDER / "told.json").write_text(json.dumps(told))
    # Nothing is left to be asked about.
    QgsProject.instance().clear()
    QgsProject.instance().setDirty(False)
    QTimer.singleShot(0, utils.iface.actionExit().trigger)


QTimer.singleShot(0, main)
