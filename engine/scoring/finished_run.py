"""Finished runs: opening and caching their tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import input_versions
from lunarsite.engine.errors import InputError
from lunarsite.engine.provenance import sha256
from lunarsite.engine.scoring import explanation, profiles, scorer, tables
from lunarsite.engine.scoring.features.feature_table import cell_grid

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid


TABLES = ("features.parquet", "scores.parquet", "shap.parquet")
"""What is read of a run."""

_SCREEN_AGAIN = (
    "Run lunarsite screen again with the same inputs and the same --out: it does again what is "
    "damaged, and nothing else"
)

_CACHED_RUNS = 3
"""Maximum number of cached runs: one of the whole polar cap takes 150 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """An open finished run.

    Parameters
    ----------
    features, scores : DataFrame
        One row per cell.
    shap : ndarray of float32, shape (cells, inputs)
        Contributions to the log-odds.
    inputs : tuple of str
        Features that the scorer uses.
    base_log_odds : float
        Log-odds to which the contributions are added.
    profile : Profile
        The criteria.
    grid : Grid
        Grid of the cells.
    row_of_cell : ndarray of int64, shape of the grid
        Row of each cell in the tables; -1 for none.
    passing : Passing
        Cells that meet every criterion.
    scored : int
        Number of cells with a score.
    warnings : tuple of str
        What the run warned of; it holds for each of its places.
    mast_height_m : float, optional
        Height above the ground to which its light belongs, metres; None where it is given.
    """

    features: pd.DataFrame
    scores: pd.DataFrame
    shap: NDArray[np.float32]
    inputs: tuple[str, ...]
    base_log_odds: float
    profile: profiles.Profile
    grid: Grid
    row_of_cell: NDArray[np.int64]
    passing: explanation.Passing
    scored: int
    warnings: tuple[str, ...] = ()
    mast_height_m: float | None = None


def open_run(folder: str | Path, context: Context) -> Run:
    """Open a finished run, or return it from the worker's cache while it is unchanged.

    Parameters
    ----------
    folder : path
        Output folder of ``screen``.
    context : Context
        The cache.

    Returns
    -------
    Run
        Tables and criteria.

    Raises
    ------
    InputError
        If the folder does not contain a finished run.
    """
    path = Path(folder)
    manifest = path / "manifest.json"
    if not manifest.is_file():
        raise InputError(
            f"{path} holds no finished run: there is no manifest.json",
            "Give the output folder of lunarsite screen",
        )
    run: Run = context.cached(
        ("run", str(path.resolve())),
        tuple(input_versions.version(path / name) for name in (manifest.name, *TABLES)),
        lambda: _read(path, manifest),
        at_most=_CACHED_RUNS,
    )
    return run


def _read(path: Path, manifest: Path) -> Run:
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        if not content["finished"]:
            raise InputError(f"The run in {path} is not finished", _SCREEN_AGAIN)
        profile = profiles.Profile.from_dict(content["profile"])
        written = {
            str(name): str(sha)
            for entry in content["steps"].values()
            for name, sha in entry["outputs"].items()
        }
        warnings = tuple(str(warning) for warning in content.get("warnings", ()))
        given = content.get("parameters", {})
        lit = "lighting" in content["steps"] and not given.get("illumination")
        mast_height_m = float(given["mast_height_m"]) if lit else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"The manifest of {path} is damaged, or of another program: {_reason(error)}",
            _SCREEN_AGAIN,
        ) from error
    for name in TABLES:
        _check_own(path, name, written)
    try:
        features = tables.read_features(path / "features.parquet")
    except InputError as error:
        raise InputError(error.problem, _SCREEN_AGAIN) from error
    scores = tables.read_table(path / "scores.parquet", "The score table")
    shap = tables.read_table(path / "shap.parquet", "The table of contributions")
    _check_together(path, features, scores, shap, scorer.inputs_for(profile))
    return assembled(
        features, scores, shap, profile, warnings=warnings, mast_height_m=mast_height_m
    )


def assembled(
    features: pd.DataFrame,
    scores: pd.DataFrame,
    shap: pd.DataFrame,
    profile: profiles.Profile,
    *,
    warnings: tuple[str, ...] = (),
    mast_height_m: float | None = None,
) -> Run:
    """Return the run whose tables are these."""
    inputs = scorer.inputs_for(profile)
    grid = cell_grid(features)
    row_of_cell = np.full((grid.height, grid.width), -1, np.int64)
    row_of_cell[features["row"], features["column"]] = np.arange(len(features))
    return Run(
        features,
        scores,
        shap[list(inputs)].to_numpy(np.float32),
        inputs,
        float(shap["base_log_odds"].iloc[0]),
        profile,
        grid,
        row_of_cell,
        explanation.Passing.of(profile, features),
        int(np.isfinite(scores["score"]).sum()),
        warnings,
        mast_height_m,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}"
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _check_own(folder: Path, name: str, written: Mapping[str, str]) -> None:
    """Raise if a table of a run is missing, elsewhere, or not what the run has written."""
    file = folder / name
    if name not in written:
        raise InputError(f"The manifest of {folder} does not name {name}", _SCREEN_AGAIN)
    if not file.is_file():
        raise InputError(f"{file} is missing, although the run is finished", _SCREEN_AGAIN)
    if not file.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{file} is a link to {file.resolve()}, outside the run",
            "Copy the file into the folder of the run if it belongs there",
        )
    if sha256(file) != written[name]:
        raise InputError(
            f"{file} is not what the run has written: its checksum differs from the manifest's",
            _SCREEN_AGAIN,
        )


def _check_together(
    path: Path,
    features: pd.DataFrame,
    scores: pd.DataFrame,
    shap: pd.DataFrame,
    inputs: tuple[str, ...],
) -> None:
    """Raise if the tables of a run do not have the same cells."""
    cells = features["cell_id"].to_numpy()
    required = {"cell_id", "base_log_odds", *inputs}
    same = (
        required <= set(shap)
        and {"cell_id", "score"} <= set(scores)
        and np.array_equal(cells, scores["cell_id"].to_numpy())
        and np.array_equal(cells, shap["cell_id"].to_numpy())
    )
    if not same:
        raise InputError(f"The tables in {path} do not belong together", _SCREEN_AGAIN)
