"""A network while it learns: steps, validation, and the state a later run goes on from.

A step's batch follows from the seed and the step's number, so a training that was interrupted
goes on from its last state as if it had not been.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.errors import InputError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.device import Device
    from lunarsite.engine.training.task import Arrays, Recipe, State, Task


WARM_UP = 0.05
"""Share of the steps in which the learning rate rises."""

LARGEST_GRADIENT = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The weights that validated best, and what the card says of the training.

    Parameters
    ----------
    state : dict of ndarray
        The weights.
    progress : Progress
        How far it came.
    batch : int
        Samples of one pass in the end: fewer than the recipe's where the GPU's memory held no
        more.
    """

    state: dict[str, NDArray[np.generic]]
    progress: Progress
    batch: int


@dataclass(slots=True, eq=False)
class Progress:
    """How far a training is; all of it but the tensors is JSON."""

    step: int = 0
    spent_s: float = 0.0
    best: float = math.inf
    best_step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


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
) -> Trained:
    """Train a network.

    Parameters
    ----------
    recipe : Recipe
        How.
    seed : int
        Of the weights to begin with and of what is drawn.
    device : Device
        Where.
    build : callable
        Returns the network with fresh weights, drawn from torch's seed.
    task : Task
        What it learns.
    state_file : Path
        Where the state is kept at each validation; a training that finds one there goes on.
    context : Context
        Is told the progress, and may cancel.
    start : mapping of str to ndarray, optional
        The weights of the checkpoint it begins with.

    Raises
    ------
    InputError
        If the state there is of another training.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(context.threads if device.kind == "cpu" else 1)
    model = build()
    weights = None if start is None else as_tensors(start)
    if weights is not None:
        model.load_state_dict(weights)
    trainer = Trainer(recipe, seed, device, model, task, start=weights)
    if state_file.is_file():
        trainer.resume(state_file)
    progress = trainer.progress
    began = time.monotonic() - progress.spent_s
    for batch in _prefetched(task, progress.step, recipe.steps):
        # Asked here, so that a state that was kept at the end is not trained on.
        if progress.step - progress.best_step >= recipe.patience * recipe.validate_every:
            context.warn(f"Training ended at step {progress.step}: no progress any more.")
            break
        context.progress(progress.step / recipe.steps, _said(progress, recipe))
        trainer.learn(batch, context)
        progress.spent_s = time.monotonic() - began
        if progress.step % recipe.validate_every and progress.step < recipe.steps:
            continue
        trainer.validate()
        trainer.keep(state_file)
    best = {name: value.cpu().numpy() for name, value in trainer.best.items()}
    return Trained(best, progress, trainer.batch)


class Trainer:
    """A network while it learns: its weights, their running mean, and the optimiser.

    Parameters
    ----------
    recipe : Recipe
        How it learns.
    seed : int
        Of the training.
    device : Device
        Where.
    model : torch.nn.Module
        With the weights to begin with.
    task : Task
        What it learns.
    start : dict of Tensor, optional
        The weights of the checkpoint it begins with.
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
    ) -> None:
        self.recipe, self.device, self.batch, self.task = recipe, device, recipe.batch, task
        self._seed = seed
        self.identity = {
            "recipe": json.dumps(recipe.as_dict()),
            "seed": str(seed),
            "data": task.data,
            "start": "fresh weights" if start is None else _digest(start),
        }
        self.model = model.to(device.kind, memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.best = dict(self.average)
        self.progress = Progress()
        self.losses: list[torch.Tensor] = []

    def learn(self, batch: Arrays, context: Context) -> None:
        """Take one step; where the GPU's memory does not hold a pass, take smaller passes."""
        step = self.progress.step
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * _rate(step / self.recipe.steps)
        self.model.train()
        # What dropout drops depends on the step alone, not on whether the training was interrupted.
        torch.manual_seed(self._seed * 1_000_003 + step)
        while not self._stepped(batch):
            # Here and not where it is caught: an exception holds what its frames hold.
            self.batch = -(-self.batch // 2)
            torch.cuda.empty_cache()
            context.warn(f"The GPU's memory does not hold the batch; {self.batch} at a time.")
        self.progress.step = step + 1
        keep = min(self.recipe.average, (step + 1) / (step + 10))
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].mul_(keep).add_(value.detach(), alpha=1.0 - keep)
            else:
                self.average[name].copy_(value)

    def _stepped(self, batch: Arrays) -> bool:
        """Take a step and return True, or False where passes must be smaller."""
        try:
            self._step(batch)
        except torch.cuda.OutOfMemoryError as error:
            if self.batch == 1:
                raise ParameterError(
                    "The GPU's memory does not hold one sample of "
                    f"{self.recipe.crop_px} × {self.recipe.crop_px} pixels",
                    "Free it, lower crop_px in the recipe, or take --device cpu",
                ) from error
            return False
        return True

    def _step(self, batch: Arrays) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        size = len(batch["channels"])
        total = torch.zeros(())
        for first in range(0, size, self.batch):
            some = slice(first, min(first + self.batch, size))
            loss = self._loss(batch, some) * ((some.stop - some.start) / size)
            loss.backward()
            total += loss.detach().float().cpu()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        self.losses.append(total)

    def _loss(self, batch: Arrays, some: slice) -> torch.Tensor:
        where = self.device.kind
        parts = {name: torch.from_numpy(values[some]) for name, values in batch.items()}
        seen = parts.pop("channels").to(where, memory_format=torch.channels_last)
        answers = {name: value.to(where) for name, value in parts.items()}
        # bfloat16 has float32's range, so no scaling of gradients is needed on either device.
        with torch.autocast(where, dtype=torch.bfloat16):
            out = self.model(seen)
        return self.task.loss(out, answers)

    def validate(self) -> None:
        """Measure the running mean of the weights on what nobody learns from."""
        present = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        self.model.eval()
        total = 0.0
        for number in range(self.task.unseen_count):
            batch = self.task.unseen(number)
            with torch.inference_mode():
                total += float(self._loss(batch, slice(0, 1)))
        self.model.load_state_dict(present)
        found = total / self.task.unseen_count
        learned = float(torch.stack(self.losses).mean()) if self.losses else math.nan
        self.losses.clear()
        progress = self.progress
        progress.history.append({"step": progress.step, "training": learned, "validation": found})
        if found < progress.best:
            progress.best, progress.best_step = found, progress.step
            self.best = {k: v.clone() for k, v in self.average.items()}

    def keep(self, path: Path) -> None:
        """Write everything that a later run needs to go on."""
        tensors: State = {}
        for prefix, state in (
            ("model.", self.model.state_dict()),
            ("average.", self.average),
            ("best.", self.best),
        ):
            tensors |= {prefix + name: value for name, value in state.items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"moment.{number}.{name}": value for name, value in moments.items()}
        said = {**self.identity, "progress": json.dumps(_as_dict(self.progress))}
        whole = {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in tensors.items()
        }
        with whole_file(path) as partial:
            save_file(whole, partial, metadata=said)

    def resume(self, path: Path) -> None:
        """Take up a training where it stopped.

        Raises
        ------
        InputError
            If the state is damaged, or of a training that differs in more than how far it is.
        """
        try:
            with safe_open(path, "pt") as file:
                said = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise InputError(
                f"The state of the training {path.name} is damaged: {error}",
                "Remove it and train from the start",
            ) from error
        others = [name for name, value in self.identity.items() if said.get(name) != value]
        if others:
            raise InputError(
                f"The state {path.name} is of another training: its {' and '.join(others)} "
                f"{'differs' if len(others) == 1 else 'differ'}",
                "Remove it to train from the start, or choose another output",
            )
        self.model.load_state_dict(_under(tensors, "model."))
        self.average = _under(tensors, "average.", self.device.kind)
        self.best = _under(tensors, "best.", self.device.kind)
        whole = self.optimizer.state_dict()
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in _under(tensors, "moment.").items():
            number, what = name.split(".")
            moments.setdefault(int(number), {})[what] = value
        self.optimizer.load_state_dict({**whole, "state": moments})
        self.progress = Progress(**json.loads(said["progress"]))


def as_tensors(weights: Mapping[str, NDArray[np.generic]]) -> State:
    """Return a checkpoint's weights as tensors."""
    return {name: torch.from_numpy(value) for name, value in weights.items()}


def _prefetched(task: Task, first: int, steps: int) -> Iterator[Arrays]:
    """Yield the batches of the steps from ``first`` on, each drawn while the one before is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="lunarsite-batches") as pool:
        following = pool.submit(task.draw, first)
        for step in range(first, steps):
            batch = following.result()
            following = pool.submit(task.draw, step + 1)
            yield batch
        following.cancel()


def _said(progress: Progress, recipe: Recipe) -> str:
    if not progress.history:
        return f"Step {progress.step} of {recipe.steps}"
    last = progress.history[-1]
    return f"Step {progress.step} of {recipe.steps}, loss on unseen {last['validation']:.3f}"


def _rate(done: float) -> float:
    """Return the share of the peak learning rate: a short rise, then half a cosine."""
    if done < WARM_UP:
        return (done + 1e-3) / (WARM_UP + 1e-3)
    return 0.5 + 0.5 * math.cos(math.pi * (done - WARM_UP) / (1.0 - WARM_UP))


def _under(tensors: State, prefix: str, device: str = "cpu") -> State:
    cut = len(prefix)
    return {n[cut:]: v.to(device) for n, v in tensors.items() if n.startswith(prefix)}


def _as_dict(progress: Progress) -> dict[str, Any]:
    return {f.name: getattr(progress, f.name) for f in fields(progress)}


def _digest(state: State) -> str:
    """Return what tells weights from others."""
    found = hashlib.sha256()
    for name in sorted(state):
        found.update(name.encode())
        found.update(state[name].cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
