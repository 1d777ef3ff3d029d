"""Training of a segmentation network: its batches, loss and data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from lunarsite.engine.segmentation import classes, network, samples
from lunarsite.engine.segmentation.training import batches, losses
from lunarsite.engine.training import trainer
from lunarsite.engine.training.task import Data

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.device import Device
    from lunarsite.engine.segmentation.training.recipe import Recipe
    from lunarsite.engine.training.task import Arrays, State
    from lunarsite.engine.training.trainer import Trained

_COUNTED = 48
"""Samples from which class frequencies are estimated."""


class Segmentation:
    """Semantic segmentation; a `training.task.Task`.

    Parameters
    ----------
    recipe : Recipe
        Hyperparameters.
    seed : int
        Seed of the batches.
    data : Data
        Training and validation sets.
    """

    def __init__(self, recipe: Recipe, seed: int, data: Data) -> None:
        self.data = data.name
        self.validation_count = min(recipe.validation_scenes, data.validation_count)
        self._recipe, self._seed, self._data = recipe, seed, data
        self._weights: torch.Tensor | None = None
        if recipe.class_weights == "inverse-frequency":
            self._weights = torch.from_numpy(class_weights(data))

    def draw(self, step: int) -> Arrays:
        """Return the training batch of a step."""
        return batches.draw(
            self._training_sample,
            self._data.training_count,
            self._recipe.batch * self._recipe.accumulate,
            self._recipe.crop_px,
            [self._seed, step],
            zoom=self._recipe.zoom,
            rotate=self._recipe.view == "orbital",
            shifts=self._recipe.shifts,
        )

    def _training_sample(self, number: int) -> samples.Sample:
        """Return a sample, reduced to the finest resolution that its crops may have."""
        side_px = self._recipe.side_px
        largest = None if side_px is None else math.ceil(side_px / self._recipe.zoom[0])
        return samples.reduced(self._data.training(number), largest)

    def validation_batch(self, number: int) -> Arrays:
        """Return a batch of one sample from the validation set."""
        sample = samples.reduced(self._data.validation(number), self._recipe.side_px)
        return batches.stacked([samples.trimmed(sample)])

    def loss(self, outputs: torch.Tensor, targets: State) -> torch.Tensor:
        """Return the training loss of the network's outputs for a batch."""
        focal = self._recipe.loss == "dice-focal"
        weights = None if self._weights is None else self._weights.to(outputs.device)
        return losses.segmentation(outputs, targets["mask"], focal=focal, weights=weights)


def train(
    recipe: Recipe,
    seed: int,
    device: Device,
    state_file: Path,
    context: Context,
    *,
    data: Data | None = None,
    scene_folder: Path | None = None,
    start: Mapping[str, NDArray[np.generic]] | None = None,
) -> Trained:
    """Train a segmentation network.

    Parameters
    ----------
    recipe, seed, device, state_file, context, start
        As in `trainer.train`.
    data : Data, optional
        Training and validation sets; generated from recipe and seed if not given.
    scene_folder : Path, optional
        Folder that caches generated scenes between runs.

    Returns
    -------
    Trained
        As `trainer.train`.

    Raises
    ------
    InputError, ParameterError
        As `trainer.train`.
    """
    if data is None:
        data = generated(recipe, seed, scene_folder, context)
    task = Segmentation(recipe, seed, data)

    def build() -> torch.nn.Module:
        return network.build(
            recipe.built(), pretrained=start is None and recipe.encoder_weights == "imagenet"
        )

    return trainer.train(
        recipe,
        seed,
        device,
        build,
        task,
        state_file,
        context,
        start=start,
        encoder_rate=recipe.encoder_rate,
    )


def generated(recipe: Recipe, seed: int, folder: Path | None, context: Context) -> Data:
    """Return generated training and validation sets."""
    capacity_bytes = context.memory_limit_bytes // 2
    version = batches.GENERATORS[recipe.view].VERSION
    first = (0 if recipe.shared_scenes else seed) * 10_000_000 % batches.VALIDATION_SEED
    return Data(
        f"generated {recipe.view} scenes, version {version}",
        batches.scenes(recipe.view, first, folder, capacity_bytes),
        recipe.scenes,
        batches.scenes(recipe.view, batches.VALIDATION_SEED, folder, capacity_bytes // 8),
        recipe.validation_scenes,
    )


def class_weights(data: Data) -> NDArray[np.float32]:
    """Return class weights, inverse to the class frequencies, with a mean of one.

    Frequencies are estimated from the first samples; those below 0.001 are taken as 0.001.
    """
    pixels = np.zeros(len(classes.NAMES))
    for number in range(min(_COUNTED, data.training_count)):
        mask = data.training(number).mask
        pixels += np.bincount(mask[mask != classes.NODATA], minlength=len(classes.NAMES))
    frequency = np.maximum(pixels / max(pixels.sum(), 1.0), 1e-3)
    weights = 1.0 / frequency
    scaled: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
    return scaled
