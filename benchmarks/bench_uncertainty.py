"""Ways to be uncertain about rocks: quality, calibration in and out of distribution, and cost.

    python benchmarks/bench_uncertainty.py [--dropout F]

The light network with a single pass, in closed form and with 20 passes; both networks of
`segmenter-surface` with a single pass each and in closed form; with --dropout also a network with
dropout after every ReLU. Renders and photographs need ../shared/data, and those that may be looked
at are left out. Cost is the time of a scene on one core, beside that of a single pass.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from bench_rocks import DATA, LOOKED_AT, SIDES, own, shared

from lunarsite.engine.context import Context
from lunarsite.engine.segmentation import evaluation, weights
from lunarsite.engine.segmentation.training import camera_shifts, held_out
from lunarsite.engine.uncertainty.out_of_distribution import auroc

if TYPE_CHECKING:
    from lunarsite.engine.segmentation.onnx_runner import Runner
    from lunarsite.engine.segmentation.samples import Sample

SCENES = 64
PASSES = 20
ALONE = "light network, single pass"
STRONGEST = camera_shifts.LEVELS[-1]


def main(dropout: Path | None) -> None:
    light = weights.load(weights.BUNDLED["surface"].with_stem("segmenter-surface-light"))
    both = weights.load(weights.BUNDLED["surface"])
    context = Context()
    ways = {
        ALONE: light.runner(),
        "light network, dropout before the head, closed form": light.runner(uncertain=True),
        f"the same, {PASSES} passes": light.runner(uncertain=True, passes=PASSES),
        "both networks, single passes": both.runner(),
        "**both networks, closed form (default)**": both.runner(uncertain=True),
    }
    if dropout is not None:
        name = f"light network, dropout after every ReLU, {PASSES} passes"
        ways[name] = weights.load(dropout).runner(context=context, uncertain=True, passes=PASSES)
    sets = images()
    print(
        "| method | cost | "
        + " | ".join(f"{name}: mIoU, any rock, calibration error of rocks" for name in sets)
        + " | AUROC of "
        + ", ".join(list(sets)[1:])
        + ": entropy; mutual information |"
    )
    print("|---|---|" + "---|" * (len(sets) + 1))
    once = seconds(light.runner(), sets["scenes"])
    for name, way in ways.items():
        found = {
            kind: evaluation.evaluate(way, some, len(some), Context())
            for kind, some in sets.items()
        }
        cells = []
        for each in found.values():
            said = each.summary()
            error = said["calibration"]["ece_called_rocks"]
            cells.append(f"{said['miou']:.3f}, {said['any_rock']:.3f}, {error:.3f}")
        inside, *others = found.values()
        apart = [
            ", ".join(f"{auroc(getattr(inside, of), getattr(each, of)):.2f}" for each in others)
            for of in ("entropy", "mutual_information")
        ]
        if name == ALONE:
            apart[1] = "none"  # what is left comes from enlarging the result
        cost = seconds(way, sets["scenes"]) / once
        print(
            f"| {name} | {cost:.1f} | {' | '.join(cells)} | {'; '.join(apart)} |",
            flush=True,
        )


def images() -> dict[str, list[Sample]]:
    """Return scenes, the same after a strong shift each, and what has chosen nothing."""
    first = held_out.SCENES // 2
    scenes = [own(number) for number in range(first, first + SCENES)]
    moved = []
    for number, scene in enumerate(scenes):
        kind = camera_shifts.KINDS[number % len(camera_shifts.KINDS)]
        random = np.random.default_rng([STRONGEST, number])
        moved.append(camera_shifts.shifted(scene, kind, STRONGEST, random))
    sets = {"scenes": scenes, "shifted scenes": moved}
    if DATA.is_dir():
        for kind, title in zip(SIDES, ("renders", "photographs"), strict=True):
            kept = [sample for n, sample in enumerate(shared(kind)) if n % LOOKED_AT]
            sets[f"{len(kept)} {title}"] = kept
    return sets


def seconds(way: Runner, samples: list[Sample]) -> float:
    """Return the least time that a scene takes."""
    took = []
    for sample in samples[:3]:
        began = time.perf_counter()
        evaluation.predict(way, sample.image)
        took.append(time.perf_counter() - began)
    return min(took)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dropout", type=Path)
    main(parser.parse_args().dropout)
