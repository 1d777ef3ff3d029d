"""Terrain attributes of an elevation model: slope, aspect, curvature, roughness, relief."""
