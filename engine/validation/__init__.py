"""Validation: claims of a run checked against external data and null models."""
