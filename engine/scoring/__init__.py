"""Criteria profiles, features of cells, soft labels, scorers, explanations and ranks."""
