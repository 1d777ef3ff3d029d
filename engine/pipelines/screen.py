"""The stage ``screen``: from an elevation model to ranked sites and a report.

The modules of a step are imported when it runs, so that an unchanged run returns at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import input_versions, provenance, stages
from lunarsite.engine.context import GIB, log
from lunarsite.engine.contract import PATH_KINDS
from lunarsite.engine.errors import CancelledError, InputError
from lunarsite.engine.file_names import display_name, file_of
from lunarsite.engine.input_versions import ChangedInputError
from lunarsite.engine.io.elevation.area import narrowed
from lunarsite.engine.pipelines import estimates, preflight
from lunarsite.engine.pipelines.manifest import NAME, Manifest
from lunarsite.engine.scoring import bundle
from lunarsite.engine.scoring.features import columns
from lunarsite.engine.scoring.features.columns import IMAGERY, LAYER_FILES, USER_LAYERS
from lunarsite.engine.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lunarsite.engine.context import Context
    from lunarsite.engine.pipelines.estimates import Estimate

    Inputs = Mapping[str, list[str]]

_ELEVATION = ("dem", "far_field", "builtin_far_field")
_COARSE_M = 250.0
"""Pixels above this do not show landing sites."""

_REPORT_S = 8.0
_REPORT_BYTES = 0.5 * GIB
_TRAIN_CORE_S = 300e-6
"""Core seconds per cell of training a scorer."""

_SHARES = {
    "terrain": (0.0, 0.1),
    "lighting": (0.1, 0.7),
    "features": (0.7, 0.78),
    "train-scorer": (0.78, 0.86),
    "score": (0.86, 0.94),
    "report": (0.94, 1.0),
}
_COMPUTED = ("illumination", "earth_visibility", "psr")
"""Outputs of lighting that are needed; if the user provides all of them, it is not run."""

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
            part = self.context.part(*_SHARES[step.name], step.name)
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
        self.context.progress(_SHARES[step.name][1], step.name)
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


def estimate(values: dict[str, Any], context: Context) -> Estimate:
    """Validate the inputs, and return what all steps need, those of an earlier run included."""
    values = narrowed(values, "dem", context)
    validated = preflight.validate(values, [name for step in _SHARES for name in _outputs(step)])
    preflight.check_closely(validated)
    return _needed(validated, values, context)


def _needed(inputs: preflight.Inputs, values: dict[str, Any], context: Context) -> Estimate:
    from lunarsite.engine.pipelines import features, lighting, score, terrain  # noqa: PLC0415  not imported for a finished run

    grid = inputs.grid
    posting_m = max(values["cell_m"], grid.pixel_m)
    pixels = grid.width * grid.height
    cells = max(1, round(pixels * (grid.pixel_m / posting_m) ** 2))
    steps = [terrain.estimate(values, context)]
    if not all(values[name] for name in _COMPUTED):
        steps.append(lighting.estimate(values | {"posting_m": posting_m}, context))
    steps.append(features.of_layers(pixels, cells, 1 + len(LAYER_FILES), context))
    steps.append(score.of_cells(cells, values["draws"], context))
    if values["train"] or not (values["scorer"] or bundle.bundled(inputs.profile)):
        steps.append(estimates.estimate(cells, context, core_s=_TRAIN_CORE_S * cells))
    steps.append(
        estimates.estimate(
            pixels, context, core_s=0.0, serial_s=_REPORT_S, memory_bytes=_REPORT_BYTES
        )
    )
    return estimates.together(steps, pixels)


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Screen a region; if it is cancelled, report how it resumes.

    Raises
    ------
    CancelledError
        If the user cancels.
    LunarSiteError
        For any user-correctable error of its stages.
    """
    try:
        return screen(values, context)
    except CancelledError as error:
        remedy = (
            "No incomplete file was left behind; "
            "the same command goes on after the last finished step"
        )
        raise CancelledError(remedy) from error


def screen(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Screen a region, resuming an interrupted run in the same folder.

    Parameters
    ----------
    values : dict
        The resolved parameters of the ``screen`` stage.
    context : Context
        Threads, memory, progress.

    Returns
    -------
    dict
        Paths, counts, the best site and the steps that were run.

    Raises
    ------
    LunarSiteError
        For any user-correctable error of its stages.
    """
    folder = Path(values["out"])
    values = narrowed(values, "dem", context)
    validated = preflight.validate(values, [name for step in _SHARES for name in _outputs(step)])
    if validated.grid.pixel_m > _COARSE_M:
        context.warn(
            f"Pixels of {validated.grid.pixel_m:,.0f} m show where the light is, not where to "
            "land: slopes over such distances are gentler than those under a lander. Screen an "
            "elevation model with pixels of 100 m or finer before choosing a site."
        )
    watch = input_versions.watch()
    if watch is not None:
        watch.add(validated.parts_of_all())
    fresh = not (folder / NAME).is_file()
    if fresh:
        preflight.check_closely(validated)
        estimates.announce(_needed(validated, values, context), folder, context)
    run = Screening(validated, values, folder, Manifest.open(folder), context, checked=fresh)
    layers = folder / "layers"
    files = validated.paths()
    elevation = {role: paths for role, paths in files.items() if role in _ELEVATION}
    run.stage("terrain", {"dem": files["dem"]}, _outputs("terrain"), out=layers)
    if all(values[name] for name in _COMPUTED):
        run.manifest.forget("lighting", _outputs("lighting"))
    else:
        posting = max(values["cell_m"], validated.grid.pixel_m)
        run.values = values | {"posting_m": posting}
        run.stage("lighting", elevation, _outputs("lighting"), out=layers)
    computed = {
        f"layer {source}": [str(layers / name)]
        for source, name in LAYER_FILES.items()
        if (layers / name).is_file()
    }
    features = folder / "features.parquet"
    roles = ("dem", *USER_LAYERS, "craters", *IMAGERY)
    provided = {role: files[role] for role in roles if role in files}
    run.stage("features", provided | computed, _outputs("features"), layers=layers, out=features)
    model, trained_on = _scorer(run, features)
    inputs = {"features": [str(features)], "scorer": [str(model)]}
    result = run.stage(
        "score",
        inputs | {role: files[role] for role in ("regions",) if role in files},
        _outputs("score"),
        features=features,
        scorer=model,
        out=folder,
    )
    return _finish(run, result, trained_on)


def _scorer(run: Screening, features: Path) -> tuple[Path, dict[str, Any]]:
    """Return the scorer, and what it was trained on.

    It is trained on the area on request, or if there is no other; the agreement with the one that
    it replaces is then included.
    """
    values = run.values
    profile = run.inputs.profile
    own = run.folder / "scorer.ubj"
    if values["scorer"]:
        ready: Path | None = Path(values["scorer"])
        named = f"another area ({Path(values['scorer']).name})"
    else:
        ready = bundle.bundled(profile)
        named = "the synthetic polar cap"
    if ready is not None and not values["train"]:
        run.manifest.forget("train-scorer", _outputs("train-scorer"))
        return ready, {"trained_on": named, "agreement": None}

    def agreement() -> dict[str, Any]:
        from lunarsite.engine.pipelines import train_scorer  # noqa: PLC0415  not imported for a finished run

        return {"agreement": ready and train_scorer.agreement(features, profile, own, ready)}

    inputs = {"features": [str(features)], "scorer": [str(ready)] if ready else []}
    result = run.stage(
        "train-scorer", inputs, _outputs("train-scorer"), agreement, out=own, features=features
    )
    if not values["train"]:
        run.context.warn(
            f"No trained scorer comes with LunarSite for the profile {profile.name!r}: one was "
            "trained on this area."
        )
    return own, {"trained_on": "this area", "agreement": result["agreement"]}


def _finish(run: Screening, result: dict[str, Any], trained_on: dict[str, Any]) -> dict[str, Any]:
    """Write the report, complete the manifest, and return the result."""
    values, manifest = run.values, run.manifest
    told = {
        "lunarsite": provenance.version(),
        "profile": run.inputs.profile.as_dict(),
        "scorer": result["scorer"] | trained_on,
        "errors": {name: values[name] for name in _ERRORS},
        "parameters": _parameters(run),
        "inputs": _inputs(run),
        "versions": provenance.versions(),
        "warnings": run.context.warnings,
    }
    manifest.content |= told
    shown = {
        f"{step} {name}": [str(run.folder / name)]
        for step, entry in manifest.content["steps"].items()
        if step != "report"
        for name in entry["outputs"]
    }

    def do(context: Context) -> Mapping[str, Any]:
        from lunarsite.engine.report import write_report  # noqa: PLC0415  likewise

        write_report(run.folder, values, manifest.content, context)
        return {}

    run.take(Step("report", told, shown, do, _outputs("report")))
    if run.ran:
        run.check_inputs()
    manifest.content["finished"] = True
    manifest.save()
    best = result["best"]
    outputs = {o.name: str(run.folder / o.path) for o in stages.load("screen").outputs}
    cells, sites, passing = result["cells"], result["sites"], result["passing_cells"]
    meet = "meets" if passing == 1 else "meet"
    counts = f"{counted(cells, 'cell')}, {passing} {meet} every criterion, {counted(sites, 'site')}"
    place = (
        f"best: {best['lon_deg']:.3f}°, {best['lat_deg']:.3f}°, score {best['score']:.4f}, "
        f"rank interval {best['rank_low']:.0f}-{best['rank_high']:.0f}"
    )
    return result | {
        "outputs": outputs,
        "ran": run.ran,
        "scorer": told["scorer"],
        "summary": [counts, place, f"report: {outputs['report']}"],
    }


_ERRORS = ("dem_error_m", "dem_correlation_m", "horizon_error_deg")


def _outputs(step: str) -> list[str]:
    """Return the output files of a step, relative to the folder of the run."""
    if step in _FILES:
        return list(_FILES[step])
    folder = "layers/" if step in ("terrain", "lighting") else ""
    return [folder + output.path for output in stages.load(step).outputs]


def _parameters(run: Screening) -> dict[str, Any]:
    """Return the parameters without absolute paths."""
    shown = dict(run.values)
    for parameter in stages.load("screen").parameters:
        value = shown.get(parameter.name)
        if parameter.name == "out":
            shown.pop(parameter.name)
        elif parameter.kind in PATH_KINDS and value:
            shown[parameter.name] = (
                [display_name(path) for path in value] if parameter.many else display_name(value)
            )
    shown["profile"] = run.inputs.profile.name
    return shown


def _inputs(run: Screening) -> list[dict[str, Any]]:
    return [
        {"role": role, "name": display_name(path), "sha256": run.manifest.sha256(path)}
        for role, paths in run.inputs.paths().items()
        for path in paths
    ]
