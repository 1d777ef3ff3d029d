"""The panel that explains the score of one place."""
