"""Runs of kernels on Kaggle: pushed, waited for and pulled, several at once.

Nothing is remembered here: what to do next follows from Kaggle's own states. A run that was killed
is thus taken up by the same command, and no kernel is pushed that runs or has ended.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.errors import CancelledError, LunarSiteError, sentences
from lunarsite.engine.training.kaggle import notebook, outputs, registry
from lunarsite.engine.training.kaggle.client import (
    ABSENT,
    ENDED,
    RESUMES,
    KaggleError,
    UnreachableError,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from lunarsite.engine.training.kaggle.client import Client
    from lunarsite.engine.training.kaggle.specs import KernelSpec

INTERVAL_S = 60.0
"""Seconds between two looks at Kaggle's states."""

LOG_LINES = 20
"""Last lines of the log that are shown of a kernel that failed."""

_PATIENCE_S = 3600.0
"""How long Kaggle may be silent while kernels are waited for."""

_GRACE_POLLS = 10
"""Looks during which Kaggle may not yet know the version that was pushed."""

_FULL = "session count"
"""Of Kaggle's answer where as many kernels run as the account may: "Maximum batch GPU session count
of 2 reached"."""


@dataclass(slots=True)
class Run:
    """A kernel that is run.

    Parameters
    ----------
    spec : KernelSpec
        The kernel.
    state : str
        Kaggle's state of it, or ``not pushed``.
    pushed : bool
        Whether it was pushed here.
    version : int
        The version that was pushed, 0 for the newest.
    minutes : float
        From the beginning to its end, as it was seen here.
    files : Path or None
        Where its output was pulled to.
    problem : str
        Why it was not pushed, or its output not pulled.
    log : list of str
        Last lines of its log, if it failed.
    """

    spec: KernelSpec
    state: str = "not pushed"
    pushed: bool = False
    version: int = 0
    minutes: float = 0.0
    files: Path | None = None
    problem: str = ""
    log: list[str] = field(default_factory=list)
    unseen: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in ENDED or bool(self.problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs kernels.

    Parameters
    ----------
    client : Client
        Kaggle.
    folder : Path
        Folder of all outputs.
    say : callable
        Takes a line for the user.
    cancelled : threading.Event
        Set to stop waiting.
    interval_s : float
        Seconds between two looks at the states.
    """

    client: Client
    folder: Path
    say: Callable[[str], None]
    cancelled: threading.Event
    interval_s: float = INTERVAL_S

    def states(self, specs: Sequence[KernelSpec]) -> list[Run]:
        """Return the states of kernels."""
        return [Run(spec, self.client.state(spec.slug).name) for spec in specs]

    def push(self, spec: KernelSpec) -> int:
        """Push a kernel, which starts it, and return the number of its version.

        Raises
        ------
        KaggleError
            If a dataset that it attaches is not on Kaggle, it runs already, or Kaggle refuses it.
        """
        if self.client.state(spec.slug).active:
            raise KaggleError(
                f"The kernel {spec.name} runs on Kaggle already",
                f"Wait for it: lunarsite kaggle run {spec.name}",
            )
        for ours in registry.DATASETS.values():
            if ours.slug in spec.datasets:
                self._check_dataset(spec, ours.name, ours.slug)
        with tempfile.TemporaryDirectory(prefix="lunarsite-") as written:
            slugs = {name: registry.kernel(name).slug for name in spec.kernels}
            notebook.write(spec, Path(written), self.client.owner, slugs)
            try:
                version = self.client.push(Path(written))
            except UnreachableError:
                # The answer was lost, perhaps not the push: a second one would start it twice.
                if not self.client.state(spec.slug).active:
                    raise
                version = 0
        self.say(f"{spec.name}: pushed" + (f" as version {version}" if version else ""))
        return version

    def run(
        self, specs: Sequence[KernelSpec], *, push: bool, pull: bool, again: bool = False
    ) -> list[Run]:
        """Push kernels that are not on Kaggle, wait for all of them, and pull their outputs.

        Parameters
        ----------
        specs : sequence of KernelSpec
            The kernels.
        push, pull : bool
            Whether kernels are pushed, and outputs pulled.
        again : bool
            Whether kernels that have ended are pushed again.

        Returns
        -------
        list of Run
            What became of them, in the same order.

        Raises
        ------
        CancelledError
            If waiting was stopped; the kernels run on.
        LunarSiteError
            If Kaggle refuses the credentials or does not answer for an hour.
        """
        runs = [Run(spec) for spec in specs]
        began_s = heard_s = time.monotonic()
        again_for = {spec.name for spec in specs} if again else set()
        while True:
            try:
                for run in runs:
                    self._advance(run, runs, push=push, again_for=again_for)
                    if run.ended and not run.minutes:
                        run.minutes = max((time.monotonic() - began_s) / 60.0, 1e-9)
                        self._finish(run, pull=pull)
                heard_s = time.monotonic()
            except UnreachableError as error:
                if time.monotonic() - heard_s > _PATIENCE_S:
                    raise
                self.say(f"{error.problem}; waiting")
            minutes = (time.monotonic() - began_s) / 60.0
            self.say(f"{minutes:.0f} min: {_summary(runs)}")
            if all(run.ended for run in runs):
                return runs
            if self.cancelled.wait(self.interval_s):
                raise CancelledError(RESUMES)

    def pull(self, spec: KernelSpec) -> Run:
        """Pull the output of a kernel that is complete.

        Raises
        ------
        KaggleError
            If it is not complete.
        """
        run = Run(spec, self.client.state(spec.slug).name)
        if run.state != "complete":
            raise KaggleError(
                f"The kernel {spec.name} is not complete: its state is {run.state}",
                f"Run it, or wait for it: lunarsite kaggle run {spec.name}",
            )
        run.files = outputs.pull(spec, self.client, self.folder)
        outputs.keep_log(spec, self.client, self.folder)
        return run

    def _advance(self, run: Run, runs: list[Run], *, push: bool, again_for: set[str]) -> None:
        """Look at the state of a kernel that has not ended, and push it if it is time."""
        if run.ended:
            return
        spec = run.spec
        state = self.client.state(spec.slug, run.version)
        if run.pushed and state.name == ABSENT and run.unseen < _GRACE_POLLS:
            run.unseen += 1
            return
        due = state.name == ABSENT or (spec.name in again_for and not state.active)
        if run.pushed or not due:
            run.state = state.name
            if state.name == ABSENT:
                run.problem = "it is not on Kaggle"
            elif state.name == "error" and state.message:
                run.log = [state.message]
            again_for.discard(spec.name)
            return
        if not push:
            run.problem = "it is not on Kaggle"
            return
        self._push_when_possible(run, runs)
        if run.pushed:
            again_for.discard(spec.name)

    def _push_when_possible(self, run: Run, runs: list[Run]) -> None:
        """Push a kernel unless it waits for another one or for a free session."""
        waits_for = {each.spec.name: each for each in runs if each.spec.name in run.spec.kernels}
        for name in run.spec.kernels:
            source = waits_for.get(name)
            state = source.state if source else self.client.state(registry.kernel(name).slug).name
            if source and not source.ended:
                return
            if state != "complete":
                run.problem = f"it attaches the output of {name}, whose state is {state}"
                return
        try:
            run.version = self.push(run.spec)
        except KaggleError as error:
            if _FULL in error.problem.lower():
                return
            run.problem = sentences(error.problem, error.remedy)
        else:
            run.state, run.pushed = "queued", True

    def _finish(self, run: Run, *, pull: bool) -> None:
        """Pull the output of a kernel that is complete, and the log of one that failed."""
        try:
            if run.state == "complete" and pull:
                run.files = outputs.pull(run.spec, self.client, self.folder)
            if run.state in ENDED and (pull or run.state == "error"):
                lines = outputs.keep_log(run.spec, self.client, self.folder)
                if run.state == "error":
                    run.log = [*run.log, *lines[-LOG_LINES:]]
        except UnreachableError:
            run.minutes = 0.0  # so that the next look tries again
            raise
        except LunarSiteError as error:
            run.problem = str(error)

    def _check_dataset(self, spec: KernelSpec, name: str, slug: str) -> None:
        state = self.client.dataset_status(f"{self.client.owner}/{slug}")
        if state == ABSENT:
            raise KaggleError(
                f"The kernel {spec.name} attaches the dataset {slug}, which is not on Kaggle",
                f"Push it first: lunarsite kaggle dataset push {name}",
            )
        if state != "ready":
            raise KaggleError(
                f"Kaggle still prepares the dataset {slug} (its state is {state})",
                "Run the same command again in a minute",
            )


def _summary(runs: list[Run]) -> str:
    return ", ".join(f"{run.spec.name} {run.state}" for run in runs)
