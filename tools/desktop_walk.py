"""Uses the plugin in QGIS and takes screenshots; started by screenshots.py."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import QgsApplication, QgsCoordinateReferenceSystem, QgsPointXY, QgsProject
from qgis.PyQt.QtCore import QPoint, Qt, QTimer
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QScrollArea, QWidget
from qgis.utils import iface, plugins

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGES = Path(os.environ["LUNARSITE_WALK_IMAGES"])
DONE = Path(os.environ["LUNARSITE_WALK_DONE"])
DARK = bool(os.environ.get("LUNARSITE_WALK_DARK"))
REAL = os.environ.get("LUNARSITE_WALK_REAL", "").split(os.pathsep) if not DARK else []
"""A lunar elevation model and its far fields, finest first; empty if there is none."""
PLUGIN = Path(QgsApplication.qgisSettingsDirPath()) / "python" / "plugins" / "lunarsite"


def walk() -> None:
    """Run all steps, and write the result to a file."""
    outcome = "ok"
    try:
        iface.mainWindow().resize(1460, 910)
        iface.messageBar().clearWidgets()
        for step in STEPS:
            step()
    except Exception:  # noqa: BLE001  shown by the launcher
        outcome = traceback.format_exc()
    DONE.write_text(outcome, encoding="utf-8")


def toolbox() -> None:
    """Open the toolbox with the provider expanded."""
    dock = iface.mainWindow().findChild(QWidget, "ProcessingToolbox")
    dock.show()
    wait(1.5)
    tree = dock.findChild(QWidget, "algorithmTree")
    tree.setFilterString("lunarsite")
    tree.expandAll()
    wait(0.5)
    grab(dock, "toolbox")
    dock.hide()


def run_dialog() -> None:
    """Open the dialog of Screen a region."""
    from processing.gui.AlgorithmDialog import AlgorithmDialog  # noqa: PLC0415

    made = QgsApplication.processingRegistry().createAlgorithmById("lunarsite:screen")
    dialog = AlgorithmDialog(made, False, iface.mainWindow())
    dialog.resize(1000, 720)
    dialog.show()
    wrappers = dialog.mainWidget().wrappers
    heights = iface.addRasterLayer(
        str(PLUGIN / "resources" / "moon" / "lola_70S_1600m.tif"), "South pole, LOLA at 1.6 km"
    )
    wrappers["dem"].setParameterValue(heights.id(), dialog.processingContext())
    wrappers["cell_m"].setParameterValue(1600.0, dialog.processingContext())
    line = wrappers["dry_run"]
    until(lambda: line.text.startswith("Estimate"), 60)
    wait(1.0)
    panel = line.wrappedWidget().parentWidget()
    while not isinstance(panel, QScrollArea):
        panel = panel.parentWidget()
    panel.ensureWidgetVisible(line.wrappedWidget())
    grab(dialog, "dialog")
    dialog.close()
    QgsProject.instance().clear()


def show_setup() -> None:
    """Open the engine setup while there is no engine."""
    desktop().open_setup()
    wait(4.0)
    grab(desktop().setup, "setup")
    desktop().setup.close()


def use_engine() -> None:
    """Use the engine of the checkout."""
    os.environ["LUNARSITE_ENGINE_PYTHON"] = os.environ["LUNARSITE_WALK_ENGINE"]


def demo() -> None:
    """Open the demo, and wait until its run is open."""
    # QGIS has told of the lunar layer that the dialog's step added to a project of the Earth.
    iface.messageBar().clearWidgets()
    desktop().open_demo()
    until(lambda: desktop().dock is not None and desktop().dock.run is not None, 300)
    wait(8.0)
    dock = desktop().dock
    iface.mainWindow().resizeDocks([dock], [470], Qt.Orientation.Horizontal)
    wait(1.0)


def click() -> None:
    """Click the best site and two more, and save all three."""
    dock = desktop().dock
    layer = QgsProject.instance().mapLayersByName("Sites")[0]
    places = [QgsPointXY(f["x_m"], f["y_m"]) for f in layer.getFeatures()][:6]
    for place in (places[5], places[2], places[0]):
        click_map(place)
        until(lambda: dock.panel.skyline is not None, 60)
        wait(0.5)
        dock.save_place()
    # The best site is in the demo's image, which is processed at the same time.
    until(lambda: not dock.image_panel.cancel.isVisible(), 60)
    wait(1.0)
    grab(iface.mainWindow(), "dark" if DARK else "dock")


def sections() -> None:
    """Scroll to the calendar."""
    dock = desktop().dock
    bar = dock.panel.scroll.verticalScrollBar()
    dates = dock.panel.light.dates
    bar.setValue(dates.mapTo(dock.panel.scroll.widget(), QPoint(0, 0)).y())
    wait(0.5)
    grab(dock, "dock-light")
    bar.setValue(0)


def sites() -> None:
    """Show the sites of the run, sorted by illumination."""
    dock = desktop().dock
    dock.tabs.setCurrentWidget(dock.sites)
    wait(0.5)
    grab(dock, "sites-tab")
    dock.tabs.setCurrentWidget(dock.panel)


def compare() -> None:
    """Show the saved places."""
    dock = desktop().dock
    dock.tabs.setCurrentWidget(dock.saved_places)
    wait(0.5)
    grab(dock, "compare")
    dock.tabs.setCurrentWidget(dock.panel)


def uncertainty() -> None:
    """Zoom to the demo's image, and click its largest rock."""
    dock = desktop().dock
    panel = dock.image_panel
    panel.switch.setChecked(True)
    panel.go.click()
    wait(2.0)
    middle = panel.image().extent().center()
    click_map(QgsPointXY(middle.x() + 94.0, middle.y() + 49.0))
    until(lambda: dock.image.text().startswith("At the click"), 60)
    until(lambda: dock.panel.skyline is not None, 60)
    wait(2.0)
    iface.messageBar().clearWidgets()
    grab(iface.mainWindow(), "uncertainty")
    panel.switch.setChecked(False)


def real_terrain() -> None:
    """Screen real terrain with the dialog, and click the best site."""
    from processing.gui.AlgorithmDialog import AlgorithmDialog  # noqa: PLC0415

    if not any(REAL):
        return
    dem, *far = REAL
    out = DONE.parent / "runs" / "shackleton"
    QgsProject.instance().clear()
    QgsProject.instance().setCrs(QgsCoordinateReferenceSystem("IAU_2015:30135"))
    shade = iface.addRasterLayer(dem, "Elevation model")
    shade.loadNamedStyle(str(PLUGIN / "resources" / "styles" / "hillshade.qml"))
    made = QgsApplication.processingRegistry().createAlgorithmById("lunarsite:screen")
    dialog = AlgorithmDialog(made, False, iface.mainWindow())
    dialog.resize(1000, 720)
    parameters = {"dem": dem, "far_field": far, "profile": "hls", "cell_m": 1000.0, "out": str(out)}
    dialog.mainWidget().setParameters(parameters)
    dialog.show()
    dialog.runAlgorithm()
    until(lambda: QgsProject.instance().mapLayersByName("Sites"), 400)
    wait(1.0)
    dialog.close()
    desktop().toggle.setChecked(True)
    dock = desktop().dock
    dock.choose_run(out)
    dock.click.setChecked(True)
    layer = QgsProject.instance().mapLayersByName("Sites")[0]
    best = next(layer.getFeatures())
    wait(1.0)
    iface.mapCanvas().setExtent(shade.extent())
    iface.messageBar().clearWidgets()
    wait(8.0)
    click_map(QgsPointXY(best["x_m"], best["y_m"]))
    until(lambda: dock.panel.skyline is not None, 60)
    # The contents of the dock have made the canvas narrower.
    area = shade.extent()
    area.scale(1.2)
    iface.mapCanvas().setExtent(area)
    iface.mapCanvas().refresh()
    wait(4.0)
    until(lambda: not iface.mapCanvas().isDrawing(), 60)
    wait(1.0)
    grab(iface.mainWindow(), "shackleton")


def desktop() -> object:
    """Return the plugin's desktop object."""
    return plugins["lunarsite"].desktop


def click_map(place: QgsPointXY) -> None:
    """Click a place on the map."""
    canvas = iface.mapCanvas()
    point = canvas.getCoordinateTransform().transform(place)
    spot = QPoint(round(point.x()), round(point.y()))
    QTest.mouseClick(
        canvas.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, spot
    )


def grab(widget: QWidget, name: str) -> None:
    """Save a screenshot of a widget."""
    wait(0.3)
    widget.grab().save(str(IMAGES / f"{name}.png"))


def wait(seconds: float) -> None:
    """Process events for a while."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        QgsApplication.processEvents()
        time.sleep(0.01)


def until(condition: Callable[[], bool], within_s: float) -> None:
    """Process events until a condition holds.

    Raises
    ------
    TimeoutError
        If it does not hold in time.
    """
    limit = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError(f"timed out after {within_s} s")
        wait(0.05)


STEPS = (
    (use_engine, demo, click)
    if DARK
    else (
        *(show_setup, use_engine, toolbox, run_dialog, demo, sites),
        *(click, sections, compare, uncertainty, real_terrain),
    )
)

QTimer.singleShot(3000, walk)
