"""
The light of a year
===================

Average illumination, Earth visibility and permanent shadow of a region, from the discs of Sun and
Earth over the horizons of every pixel.
"""

# %%
# A generated region of 48 km around the pole, 200 m a pixel. Real terrain is read in the same way;
# see :doc:`/howto/own_dem`.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LightSource

from lunarsite import engine as ls

folder = Path(tempfile.mkdtemp())
ls.run("synthesize", out=folder / "dem.tif", size_px=240, pixel_m=200.0, seed=152)
dem = ls.read_dem(folder / "dem.tif")

# %%
# One year here; without an end date the span is 18.6 years, after which Sun and Earth repeat their
# paths. The panel stands on a mast 5 m high. 180 directions are enough for a picture.

light = ls.illumination(dem, "2027-01-01", "2028-01-01", mast_height_m=5.0, azimuths=180)

# %%
# At the pole the Sun circles within 1.6° of the horizon: heights are lit for most of the year, and
# some crater floors never.

shade = LightSource(azdeg=315, altdeg=35).hillshade(dem.height_m, dx=200.0, dy=200.0)
west, south, east, north = (edge / 1000 for edge in dem.grid.bounds)
place = {"extent": (west, east, south, north), "origin": "upper"}
figure, axes = plt.subplots(1, 3, figsize=(13, 4.4), layout="constrained", sharey=True)
layers = (
    ("Average illumination", light.illumination_pct, "inferno", "% of the Sun's disc"),
    ("Earth visibility", light.earth_visibility_pct, "viridis", "% of the year"),
)
for panel, (title, values, colors, unit) in zip(axes, layers, strict=False):
    image = panel.imshow(values, cmap=colors, vmin=0, **place)
    panel.set(title=title, xlabel="x (km)")
    figure.colorbar(image, ax=panel, label=unit, shrink=0.8)
axes[0].set_ylabel("y (km)")
axes[2].imshow(shade, cmap="gray", **place)
axes[2].imshow(np.where(light.psr, 1.0, np.nan), cmap="cool", alpha=0.6, **place)
area_km2 = light.psr.sum() * (dem.grid.pixel_m / 1000) ** 2
axes[2].set(title=f"No sunlight all year: {area_km2:.0f} km²", xlabel="x (km)")

# %%
# How much of the region is lit for how long?

figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
lit = np.sort(light.illumination_pct[np.isfinite(light.illumination_pct)])[::-1]
axis.plot(100 * np.arange(1, lit.size + 1) / lit.size, lit, color="#d95f02")
axis.axhline(33, color="gray", ls="--", lw=1)
axis.text(99, 34, "33 %, the limit of the profile cassa", ha="right", va="bottom", color="gray")
axis.set(xlabel="% of the area", ylabel="lit at least this much (%)", xlim=(0, 100), ylim=(0, None))
axis.grid(alpha=0.3)
