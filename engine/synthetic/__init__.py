"""Generated terrain: the demo's input and the ground that networks are trained on."""
