"""Landing discs: every criterion judged on the same disc of ground, at every pixel."""
