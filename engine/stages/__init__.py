"""The stages. One module each; this list is the only place that names them all.

Importing a stage's module costs nothing but the standard library: what does the work is imported
by its ``run``.
"""

from __future__ import annotations

import importlib

from lunarsite.engine.contract import Stage, unknown_name

NAMES: tuple[str, ...] = (
    "terrain",
    "lighting",
    "skyline",
    "features",
    "train-scorer",
    "score",
    "explain",
    "score-points",
    "compare",
    "screen",
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
    """Return the declaration of the stage of that name.

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


def load_all() -> tuple[Stage, ...]:
    """Return all declarations in the order of the work."""
    return tuple(load(name) for name in NAMES)
