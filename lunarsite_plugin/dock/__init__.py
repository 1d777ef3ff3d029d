"""The dock: its widgets, and how clicks on the map reach the engine."""
