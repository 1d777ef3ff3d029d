"""The stage ``train-scorer``: a scorer for a criteria profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.errors import ParameterError
from lunarsite.engine.scoring import cell_scores, profiles, scorer, scorer_training, tables
from lunarsite.engine.scoring.error_model import Errors

if TYPE_CHECKING:
    from lunarsite.engine.context import Context


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Train a scorer and write it with its card."""
    path = Path(values["out"])
    if path.suffix != ".ubj":
        raise ParameterError(f"--out: {path.name} does not end in .ubj", "Name the scorer x.ubj")
    table = tables.read_features(values["features"])
    model = scorer_training.train(
        table,
        profiles.load(values["profile"]),
        Errors.from_parameters(values),
        context,
        draws=values["draws"],
        folds=values["folds"],
        seed=values["seed"],
    )
    model.save(path)
    return {
        "outputs": {"scorer": str(path), "card": str(path.with_suffix(".json"))},
        "cells": model.card["training_cells"],
        "validation": model.card["validation"],
    }


def agreement(
    features_path: Path, profile: profiles.Profile, own: Path, other: Path
) -> dict[str, float]:
    """Return the agreement of two scorer files on a feature table."""
    table = tables.read_features(features_path)
    return cell_scores.agreement(table, scorer.load(own, profile), scorer.load(other, profile))
