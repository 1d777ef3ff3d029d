"""Declarations of the stages, one module each; `NAMES` is the only list of them.

The declarations import nothing but the standard library, so that QGIS's own Python can read them.
The work is done by the modules of the same names in ``engine/pipelines``.
"""

from __future__ import annotations

import importlib
import math

from lunarsite.engine.contract import Stage, unknown_name

NAMES: tuple[str, ...] = (
    "fetch",
    "terrain",
    "lighting",
    "skyline",
    "landing",
    "disc-light",
    "features",
    "train-scorer",
    "score",
    "explain",
    "score-points",
    "compare",
    "screen",
    "validate",
    "dossier",
    "detect-craters",
    "evaluate-craters",
    "diagnose-craters",
    "train-craters",
    "segment-terrain",
    "evaluate-segmentation",
    "calibrate",
    "train-segmenter",
    "render-orbital",
    "synthesize-image",
    "synthesize",
)


def load(name: str) -> Stage:
    """Return the declaration of a stage.

    Parameters
    ----------
    name : str
        One of `NAMES`.

    Returns
    -------
    Stage
        Its declaration.

    Raises
    ------
    ParameterError
        If there is no such stage.
    """
    if name not in NAMES:
        raise unknown_name("stage", name, list(NAMES))
    module = importlib.import_module(f"lunarsite.engine.stages.{name.replace('-', '_')}")
    stage: Stage = module.STAGE
    return stage


def limits(name: str, parameter: str) -> tuple[float, float]:
    """Return the declared range of a stage's number; infinite where an end is open."""
    declared = load(name).parameter(parameter)
    low, high = declared.minimum, declared.maximum
    return (-math.inf if low is None else low, math.inf if high is None else high)


def load_all() -> tuple[Stage, ...]:
    """Return the declarations of all stages, in the order of `NAMES`."""
    return tuple(load(name) for name in NAMES)
