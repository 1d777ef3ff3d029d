"""Pipelines of the stages, from input to output files: ``<stage>.py`` for ``stages/<stage>.py``."""
