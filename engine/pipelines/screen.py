"""The stage ``screen``: from an elevation model to ranked sites and a report.

The modules of a step are imported when it runs, so that an unchanged run returns at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import input_versions, provenance, stages
from lunarsite.engine.context import GIB
from lunarsite.engine.contract import PATH_KINDS
from lunarsite.engine.datasets.far_field import with_fetched
from lunarsite.engine.errors import CancelledError
from lunarsite.engine.file_names import display_name
from lunarsite.engine.io.elevation.area import narrowed
from lunarsite.engine.io.elevation.dem import posting
from lunarsite.engine.pipelines import estimates, preflight
from lunarsite.engine.pipelines.manifest import NAME, Manifest
from lunarsite.engine.pipelines.steps import SHARES, Screening, Step, outputs_of
from lunarsite.engine.scoring import bundle
from lunarsite.engine.scoring.features.columns import (
    DISC_LIGHT_FILES,
    IMAGERY,
    LANDING_FILES,
    LAYER_FILES,
    USER_LAYERS,
)
from lunarsite.engine.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.pipelines.estimates import Estimate

    Inputs = Mapping[str, list[str]]

_ELEVATION = ("dem", "far_field", "builtin_far_field")
_COARSE_M = 250.0
"""Pixels above this do not show landing sites."""

_REPORT_S = 8.0
_REPORT_BYTES = 0.5 * GIB
_TRAIN_CORE_S = 300e-6
"""Core seconds per cell of training a scorer."""

_NOT_OF_PIXELS = ("craters", *IMAGERY)
"""Inputs of features that are evaluated at the best disc of a cell alone."""

_COMPUTED = ("illumination", "earth_visibility", "psr")
"""Outputs of lighting that are needed; if the user provides all of them, it is not run."""


def estimate(values: dict[str, Any], context: Context) -> Estimate:
    """Validate the inputs, and return what all steps need, those of an earlier run included."""
    values = narrowed(values, "dem", context)
    validated = preflight.validate(values, [name for step in SHARES for name in outputs_of(step)])
    preflight.check_closely(validated)
    return _needed(validated, values, context)


def _needed(inputs: preflight.Inputs, values: dict[str, Any], context: Context) -> Estimate:
    from lunarsite.engine.pipelines import (  # noqa: PLC0415  not imported for a finished run
        disc_light,
        features,
        landing,
        lighting,
        score,
        terrain,
    )

    grid = inputs.grid
    posting_m = max(values["cell_m"], grid.pixel_m)
    pixels = grid.width * grid.height
    cells = max(1, round(pixels * (grid.pixel_m / posting_m) ** 2))
    steps = [terrain.estimate(values, context)]
    if not all(values[name] for name in _COMPUTED):
        steps.append(lighting.estimate(values | _time_series(grid, values), context))
    if values["place"] == "disc":
        steps.append(landing.of_grid(grid, values["landing_radius_m"], context))
        if _has_discs_elsewhere(grid, values):
            steps.append(disc_light.of_cells(pixels, cells, values, context))
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
    values = with_fetched(narrowed(values, "dem", context), context)
    validated = preflight.validate(values, [name for step in SHARES for name in outputs_of(step)])
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
    run.stage("terrain", {"dem": files["dem"]}, outputs_of("terrain"), out=layers)
    if all(values[name] for name in _COMPUTED):
        run.manifest.forget("lighting", outputs_of("lighting"))
    else:
        series = _time_series(validated.grid, values)
        made = outputs_of("lighting")
        if not series["time_series"]:
            left = [f"layers/{LAYER_FILES[source]}" for source in DISC_LIGHT_FILES]
            made = [name for name in made if name not in left]
            if any((folder / name).is_file() for name in left):
                run.manifest.forget("lighting", left)
        run.values = values | series
        run.stage("lighting", elevation, made, out=layers)
    computed = {
        f"layer {source}": [str(layers / name)]
        for source, name in LAYER_FILES.items()
        if (layers / name).is_file()
    }
    features = folder / "features.parquet"
    roles = ("dem", *USER_LAYERS, "craters", *IMAGERY)
    provided = {role: files[role] for role in roles if role in files}
    if values["place"] == "disc":
        evaluated = {role: paths for role, paths in provided.items() if role not in _NOT_OF_PIXELS}
        run.stage("landing", evaluated | computed, outputs_of("landing"), layers=layers, out=layers)
        discs = {"layer landing": [str(layers / name) for name in LANDING_FILES]}
        computed |= discs
        if _has_discs_elsewhere(validated.grid, values):
            run.stage(
                "disc-light",
                elevation | discs,
                outputs_of("disc-light"),
                layers=layers,
                out=layers,
            )
            computed |= {
                f"layer disc {source}": [str(layers / name)]
                for source, name in DISC_LIGHT_FILES.items()
            }
        else:
            run.manifest.forget("disc-light", outputs_of("disc-light"))
    else:
        for step in ("landing", "disc-light"):
            run.manifest.forget(step, outputs_of(step))
    run.stage("features", provided | computed, outputs_of("features"), layers=layers, out=features)
    model, trained_on = _scorer(run, features)
    inputs = {"features": [str(features)], "scorer": [str(model)]}
    result = run.stage(
        "score",
        inputs | {role: files[role] for role in ("regions",) if role in files},
        outputs_of("score"),
        features=features,
        scorer=model,
        out=folder,
    )
    return _finish(run, result, trained_on)


def _time_series(grid: Grid, values: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of lighting that say where the Sun is followed step by step.

    The darkest month and the longest darkness are those of the landing discs, if there are any;
    otherwise those of the middle of each cell.
    """
    if values["place"] == "disc" and _has_discs_elsewhere(grid, values):
        return {"time_series": False}
    return {"time_series": True, "posting_m": max(values["cell_m"], grid.pixel_m)}


def _has_discs_elsewhere(grid: Grid, values: dict[str, Any]) -> bool:
    """Return whether light is computed, and discs lie elsewhere than in the middle of cells."""
    return not all(values[name] for name in _COMPUTED) and posting(grid, values["cell_m"])[1] > 1


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
        run.manifest.forget("train-scorer", outputs_of("train-scorer"))
        return ready, {"trained_on": named, "agreement": None}

    def agreement() -> dict[str, Any]:
        from lunarsite.engine.pipelines import train_scorer  # noqa: PLC0415  not imported for a finished run

        return {"agreement": ready and train_scorer.agreement(features, profile, own, ready)}

    inputs = {"features": [str(features)], "scorer": [str(ready)] if ready else []}
    result = run.stage(
        "train-scorer", inputs, outputs_of("train-scorer"), agreement, out=own, features=features
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

    run.take(Step("report", told, shown, do, outputs_of("report")))
    if run.ran:
        run.check_inputs()
    manifest.content["finished"] = True
    manifest.save()
    best = result["best"]
    paths = {o.name: run.folder / o.path for o in stages.load("screen").outputs}
    outputs = {name: str(path) for name, path in paths.items() if path.exists()}
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


_OF_LIGHTING = ("time_series", "posting_m")
_ERRORS = ("dem_error_m", "dem_correlation_m", "horizon_error_deg")


def _parameters(run: Screening) -> dict[str, Any]:
    """Return the parameters without absolute paths."""
    # Without those that it chooses for lighting.
    shown = {name: run.values[name] for name in run.values if name not in _OF_LIGHTING}
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
