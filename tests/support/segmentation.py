"""Networks, images and masks that the tests of segmentation share."""

from __future__ import annotations

import warnings

import numpy as np
import rasterio
from rasterio.windows import Window

from lunarsite.engine.context import Context
from lunarsite.engine.io import images, raster
from lunarsite.engine.segmentation import (
    classes,
    tiling,
)
from lunarsite.engine.segmentation.architecture import Architecture
from lunarsite.engine.stages import segment_terrain
from lunarsite.engine.training import checkpoint_files

TINY = Architecture(widths=(6, 6, 8, 8, 8, 8), dropout=0.2)


SMALL = tiling.Tiling(side=256, overlap=128, blind=32)


def random_weights(architecture, seed=0):
    """Return weights with which all classes are predicted."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, shape in architecture.shapes().items():
        if name.endswith(("running_var", "1.weight")):
            state[name] = rng.uniform(0.5, 1.5, shape)
        elif len(shape) == 4:
            state[name] = rng.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[1:]))
        else:
            state[name] = rng.standard_normal(shape) * 0.1
    state["head.weight"] *= 2.0
    return {name: values.astype(np.float32) for name, values in state.items()}


def shallow_weights():
    """Return weights of a network whose receptive field is narrower than a tile's blind margin.

    The deepest levels, whose receptive fields are 100 pixels and more, are switched off.
    """
    state = random_weights(TINY)
    return {
        name: values * 0.0 if name.startswith(("narrow.0", "narrow.1", "narrow.2")) else values
        for name, values in state.items()
    }


def saved(path, architecture, seed=0, state=None, **card):
    usual = {"mutual_information": {"median": 1e-3}}
    whole = {
        "architecture": architecture.as_dict(),
        "classes": list(classes.NAMES),
        "in_domain": usual,
        **card,
    }
    checkpoint_files.save(path, state or random_weights(architecture, seed), whole)
    return path


def picture(path, values, **more):
    """Write an image, (rows, columns) or (bands, rows, columns)."""
    stack = values[None] if values.ndim == 2 else values
    options = {"driver": "GTiff", "dtype": stack.dtype, "count": len(stack), **more}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        sides = {"width": stack.shape[2], "height": stack.shape[1]}
        with rasterio.open(path, "w", **sides, **options) as file:
            file.write(stack)
    return path


def noise(rows, columns, seed=0, bands=3):
    return np.random.default_rng(seed).integers(30, 256, (bands, rows, columns), dtype=np.uint8)


def segmented(image, out, checkpoint, context=None, **more):
    given = {"image": str(image), "out": str(out), "checkpoint": [str(checkpoint)], **more}
    return segment_terrain.STAGE.run(given, context or Context(threads=2))


def layer(folder, name, band=1):
    with raster.opened(folder / name, "It") as source:
        return source.read(band)


def predicted(path, runner, cut, threads=1):
    strips = []

    def take(row, prediction, known):
        assert row == sum(part.shape[1] for part, _ in strips)
        strips.append((prediction, known))

    with images.opened(path) as image:
        part = Window(0, 0, image.frame.width, image.frame.height)
        tiling.run(image, part, runner, take, Context(threads=threads), cut)
    predictions, known = zip(*strips, strict=True)
    return np.concatenate(predictions, axis=1), np.concatenate(known, axis=0)


def pairs(folder, count=4, size=(48, 64)):
    """Write images with masks of numbers; return the patterns."""
    for number in range(count):
        rng = np.random.default_rng(number)
        mask = rng.integers(0, 4, size).astype(np.uint8)
        picture(folder / f"scene{number:02d}_image.png", noise(*size, seed=number), driver="PNG")
        picture(folder / f"scene{number:02d}_mask.png", mask, driver="PNG")
    return str(folder / "*_image.png"), str(folder / "*_mask.png")
