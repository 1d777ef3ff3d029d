"""What trainings of networks share: steps, state, recipes, checkpoints with their cards."""
