"""Rocks: on generated scenes, on the shared renders and photographs, and how long it takes.

    python benchmarks/bench_rocks.py [--checkpoint F] [--sheet FOLDER]

Renders and photographs need ../shared/data; they are for tests and validation only. With --sheet
contact sheets of images, masks and answers are drawn. Images that were squashed to a square are
stretched back before the network looks, and its answers are compared at that size.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.windows import Window
from scipy import ndimage

from lunarsite.engine.context import Context
from lunarsite.engine.io import images
from lunarsite.engine.io.raster import opened
from lunarsite.engine.report import drawing
from lunarsite.engine.segmentation import (
    classes,
    evaluation,
    inference,
    metrics,
    onnx_runner,
    tiling,
    weights,
)
from lunarsite.engine.segmentation.samples import Sample
from lunarsite.engine.segmentation.training import batches, camera_shifts, held_out
from lunarsite.engine.uncertainty.out_of_distribution import auroc, false_positive_rate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lunarsite.engine.segmentation.evaluation import Evaluation

COMMAND = [str(Path(sys.executable).with_name("lunarsite"))]
DATA = Path(__file__).parents[1] / ".." / "shared" / "data" / "rocks"
SIDES = {"render": (282, 423), "real": (310, 423)}
SQUASHED = (274, 274)
SPEED_PX = 4096
WHOLE_PX = (1700, 1792)
PASSES = 2000
SHIFTED = 32
OTHERS = 64
"""Images of each kind whose distance is measured."""
MOST = 24
"""Images of a contact sheet."""
LOOKED_AT = 10
"""Every tenth image, by name, may be looked at."""
SURE = 0.8
ROCKS = (1, 2)


@dataclass(frozen=True)
class Figure:
    """What is asked of a set: its name, and the least of three figures."""

    name: str
    miou: float
    any_rock: float
    each: float


WANTED = {
    "own": Figure("generated held-out scenes", 0.85, 0.0, 0.70),
    "render": Figure("the shared renders, zero-shot", 0.60, 0.40, 0.25),
    "real": Figure("the shared photographs, zero-shot", 0.56, 0.35, 0.0),
}


def main(checkpoint: Path, sheet: Path | None) -> None:
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    loaded = weights.load(checkpoint)
    look = loaded.runner(uncertain=True)
    sets = {"own": [own(number) for number in range(held_out.SCENES // 2, held_out.SCENES)]}
    if DATA.is_dir():
        sets |= {kind: list(shared(kind)) for kind in SIDES}
    judged = {
        kind: evaluation.evaluate(look, samples, len(samples), Context())
        for kind, samples in sets.items()
    }
    for kind, found in judged.items():
        quality(kind, found)
        threshold(sets[kind])
    calibrated(judged["own"])
    shifted(look, sets["own"])
    probe = inference.probe_of([loaded])
    if probe is not None:
        warned(probe)
        for kind in set(sets) & set(SIDES):
            distant(kind, probe, sets[kind])
    for kind in set(judged) & set(SIDES):
        outside(WANTED[kind].name, judged["own"], judged[kind])
    without = np.array([name != "real_TCAM21" for name in names("real")])
    if "real" in judged and not without.all():
        part = metrics.figures(
            sum(m for m, kept in zip(judged["real"].agreement.images, without, strict=True) if kept)
        )
        print(
            f"| the photographs without TCAM21 | | mIoU {part['miou']}, any rock "
            f"{part['any_rock']} | |"
        )
    for kind in set(sets) & set(SIDES):
        kept = [sample for number, sample in enumerate(sets[kind]) if number % LOOKED_AT]
        unseen(kind, evaluation.evaluate(look, kept, len(kept), Context()), len(kept))
    information(loaded, sets)
    cost(loaded)
    tiled(loaded)
    speed("orbital")
    speed("surface", checkpoint)
    if sheet is not None:
        for kind in set(sets) & set(SIDES):
            some, titles = sets[kind][::LOOKED_AT], names(kind)[::LOOKED_AT]
            draw(sheet / f"{kind}.png", look, some, titles)
            sure_and_wrong(sheet / f"{kind}-sure-and-wrong.png", look, some, titles)


def own(number: int) -> Sample:
    return batches.load("surface", held_out.FIRST_SEED + number, None)


def names(kind: str) -> list[str]:
    return [
        path.name.removesuffix("_image.png") for path in sorted(DATA.glob(f"{kind}_*_image.png"))
    ]


def shared(kind: str) -> Iterable[Sample]:
    for name in names(kind):
        with opened(DATA / f"{name}_image.png", "The image") as source:
            shape = SIDES[kind] if source.shape == SQUASHED else source.shape
            image = source.read((1, 2, 3), out_shape=(3, *shape), resampling=Resampling.cubic)
        with opened(DATA / f"{name}_mask.png", "The mask") as source:
            mask = source.read(1, out_shape=shape, resampling=Resampling.nearest)
        yield Sample(np.ascontiguousarray(np.moveaxis(image, 0, 2)), mask)


def quality(kind: str, found: Evaluation) -> None:
    said, wanted = found.agreement.summary(), WANTED[kind]
    low = said["intervals"]
    rocks = [said["iou"][name] for name in classes.NAMES[1:3]]
    reached = said["miou"] >= wanted.miou and said["any_rock"] >= wanted.any_rock
    reached = reached and min(rock or 0.0 for rock in rocks) >= wanted.each
    print(
        f"| {wanted.name}, {said['images']} images | mIoU ≥ {wanted.miou}, any rock ≥ "
        f"{wanted.any_rock}, each rock class ≥ {wanted.each} | mIoU {said['miou']:.3f} "
        f"{low['miou']}, any rock {said['any_rock']:.3f} {low['any_rock']}; "
        + ", ".join(f"{n} {v:.3f}" for n, v in said["iou"].items() if v is not None)
        + f" | {'yes' if reached else 'no'} |"
    )


def unseen(kind: str, found: Evaluation, count: int) -> None:
    """Print what is found on the images that have chosen nothing since scenes 6."""
    said = found.agreement.summary()
    curve = found.calibration.predicted_rare
    print(
        f"| {count} of {WANTED[kind].name}, by which nothing was chosen since scenes 6 | "
        f"| mIoU {said['miou']:.3f}, any rock {said['any_rock']:.3f}; predicted as rock: right "
        f"{curve.correct.sum() / curve.count.sum():.2f} of the time at a mean confidence of "
        f"{curve.confidence.sum() / curve.count.sum():.2f}, calibration error "
        f"{curve.expected_calibration_error():.3f} | |"
    )


def threshold(samples: list[Sample]) -> None:
    """Judge what no network says: a black top is sky, bright blobs are rocks."""
    agreement = metrics.Agreement()
    for image, mask in samples:
        agreement.add(baseline(image), mask)
    said = agreement.summary()
    print(
        f"| the same by thresholds | | mIoU {said['miou']:.3f}, any rock {said['any_rock']:.3f} | |"
    )


def baseline(image: np.ndarray) -> np.ndarray:
    grey = image.astype(np.float64).mean(axis=2)
    dark, _ = ndimage.label(grey < 12.0)
    top = np.unique(dark[0])
    sky = np.isin(dark, top[top > 0])
    usual = ndimage.median_filter(grey, 41)
    bright = (grey > usual + 1.8 * grey[~sky].std()) & ~sky if (~sky).any() else sky & False
    blobs, count = ndimage.label(ndimage.binary_opening(bright))
    area = np.bincount(blobs.ravel(), minlength=count + 1)
    out = np.zeros(grey.shape, np.uint8)
    out[sky] = classes.SKY
    kind = np.where(area >= 450, classes.LARGE, np.where(area >= 14, classes.SMALL, 0))
    kind[0] = 0
    return np.where(blobs > 0, kind[blobs], out).astype(np.uint8)


def calibrated(found: Evaluation) -> None:
    said = found.calibration.summary()
    error, rocks = said["ece"], said["ece_called_rocks"]
    print(
        f"| calibration error on generated scenes, all pixels; called rocks | ≤ 0.01; ≤ 0.05 | "
        f"{error:.4f}; {rocks:.4f} (of true rocks {said['ece_true_rocks']:.3f}; adaptive "
        f"{said['adaptive_ece']:.4f}; Brier {said['brier']:.4f}; NLL {said['nll']:.4f}) | "
        f"{'yes' if error <= 0.01 and rocks <= 0.05 else 'no'} |"
    )


def shifted(look: object, samples: list[Sample]) -> None:
    """Evaluate the generated scenes after each shift of the camera model, at each strength."""
    for kind in camera_shifts.KINDS:
        rows = []
        for level in camera_shifts.LEVELS:
            moved = [
                camera_shifts.shifted(sample, kind, level, np.random.default_rng([level, number]))
                for number, sample in enumerate(samples[:SHIFTED])
            ]
            said = evaluation.evaluate(look, moved, len(moved), Context()).summary()
            error = said["calibration"]["ece_called_rocks"]
            rows.append(f"any rock {said['any_rock']:.3f}, calibration error of rocks {error:.3f}")
        print(f"| {kind}, mild, clear, strong, {SHIFTED} scenes | | {'; '.join(rows)} | |")


def outside(name: str, inside: Evaluation, other: Evaluation) -> None:
    one, two = inside.mutual_information, other.mutual_information
    found = auroc(one, two)
    print(
        f"| mutual information, {name} over generated scenes | AUROC ≥ 0.75 | {found:.3f}, FPR95 "
        f"{false_positive_rate(one, two):.2f}, median {np.median(two) / np.median(one):.2f} times; "
        f"entropy {auroc(inside.entropy, other.entropy):.3f} | {'yes' if found >= 0.75 else 'no'} |"
    )


def warned(probe: inference.Probe) -> None:
    """Print how many images of each kind are called out of distribution, by the surface network."""
    random = np.random.default_rng(0)
    numbers = range(held_out.SCENES, held_out.SCENES + OTHERS)
    scenes = [own(number).image for number in numbers]
    kinds = {
        f"{OTHERS} other scenes, beyond the 95th percentile of held-out ones": scenes,
        "square crops of them": [image[:, : image.shape[0]] for image in scenes],
        "images from orbit": [
            batches.load("orbital", held_out.FIRST_SEED + number, None).image for number in numbers
        ],
        "noise": [random.integers(0, 256, scenes[0].shape).astype(np.uint8) for _ in numbers],
    }
    shares = {}
    for name, images_of_kind in kinds.items():
        far = [probe.distance(image) for image in images_of_kind]
        measured = [probe.domain.compared(each) for each in far if each is not None]
        called = np.mean([each.is_out_of_distribution for each in measured])
        small = len(far) - len(measured)
        shares[name] = f"{name} {100 * called:.0f} %" + (f" ({small} too small)" if small else "")
    print(f"| called out of distribution | 5 % of scenes | {', '.join(shares.values())} | |")


def distant(kind: str, probe: inference.Probe, samples: list[Sample]) -> None:
    """Print how well the distance from the training images separates those that chose nothing."""
    usual = probe.domain.usual
    found = np.array(
        [
            probe.distance(sample.image)
            for number, sample in enumerate(samples)
            if number % LOOKED_AT
        ]
    )
    apart = auroc(usual, found)
    warned = np.mean([probe.domain.compared(distance).is_out_of_distribution for distance in found])
    print(
        f"| distance from the training images, {len(found)} of {WANTED[kind].name} over generated "
        f"scenes | photographs: AUROC ≥ 0.75 | {apart:.3f}, FPR95 "
        f"{false_positive_rate(usual, found):.2f}, median "
        f"{np.median(found) / np.median(usual):.2f} times; {100 * warned:.0f} % "
        "are called out of distribution | "
        f"{'yes' if apart >= 0.75 else 'no' if kind == 'real' else ''} |"
    )


def information(loaded: weights.Checkpoint, sets: dict[str, list[Sample]]) -> None:
    """Compare the closed form's mutual information with that of many passes, on four images."""
    samples = [*sets["own"][:2], *(sets[kind][0] for kind in SIDES if kind in sets)]
    ratios = []
    for sample in samples:
        means = [
            evaluation.evaluate(way, [sample], 1, Context()).mutual_information[0]
            for way in (
                loaded.runner(uncertain=True),
                loaded.runner(uncertain=True, passes=PASSES),
            )
        ]
        ratios.append(means[0] / means[1])
    print(
        f"| mean mutual information in closed form over that of {PASSES:,} passes, {len(samples)} "
        f"images | within 10 % | {', '.join(f'{ratio:.3f}' for ratio in ratios)}; mean "
        f"{np.mean(ratios):.3f} | {'yes' if max(abs(r - 1.0) for r in ratios) <= 0.1 else 'no'} |"
    )


def cost(loaded: weights.Checkpoint) -> None:
    """Compare the time of one pass with that of MC Dropout, on one core, and their calibration."""
    seen = np.random.default_rng(0).standard_normal((3, 768, 768)).astype(np.float32)
    ways = {
        "one pass": loaded.runner(),
        "closed form": loaded.runner(uncertain=True),
        "20 passes": loaded.runner(uncertain=True, passes=20),
    }
    took, error = {}, {}
    samples = [own(number) for number in range(held_out.SCENES // 2, held_out.SCENES)]
    for name, way in ways.items():
        way(seen)
        times = []
        for _ in range(3):
            began = time.perf_counter()
            way(seen)
            times.append(time.perf_counter() - began)
        took[name] = min(times)
        error[name] = evaluation.evaluate(
            way, samples, len(samples), Context()
        ).calibration.all.expected_calibration_error()
    ratio = took["closed form"] / took["one pass"]
    worse = error["closed form"] - error["20 passes"]
    print(
        f"| MC Dropout by default (before the head, closed form) against one pass | ≤ 1.3×, "
        f"calibration not worse than 20 passes by more than 0.002 | {ratio:.2f}× (20 passes "
        f"{took['20 passes'] / took['one pass']:.2f}×); calibration error "
        + ", ".join(f"{name} {value:.4f}" for name, value in error.items())
        + f" | {'yes' if ratio <= 1.3 and worse <= 0.002 else 'no'} |"
    )


def tiled(loaded: weights.Checkpoint) -> None:
    """Compare what tiles say together with what the network says of the whole image at once."""
    rows, columns = WHOLE_PX
    scenes = [own(number).image for number in range(24)]
    bands = [np.concatenate(scenes[n : n + 4], axis=1) for n in range(0, 24, 4)]
    pixels = np.ascontiguousarray(np.concatenate(bands)[:rows, :columns])
    look = loaded.runner(uncertain=True)
    look.side_px = None
    found = np.zeros((onnx_runner.BANDS, rows, columns), np.float32)

    def take(row: int, answer: np.ndarray, known: np.ndarray) -> None:
        found[:, row : row + known.shape[0]] = answer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.png"
        with rasterio.open(
            path, "w", driver="PNG", width=columns, height=rows, count=3, dtype="uint8"
        ) as file:
            file.write(np.moveaxis(pixels, 2, 0))
        with images.opened(path) as image:
            window = Window(0, 0, columns, rows)
            tiling.run(image, window, look, take, Context(threads=2), tiling.Tiling())
    whole = evaluation.predict(look, pixels)
    off = np.abs(found - whole)[: len(classes.NAMES)]
    same = float((classes.classify(found[:4]) == classes.classify(whole[:4])).mean())
    print(
        f"| tiles against the whole, {rows} × {columns} px, the network that ships | ≤ 1e-4, "
        f"classes equal on ≥ 99.99 % | {off.max():.1e} at the most, {np.quantile(off, 0.9999):.1e} "
        f"on 99.99 %; classes {100 * same:.4f} % | "
        f"{'yes' if off.max() <= 1e-4 and same >= 0.9999 else 'no'} |"
    )


def speed(view: str, checkpoint: Path | None = None) -> None:
    """Time the stage; every pixel is looked at in the view from orbit alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.tif"
        tile = np.concatenate([own(n).image[:256, :256].mean(axis=2) for n in range(4)], axis=1)
        whole = np.tile(tile.astype(np.uint8), (SPEED_PX // 256, SPEED_PX // tile.shape[1]))
        sides = {"width": SPEED_PX, "height": SPEED_PX, "count": 1, "dtype": "uint8"}
        grid = rasterio.Affine(1.0, 0.0, 10.0, 0.0, -1.0, 0.0)
        with rasterio.open(path, "w", driver="GTiff", transform=grid, **sides) as file:
            file.write(whole, 1)
        words = ["segment-terrain", "--image", str(path), "--out", folder, "--view", view]
        words += ["--checkpoint", str(checkpoint or weights.BUNDLED[view])]
        began = time.perf_counter()
        subprocess.run([*COMMAND, *words, "--quiet"], check=True)
        took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    rate = SPEED_PX**2 / 1e6 / took
    print(
        f"| {SPEED_PX}², the whole stage with uncertainty, {view} view | ≥ 0.4 Mpx/s, ≤ 3 GiB | "
        f"{rate:.2f} Mpx/s ({took:.0f} s), {peak:.2f} GiB | "
        f"{'yes' if rate >= 0.4 and peak <= 3 else 'no'} |"
    )


def sure_and_wrong(path: Path, look: object, samples: list[Sample], titles: list[str]) -> None:
    """Draw images beside where the network is sure and wrong: of a rock, or of its absence."""
    rows = -(-len(samples) // 3)
    with drawing.style():
        page = drawing.figure(13.0, 2.2 * rows)
        panels = page.subplots(rows, 6, squeeze=False)
        for axes in panels.ravel():
            axes.set_axis_off()
        for number, ((image, mask), title) in enumerate(zip(samples, titles, strict=True)):
            probability = evaluation.predict(look, image)[: len(classes.NAMES)]
            answer, sure = classes.classify(probability), probability.max(axis=0) >= SURE
            said, true = (np.isin(each, ROCKS) for each in (answer, mask))
            picture = 0.6 * image.astype(np.float64)
            picture[sure & said & ~true] = (230, 40, 60)
            picture[sure & ~said & true] = (250, 210, 60)
            picture[said & true] += 60.0
            row, first = number // 3, 2 * (number % 3)
            panels[row, first].imshow(image, aspect="auto")
            panels[row, first + 1].imshow(np.clip(picture, 0, 255).astype(np.uint8), aspect="auto")
            panels[row, first].set_title(title, size=6, pad=1)
        page.suptitle("red: sure of a rock, none there; yellow: sure of none, one there", size=8)
        drawing.save(page, path, "png")


def draw(path: Path, look: object, samples: list[Sample], titles: list[str]) -> None:
    """Draw images, masks and answers side by side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    step = max(1, len(samples) // MOST)
    shown = list(zip(samples, titles, strict=True))[::step][:MOST]
    tint = np.array([[110, 110, 110], [253, 174, 63], [200, 30, 90], [40, 90, 200]])
    rows = -(-len(shown) // 2)
    with drawing.style():
        page = drawing.figure(13.0, 1.62 * rows)
        panels = page.subplots(rows, 6, squeeze=False)
        for axes in panels.ravel():
            axes.set_axis_off()
        for number, ((image, mask), title) in enumerate(shown):
            answer = classes.classify(evaluation.predict(look, image)[: len(classes.NAMES)])
            row, first = number // 2, 3 * (number % 2)
            for column, kinds in enumerate((None, mask, answer)):
                picture = image if kinds is None else (0.5 * image + 0.5 * tint[kinds])
                panels[row, first + column].imshow(picture.astype(np.uint8), aspect="auto")
            panels[row, first].set_title(title, size=6, pad=1)
        drawing.save(page, path, "png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=weights.BUNDLED["surface"])
    parser.add_argument("--sheet", type=Path)
    given = parser.parse_args()
    main(given.checkpoint, given.sheet)
