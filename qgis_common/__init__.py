"""What the toolbox and the desktop plugin share: the engine's client, CRS and layer styles."""
