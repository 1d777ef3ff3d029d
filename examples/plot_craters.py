"""
Craters over a hillshade
========================

Crater detection in an elevation model: centre, diameter, depth, and the probability that it is a
crater. The network ships with LunarSite and needs no torch.
"""

# %%
# Generated terrain with craters of all ages; ``synthesize`` writes their catalogue beside it.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LightSource, Normalize
from matplotlib.patches import Circle

from lunarsite import engine as ls

folder = Path(tempfile.mkdtemp())
ls.run("synthesize", out=folder / "dem.tif", size_px=320, pixel_m=80.0, seed=11)
dem = ls.read_dem(folder / "dem.tif")
craters = ls.detect_craters(dem, min_diameter_m=1000.0)
craters.drop(columns="geometry").head().round(2)

# %%
# Each detection is a circle, coloured by its confidence.

west, south, east, north = (edge / 1000 for edge in dem.grid.bounds)
shade = LightSource(azdeg=315, altdeg=30).hillshade(dem.height_m, vert_exag=2, dx=80.0, dy=80.0)
figure, axis = plt.subplots(figsize=(8.4, 7), layout="constrained")
axis.imshow(shade, cmap="gray", extent=(west, east, south, north), origin="upper")
scale = ScalarMappable(Normalize(0.0, 1.0), "plasma")
for crater in craters.itertuples():
    centre, radius = (crater.x_m / 1000, crater.y_m / 1000), crater.diameter_m / 2000
    axis.add_patch(Circle(centre, radius, fill=False, lw=1.8, ec=scale.to_rgba(crater.confidence)))
axis.set(
    title=f"{len(craters)} craters of 1 km and more",
    xlabel="x (km)",
    ylabel="y (km)",
    xlim=(west, east),
    ylim=(south, north),
)
figure.colorbar(scale, ax=axis, label="confidence (probability of a crater)", shrink=0.8)

# %%
# Fresh craters are about a fifth as deep as they are wide; degraded ones are shallower.

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
dots = axis.scatter(
    craters["diameter_m"] / 1000,
    craters["depth_m"],
    c=craters["confidence"],
    cmap="plasma",
    norm=Normalize(0.0, 1.0),
)
diameter_km = np.array([1.0, 10.0])
axis.plot(diameter_km, 200 * diameter_km, color="gray", ls="--", lw=1)
axis.text(4.0, 900, "depth = 0.2 diameter", ha="right", color="gray")
axis.set(xlabel="diameter (km)", ylabel="depth (m)", xscale="log", yscale="log")
axis.set_xticks([1, 2, 5, 10], ["1", "2", "5", "10"])
axis.set_yticks([50, 100, 200, 500, 1000, 2000], ["50", "100", "200", "500", "1000", "2000"])
axis.grid(alpha=0.3)
figure.colorbar(dots, ax=axis, label="confidence")
