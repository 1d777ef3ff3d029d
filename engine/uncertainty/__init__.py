"""Uncertainty of networks: MC Dropout, ensembles, calibration, out-of-distribution detection."""
