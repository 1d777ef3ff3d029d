"""Site reports as PDF and HTML."""
