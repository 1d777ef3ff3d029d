"""
Criteria of your own
====================

Criteria are a profile, a short YAML file. Here a rover that must reach permanent shadow, and
tolerates steeper slopes for it, is set against the default profile.
"""

# %%
# The terrain and its layers, which do not depend on the criteria.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import rasterio

from lunarsite import engine as ls

folder = Path(tempfile.mkdtemp())
ls.run("synthesize", out=folder / "dem.tif", size_px=160, pixel_m=100.0, seed=3)
ls.run("terrain", dem=folder / "dem.tif", out=folder / "layers")
ls.run(
    "lighting",
    dem=folder / "dem.tif",
    out=folder / "layers",
    start="2027-01-01",
    stop="2028-01-01",
    azimuths=60,
    mast_height_m=5.0,
)

# %%
# Each criterion names a feature, a limit, and a softness: how far from the limit a value must be
# for the decision to be clear.

profile = folder / "rover.yaml"
profile.write_text("""\
name: rover
title: A rover that explores permanent shadow
criteria:
  - {feature: slope_mean_deg, at_most: 10, softness: 1}
  - {feature: avg_illumination_pct, at_least: 30, softness: 5}
  - {feature: psr_distance_m, at_most: 1000, softness: 200}
""")

# %%
# The landing discs, and so the features of the cells, are those that suit the criteria best.

scorer = folder / "rover.ubj"
for name, criteria in (("cassa", "cassa"), ("rover", str(profile))):
    own = {"dem": folder / "dem.tif", "layers": folder / "layers"}
    ls.run("landing", **own, out=folder / "layers", profile=criteria)
    table = folder / f"{name}.parquet"
    ls.run("features", **own, out=table, cell_m=400.0)
    more = {"profile": criteria, "draws": 20}
    if name == "rover":
        ls.run("train-scorer", features=table, out=scorer, folds=2, **more)
        more["scorer"] = scorer
    ls.run("score", features=table, out=folder / name, **more)

# %%
# The two profiles want different ground.

figure, axes = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained", sharey=True)
for axis, name in zip(axes, ("cassa", "rover"), strict=True):
    with rasterio.open(folder / name / "score.tif") as file:
        score = np.ma.masked_invalid(file.read(1))
        west, south, east, north = (edge / 1000 for edge in file.bounds)
    image = axis.imshow(score, cmap="viridis", vmin=0, vmax=1, extent=(west, east, south, north))
    axis.set(title=f"Profile {name}", xlabel="x (km)")
axes[0].set_ylabel("y (km)")
figure.colorbar(image, ax=axes, label="score")
