"""Uses the plugin in QGIS, run by ``qgis --code``, and writes the results to a JSON file.

All files are written to the folder in the variable ``LUNARSITE_TEST_FOLDER``.
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
            raise TimeoutError("timed out")
        QgsApplication.processEvents()
        time.sleep(0.01)


def provider():
    return QgsApplication.processingRegistry().providerById("lunarsite")


def menus():
    return [action.text() for action in utils.iface.pluginMenu().actions()]


def children():
    """Return the child processes of this process."""
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return " ".join(path.read_text() for path in tasks).split()


def interface_items():
    """Count the actions, docks and buttons in the main window."""
    for _ in range(20):
        QgsApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QgsApplication.processEvents()
    window = utils.iface.mainWindow()
    kinds = {QAction: "text", QDockWidget: "objectName", QToolButton: "objectName"}
    return Counter(
        f"{kind.__name__} {getattr(each, name)()}"
        for kind, name in kinds.items()
        for each in window.findChildren(kind)
        # QGIS keeps an empty, hidden submenu of a plugin, and its separator.
        if kind is not QAction or not (each.menu() or each.isSeparator())
    )


def inspect():
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


def run_algorithm():
    processing = importlib.import_module("processing")
    path = FOLDER / "dem.tif"
    processing.run("lunarsite:synthesize", {"out": str(path), "size_px": 96, "pixel_m": 240})
    return path.is_file()


def run_batch():
    """Run two rows of the batch panel, and return the number of layers and the log."""
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


def reload_plugin():
    """Unload, load and unload the plugin again; return what remains."""
    utils.unloadPlugin("lunarsite")
    before = interface_items()
    utils.loadPlugin("lunarsite")
    utils.startPlugin("lunarsite")
    again = len(provider().algorithms())
    utils.unloadPlugin("lunarsite")
    return {
        "again": again,
        "left": sorted((interface_items() - before).elements()),
        "provider": provider() is not None,
        "menus": menus(),
        "children": children(),
    }


def main():
    results = {}
    try:
        for name, step in (
            ("start", inspect),
            ("one", run_algorithm),
            ("batch", run_batch),
            ("end", reload_plugin),
        ):
            results[name] = step()
    except Exception:  # noqa: BLE001  shown by the test
        results["error"] = traceback.format_exc()
    (FOLDER / "results.json").write_text(json.dumps(results))
    # Avoid the question whether to save the project.
    QgsProject.instance().clear()
    QgsProject.instance().setDirty(False)
    QTimer.singleShot(0, utils.iface.actionExit().trigger)


QTimer.singleShot(0, main)
