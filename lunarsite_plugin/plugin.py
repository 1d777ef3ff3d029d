"""The plugin as QGIS knows it: what is added on loading and taken away on unloading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import QgsApplication

if TYPE_CHECKING:
    from qgis.gui import QgisInterface

    from lunarsite.lunarsite_plugin.desktop import Desktop
    from lunarsite.processing_provider.provider import LunarSiteProvider


class LunarSitePlugin:
    """What QGIS loads.

    Parameters
    ----------
    iface : QgisInterface or None
        The desktop; None where there is none, as in ``qgis_process``.
    """

    def __init__(self, iface: QgisInterface | None) -> None:
        self._iface = iface
        self._provider: LunarSiteProvider | None = None
        self.desktop: Desktop | None = None

    def initProcessing(self) -> None:
        """Add the toolbox; all that ``qgis_process`` asks for."""
        from lunarsite.processing_provider.provider import register  # noqa: PLC0415

        self._provider = register()

    def initGui(self) -> None:
        """Add everything the desktop shows."""
        self.initProcessing()
        if self._iface is not None:
            from lunarsite.lunarsite_plugin.desktop import Desktop  # noqa: PLC0415

            self.desktop = Desktop(self._iface)

    def unload(self) -> None:
        """Take everything away again."""
        if self.desktop is not None:
            self.desktop.remove()
            self.desktop = None
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
