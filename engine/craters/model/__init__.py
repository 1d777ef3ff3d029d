"""Crater networks: architectures, input channels, inference and checkpoints."""
