"""Shared by all trainings: training loop, recipes, sample cache, checkpoints and their cards."""
