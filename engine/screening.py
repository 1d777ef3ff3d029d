"""The whole way, from an elevation model to ranked sites and a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from lunarsite.engine import provenance, raster, stages
from lunarsite.engine.atomic import make_folder
from lunarsite.engine.errors import BusyError, InputError
from lunarsite.engine.manifest import Manifest
from lunarsite.engine.report import write_report
from lunarsite.engine.scoring import profiles, scorer, scoring, tables
from lunarsite.engine.scoring.commands import GIVEN, errors_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lunarsite.engine.context import Context

_LOCK = ".lunarsite.lock"
_SHARES = {
    "terrain": (0.0, 0.1),
    "lighting": (0.1, 0.7),
    "features": (0.7, 0.78),
    "train-scorer": (0.78, 0.86),
    "score": (0.86, 0.94),
    "report": (0.94, 1.0),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a screening: a stage's name, its parameters, the files it reads and leaves.

    ``do`` returns the result that is kept in the manifest.
    """

    name: str
    shaping: Mapping[str, Any]
    inputs: list[str]
    do: Callable[[Context], Mapping[str, Any]]
    outputs: Callable[[], list[Path]]


@dataclass
class Screening:
    """A run in a folder, step by step."""

    values: dict[str, Any]
    folder: Path
    manifest: Manifest
    context: Context
    ran: list[str] = field(default_factory=list)

    def take(self, step: Step) -> dict[str, Any]:
        """Do a step, unless it was done before from the same inputs; return its result."""
        key = self.manifest.key(step.name, step.shaping, step.inputs)
        entry = self.manifest.done(step.name, key)
        if entry is None:
            part = self.context.part(*_SHARES[step.name], step.name)
            part.warnings = []
            result = step.do(part)
            self.manifest.record(step.name, key, step.outputs(), result, part.warnings)
            entry = self.manifest.content["steps"][step.name]
            self.ran.append(step.name)
        for warning in entry["warnings"]:
            if warning not in self.context.warnings:
                self.context.warnings.append(warning)
        self.context.progress(_SHARES[step.name][1], step.name)
        return dict(entry["result"])

    def stage(
        self, name: str, inputs: list[str], outputs: list[str], **paths: Any
    ) -> dict[str, Any]:
        """Do a stage as a step: its parameters come from the screening's own."""
        declared = stages.load(name)
        given = {
            p.name: self.values[p.name] for p in declared.parameters if p.name in self.values
        }
        values = given | {key: str(value) if value else None for key, value in paths.items()}
        files = {p.name for p in declared.parameters if p.kind.value in _PATHS} - {"profile"}
        shaping = {key: value for key, value in values.items() if key not in files}
        if "profile" in shaping:
            shaping["profile"] = profiles.load(shaping["profile"]).as_dict()

        def do(context: Context) -> Mapping[str, Any]:
            keep = {key: value for key, value in values.items() if value is not None}
            result = declared.run(keep, context)
            return {key: value for key, value in result.items() if key != "outputs"}

        return self.take(
            Step(name, shaping, inputs, do, lambda: [self.folder / name for name in outputs])
        )


_PATHS = ("raster", "vector", "table", "file", "folder")


def screen(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Screen a region, taking up a run in the same folder where it stands.

    Parameters
    ----------
    values : dict
        The resolved parameters of the ``screen`` stage.
    context : Context
        Threads, memory, progress.

    Returns
    -------
    dict
        Paths, counts, the best site, and which steps were run.

    Raises
    ------
    BusyError
        If another run works in the folder.
    LunarSiteError
        Whatever its stages raise.
    """
    check_inputs(values)
    folder = Path(values["out"])
    with only_run(folder):
        run = Screening(values, folder, Manifest.open(folder), context)
        layers = folder / "layers"
        dem, far = values["dem"], list(values["far_field"])
        run.stage("terrain", [dem], _outputs("terrain"), out=layers)
        if any(not values[name] for name in ("illumination", "earth_visibility", "psr")):
            posting = max(values["cell_m"], raster.dem_grid(dem).pixel_m)
            run.values = values | {"posting_m": posting}
            run.stage("lighting", [dem, *far], _outputs("lighting"), out=layers)
        given = [values[name] for name in (*GIVEN, "craters") if values[name]]
        made = [str(p) for p in sorted(layers.glob("*.tif")) if p.name in _used()]
        features = folder / "features.parquet"
        run.stage(
            "features", [dem, *made, *given], [features.name], layers=layers, out=features
        )
        model, trained = _scorer(run, features)
        result = run.stage(
            "score",
            [str(features), str(model), *([values["regions"]] if values["regions"] else [])],
            [output.path for output in stages.load("score").outputs],
            features=features,
            scorer=model,
            out=folder,
        )
        return _finish(run, result, trained)


def check_inputs(values: dict[str, Any]) -> None:
    """Look at everything that is given before anything is written.

    Raises
    ------
    LunarSiteError
        For the first thing that cannot work.
    """
    grid = raster.dem_grid(values["dem"])
    if values["cell_m"] < 0.999 * grid.pixel_m:
        raise InputError(
            f"A cell of {values['cell_m']:g} m is smaller than a pixel of {grid.pixel_m:g} m",
            f"Take --cell-m of at least {grid.pixel_m:g}",
        )
    profiles.load(values["profile"])
    for name in (*GIVEN, "craters", "regions", "scorer"):
        path = values[name]
        if path and not Path(path).exists():
            raise InputError(f"--{name.replace('_', '-')}: there is no file {path}", "Check it")
    for path in values["far_field"]:
        with raster.opened(path, "The far field"):
            continue


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Hold a folder for one run.

    Raises
    ------
    BusyError
        If another run holds it.
    """
    make_folder(folder)
    lock = filelock.FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise BusyError(
            f"Another run works in {folder}", "Wait until it ends, or choose another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _scorer(run: Screening, features: Path) -> tuple[Path, bool]:
    """Return the scorer to use, trained on the area if asked or if there is no other."""
    values = run.values
    profile = profiles.load(values["profile"])
    ready = Path(values["scorer"]) if values["scorer"] else scorer.bundled(profile)
    if ready is not None and not values["train"]:
        return ready, False
    if not values["train"]:
        run.context.warn(
            f"No trained scorer comes with LunarSite for the profile {profile.name!r}: one was "
            "trained on this area."
        )
    own = run.folder / "scorer.ubj"
    run.stage("train-scorer", [str(features)], [own.name, "scorer.json"], out=own, features=features)
    return own, True


def _finish(run: Screening, result: dict[str, Any], trained: bool) -> dict[str, Any]:
    """Write the report, close the manifest, and say what was found."""
    values, manifest = run.values, run.manifest
    profile = profiles.load(values["profile"])
    scorer_said = result["scorer"] | {
        "trained_on": "this area" if trained else "the synthetic polar cap",
        "agreement": _agreement(run, profile) if trained else None,
    }
    manifest.content |= {
        "lunarsite": provenance.version(),
        "profile": profile.as_dict(),
        "scorer": scorer_said,
        "errors": errors_of(values).as_dict(),
        "parameters": _parameters(values),
        "inputs": _inputs(run),
        "versions": provenance.versions(),
        "warnings": run.context.warnings,
    }
    shaping = {"summary": manifest.content["warnings"], "scorer": scorer_said}
    shown = [
        str(run.folder / name)
        for step in ("terrain", "lighting", "features", "score")
        for name in manifest.content["steps"].get(step, {"outputs": {}})["outputs"]
    ]
    report = run.folder / "report.html"

    def do(context: Context) -> Mapping[str, Any]:
        write_report(run.folder, values, manifest.content, context)
        return {}

    run.take(Step("report", shaping, shown, do, lambda: [report]))
    manifest.content["finished"] = True
    manifest.save()
    outputs = {output.name: str(run.folder / output.path) for output in stages.load("screen").outputs}
    best = result["best"]
    summary = [
        f"{result['cells']} cells, {result['passing_cells']} keep every criterion, "
        f"{result['sites']} sites",
        f"best: {best['lon_deg']:.3f}°, {best['lat_deg']:.3f}°, score {best['score']:.4f}, "
        f"rank interval {best['rank_low']:.0f}-{best['rank_high']:.0f}",
        f"report: {report}",
    ]
    return result | {
        "outputs": outputs,
        "ran": run.ran,
        "scorer": scorer_said,
        "summary": summary,
    }


def _agreement(run: Screening, profile: profiles.Profile) -> dict[str, float] | None:
    """Return how the area's own scorer agrees with the one that comes with LunarSite."""
    bundled = scorer.bundled(profile)
    if bundled is None:
        return None
    table = tables.read_features(run.folder / "features.parquet")
    own = scorer.load(run.folder / "scorer.ubj", profile)
    return scoring.agreement(table, own, scorer.load(bundled, profile))


def _outputs(name: str) -> list[str]:
    return [f"layers/{output.path}" for output in stages.load(name).outputs]


def _used() -> set[str]:
    from lunarsite.engine.scoring.commands import LAYER_FILES  # noqa: PLC0415

    return set(LAYER_FILES.values())


def _parameters(values: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters without the machine's paths."""
    shown = dict(values)
    for parameter in stages.load("screen").parameters:
        value = shown.get(parameter.name)
        if parameter.name == "out":
            shown.pop(parameter.name)
        elif parameter.kind.value in _PATHS and value:
            shown[parameter.name] = (
                [Path(path).name for path in value] if parameter.many else Path(value).name
            )
    shown["profile"] = profiles.load(values["profile"]).name
    return shown


def _inputs(run: Screening) -> list[dict[str, Any]]:
    given = {"dem": [run.values["dem"]], "far_field": list(run.values["far_field"])}
    for name in (*GIVEN, "craters", "regions", "scorer"):
        given[name] = [run.values[name]] if run.values[name] else []
    return [
        {"role": role, "name": Path(path).name, "sha256": run.manifest.sha256(path)}
        for role, paths in given.items()
        for path in paths
    ]


