"""
A skyline with Sun and Earth
============================

The horizon around one place, and when Sun and Earth stand above it: what a lander's panels and
antenna would see.
"""

# %%
# The best-lit pixel of a generated region, away from its edge.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from lunarsite import engine as ls

folder = Path(tempfile.mkdtemp())
ls.run("synthesize", out=folder / "dem.tif", size_px=200, pixel_m=240.0, seed=152)
dem = ls.read_dem(folder / "dem.tif")
light = ls.illumination(dem, "2027-01-01", "2028-01-01", azimuths=72)
inner = np.full(dem.grid.shape, -1.0)
inner[20:-20, 20:-20] = light.illumination_pct[20:-20, 20:-20]
row, column = np.unravel_index(np.argmax(inner), inner.shape)
lon_deg, lat_deg = ls.xy_to_lonlat(dem.grid.column_x_m()[column], dem.grid.row_y_m()[row])

# %%
# The skyline is traced along great circles, here for an antenna 2 m above the ground. Then the
# positions of Sun and Earth, hour by hour, and their tracks over that skyline.

line = ls.skyline(dem, float(lon_deg), float(lat_deg), mast_height_m=2.0)
sky = ls.ephemeris("2027-07-01", "2027-08-01", step_hours=1.0)
sun, earth = ls.tracks(line, sky)

# %%
# The Sun moves around the horizon once in a month; the Earth hardly leaves its place, but rises and
# sets with the libration.

figure, axis = plt.subplots(figsize=(11, 4.2), layout="constrained")
low = min(line.horizon_deg.min(), sun.elevation_deg.min(), earth.elevation_deg.min()) - 1
axis.fill_between(line.azimuth_deg, line.horizon_deg, low, color="#8d7b68", label="terrain")
axis.scatter(sun.azimuth_deg, sun.elevation_deg, s=9, color="#f5a300", label="Sun, every hour")
axis.scatter(earth.azimuth_deg, earth.elevation_deg, s=9, color="#2b7bba", label="Earth")
axis.set(
    title=f"{lon_deg:.2f}°E, {-lat_deg:.3f}°S, July 2027",
    xlabel="azimuth, clockwise from north (°)",
    ylabel="elevation (°)",
    xlim=(0, 360),
    ylim=(low, None),
    xticks=range(0, 361, 45),
)
axis.legend(loc="upper left", ncols=3)

# %%
# The same as a calendar: where both bars are filled there is power and a link to the Earth.

figure, axis = plt.subplots(figsize=(11, 2.2), layout="constrained")
for level, (name, body, color) in enumerate(
    (("Earth in view", earth, "#2b7bba"), ("sunlight", sun, "#f5a300"))
):
    up = body.clear > 0 if name.startswith("Earth") else body.shown > 0
    axis.fill_between(
        sky.days + 1, level, level + 0.8, where=up, color=color, step="post", linewidth=0
    )
    axis.text(32.2, level + 0.4, f"{name}: {100 * up.mean():.0f} %", va="center")
axis.set(xlabel="day of July 2027 (UTC)", yticks=[], xlim=(1, 32), ylim=(-0.1, 1.9))
