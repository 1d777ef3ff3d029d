"""LunarSite: landing-site screening at the Moon's south pole.

The folder is the Python package ``lunarsite`` and, in QGIS, the plugin of that name. This file and
what it imports on an older Python keep to the syntax of 3.9, so that QGIS can say what is wrong.
"""

import sys


def classFactory(iface: object) -> object:  # noqa: N802  QGIS asks for this name
    """Return the plugin, to QGIS."""
    if sys.version_info < (3, 11):  # noqa: UP036  QGIS does not read pyproject.toml
        from lunarsite.lunarsite_plugin.too_old import TooOld  # noqa: PLC0415

        return TooOld(iface)
    from lunarsite.lunarsite_plugin.plugin import LunarSitePlugin  # noqa: PLC0415

    return LunarSitePlugin(iface)
