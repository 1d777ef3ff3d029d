"""LunarSite: landing-site screening at the Moon's south pole.

This folder is the Python package ``lunarsite`` and, at the same time, the QGIS plugin of that name.
"""
