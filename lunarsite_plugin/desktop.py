"""The plugin's menu, toolbar button, dock and dialogs, which are created when first used."""

from __future__ import annotations

import configparser
from typing import TYPE_CHECKING

from qgis.core import Qgis, QgsApplication, QgsProject
from qgis.PyQt.QtCore import Qt, QTimer, QUrl
from qgis.PyQt.QtGui import QDesktopServices, QIcon
from qgis.PyQt.QtWidgets import QAction

from lunarsite.qgis_common import moon_crs, plain_text
from lunarsite.qgis_common.location import PLUGIN_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qgis.gui import QgisInterface, QgsMessageBarItem
    from qgis.PyQt.QtWidgets import QMenu

    from lunarsite.engine.errors import LunarSiteError
    from lunarsite.lunarsite_plugin.demo import DemoTask
    from lunarsite.lunarsite_plugin.dock.dock import LunarSiteDock
    from lunarsite.lunarsite_plugin.runs.folder import RunFolder
    from lunarsite.lunarsite_plugin.setup.dialog import SetupDialog
    from lunarsite.qgis_common.session import EngineSession

MENU = "LunarSite"
_WARNING_DELAY_MS = 1500

_ICON = PLUGIN_FOLDER / "resources" / "icons" / "lunarsite.svg"


class Desktop:
    """The plugin's submenu of the Plugins menu, its toolbar button, and what they open.

    Loading the plugin creates only the menu and the button, and starts no engine.
    """

    def __init__(self, iface: QgisInterface) -> None:
        self._iface = iface
        self.session: EngineSession | None = None
        self.dock: LunarSiteDock | None = None
        self.setup: SetupDialog | None = None
        self._task: DemoTask | None = None
        self._same_project = True
        """Whether the project in which the demo was asked for is still open."""
        QgsProject.instance().cleared.connect(self._on_project_cleared)
        self._warning: QgsMessageBarItem | None = None
        self._before: list[QgsMessageBarItem] = []
        self._warning_timer = QTimer()
        self._warning_timer.setSingleShot(True)
        self._warning_timer.setInterval(_WARNING_DELAY_MS)
        self._warning_timer.timeout.connect(self._dismiss_crs_warnings)
        moon_crs.ensure()
        window, icon = iface.mainWindow(), QIcon(str(_ICON))
        self.toggle = QAction(icon, "LunarSite Panel", window)
        self.toggle.setCheckable(True)
        self.toggle.setToolTip("Show or hide the LunarSite panel, which scores landing sites")
        self.toggle.toggled.connect(self.show_dock)
        self.actions = [
            self.toggle,
            self._action("Open Demo", self.open_demo),
            self._action("Engine Setup…", self.open_setup),
            self._action("Help", self.open_help),
        ]
        for action in self.actions:
            iface.addPluginToMenu(MENU, action)
        iface.addToolBarIcon(self.toggle)
        menu = self._menu()
        if menu is not None:
            menu.setIcon(icon)

    def show_dock(self, shown: bool) -> None:  # noqa: FBT001  a slot of Qt's toggled signal
        """Show or hide the dock."""
        if shown:
            self._get_dock().setUserVisible(True)
        elif self.dock is not None:
            self.dock.close()

    def open_setup(self) -> None:
        """Open the engine setup dialog."""
        if self.setup is None:
            from lunarsite.lunarsite_plugin.setup.dialog import SetupDialog  # noqa: PLC0415

            self.setup = SetupDialog(self._iface.mainWindow())
            self.setup.engineAboutToChange.connect(self._end_engine)
            self.setup.engineChanged.connect(self._on_engine_changed)
        self.setup.show()
        self.setup.raise_()
        self.setup.activateWindow()

    def open_demo(self) -> None:
        """Create the demo in the background and show it."""
        from lunarsite.lunarsite_plugin import demo  # noqa: PLC0415

        if self._task is not None:
            self._show_info("The demo is already being created. It opens when it is ready.")
            return
        others = moon_crs.foreign_layers(QgsProject.instance())
        if others:
            self._show_info(
                "The demo sets the project CRS to the Moon, but the project contains layers of "
                f"another body: {', '.join(others[:3])}. Create a new project first."
            )
            return
        self._dismiss_warning()
        self._same_project = True
        self._task = demo.DemoTask(demo.folder(), self._show_demo, self._show_demo_error)
        self._task.taskTerminated.connect(self._forget_task)
        QgsApplication.taskManager().addTask(self._task)
        exists = (demo.folder() / "run" / "manifest.json").is_file()
        duration = "" if exists else " This takes about a minute."
        self._show_info(f"Preparing the demo.{duration} It opens when it is ready.")

    def open_help(self) -> None:
        """Open the project's page in the browser."""
        QDesktopServices.openUrl(QUrl(_metadata()["homepage"]))

    def remove(self) -> None:
        """Remove everything that was added."""
        self._warning_timer.stop()
        QgsProject.instance().cleared.disconnect(self._on_project_cleared)
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self.setup is not None:
            self.setup.shut_down()
            self.setup.close()
            self.setup.deleteLater()
            self.setup = None
        if self.dock is not None:
            self.dock.shut_down()
            self._iface.removeDockWidget(self.dock)
            self.dock.deleteLater()
            self.dock = None
        self._end_engine()
        self.session = None
        self._iface.removeToolBarIcon(self.toggle)
        for action in self.actions:
            self._iface.removePluginMenu(MENU, action)
            action.deleteLater()
        self.actions = []

    def _get_dock(self) -> LunarSiteDock:
        if self.dock is None:
            from lunarsite.lunarsite_plugin.dock.dock import LunarSiteDock  # noqa: PLC0415
            from lunarsite.qgis_common.session import EngineSession  # noqa: PLC0415

            window = self._iface.mainWindow()
            self.session = EngineSession()
            self.dock = LunarSiteDock(self._iface.mapCanvas(), self.session, window)
            self.dock.setWindowIcon(self.toggle.icon())
            self.dock.setupRequested.connect(self.open_setup)
            self.dock.control.browsed.connect(self._show_browsed)
            self.dock.closed.connect(self._uncheck_toggle)
            self.dock.opened.connect(self._check_toggle)
            self._iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.dock)
        return self.dock

    def _action(self, title: str, slot: Callable[[], None]) -> QAction:
        action = QAction(title, self._iface.mainWindow())

        def start(_checked: bool = False) -> None:  # noqa: FBT001, FBT002  Qt passes it
            slot()

        action.triggered.connect(start)
        return action

    def _menu(self) -> QMenu | None:
        """Return the submenu with the actions, if there is one."""
        for menu in self._iface.pluginMenu().children():
            if getattr(menu, "title", str)() == MENU:
                return menu
        return None

    def _check_toggle(self) -> None:
        self.toggle.setChecked(True)

    def _uncheck_toggle(self) -> None:
        self.toggle.setChecked(False)

    def _end_engine(self) -> None:
        if self.session is not None:
            self.session.shut_down()

    def _on_engine_changed(self) -> None:
        self._dismiss_warning()
        self._end_engine()
        if self.dock is not None:
            self.dock.show_engine()
        if self.dock is not None and self.dock.run is not None:
            self.dock.choose_run(self.dock.run.path)

    def _show_demo(self, run: Path) -> None:
        from lunarsite.lunarsite_plugin import demo  # noqa: PLC0415

        self._task = None
        if not self._same_project:
            self._show_info(
                "The demo is ready. Another project was opened meanwhile, so its layers were not "
                "added: choose Open Demo again to add them to this project."
            )
            return
        home = run.parent
        self._show_layers(run, demo.DEM, home / demo.CRATERS, home / demo.IMAGE)
        self.toggle.setChecked(True)
        dock = self._get_dock()
        dock.choose_run(run)
        dock.click.setChecked(True)
        dock.image_panel.switch.setChecked(True)
        self._show_info(
            "The demo's pixels of 1.6 km show the tool and the light, not where to land. Click the "
            "map; Screen a region in the toolbox takes your own elevation model."
        )

    def _show_browsed(self, run: RunFolder) -> None:
        """Add the layers of a run that the user browsed for, unless they are in the project."""
        from lunarsite.lunarsite_plugin.runs import layers  # noqa: PLC0415

        project = QgsProject.instance()
        if layers.shown(run.path, project):
            return
        others = moon_crs.foreign_layers(project)
        if others:
            self._show_info(
                "The layers of the run were not added, because the project contains layers of "
                f"another body: {', '.join(others[:3])}. Create a new project for them."
            )
            return
        dem = next((each.path for each in run.inputs if each.role == "dem"), None)
        self._show_layers(run.path, dem, run.craters)

    def _show_layers(
        self,
        run: Path,
        dem: Path | None,
        craters: Path | None,
        image: Path | None = None,
    ) -> None:
        from lunarsite.qgis_common import run_layers  # noqa: PLC0415

        self._before = self._iface.messageBar().items()
        run_layers.show(run, dem, self._iface.mapCanvas(), craters, image)
        self._dismiss_crs_warnings()
        self._warning_timer.start()  # drawing the canvas adds more warnings a little later

    def _dismiss_crs_warnings(self) -> None:
        from lunarsite.lunarsite_plugin.runs import layers  # noqa: PLC0415

        layers.dismiss_crs_warnings(self._iface.messageBar(), self._before)

    def _show_demo_error(self, error: LunarSiteError) -> None:
        self._task = None
        self._dismiss_warning()
        bar = self._iface.messageBar()
        self._warning = bar.pushWidget(
            bar.createMessage(MENU, plain_text.shown(str(error))), Qgis.MessageLevel.Warning
        )

    def _dismiss_warning(self) -> None:
        """Remove our warning from the message bar, because it may no longer apply."""
        bar = self._iface.messageBar()
        if self._warning in bar.items():  # the user may have closed it
            bar.popWidget(self._warning)
        self._warning = None

    def _show_info(self, text: str) -> None:
        self._iface.messageBar().pushMessage(MENU, plain_text.shown(text), Qgis.MessageLevel.Info)

    def _forget_task(self) -> None:
        self._task = None

    def _on_project_cleared(self) -> None:
        self._same_project = False


def _metadata() -> configparser.SectionProxy:
    found = configparser.ConfigParser(interpolation=None)
    found.read(PLUGIN_FOLDER / "metadata.txt", encoding="utf-8")
    return found["general"]
