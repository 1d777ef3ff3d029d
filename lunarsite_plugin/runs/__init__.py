"""Finished screening runs: their folders, their layers, and how a project remembers them."""
