"""The plugin class that QGIS loads."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qgis import utils
from qgis.core import QgsApplication

if TYPE_CHECKING:
    from qgis.gui import QgisInterface

    from lunarsite.lunarsite_plugin.desktop import Desktop
    from lunarsite.processing_provider.provider import LunarSiteProvider


_PACKAGE = "lunarsite"


class LunarSitePlugin:
    """Adds the Processing provider and the desktop parts, and removes them on unloading.

    Parameters
    ----------
    iface : QgisInterface or None
        The QGIS interface; None if there is none, as in ``qgis_process``.
    """

    def __init__(self, iface: QgisInterface | None) -> None:
        self._iface = iface
        self._provider: LunarSiteProvider | None = None
        self.desktop: Desktop | None = None

    def initProcessing(self) -> None:
        """Add the Processing provider; ``qgis_process`` calls only this."""
        from lunarsite.processing_provider.provider import register  # noqa: PLC0415

        self._provider = register()

    def initGui(self) -> None:
        """Add the provider, the menu and the toolbar button."""
        self.initProcessing()
        if self._iface is not None:
            from lunarsite.lunarsite_plugin.desktop import Desktop  # noqa: PLC0415

            self.desktop = Desktop(self._iface)

    def unload(self) -> None:
        """Remove everything that was added, and end the engines that run.

        QGIS may replace the files by another version next, so no engine may still write its caches
        beside them. QGIS forgets the modules that it saw being imported, which are not all; what is
        left of an old version must not meet a new one.
        """
        if self.desktop is not None:
            self.desktop.remove()
            self.desktop = None
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
        if utils.plugins.get(_PACKAGE) is self:
            from lunarsite.qgis_common import client  # noqa: PLC0415

            client.close_all()
            for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
                del sys.modules[name]
