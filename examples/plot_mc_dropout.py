"""
MC Dropout on an image
======================

Rocks in an image from orbit, and how sure the network is of them. A prediction without an
uncertainty is of little use to a landing; :doc:`/concepts/uncertainty` defines the two measures
drawn here.
"""

# %%
# A generated image with rocks, 2 m a pixel, and the true class of every pixel.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import rasterio
from matplotlib.colors import BoundaryNorm, ListedColormap

from lunarsite import engine as ls

folder = Path(tempfile.mkdtemp())
made = ls.run("synthesize-image", lon=0.0, lat=-89.5, out=folder / "image.tif")
with rasterio.open(made["outputs"]["image"]) as file:
    image = file.read(1)
with rasterio.open(made["outputs"]["classes"]) as file:
    truth = file.read(1)

# %%
# One call gives classes, probabilities, entropy and mutual information. Dropout before the last
# layer is solved in closed form: as if infinitely many passes had been drawn, at the cost of one.

found = ls.segment(image, view="orbital", uncertainty="mc-dropout")

# %%
# Ground is grey, small rocks are orange and large rocks red. Pixels left white in the true classes
# are rocks too small to resolve, which training ignores.

colors = ListedColormap(["#9c9486", "#f5a300", "#c1272d", "#86b6d9"])
norm = BoundaryNorm(np.arange(-0.5, 4), 4)
crop = (slice(60, 260), slice(60, 260))
figure, axes = plt.subplots(1, 3, figsize=(13, 4.6), layout="constrained")
axes[0].imshow(image[crop], cmap="gray")
axes[0].set_title("Image")
axes[1].imshow(
    np.ma.masked_equal(truth, 255)[crop], cmap=colors, norm=norm, interpolation="nearest"
)
axes[1].set_title("True classes")
classes = axes[2].imshow(found.classes[crop], cmap=colors, norm=norm, interpolation="nearest")
axes[2].set_title("Predicted classes")
bar = figure.colorbar(classes, ax=axes, ticks=range(4), shrink=0.85)
bar.ax.set_yticklabels(["ground", "small rocks", "large rocks", "sky"])
for axis in axes:
    axis.set(xticks=[], yticks=[], xlabel="400 m")

# %%
# Entropy is the whole uncertainty, mutual information the part of it that passes of the network
# disagree about. Both are high at edges of rocks; where they are high over a whole image, the image
# is unlike what the network was trained on.

figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
for axis, title, values in (
    (axes[0], "Predictive entropy", found.entropy),
    (axes[1], "Mutual information", found.mutual_information),
):
    drawn = axis.imshow(values[crop], cmap="inferno", vmin=0, vmax=np.percentile(values, 99.5))
    axis.set(title=title, xticks=[], yticks=[], xlabel="400 m")
    figure.colorbar(drawn, ax=axis, label="nats", shrink=0.85)
