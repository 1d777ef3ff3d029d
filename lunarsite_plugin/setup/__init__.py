"""Engine setup: install, check and remove the engine, or use an existing Python environment."""
