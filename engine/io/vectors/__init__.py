"""Vector layers and tables of places in any lunar coordinate system."""
