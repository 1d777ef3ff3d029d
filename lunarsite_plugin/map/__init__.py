"""The map tool, the marker of the current cell, and parsing of coordinates."""
