"""The parts of an installation: child processes, interpreters, uv, wheels and builds of torch."""
