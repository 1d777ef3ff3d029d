"""The steps of a screening: each runs unless its result for the same inputs exists."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import stages
from lunarsite.engine.context import log
from lunarsite.engine.contract import PATH_KINDS
from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import file_of
from lunarsite.engine.input_versions import ChangedInputError
from lunarsite.engine.pipelines import preflight
from lunarsite.engine.scoring.features import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lunarsite.engine.context import Context
    from lunarsite.engine.pipelines.manifest import Manifest

    Inputs = Mapping[str, list[str]]


SHARES = {
    "terrain": (0.0, 0.1),
    "lighting": (0.1, 0.66),
    "landing": (0.66, 0.69),
    "disc-light": (0.69, 0.74),
    "features": (0.74, 0.78),
    "train-scorer": (0.78, 0.86),
    "score": (0.86, 0.94),
    "report": (0.94, 1.0),
}
"""Steps in their order, with the share of the progress at which each begins and ends."""
_FILES = {
    "features": ("features.parquet",),
    "train-scorer": ("scorer.ubj", "scorer.json", "scorer.sha256"),
    "report": ("report.html",),
}
"""Output files of steps whose declarations do not name them."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a screening.

    Parameters
    ----------
    name : str
        Name of the step.
    shaping : mapping
        Parameters that affect its result.
    inputs : mapping of str to list of str
        Input files by role.
    do : callable
        Runs the step, and returns the result that is stored in the manifest.
    outputs : list of str
        Output files, relative to the folder of the run.
    """

    name: str
    shaping: Mapping[str, Any]
    inputs: Inputs
    do: Callable[[Context], Mapping[str, Any]]
    outputs: list[str]


@dataclass
class Screening:
    """A run in a folder, executed step by step."""

    inputs: preflight.Inputs
    values: dict[str, Any]
    folder: Path
    manifest: Manifest
    context: Context
    checked: bool = False
    ran: list[str] = field(default_factory=list)

    def take(self, step: Step) -> dict[str, Any]:
        """Run a step, unless its result for the same inputs exists; return its result."""
        self._check_earlier(step)
        key = self.manifest.key(step.name, step.shaping, step.inputs)
        entry = self.manifest.done(step.name, key, step.inputs)
        if entry is None:
            if not self.checked:
                preflight.check_closely(self.inputs)
                self.checked = True
            self.manifest.begin()
            part = self.context.part(*SHARES[step.name], step.name)
            part.warnings = []
            part.announces = False
            begin = time.perf_counter()
            result = step.do(part)
            log.info("%s took %.1f s", step.name, time.perf_counter() - begin)
            self._check_unchanged(step, key)
            outputs = [self.folder / name for name in step.outputs]
            self.manifest.record(step.name, key, outputs, result, part.warnings)
            entry = self.manifest.content["steps"][step.name]
            self.ran.append(step.name)
        for warning in entry["warnings"]:
            if warning not in self.context.warnings:
                self.context.warnings.append(warning)
        self.context.progress(SHARES[step.name][1], step.name)
        return dict(entry["result"])

    def _check_earlier(self, step: Step) -> None:
        """Raise if an input of a step is a result of this run, but another than was recorded."""
        recorded = {
            self.folder / name: sha
            for entry in self.manifest.content.get("steps", {}).values()
            for name, sha in entry["outputs"].items()
        }
        for paths in step.inputs.values():
            for path in paths:
                sha = recorded.get(Path(path))
                if sha is not None and self.manifest.sha256(path) != sha:
                    raise ChangedInputError(path)

    def _check_unchanged(self, step: Step, key: str) -> None:
        """Raise if what a step has read differs from what is recorded of it."""
        paths = [path for each in step.inputs.values() for path in each]
        before = {path: self.manifest.sha256(path) for path in paths}
        if self.manifest.key(step.name, step.shaping, step.inputs) != key:
            raise ChangedInputError(paths[0])
        foreign = self.manifest.foreign(step.outputs, step.inputs)
        if foreign is None:
            return
        # Read whole, even what seems unchanged: otherwise the next run would end here too.
        changed = [path for path in paths if self.manifest.sha256(path, again=True) != before[path]]
        self.manifest.save()
        if changed:
            raise ChangedInputError(changed[0])
        raise InputError(
            f"{foreign} was not made from the inputs of this run",
            "Let nothing else write in the folder of the run, and run the same command again",
        )

    def check_inputs(self) -> None:
        """Raise if the inputs are others than in the beginning, read whole once more.

        Raises
        ------
        ChangedInputError
            If one has changed: no step that has run is kept.
        """
        again = preflight.validate(self.values, ())
        changed = [
            source.path
            for role, sources in self.inputs.sources.items()
            for source, now in zip(sources, again.sources.get(role, ()), strict=False)
            if source != now
        ]
        changed += [
            part
            for role, paths in self.inputs.paths().items()
            for part in self.inputs.parts(role, paths)
            if self.manifest.sha256(part) != self.manifest.sha256(part, again=True)
        ]
        if changed:
            self.manifest.drop(self.ran)
            raise ChangedInputError(changed[0])

    def stage(
        self,
        name: str,
        inputs: Inputs,
        outputs: list[str],
        more: Callable[[], dict[str, Any]] = dict,
        **paths: Any,
    ) -> dict[str, Any]:
        """Run a stage as a step, with its parameters taken from those of the screening.

        ``more`` returns additions to the stored result.
        """
        declared = stages.load(name)
        own = {p.name: self.values[p.name] for p in declared.parameters if p.name in self.values}
        values = own | {key: str(value) for key, value in paths.items()}
        files = {p.name for p in declared.parameters if p.kind in PATH_KINDS}
        shaping = {key: value for key, value in values.items() if key not in files}
        if "profile" in shaping:
            shaping["profile"] = self.inputs.profile.as_dict()
        if name == "features":
            # This version may have other features than the one that started the run.
            shaping["columns"] = columns.table_columns()
        whole = {role: self.inputs.parts(role, paths) for role, paths in inputs.items()}
        shaping["reading"] = self.inputs.readings(inputs)
        named = {
            role: [each.removeprefix(file_of(each)) for each in inputs[role]] for role in inputs
        }
        shaping["layers"] = {role: names for role, names in named.items() if any(names)}

        def do(context: Context) -> Mapping[str, Any]:
            arguments = {key: value for key, value in values.items() if value is not None}
            result = declared.run(arguments, context)
            return {key: value for key, value in result.items() if key != "outputs"} | more()

        return self.take(Step(name, shaping, whole, do, outputs))


def outputs_of(step: str) -> list[str]:
    """Return the output files of a step, relative to the folder of the run."""
    if step in _FILES:
        return list(_FILES[step])
    folder = "layers/" if step in ("terrain", "lighting", "landing", "disc-light") else ""
    return [folder + output.path for output in stages.load(step).outputs]
