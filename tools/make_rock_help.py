"""Draw the pictures in the help of the rock stages, from synthetic scenes and a generated region.

make region && .venv/bin/python tools/make_rock_help.py
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio

from lunarsite.engine.context import Context
from lunarsite.engine.report import drawing
from lunarsite.engine.segmentation import classes, evaluation, samples, weights
from lunarsite.engine.segmentation.training import batches, held_out
from lunarsite.engine.uncertainty import measures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "resources" / "help"
LUNARSITE = ROOT / ".venv" / "bin" / "lunarsite"
SIZE_PX = (232, 178)
"""As wide as the help beside a dialog."""
TINT = np.array([[110, 110, 110], [253, 174, 63], [200, 30, 90], [40, 90, 200]])
SHOWN = 46
"""A scene that nobody learned from, with rocks of both sizes and sky."""


LEAST_PIXELS = 1000
"""Bins of fewer pixels are left out of the reliability diagram."""


def main() -> None:
    look = weights.load(weights.BUNDLED["surface"]).runner(uncertain=True)
    scene = batches.load("surface", held_out.FIRST_SEED + SHOWN, None)
    found = evaluation.predict(look, scene.image)
    share = found[:-1]
    unsure = measures.uncertainty_map_to_rgb(np.maximum(measures.entropy(share) - found[-1], 0.0))
    named = classes.classify(share)
    page([[scene.image, over(scene.image, named)], [measured(share), unsure]], "segment-terrain")
    page(
        [
            [scene.image, over(scene.image, scene.mask)],
            [over(scene.image, named), wrong(scene, named)],
        ],
        "evaluate-segmentation",
    )
    samples = [batches.load("surface", held_out.FIRST_SEED + n, None) for n in range(32, 64)]
    reliability(evaluation.evaluate(look, samples, len(samples), Context()))
    seeds = range(6)
    many = [batches.load("surface", 900_000_000 + 4 * seed, None).image for seed in seeds]
    page([many[:3], many[3:]], "train-segmenter")
    with tempfile.TemporaryDirectory() as folder:
        lit = Path(folder) / "lit.tif"
        words = ["--dem", str(ROOT / ".cache" / "region" / "dem.tif"), "--time", "2027-01-15T06:00"]
        subprocess.run([LUNARSITE, "render-orbital", *words, "--out", lit, "--quiet"], check=True)
        with rasterio.open(lit) as source:
            grey = source.read(1)
        made = Path(folder) / "made.tif"
        words = ["--lon", "0", "--lat=-89", "--out", made, "--quiet"]
        subprocess.run([LUNARSITE, "synthesize-image", *words], check=True)
        with (
            rasterio.open(made) as source,
            rasterio.open(made.with_suffix(".classes.tif")) as kinds,
        ):
            image, mask = np.repeat(source.read(1)[..., None], 3, axis=2), kinds.read(1)
    page([[np.repeat(grey[..., None], 3, axis=2)]], "render-orbital")
    page([[image[40:280], over(image, mask)[40:280]]], "synthesize-image")


def over(image: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Return an image tinted by classes; ignored pixels are unchanged."""
    tint = np.where((kinds < len(TINT))[..., None], TINT[np.minimum(kinds, 3)], image)
    return (0.5 * image + 0.5 * tint).astype(np.uint8)


def measured(share: np.ndarray) -> np.ndarray:
    return measures.uncertainty_map_to_rgb((share[1] + share[2]).astype(np.float32), 1.0)


def wrong(scene: samples.Sample, named: np.ndarray) -> np.ndarray:
    """Return where classes and mask differ."""
    off = (named != scene.mask) & (scene.mask < len(TINT))
    return np.where(off[..., None], [230, 60, 60], scene.image).astype(np.uint8)


def reliability(judged: evaluation.Evaluation) -> None:
    with drawing.style():
        picture = drawing.figure(SIZE_PX[0] / 100, SIZE_PX[1] / 100)
        axes = picture.subplots()
        curve = judged.calibration.summary()["curve"]
        axes.plot([0.2, 1.0], [0.2, 1.0], color=drawing.FAINT, linewidth=0.8)
        many = np.array(curve["pixels"]) >= LEAST_PIXELS
        confidence, accuracy = (np.array(curve[name])[many] for name in ("confidence", "accuracy"))
        axes.plot(confidence, accuracy, "o-", color=drawing.EARTH, markersize=3)
        axes.set_xlabel("confidence", size=6)
        axes.set_ylabel("accuracy", size=6)
        axes.tick_params(labelsize=5)
        axes.spines[["top", "right"]].set_visible(False)
        save(picture, "calibrate")


def page(rows: list[list[np.ndarray]], name: str) -> None:
    with drawing.style():
        picture = drawing.figure(SIZE_PX[0] / 100, SIZE_PX[1] / 100, constrained=False)
        grid: Any = picture.subplots(len(rows), len(rows[0]), squeeze=False)
        picture.subplots_adjust(0.0, 0.0, 1.0, 1.0, wspace=0.02, hspace=0.02)
        for axes, image in zip(grid.ravel(), [each for row in rows for each in row], strict=True):
            shown(axes, image)
        save(picture, name)


def shown(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image, aspect="auto")
    axes.set_axis_off()


def save(picture: Any, name: str) -> None:
    picture.savefig(PICTURES / f"{name}.png", dpi=100, metadata={"Software": None})


if __name__ == "__main__":
    main()
