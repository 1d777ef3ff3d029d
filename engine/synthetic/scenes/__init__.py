"""Generated images of the lunar surface with class masks, from the ground and from orbit."""
