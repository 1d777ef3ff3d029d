"""
Terrain attributes
==================

Slope, roughness, curvature and topographic position of an elevation model, in one reading.
"""

# %%
# Lengths on the map are corrected by the scale of the projection, so that slopes are those of the
# ground.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from lunarsite import engine as ls

folder = Path(tempfile.mkdtemp())
ls.run("synthesize", out=folder / "dem.tif", size_px=300, pixel_m=80.0, seed=11)
dem = ls.read_dem(folder / "dem.tif")
layers = ls.terrain_attributes(dem)
sorted(layers)

# %%
# Four of the nine layers. Roughness is the scatter of heights about a plane in a window,
# topographic position the height above the mean of a wider window.

west, south, east, north = (edge / 1000 for edge in dem.grid.bounds)
figure, axes = plt.subplots(2, 2, figsize=(10, 8.6), layout="constrained", sharex=True, sharey=True)
panels = (
    ("slope_deg", "Slope", "magma", "°"),
    ("roughness_fine_m", "Roughness, window of 3 px", "viridis", "m"),
    ("profile_curvature_per_km", "Curvature along the slope", "RdBu_r", "1/km"),
    ("position_index_m", "Topographic position", "RdBu_r", "m"),
)
for axis, (name, title, colors, unit) in zip(axes.flat, panels, strict=True):
    values = layers[name]
    most = float(np.nanpercentile(np.abs(values), 99))
    least = -most if colors == "RdBu_r" else 0.0
    image = axis.imshow(
        values, cmap=colors, vmin=least, vmax=most, extent=(west, east, south, north)
    )
    axis.set_title(title)
    figure.colorbar(image, ax=axis, label=unit, shrink=0.8)
for axis in axes[1]:
    axis.set_xlabel("x (km)")
for axis in axes[:, 0]:
    axis.set_ylabel("y (km)")

# %%
# How steep is the ground? Landers are commonly limited to 5° or 8°.

slope = layers["slope_deg"][np.isfinite(layers["slope_deg"])]
figure, axis = plt.subplots(figsize=(7, 3.4), layout="constrained")
axis.hist(
    slope, bins=np.arange(0, 41), color="#5a4fcf", weights=np.full(slope.size, 100 / slope.size)
)
for limit in (5, 8):
    share = 100 * np.mean(slope <= limit)
    axis.axvline(limit, color="black", ls="--", lw=1)
    height = axis.get_ylim()[1] * (0.9 if limit == 5 else 0.75)
    axis.text(39, height, f"{share:.0f} % of the area at most {limit}°", ha="right")
axis.set(xlabel="slope (°)", ylabel="% of the area", xlim=(0, 40))
