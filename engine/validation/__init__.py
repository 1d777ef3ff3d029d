"""Slow and simple ways to the same results, and comparisons with independent data."""
