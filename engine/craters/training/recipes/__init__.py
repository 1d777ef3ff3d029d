"""Recipes: what a crater network is trained on and how."""
