"""What each stage does, from paths to paths: ``pipelines/<stage>.py`` for ``stages/<stage>.py``."""
