"""The engine: every stage as a plain function, and three faces on them. Knows nothing of QGIS."""
