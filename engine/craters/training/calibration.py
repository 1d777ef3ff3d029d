"""What a network's answers are worth: measured on generated ground that it never saw.

Three numbers of every crater, its hottest centre, the mean heat over the scales that could see it
and its size in pixels, are turned into a probability by a logistic curve (Platt 1999). The default
threshold is the probability at which F1 is highest. Real frames have no part in either.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.detection import confidence, decoding, multiscale
from lunarsite.engine.craters.detection.confidence import Calibration
from lunarsite.engine.craters.training import batches
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.synthetic.crater_tiles import tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.model.onnx_runner import Runner

    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

FIRST_SEED = batches.VALIDATION_SEED + 500_000_000
FRAMES_PX = (640, 1280)
"""Sides of the frames, by turns: the large ones hold craters that only coarse scales see whole."""

LEAST_RADIUS_PX = 5.0
"""Craters of this radius and more are asked for."""

GIVEN_RADIUS_PX = 4.0
"""What is found between the two is neither right nor wrong where it is there."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What was found on the frames and what it was.

    Parameters
    ----------
    features : ndarray of float64, shape (found, 4)
        As `Calibration` takes them.
    score : ndarray of float64, shape (found,)
        Before calibration.
    outcome : ndarray of int64, shape (found,)
        1 right, 0 wrong, -1 neither.
    radius_px : ndarray of float64, shape (found,)
        Of the circles.
    wanted : int
        How many craters there were to find.
    """

    features: Float
    score: Float
    outcome: Int
    radius_px: Float
    wanted: int


def calibrate(
    runner: Runner, context: Context, *, frames: int = 16, first_seed: int = FIRST_SEED
) -> tuple[Calibration, dict[str, Any]]:
    """Return the calibration of a network and what it reached.

    Half of the frames are calibrated on; the other half say what that reached.

    Returns
    -------
    Calibration
        As fitted.
    dict
        Precision, recall and F1 at the strict gate, JSON-able.
    """
    judged = [
        judge(
            runner,
            first_seed + number,
            frame_px(number),
            context.part(number / frames, (number + 1) / frames),
        )
        for number in range(frames)
    ]
    fitted = fit(joined(judged[::2]))
    return fitted, {"frames": frames // 2, **measure(joined(judged[1::2]), fitted)}


def frame_px(number: int) -> int:
    """Return the side of a frame; both halves of the frames have both sides."""
    return FRAMES_PX[number // 2 % 2]


def judge(runner: Runner, seed: int, side_px: int, context: Context) -> Judged:
    """Return what a network finds on one generated frame, compared with what is there.

    Parameters
    ----------
    runner : Runner
        The network.
    seed, side_px : int
        Of the frame.
    context : Context
        Progress and the memory limit.
    """
    tile = tiles.make(seed, side_px)
    grid = Grid(0.0, 0.0, 1.0, side_px, side_px)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Scratch(Path(folder), context.memory_limit_bytes)
        # In units of a pixel, so that heights per pixel are what they were.
        height = (tile.height_m / np.float32(tile.pixel_m)).astype(np.float32)
        found = multiscale.find(pyramid.of(grid, height, scratch), runner, context)
    features = confidence.features_of(found)
    score = found.best
    kept = decoding.suppressed(found.x, found.y, found.radius, score, shared=confidence.COVERED)
    kept = kept[found.radius[kept] >= GIVEN_RADIUS_PX]
    x, y, radius = found.x[kept] - 0.5, -found.y[kept] - 0.5, found.radius[kept]
    outcome, wanted = outcomes(x, y, radius, tile.circles, side_px)
    return Judged(features[kept], score[kept], outcome, radius, wanted)


def fit(judged: Judged) -> Calibration:
    """Return the logistic curve through outcomes, and the threshold of the highest F1.

    Outcomes that are neither right nor wrong do not count. Without any the curve is the network's
    own heat and the threshold one half.
    """
    known = judged.outcome >= 0
    x, y = judged.features[known], judged.outcome[known].astype(np.float64)
    plain = np.array([0.0, 1.0, 0.0, 0.0])
    weights = plain.copy()
    # Newton's method; the ridge keeps a network that finds nothing from dividing by zero.
    ridge = np.diag([1e-3, 1e-1, 1e-1, 1e-1])
    for _ in range(50):
        chance = special.expit(x @ weights)
        slope = x.T @ (y - chance) - ridge @ (weights - plain)
        curve = (x * (chance * (1.0 - chance))[:, None]).T @ x + ridge
        step = np.linalg.solve(curve, slope)
        weights = weights + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-9:
            break
    chance = special.expit(x @ weights)
    order = np.argsort(-chance, kind="stable")
    right = np.cumsum(y[order])
    f1 = 2.0 * right / (np.arange(1, right.size + 1) + max(judged.wanted, 1))
    best = float(chance[order][np.argmax(f1)]) if f1.size else 0.5
    constant, by_best, by_mean, by_size = (round(float(w), 6) for w in weights)
    return Calibration(constant, by_best, by_mean, by_size, threshold=round(best, 3))


def measure(judged: Judged, fitted: Calibration) -> dict[str, Any]:
    """Return what a calibration reaches at its threshold, JSON-able.

    Precision, recall and F1 are shares; the calibration error is the mean distance between
    confidence and share of right ones over ten bins of confidence, by their number.
    """
    chance = special.expit(judged.features @ fitted.weights())
    known = judged.outcome >= 0
    taken = known & (chance >= fitted.threshold)
    right = int((judged.outcome[taken] == 1).sum())
    precision = right / max(int(taken.sum()), 1)
    recall = right / max(judged.wanted, 1)
    edges = np.linspace(0.0, 1.0, 11)
    rows = np.digitize(chance[known], edges[1:-1])
    gaps = [
        abs(float(chance[known][rows == r].mean() - (judged.outcome[known][rows == r]).mean()))
        * float((rows == r).mean())
        for r in range(10)
        if (rows == r).any()
    ]
    return {
        "craters": judged.wanted,
        "gate": "strict",
        "least_radius_px": LEAST_RADIUS_PX,
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / max(precision + recall, 1e-9), 4),
        "calibration_error": round(sum(gaps), 4),
    }


def outcomes(x: Float, y: Float, radius: Float, circles: Float, side_px: int) -> tuple[Int, int]:
    """Return 1, 0 or -1 for circles in pixels, the best first, and how many were to be found.

    ``circles`` are a tile's: column, row, radius, certain or not, and more; shape (craters, 4+).

    Each takes the nearest free crater within the strict gate; the gate is so narrow that two
    rarely want the same.
    """
    outcome = np.zeros(x.size, np.int64)
    wanted = (circles[:, 3] > 0) & (circles[:, 2] >= LEAST_RADIUS_PX)
    inside = ((circles[:, :2] >= -0.5) & (circles[:, :2] < side_px - 0.5)).all(axis=1)
    wanted &= inside
    free = np.ones(len(circles), bool)
    for i in range(x.size):
        distance = np.hypot(circles[:, 0] - x[i], circles[:, 1] - y[i]) / circles[:, 2]
        misfit = np.abs(radius[i] / circles[:, 2] - 1.0)
        fits = (distance < 0.5) & (misfit < 0.25)
        choice = np.where(fits & free, distance + 2.0 * misfit, np.inf)
        # What is wanted goes first: a doubtful crater beside it must not take its circle.
        choice = np.where(wanted, choice, choice + 10.0)
        at = int(np.argmin(choice)) if len(circles) else -1
        if at >= 0 and np.isfinite(choice[at]):
            free[at] = False
            outcome[i] = 1 if wanted[at] else -1
        elif (fits.any() and not wanted[fits].any()) or radius[i] < LEAST_RADIUS_PX:
            outcome[i] = -1
    return outcome, int(wanted.sum())


def joined(parts: list[Judged]) -> Judged:
    """Return the outcomes of several frames as one."""
    return Judged(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.outcome for part in parts]),
        np.concatenate([part.radius_px for part in parts]),
        sum(part.wanted for part in parts),
    )
