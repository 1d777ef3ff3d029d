"""Craters: a network that finds them in elevation models, and what it is trained on."""
