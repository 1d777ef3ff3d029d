"""The desktop: dock, map tool, charts, engine set-up and the client of the engine's worker.

Runs in QGIS's own Python and imports the standard library, ``qgis``, the provider and the stages'
declarations only.
"""
