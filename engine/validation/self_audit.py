"""The checks that need nothing but a run, its regions, and what ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.context import QuietContext
from lunarsite.engine.file_names import display_name
from lunarsite.engine.io.vectors import vector
from lunarsite.engine.scoring import finished_run
from lunarsite.engine.scoring.error_model import Errors
from lunarsite.engine.scoring.profiles import Profile
from lunarsite.engine.validation import calibration, light, networks, regions, shadow, stability
from lunarsite.engine.validation.cells import ScoredCells
from lunarsite.engine.validation.checks import not_run
from lunarsite.engine.validation.regions import Regions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from lunarsite.engine.context import Context
    from lunarsite.engine.scoring.finished_run import Run
    from lunarsite.engine.validation.checks import Check

_REPORT_ROTATIONS = 199
_MODELS = Path(__file__).parents[2] / "models"


def of_tables(
    features: pd.DataFrame,
    scores: pd.DataFrame,
    shap: pd.DataFrame,
    manifest: Mapping[str, Any],
    *,
    regions: str | None,
    seed: int,
    context: Context,
) -> list[Check]:
    """Return the checks of a run that is being written, for its report.

    With fewer rotations than ``validate`` makes: p-values are at least 0.005.
    """
    profile = Profile.from_dict(manifest["profile"])
    run = finished_run.assembled(features, scores, shap, profile)
    return of_run(run, manifest, context, regions=regions, seed=seed)


def of_run(
    run: Run,
    manifest: Mapping[str, Any],
    context: Context,
    *,
    regions: str | None = None,
    seed: int = 7,
) -> list[Check]:
    """Return the same of a run that is open."""
    polygons = None
    names: tuple[str, ...] = ()
    if regions:
        polygons = Regions.of(vector.read_polygons(regions, "The regions", QuietContext()))
        names = (display_name(regions),)
    return list(
        checks(
            ScoredCells.of(run),
            run,
            manifest,
            polygons,
            regions_file=names,
            rotations=_REPORT_ROTATIONS,
            seed=seed,
            context=context,
        )
    )


def checks(
    cells: ScoredCells,
    run: Run,
    manifest: Mapping[str, Any],
    polygons: Regions | None,
    *,
    regions_file: tuple[str, ...],
    rotations: int,
    seed: int,
    context: Context,
) -> Iterator[Check]:
    """Yield the checks that need nothing but a run, its regions and what ships.

    Parameters
    ----------
    cells, run : ScoredCells, Run
        The run.
    manifest : mapping
        Its manifest.
    polygons : Regions, optional
        Candidate regions.
    regions_file : tuple of str
        Their file.
    rotations, seed : int
        Draws of the null models, and their seed.
    context : Context
        Progress and cancellation.
    """
    if len(cells) == 0:
        for name, claim in (
            (regions.NAME, regions.CLAIM),
            (stability.STABILITY, stability.STABILITY_CLAIM),
            (stability.ABLATION, stability.ABLATION_CLAIM),
            (calibration.NAME, calibration.CLAIM),
            (shadow.BEST, shadow.BEST_CLAIM),
        ):
            yield not_run(name, claim, "The run has no scored cell.")
    else:
        yield from _of_cells(cells, run, manifest, polygons, regions_file, rotations, seed, context)
    scorer = manifest.get("scorer") or {}
    yield stability.check_card(
        scorer, str(scorer.get("trained_on", "another area")), (str(scorer.get("name", "")),)
    )
    yield light.check_ephemeris()
    yield networks.craters_of_card(_card("craters.json"), "craters.json")
    yield networks.rocks_of_card(_card("segmenter-surface.json"), "segmenter-surface.json")


def _of_cells(
    cells: ScoredCells,
    run: Run,
    manifest: Mapping[str, Any],
    polygons: Regions | None,
    regions_file: tuple[str, ...],
    rotations: int,
    seed: int,
    context: Context,
) -> Iterator[Check]:
    inside = None
    if polygons is None:
        lacks = (
            "Give a layer of candidate regions (--regions), such as NASA's nine of October 2024, "
            "doi:10.5066/P1MEQ6UK."
        )
        yield not_run(regions.NAME, regions.CLAIM, lacks)
    else:
        options: dict[str, Any] = {
            "rotations": rotations,
            "seed": seed,
            "files": regions_file,
        }
        yield regions.check(cells, polygons, **options, context=context.part(0.0, 0.3))
        near = regions.check_near(cells, polygons, **options, context=context.part(0.3, 0.6))
        if near is not None:
            yield near
        inside = polygons.labels(cells.grid)[cells.row, cells.column] >= 0
    errors = Errors(**manifest["errors"])
    yield stability.check_stability(cells, run, errors, seed=seed, context=context.part(0.6, 0.95))
    yield calibration.check(cells, run, errors, seed=seed)
    yield stability.check_ablation(cells, run, errors, inside)
    yield shadow.check_best(cells, run, ("psr.tif",))


def _card(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_MODELS / name).read_text(encoding="utf-8"))
    return found
