"""The engine set-up: find an interpreter, install, check, remove, and say what is there."""
