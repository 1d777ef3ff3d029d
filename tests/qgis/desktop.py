"""A substitute for QGIS's main window."""

from __future__ import annotations

from qgis.gui import QgsMapCanvas, QgsMessageBar
from qgis.PyQt.QtWidgets import QMainWindow


class Desktop:
    """The parts of QGIS's interface that the plugin uses, with real widgets."""

    def __init__(self):
        self.window = QMainWindow()
        self.canvas = QgsMapCanvas(self.window)
        self.bar = QgsMessageBar(self.window)
        self.window.setCentralWidget(self.canvas)
        self.plugins = self.window.menuBar().addMenu("Plugins")
        self.toolbar = self.window.addToolBar("Plugins")
        self.menus = {}

    def mainWindow(self):
        return self.window

    def mapCanvas(self):
        return self.canvas

    def messageBar(self):
        return self.bar

    def pluginMenu(self):
        return self.plugins

    def addPluginToMenu(self, name, action):
        if name not in self.menus:
            self.menus[name] = self.plugins.addMenu(name)
        self.menus[name].addAction(action)

    def removePluginMenu(self, name, action):
        menu = self.menus[name]
        menu.removeAction(action)
        if not menu.actions():
            self.plugins.removeAction(self.menus.pop(name).menuAction())

    def addToolBarIcon(self, action):
        self.toolbar.addAction(action)

    def removeToolBarIcon(self, action):
        self.toolbar.removeAction(action)

    def addDockWidget(self, area, dock):
        self.window.addDockWidget(area, dock)

    def removeDockWidget(self, dock):
        self.window.removeDockWidget(dock)
