"""Training of a crater network: its batches, loss and data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lunarsite.engine.craters.model import network
from lunarsite.engine.craters.model.architecture import STRIDE, Architecture
from lunarsite.engine.craters.training import batches, losses
from lunarsite.engine.synthetic.crater_tiles import tiles
from lunarsite.engine.training import trainer
from lunarsite.engine.training.task import Data

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.training.recipe import Recipe
    from lunarsite.engine.device import Device
    from lunarsite.engine.training.task import Arrays, State
    from lunarsite.engine.training.trainer import Trained


def train(
    recipe: Recipe,
    seed: int,
    device: Device,
    state_file: Path,
    context: Context,
    *,
    data: Data | None = None,
    tile_folder: Path | None = None,
    start: Mapping[str, NDArray[np.generic]] | None = None,
) -> Trained:
    """Train a crater network.

    Parameters
    ----------
    recipe, seed, device, state_file, start
        As in `trainer.train`.
    context : Context
        Memory limit, progress and cancellation.
    data : Data, optional
        Training and validation sets; generated from recipe and seed if not given.
    tile_folder : Path, optional
        Folder that caches generated tiles between runs.

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
        data = generated(recipe, seed, tile_folder, context)
    task = Craters(recipe, seed, data)

    def build() -> torch.nn.Module:
        return network.build(Architecture(recipe.architecture, recipe.widths))

    return trainer.train(recipe, seed, device, build, task, state_file, context, start=start)


class Craters:
    """Crater detection; a `training.task.Task`.

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
        self.validation_count = min(recipe.validation_tiles, data.validation_count)
        self._recipe, self._seed, self._data = recipe, seed, data
        # The original LunarSite predicts rims at full resolution.
        self._rim_stride = STRIDE if recipe.architecture == "heat-maps" else 1

    def draw(self, step: int) -> Arrays:
        """Return the training batch of a step."""
        return batches.draw(
            self._data.training,
            self._data.training_count,
            self._recipe.batch * self._recipe.accumulate,
            self._recipe.crop_px,
            [self._seed, step],
            rim_stride=self._rim_stride,
        )._asdict()

    def validation_batch(self, number: int) -> Arrays:
        """Return a batch of one sample from the validation set."""
        sample = batches.centred(self._data.validation(number), self._recipe.crop_px)
        return batches.stacked([sample], rim_stride=self._rim_stride)._asdict()

    def loss(self, outputs: torch.Tensor, targets: State) -> torch.Tensor:
        """Return the training loss of the network's outputs for a batch."""
        if self._recipe.architecture == "heat-maps":
            terms = losses.heat_maps(outputs, **targets)
            return sum(terms.values(), torch.zeros((), device=outputs.device))
        return losses.rims(outputs[:, 0], targets["rim"])


def generated(recipe: Recipe, seed: int, folder: Path | None, context: Context) -> Data:
    """Return generated training and validation sets."""
    capacity_bytes = context.memory_limit_bytes // 2
    first = seed * 10_000_000 % batches.VALIDATION_SEED
    return Data(
        f"generated tiles, version {tiles.VERSION}",
        batches.generated_tiles(first, recipe.tile_px, folder, capacity_bytes),
        recipe.tiles,
        batches.generated_tiles(
            batches.VALIDATION_SEED + seed, recipe.crop_px, folder, capacity_bytes // 8
        ),
        recipe.validation_tiles,
    )
