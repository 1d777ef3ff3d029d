"""Data by name: what is published of the pole, where it is, and how it comes onto this computer."""
