"""
Horizons from an array
======================

An elevation model need not be a file: a NumPy array of heights in metres and a pixel size are
enough. This script builds a peak beside a bowl, and asks for the horizon of every pixel towards one
direction. :doc:`/concepts/horizons` explains the algorithm.
"""

# %%
# The terrain: a peak 3 km high, and a bowl 2 km deep, on otherwise level ground 40 km wide. The
# pole is in the middle of the map. ``Dem.from_array`` takes the outer corner of the first pixel in
# metres of the south polar stereographic projection.

import matplotlib.pyplot as plt
import numpy as np

from lunarsite import engine as ls

PIXEL_M = 200.0
axis_m = np.arange(-100, 100) * PIXEL_M + PIXEL_M / 2
x_m, y_m = np.meshgrid(axis_m, axis_m[::-1])
peak_m = 3000.0 * np.exp(-((x_m - 8e3) ** 2 + (y_m - 3e3) ** 2) / (2 * 2.5e3**2))
distance_m = np.hypot(x_m + 8e3, y_m + 4e3)
bowl_m = np.where(distance_m < 6e3, -2000.0 * (1 - (distance_m / 6e3) ** 2), 0.0)
dem = ls.Dem.from_array(peak_m + bowl_m, pixel_m=PIXEL_M, x_min_m=-20e3, y_max_m=20e3)

# %%
# The bearing is the east longitude of the point on the equator that is looked towards. On this map
# longitude 90° lies to the right, so the peak raises the horizon of the ground to the left of it,
# and the floor of the bowl sees its own wall.

horizon_deg = ls.horizon(dem, 90.0)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
west, south, east, north = (edge / 1000 for edge in dem.grid.bounds)
place = {"extent": (west, east, south, north), "origin": "upper"}
heights = left.imshow(dem.height_m, cmap="gist_earth", **place)
left.set(title="Height", xlabel="x (km)", ylabel="y (km)")
figure.colorbar(heights, ax=left, label="m above the sphere")
angles = right.imshow(horizon_deg, cmap="magma", vmin=0, **place)
right.set(title="Horizon towards longitude 90°E", xlabel="x (km)")
right.annotate("", (19, -17), (11, -17), arrowprops={"color": "white", "width": 1.5})
right.text(10.5, -17, "looking this way", color="white", ha="right", va="center")
figure.colorbar(angles, ax=right, label="degrees above the local level")

# %%
# Along one row the geometry is plain to see: the horizon of a point is the steepest line of sight
# to the terrain ahead of it.

row = int(np.argmin(np.abs(axis_m[::-1] - 3e3)))
figure, (above, below) = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
above.fill_between(axis_m / 1000, dem.height_m[row], -200, color="#8d7b68")
above.set(ylabel="height (m)", title="The row through the peak", ylim=(-200, 3300))
for start_km in (-15, -5, 2):
    column = int(np.argmin(np.abs(axis_m - start_km * 1000)))
    reach_m = axis_m[column:] - axis_m[column]
    sight_m = dem.height_m[row, column] + reach_m * np.tan(np.radians(horizon_deg[row, column]))
    shown = axis_m[column:] < 9e3
    above.plot(axis_m[column:][shown] / 1000, sight_m[shown], color="#c1272d", lw=1.2)
    above.plot(axis_m[column] / 1000, dem.height_m[row, column], "o", color="#c1272d", ms=5)
below.plot(axis_m / 1000, horizon_deg[row], color="#c1272d")
below.set(xlabel="x (km)", ylabel="horizon (°)")
below.grid(alpha=0.3)
