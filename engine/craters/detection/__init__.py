"""Detection of craters in elevation models, by a network or by template matching."""
