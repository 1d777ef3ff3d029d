"""LunarSite: landing-site screening at the Moon's south pole.

The folder is the Python package ``lunarsite`` and, in QGIS, the plugin of that name.
"""


def classFactory(iface: object) -> object:  # noqa: N802  QGIS asks for this name
    """Return the plugin, to QGIS."""
    from lunarsite.lunarsite_plugin.plugin import LunarSitePlugin  # noqa: PLC0415

    return LunarSitePlugin(iface)
