"""Landing discs: every criterion evaluated on the same disc of ground, at every pixel."""
