"""Front ends of the engine: command line, worker process and Python functions."""
