"""Features of cells, from terrain, illumination, craters and imagery."""
