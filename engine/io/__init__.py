"""Reading and writing of rasters, elevation models, images and vector files."""

from lunarsite.engine.io.access import network as _network

# Before GDAL is imported: it registers its drivers once.
_network.disable_drivers()
