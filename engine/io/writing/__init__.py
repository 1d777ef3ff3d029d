"""Writing of layers: their compression, which can be cancelled."""
