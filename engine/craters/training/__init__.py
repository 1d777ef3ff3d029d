"""Training of crater networks: tiles, recipes, batches, losses and calibration."""
