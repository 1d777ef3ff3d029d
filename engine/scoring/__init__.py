"""Criteria, features of cells, labels, the scorer, reasons and ranks."""
