"""Fit the calibration curve of the template method to synthetic terrain: make template.

The frames are those of the calibration of the networks: half are used for fitting, half for
evaluation.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
from scipy import special

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.context import Context
from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.detection import template
from lunarsite.engine.craters.training import calibration, held_out
from lunarsite.engine.craters.training.held_out import Evaluation, joined, outcomes
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.synthetic.crater_tiles import tiles

FRAMES = 16
ROUNDS = 3
START = template.Curve(-6.0, 7.0, 1.5, 2.5, 0.3, 0.5)


def main() -> None:
    context = Context()
    frames = [frame(number) for number in range(FRAMES)]
    curve = START
    # Which circle suppresses which depends on the curve, and the curve on what is left.
    for _ in range(ROUNDS):
        curve = fitted([judged(*one, curve, context) for one in frames[::2]], curve)
    reached = calibration.measure(
        joined([judged(*one, curve, context) for one in frames[1::2]]), curve
    )
    said = {
        "curve": curve.as_dict(),
        "metrics": {"frames": FRAMES // 2, **reached},
        "data": tiles.DATA,
        "frames": FRAMES,
        "frames_px": held_out.FRAMES_PX,
        "first_seed": held_out.FIRST_SEED,
        "tiles_version": tiles.VERSION,
        "made_by": "make template",
    }
    with whole_file(template.FITTED) as partial:
        partial.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def frame(number: int) -> tuple[np.ndarray, np.ndarray]:
    tile = tiles.make(held_out.FIRST_SEED + number, held_out.frame_px(number))
    return (tile.height_m / np.float32(tile.pixel_m)).astype(np.float32), tile.circles


def judged(
    height: np.ndarray, circles: np.ndarray, curve: template.Curve, context: Context
) -> Evaluation:
    side = height.shape[0]
    with tempfile.TemporaryDirectory() as folder:
        levels = pyramid.of(Grid(0.0, 0.0, 1.0, side, side), height, Scratch(Path(folder), 10**9))
        found, chance = template.find(levels, curve, context)
    large = found.radius >= held_out.LEAST_DETECTED_RADIUS_PX
    found, chance = found.kept(large), chance[large]
    outcome, wanted = outcomes(found.x - 0.5, -found.y - 0.5, found.radius, circles, side)
    return Evaluation(found.features, special.logit(chance), outcome, found.radius, wanted)


def fitted(parts: list[Evaluation], before: template.Curve) -> template.Curve:
    together = joined(parts)
    known = together.outcome >= 0
    x, y = together.features[known], together.outcome[known].astype(np.float64)
    weights = before.weights()
    for _ in range(50):
        chance = special.expit(x @ weights)
        curve = (x * (chance * (1.0 - chance))[:, None]).T @ x + 1e-3 * np.eye(weights.size)
        weights = weights + np.clip(np.linalg.solve(curve, x.T @ (y - chance)), -2.0, 2.0)
    chance = special.expit(x @ weights)
    order = np.argsort(-chance, kind="stable")
    f1 = 2.0 * np.cumsum(y[order]) / (np.arange(1, y.size + 1) + together.target_count)
    best = round(float(chance[order][np.argmax(f1)]), 3)
    return template.Curve(*(round(float(w), 6) for w in weights), threshold=best)


if __name__ == "__main__":
    main()
