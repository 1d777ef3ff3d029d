"""Training of segmentation networks: recipes, batches, losses and calibration."""
