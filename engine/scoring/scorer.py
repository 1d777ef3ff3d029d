"""The scorer: the suitability in closed form, and gradient-boosted trees for what it lacks.

The closed form takes the criteria as independent and their errors as small. The trees are fitted to
the rest of the log-odds of the soft label, over the features that the criteria name and nothing
else: no other feature, and no position, can move a score. Constraints keep it monotone in every
criterion.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost as xgb
from scipy import special

from lunarsite.engine import device, provenance
from lunarsite.engine.atomic import whole_file
from lunarsite.engine.context import require_context
from lunarsite.engine.errors import InputError, MissingDependencyError
from lunarsite.engine.scoring import bundle, suitability
from lunarsite.engine.scoring.error_model import Errors, footprint_of
from lunarsite.engine.scoring.features.columns import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.scoring.profiles import Profile

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

_TRAIN_AGAIN = (
    "A scorer is three files that belong together (.ubj, .json, .sha256): copy all three, or train "
    "it again: lunarsite train-scorer"
)

_OUT_OF_MEMORY = ("out of memory", "bad_alloc", "memory allocation")


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """A trained scorer and its card."""

    booster: xgb.Booster
    profile: Profile
    card: dict[str, Any]

    @property
    def errors(self) -> Errors:
        """Error model of the labels that it was trained on."""
        return Errors(**self.card["labels"]["errors"])

    @property
    def background(self) -> Float:
        """Log-memberships of cells of the training area, shape (references, criteria)."""
        return np.array(self.card["background"], np.float64)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Input features, in order."""
        return inputs_for(self.profile)

    def log_odds(
        self, table: pd.DataFrame, context: Context | None = None, errors: Errors | None = None
    ) -> Float:
        """Return the log-odds of the suitability of every cell.

        They are NaN if a criterion's feature is missing, or less than half of the cell is known.
        ``errors`` are those of the features; by default those of the training labels. The trees are
        evaluated on the GPU if ``--device cuda`` requests it: their values are added in the same
        order on both devices. ``auto`` is the CPU, which copies nothing.

        Raises
        ------
        MissingDependencyError
            If CUDA is requested, and xgboost finds no GPU.
        """
        surroundings = require_context(context)
        inputs = features_of(table, self.inputs)
        values = None
        if device.requested_kind(surroundings.device) == "cuda":
            values = _on_gpu(self.booster, inputs, surroundings)
        if values is None:
            self.booster.set_param({"nthread": surroundings.threads})
            values = self.booster.inplace_predict(inputs, validate_features=False)
            surroundings.ran_on("cpu")
        closed = suitability.log_odds(
            table, self.profile, errors or self.errors, footprint_of(table)
        )
        return np.where(self.profile.known(table), closed + values, np.nan)

    def save(self, path: Path) -> None:
        """Write the trees (``.ubj``), and their card and their checksums beside them."""
        with whole_file(path) as partial:
            self.booster.save_model(partial)
        with whole_file(path.with_suffix(".json")) as partial:
            partial.write_text(json.dumps(self.card, indent=2, sort_keys=True) + "\n")
        provenance.write_checksums(path.with_suffix(".sha256"), (path, path.with_suffix(".json")))


def _on_gpu(booster: xgb.Booster, inputs: Float32, context: Context) -> Float32 | None:
    """Return what the trees give on the GPU; None, with a warning, if its memory is too small."""
    booster.set_param({"device": "cuda"})
    try:
        values: Float32 = booster.predict(xgb.DMatrix(inputs), validate_features=False)
        used = device_of(booster)
    except xgb.core.XGBoostError as error:
        if not any(sign in str(error).lower() for sign in _OUT_OF_MEMORY):
            raise
        context.warn(
            "GPU memory is too small for the cells: their scores are computed on the CPU, with the "
            "same result."
        )
        return None
    finally:
        booster.set_param({"device": "cpu"})
    if not used.startswith("cuda"):
        # Without a GPU, xgboost silently computes on the CPU.
        raise MissingDependencyError(
            "CUDA was requested, but xgboost finds no GPU", "Use --device cpu or auto"
        )
    context.ran_on("cuda")
    return values


def device_of(booster: xgb.Booster) -> str:
    """Return the device that xgboost has really used: ``cpu``, or ``cuda`` with a number."""
    settings = json.loads(booster.save_config())
    return str(settings["learner"]["generic_param"]["device"])


def inputs_for(profile: Profile) -> tuple[str, ...]:
    """Return the input features of a scorer for the criteria of a profile, in order."""
    return tuple(dict.fromkeys(criterion.feature for criterion in profile.criteria))


def features_of(table: pd.DataFrame, names: Sequence[str]) -> Float32:
    """Return the input of the trees, float32, shape (cells, features); NaN for nodata."""
    return np.ascontiguousarray(table[list(names)].to_numpy(np.float32))


def score_of(log_odds: Float32 | Float) -> Float:
    """Convert log-odds to a score from 0 to 1."""
    return np.asarray(special.expit(np.asarray(log_odds, np.float64)))


def load(path: Path, profile: Profile) -> Scorer:
    """Read a scorer and check that it was trained for a profile.

    Raises
    ------
    InputError
        If a file is missing, damaged or without a checksum, or was trained for other criteria or
        other features.
    """
    # The parser of XGBoost ends the process over a single flipped bit.
    trees = provenance.read_verified(path, _TRAIN_AGAIN)
    described = provenance.read_verified(path.with_suffix(".json"), _TRAIN_AGAIN)
    try:
        card = json.loads(described)
        booster = xgb.Booster()
        booster.load_model(bytearray(trees))
    except (ValueError, RecursionError, xgb.core.XGBoostError) as error:
        raise InputError(
            f"The scorer {path} cannot be read: {str(error).splitlines()[0][:200]}", _TRAIN_AGAIN
        ) from error
    if not isinstance(card, dict) or not set(card.get("features", ["?"])) <= set(BY_NAME):
        raise InputError(
            f"The scorer {path.name} was trained on other features than this version computes",
            _TRAIN_AGAIN,
        )
    if not bundle.same_criteria(card, profile):
        named = card.get("profile", {}).get("name")
        raise InputError(
            f"The scorer {path.name} was trained for other criteria ({named!r}) than those of "
            f"{profile.name!r}",
            "Train one for these criteria: lunarsite train-scorer, or screen --train",
        )
    shape = np.shape(card.get("background", ()))
    if card["features"] != list(inputs_for(profile)) or shape[1:] != (len(profile.criteria),):
        raise InputError(
            f"The scorer {path.name} was trained on other features than its criteria need now",
            _TRAIN_AGAIN,
        )
    return Scorer(booster, profile, card)
