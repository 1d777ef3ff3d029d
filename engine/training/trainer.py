"""The training loop: optimiser steps, validation, early stopping and resumable state.

The batch of a step follows from the seed and the number of the step, so an interrupted training
resumes from its last state as if it had never stopped.
"""

from __future__ import annotations

import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from lunarsite.engine.errors import ParameterError
from lunarsite.engine.training import training_state
from lunarsite.engine.training.on_device import (
    full_precision,
    is_out_of_memory,
    needs_gpu_memory,
)
from lunarsite.engine.training.training_state import Progress, TrainingState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.device import Device
    from lunarsite.engine.training.task import Arrays, Recipe, State, Task


WARM_UP = 0.05
"""Fraction of the steps during which the learning rate rises."""

MAX_GRADIENT_NORM = 5.0
"""Gradients are clipped to this norm."""

DRAWN_AHEAD = 4
"""Batches that are drawn at the same time for a GPU, which takes a step faster than one thread
draws a batch. Beside a CPU's steps one thread suffices."""

_REMEDY = "Free GPU memory, train a smaller network, or choose --device cpu"


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """Result of a training: the weights with the lowest validation loss.

    Parameters
    ----------
    state : dict of ndarray
        The weights.
    progress : Progress
        Steps taken, time spent and loss history.
    batch : int
        Samples per forward pass at the end: fewer than in the recipe if GPU memory ran out.
    """

    state: dict[str, NDArray[np.generic]]
    progress: Progress
    batch: int


def train(
    recipe: Recipe,
    seed: int,
    device: Device,
    build: Callable[[], torch.nn.Module],
    task: Task,
    state_file: Path,
    context: Context,
    *,
    start: Mapping[str, NDArray[np.generic]] | None = None,
    encoder_rate: float = 1.0,
) -> Trained:
    """Train a network.

    Parameters
    ----------
    recipe : Recipe
        Hyperparameters.
    seed : int
        Seed of the initial weights, the batches and the dropout masks.
    device : Device
        Device to train on.
    build : callable
        Returns the network with randomly initialised weights, drawn from torch's seed.
    task : Task
        Batches and loss.
    state_file : Path
        File that the state is saved to at each validation. If it exists, training resumes from it.
    context : Context
        Progress and cancellation.
    start : mapping of str to ndarray, optional
        Weights of the checkpoint to fine-tune.
    encoder_rate : float
        Learning rate of the weights named ``encoder``, relative to that of the rest.

    Returns
    -------
    Trained
        The weights with the lowest validation loss.

    Raises
    ------
    InputError
        If the saved state is damaged or belongs to another training.
    ParameterError
        If GPU memory is too small for the network, the validation, or a single sample.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(context.threads if device.kind == "cpu" else 1)
    model = build()
    weights = None if start is None else as_tensors(start)
    if weights is not None:
        model.load_state_dict(weights)
    with needs_gpu_memory("the network and its training state", _REMEDY):
        trainer = Trainer(
            recipe, seed, device, model, task, start=weights, encoder_rate=encoder_rate
        )
        if state_file.is_file():
            trainer.resume(state_file)
    context.ran_on(device.kind)
    progress = trainer.progress
    began = time.monotonic() - progress.spent_s
    ahead = 1 if device.kind == "cpu" else min(max(context.threads - 1, 1), DRAWN_AHEAD)
    for batch in _prefetched(task, progress.step, recipe.steps, ahead):
        # Checked here, so that a state saved at the end is not trained further.
        if progress.step - progress.best_step >= recipe.patience * recipe.validate_every:
            context.warn(
                f"Training stopped early at step {progress.step}: the validation loss no longer "
                "improves."
            )
            break
        context.progress(progress.step / recipe.steps, _status(progress, recipe))
        trainer.step(batch, context)
        progress.spent_s = time.monotonic() - began
        if progress.step % recipe.validate_every and progress.step < recipe.steps:
            continue
        with needs_gpu_memory("the validation", _REMEDY):
            trainer.validate()
        trainer.save_state(state_file)
    best = {name: value.cpu().numpy() for name, value in trainer.best.items()}
    return Trained(best, progress, trainer.batch)


class Trainer:
    """State of a training: the weights, their moving average, and the optimiser.

    Parameters
    ----------
    recipe : Recipe
        Hyperparameters.
    seed : int
        Seed of the training.
    device : Device
        Device to train on.
    model : torch.nn.Module
        Network with its initial weights.
    task : Task
        Batches and loss.
    start : dict of Tensor, optional
        Weights of the checkpoint that is fine-tuned; they identify the training.
    encoder_rate : float
        As in `train`.
    """

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        device: Device,
        model: torch.nn.Module,
        task: Task,
        *,
        start: State | None = None,
        encoder_rate: float = 1.0,
    ) -> None:
        self.recipe, self.device, self.batch, self.task = recipe, device, recipe.batch, task
        self._seed = seed
        self.identity = training_state.identity_of(recipe, seed, task.data, start)
        self.model = model.to(device.kind, memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(self.model, encoder_rate),
            recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=device.kind != "cpu",
        )
        self._present = self.model.state_dict()
        self.average = {k: v.detach().clone() for k, v in self._present.items()}
        self.best = dict(self.average)
        self.progress = Progress()
        self.losses: list[torch.Tensor] = []

    def step(self, batch: Arrays, context: Context) -> None:
        """Take one optimiser step, in smaller forward passes if GPU memory runs out."""
        step = self.progress.step
        for group in self.optimizer.param_groups:
            peak = self.recipe.learning_rate * group["relative_rate"]
            group["lr"] = peak * _rate(step / self.recipe.steps)
        self.model.train()
        # Dropout masks depend on the step alone, not on whether the training was interrupted.
        torch.manual_seed(self._seed * 1_000_003 + step)
        while not self._try_step(batch):
            # Outside the handler: the exception keeps the tensors of its frames alive.
            self.batch = -(-self.batch // 2)
            torch.cuda.empty_cache()
            context.warn(
                f"GPU memory is too small for the batch: continuing with {self.batch} samples per "
                "forward pass."
            )
        self.progress.step = step + 1
        self._average(min(self.recipe.average, (step + 1) / (step + 10)))

    def _average(self, keep: float) -> None:
        """Update the moving average of the weights, all of them in few kernels."""
        present = self._present
        floating = [name for name, value in present.items() if value.is_floating_point()]
        update = get_ema_multi_avg_fn(keep)
        update([self.average[n] for n in floating], [present[n] for n in floating], None)
        for name in present.keys() - set(floating):
            self.average[name].copy_(present[name])

    def _try_step(self, batch: Arrays) -> bool:
        """Take a step and return True, or return False if the forward passes must be smaller."""
        try:
            with full_precision():
                self._step(batch)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if self.batch == 1:
                raise ParameterError(
                    "GPU memory is too small for a single sample of "
                    f"{self.recipe.crop_px} × {self.recipe.crop_px} pixels",
                    "Free GPU memory, lower crop_px in the recipe, or choose --device cpu",
                ) from error
            return False
        return True

    def _step(self, batch: Arrays) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        size = len(batch["channels"])
        parts = []
        half = self.recipe.precision == "bfloat16"
        for first in range(0, size, self.batch):
            part = slice(first, min(first + self.batch, size))
            loss = self._loss(batch, part, half=half) * ((part.stop - part.start) / size)
            loss.backward()
            parts.append(loss.detach().float())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRADIENT_NORM)
        self.optimizer.step()
        # Left on the device: to read it would wait for the step.
        self.losses.append(torch.stack(parts).sum())

    def _loss(self, batch: Arrays, part: slice, *, half: bool = False) -> torch.Tensor:
        """Return the loss of some samples, with the network in bfloat16 if ``half``."""
        kind = self.device.kind
        tensors = {name: torch.from_numpy(values[part]) for name, values in batch.items()}
        inputs = tensors.pop("channels").to(kind, memory_format=torch.channels_last)
        targets = {name: value.to(kind) for name, value in tensors.items()}
        # bfloat16 has the range of float32, so gradients need no scaling on either device.
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=half):
            outputs = self.model(inputs)
        return self.task.loss(outputs, targets)

    def validate(self) -> None:
        """Compute the validation loss of the averaged weights; keep them if it is the lowest."""
        present = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        self.model.eval()
        total = 0.0
        for number in range(self.task.validation_count):
            batch = self.task.validation_batch(number)
            # Reported, and compared between devices: in float32.
            with torch.inference_mode(), full_precision():
                total += float(self._loss(batch, slice(0, 1)))
        self.model.load_state_dict(present)
        validation_loss = total / self.task.validation_count
        training_loss = float(torch.stack(self.losses).mean()) if self.losses else math.nan
        self.losses.clear()
        progress = self.progress
        progress.history.append(
            {"step": progress.step, "training": training_loss, "validation": validation_loss}
        )
        if validation_loss < progress.best:
            progress.best, progress.best_step = validation_loss, progress.step
            self.best = {k: v.clone() for k, v in self.average.items()}

    def save_state(self, path: Path) -> None:
        """Write everything that a later run needs to resume."""
        state = TrainingState(
            self.model.state_dict(),
            self.average,
            self.best,
            self.optimizer.state_dict()["state"],
            self.progress,
        )
        training_state.write(path, state, self.identity)

    def resume(self, path: Path) -> None:
        """Resume a training from its saved state.

        Raises
        ------
        InputError
            If the state is damaged, or its recipe, seed, data or start differ.
        """
        state = training_state.read(path, self.identity, self.device.kind)
        self.model.load_state_dict(state.model)
        self.average, self.best, self.progress = state.average, state.best, state.progress
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state.moments})


def _parameter_groups(model: torch.nn.Module, encoder_rate: float) -> list[dict[str, Any]]:
    """Return the weights of a network, with the learning rate of its encoder relative to 1."""
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        rate = encoder_rate if name.startswith("encoder.") else 1.0
        groups.setdefault(rate, []).append(parameter)
    return [{"params": weights, "relative_rate": rate} for rate, weights in groups.items()]


def as_tensors(weights: Mapping[str, NDArray[np.generic]]) -> State:
    """Return the weights of a checkpoint as tensors."""
    return {name: torch.from_numpy(value) for name, value in weights.items()}


def _prefetched(task: Task, first: int, steps: int, ahead: int) -> Iterator[Arrays]:
    """Yield the batches of the steps from ``first`` on, drawing the next ones in threads."""
    with ThreadPoolExecutor(ahead, thread_name_prefix="lunarsite-batches") as pool:
        following = deque(
            pool.submit(task.draw, step) for step in range(first, min(first + ahead, steps))
        )
        for step in range(first, steps):
            batch = following.popleft().result()
            if step + ahead < steps:
                following.append(pool.submit(task.draw, step + ahead))
            yield batch


def _status(progress: Progress, recipe: Recipe) -> str:
    if not progress.history:
        return f"Step {progress.step} of {recipe.steps}"
    last = progress.history[-1]
    return f"Step {progress.step} of {recipe.steps}, validation loss {last['validation']:.3f}"


def _rate(done: float) -> float:
    """Return the learning rate relative to its peak: linear warm-up, then cosine decay."""
    if done < WARM_UP:
        return (done + 1e-3) / (WARM_UP + 1e-3)
    return 0.5 + 0.5 * math.cos(math.pi * (done - WARM_UP) / (1.0 - WARM_UP))
