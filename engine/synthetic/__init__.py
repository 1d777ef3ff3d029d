"""Synthetic terrain and images: input of the demo and training data of the networks."""
