"""
Scores, and the reasons of one cell
===================================

A whole screening in one call, then the question that follows: why does this cell score as it does?
"""

# %%
# A small region, cells of 400 m, one year of light. A real screening takes the default of
# 18.6 years and a far field.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import rasterio

from lunarsite import engine as ls

folder = Path(tempfile.mkdtemp())
ls.run("synthesize", out=folder / "dem.tif", size_px=240, pixel_m=80.0, seed=3)
run = ls.screen(
    folder / "dem.tif",
    folder / "run",
    cell_m=400.0,
    start="2027-01-01",
    stop="2028-01-01",
    azimuths=72,
    max_sites=5,
    mast_height_m=5.0,
)
best = run["best"]

# %%
# The score is the suitability of the best landing disc of a cell: how well it meets the criteria of
# the profile together, 0.5 on all limits. Cells that lack a layer would be white: unknown is not
# unsuitable.

with rasterio.open(folder / "run" / "score.tif") as file:
    score = np.ma.masked_invalid(file.read(1))
    west, south, east, north = (edge / 1000 for edge in file.bounds)
x_m, y_m = ls.lonlat_to_xy(best["lon_deg"], best["lat_deg"])
figure, axis = plt.subplots(figsize=(7, 5.6), layout="constrained")
image = axis.imshow(score, cmap="viridis", vmin=0, vmax=1, extent=(west, east, south, north))
axis.plot(x_m / 1000, y_m / 1000, "o", ms=14, mfc="none", mec="white", mew=2)
axis.annotate(
    "best cell",
    (x_m / 1000, y_m / 1000),
    (0, 14),
    textcoords="offset points",
    color="white",
    ha="center",
)
axis.set(title="Score of every cell, profile cassa", xlabel="x (km)", ylabel="y (km)")
figure.colorbar(image, ax=axis, label="suitability")

# %%
# SHAP values share the difference between this cell's score and the base score, that of the cells
# the scorer was trained on, out among the features; they add up exactly.

why = ls.explain(folder / "run", best["lon_deg"], best["lat_deg"])
strongest = sorted(why["contributions"], key=lambda item: -abs(item["contribution"]))[:8][::-1]
figure, axis = plt.subplots(figsize=(8.5, 4), layout="constrained")
values = [item["contribution"] for item in strongest]
colors = ["#2b7bba" if value > 0 else "#c1272d" for value in values]
labels = [f"{item['title']}\n{item['value']:.4g} {item['unit']}" for item in strongest]
bars = axis.barh(labels, values, color=colors)
axis.bar_label(bars, [f"{value:+.3f}" for value in values], padding=4)
axis.axvline(0, color="black", lw=0.8)
axis.margins(x=0.15)
axis.set(
    title=f"Score {why['score']:.3f}: base score {why['base_value']:.3f} plus contributions",
    xlabel="contribution to the score",
)
axis.tick_params(axis="y", labelsize=8)

# %%
# Beside them stand the margins, exact and without any model: how far each criterion is met.

margins = why["margins"][::-1]
figure, axis = plt.subplots(figsize=(8.5, 2.4), layout="constrained")
share = [100 * item["margin"] / item["threshold"] for item in margins]
bars = axis.barh([item["title"] for item in margins], share, color="#7fb069", height=0.6)
limits = [f"{item['sense'].replace('_', ' ')} {item['threshold']:g}" for item in margins]
axis.bar_label(
    bars,
    [
        f"{item['value']:.1f} {item['unit']} ({limit})"
        for item, limit in zip(margins, limits, strict=True)
    ],
    padding=4,
)
axis.axvline(0, color="black", lw=1)
axis.margins(x=0.4)
axis.set(xlabel="margin, % of the limit (negative: not met)")
