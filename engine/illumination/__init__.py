"""Ephemeris, horizons, illumination, Earth visibility, continuous darkness and skylines."""
