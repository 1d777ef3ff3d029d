"""What a user does, done inside the QGIS desktop: started by screenshots.py, which says why."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QWidget
from qgis.utils import iface

IMAGES = Path(os.environ["LUNARSITE_WALK_IMAGES"])
DONE = Path(os.environ["LUNARSITE_WALK_DONE"])


def walk() -> None:
    """Do every step, and leave word whether it went well."""
    said = "ok"
    try:
        for step in STEPS:
            step()
    except Exception:  # noqa: BLE001  whatever it is, the launcher shows it
        said = traceback.format_exc()
    DONE.write_text(said, encoding="utf-8")


def toolbox() -> None:
    """Open the toolbox with the provider unfolded."""
    window = iface.mainWindow()
    window.resize(1440, 900)
    dock = window.findChild(QWidget, "ProcessingToolbox")
    dock.show()
    wait(1.5)
    tree = dock.findChild(QWidget, "algorithmTree")
    if tree is not None:
        tree.setFilterString("lunarsite")
        tree.expandAll()
    wait(0.5)
    grab(dock, "toolbox")


def run_dialog() -> None:
    """Open the dialog of a screening."""
    from processing.gui.AlgorithmDialog import AlgorithmDialog  # noqa: PLC0415

    made = QgsApplication.processingRegistry().createAlgorithmById("lunarsite:screen")
    dialog = AlgorithmDialog(made, False, iface.mainWindow())
    dialog.resize(1000, 720)
    dialog.show()
    wait(1.0)
    grab(dialog, "dialog")
    dialog.close()


def grab(widget: QWidget, name: str) -> None:
    """Save what a widget looks like."""
    wait(0.3)
    widget.grab().save(str(IMAGES / f"{name}.png"))


def wait(seconds: float) -> None:
    """Let QGIS work for a while."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        QgsApplication.processEvents()
        time.sleep(0.01)


STEPS = (toolbox, run_dialog)

QTimer.singleShot(3000, walk)
