"""The desktop part of the QGIS plugin: dock, map tool, charts, reports and engine setup.

It runs in QGIS's own Python, and imports only the standard library, ``qgis``, our other packages
for QGIS, and the engine modules that need nothing but the standard library.
"""
