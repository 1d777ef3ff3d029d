"""Trained models that ship, each with its card; SHA256SUMS holds their checksums."""
