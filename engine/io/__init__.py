"""Reading and writing of rasters, elevation models, images and vector files."""
