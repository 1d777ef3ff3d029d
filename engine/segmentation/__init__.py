"""Semantic segmentation of surface and orbital images into ground, rocks and sky."""
