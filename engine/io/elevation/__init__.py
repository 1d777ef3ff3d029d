"""Elevation models: opening, reading, what surrounds them, and parts of them."""
