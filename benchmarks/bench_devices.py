"""The same answers on a GPU: every stage that uses a device, against the CPU.

    .venv/bin/python benchmarks/bench_devices.py [--side 2048]

Needs the ml group. Where there is a GPU it is used; elsewhere it is emulated, torch's CPU under the
name of CUDA: every branch is taken, but a GPU's own rounding is not seen. With a full memory it is
emulated in either case.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import torch
from bench_scoring import made_up, said
from PIL import Image
from scipy.spatial import cKDTree

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.emulated_cuda import Gpu, emulated_cuda

from lunarsite.engine import device, stages
from lunarsite.engine.context import Context
from lunarsite.engine.craters import pyramid
from lunarsite.engine.craters.detection import search
from lunarsite.engine.craters.model import architecture
from lunarsite.engine.craters.model import weights as crater_weights
from lunarsite.engine.frontends.execution import run_stage
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.scoring import tables
from lunarsite.engine.segmentation import network, torch_runner, weights
from lunarsite.engine.segmentation.architecture import Architecture
from lunarsite.engine.segmentation.training import batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Values = dict[str, Any]
MOST, SAME = 1e-4, 0.9999
SURFACE, ORBITAL = weights.BUNDLED["surface"], weights.BUNDLED["orbital"]
LIMITED = {"halves of tiles": 800 * 800, "CPU in the middle": 3}


def main(side: int, work: Path) -> None:
    """Print the table."""
    real = device.choose().kind == "cuda"
    print(f"GPU: {device.choose().name if real else 'emulated'}\n")
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    on_gpu = contextlib.nullcontext if real else emulated_cuda
    dem = work / "dem.tif"
    run("synthesize", out=str(dem), size_px=768)
    images = scenes(work)
    orbital = image(work / "orbital.png", 2000, 1400)
    for name, values in (
        ("surface", {"image": str(images[0]), "view": "surface"}),
        ("orbital, in tiles", {"image": str(orbital), "view": "orbital"}),
        ("orbital, 20 passes", {"image": str(orbital), "view": "orbital", "passes": 20}),
        ("orbital, one pass", {"image": str(orbital), "view": "orbital", "uncertainty": "none"}),
    ):
        segmented(f"segment-terrain, {name}", values, on_gpu, work)
    values = {"image": str(orbital), "view": "orbital"}
    for name in LIMITED:
        segmented(f"segment-terrain, memory for {name}", values, lambda n=name: limited(n), work)
    resnets(on_gpu)
    evaluated(images, on_gpu, work)
    detected("detect-craters", dem, on_gpu, work)
    for name in LIMITED:
        detected(f"detect-craters, memory for {name}", dem, lambda n=name: limited(n), work)
    scored(on_gpu, work)
    trained(on_gpu, work)
    start(dem, work)
    speed(side, work)


def run(name: str, where: str = "cpu", **values: Any) -> Values:
    return run_stage(stages.load(name), values | {"device": where}, cancelled=threading.Event())


@contextlib.contextmanager
def limited(name: str) -> Iterator[None]:
    """Emulate a GPU whose memory holds halves of tiles, or that is full after some of them."""
    with emulated_cuda() as gpu:
        if name in LIMITED and LIMITED[name] > 100:
            gpu.most_px = LIMITED[name]
        else:
            _full_after(gpu, LIMITED[name])
        yield


def _full_after(gpu: Gpu, tiles: int) -> None:
    take = gpu.take

    def full(tensor: torch.Tensor) -> None:
        gpu.most_px = 0 if len(gpu.tiles) >= tiles else gpu.most_px
        take(tensor)

    gpu.take = full


def both(name: str, on_gpu: Callable, of: Callable[[str], Values]) -> tuple[Values, Values]:
    """Return the results of a stage on the CPU and on the GPU."""
    one = run(name, "cpu", **of("cpu"))
    with on_gpu():
        other = run(name, "cuda", **of("cuda"))
    return one, other


def segmented(what: str, values: Values, on_gpu: Callable, work: Path) -> None:
    _, found = both("segment-terrain", on_gpu, lambda k: values | {"out": str(work / f"r-{k}")})
    apart, shared = {}, []
    for name in ("probabilities", "entropy", "mutual_information", "classes"):
        if name in found["outputs"]:
            one, other = (band(work / f"r-{kind}" / f"{name}.tif") for kind in ("cpu", "cuda"))
            apart[name] = float(np.nanmax(np.abs(one.astype(np.float64) - other)))
            if name == "mutual_information":
                shared = [float(np.nanmean(one)), float(np.nanmean(other))]
            same = float((one == other).mean())
    text = f"probabilities {apart['probabilities']:.1e} apart, {100 * same:.4f} % of classes equal"
    if shared:
        text += f", mutual information {shared[1] / shared[0]:.5f} times"
    reached = apart["probabilities"] <= MOST and same >= SAME
    row(what, "≤ 1e-4, ≥ 99.99 %", f"{text} ({ran(found)})", reached)


def resnets(on_gpu: Callable) -> None:
    """Compare the networks of the original LunarSite, with random weights."""
    seen = np.random.default_rng(1).standard_normal((3, 192, 256)).astype(np.float32)
    for name, built in (
        ("before the head, closed form", Architecture("unet-resnet34", (), 0.1, 0.0)),
        ("after every ReLU, 20 passes", Architecture("unet-resnet34", (), 0.0, 0.1)),
    ):
        found = []
        for kind in ("cpu", "cuda"):
            torch.manual_seed(1)
            model = network.build(built)
            with on_gpu() if kind == "cuda" else contextlib.nullcontext():
                runner = torch_runner.TorchRunner(model, built, kind, Context(), uncertain=True)
                found.append(runner(seen))
        apart = float(np.abs(found[0][:4] - found[1][:4]).max())
        same = float((found[0][:4].argmax(0) == found[1][:4].argmax(0)).mean())
        row(
            f"ResNet-34, dropout {name}",
            "≤ 1e-4, ≥ 99.99 %",
            f"probabilities {apart:.1e} apart, {100 * same:.4f} % of classes equal",
            apart <= MOST and same >= SAME,
        )


def evaluated(images: list[Path], on_gpu: Callable, work: Path) -> None:
    given = {"images": str(work / "*_image.png"), "masks": str(work / "*_mask.png")}
    one, other = both(
        "evaluate-segmentation", on_gpu, lambda _: given | {"checkpoint": [str(SURFACE)]}
    )
    gap = abs(one["miou"] - other["miou"])
    errors = abs(one["calibration"]["ece"] - other["calibration"]["ece"])
    row(
        f"evaluate-segmentation, {len(images)} images",
        "≤ 1e-4",
        f"mIoU {gap:.1e}, calibration error {errors:.1e} apart ({ran(other)})",
        max(gap, errors) <= MOST,
    )

    def target(kind: str) -> Values:
        return given | {"checkpoint": str(SURFACE), "out": str(work / f"warm-{kind}.safetensors")}

    one, other = both("calibrate", on_gpu, target)
    names = ("temperature", "temperature_of_rocks", "ece_after")
    gap = max(abs(one[name] - other[name]) for name in names)
    row("calibrate", "≤ 1e-4", f"temperatures {gap:.1e} apart ({ran(other)})", gap <= MOST)


def detected(what: str, dem: Path, on_gpu: Callable, work: Path) -> None:
    _, found = both(
        "detect-craters", on_gpu, lambda k: {"dem": str(dem), "out": str(work / f"c-{k}.gpkg")}
    )
    one, other = (
        gpd.read_file(work / f"c-{kind}.gpkg", layer="craters") for kind in ("cpu", "cuda")
    )
    places = [each[["x_m", "y_m", "diameter_m"]].to_numpy() for each in (one, other)]
    apart, partner = cKDTree(places[1]).query(places[0])
    gap = np.abs(one["confidence"].to_numpy() - other["confidence"].to_numpy()[partner]).max()
    same = len(one) == len(other) == len(set(partner))
    row(
        what,
        "the same circles, ≤ 1e-4",
        f"{len(one):,} and {len(other):,} circles, {apart.max():.1e} m and confidence {gap:.1e} "
        f"apart ({ran(found)})",
        same and apart.max() < 0.1 and gap <= MOST,
    )


def scored(on_gpu: Callable, work: Path) -> None:
    table = work / "features.parquet"
    tables.write_table(table, made_up(20_000))
    given = {"features": str(table), "profile": "cassa"}
    _, found = both("score", on_gpu, lambda kind: given | {"out": str(work / f"s-{kind}")})
    one, other = (
        pd.read_parquet(work / f"s-{kind}" / "scores.parquet") for kind in ("cpu", "cuda")
    )
    same = one["rank"].equals(other["rank"])
    gap = float((one["score"] - other["score"]).abs().max())
    row(
        f"score, {len(one):,} cells",
        "the same ranks",
        f"{'all' if same else 'not all'} ranks equal, scores {gap:.1e} apart ({ran(found)})",
        same,
    )


RECIPE = "scenes: 8\nvalidation_scenes: 2\ncrop_px: 96\nbatch: 4\nvalidate_every: 5\nsteps: 5\n"


def trained(on_gpu: Callable, work: Path) -> None:
    recipe = work / "short.yaml"
    recipe.write_text(f"{RECIPE}view: orbital\ntest_time: none\ndropout: 0.0\n")
    from lunarsite.engine.segmentation.training import held_out  # noqa: PLC0415

    held_out.SCENES = 4
    given = {"recipe": str(recipe), "scenes_folder": str(work / "scenes")}
    both("train-segmenter", on_gpu, lambda k: given | {"out": str(work / f"own-{k}.safetensors")})
    cards = [json.loads((work / f"own-{kind}.json").read_text()) for kind in ("cpu", "cuda")]
    losses = [card["history"][-1]["validation"] for card in cards]
    gap = abs(losses[0] - losses[1])
    row(
        "train-segmenter, 5 steps in float32",
        "no figure",
        f"validation loss {gap:.1e} apart; the card says {cards[1]['device']['kind']}",
        None,
    )


def speed(side: int, work: Path) -> None:
    """Measure what of the detection of craters is left to the CPU beside a GPU."""
    dem = work / "large.tif"
    run("synthesize", out=str(dem), size_px=side)
    loaded = crater_weights.load(crater_weights.BUNDLED)
    context = Context()
    levels = pyramid.levels(dem, Scratch(work, 8 * 1024**3), context)
    heads = np.full((architecture.HEADS, 1, 1), -20.0, np.float32)

    def instant(channels: np.ndarray) -> np.ndarray:
        """Stand for an infinitely fast GPU."""
        return np.tile(heads, (1, channels.shape[1] // 2, channels.shape[2] // 2))

    instant.thread_safe = True
    took = {}
    for name, runner in (("all", loaded.runner()), ("without the network", instant)):
        begin = time.process_time()
        search.find(levels, runner, search.calibration_of(loaded), context)
        took[name] = time.process_time() - begin
    text = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in took.items())
    row(f"detect-craters on {side}², core seconds", "no figure", text, None)


START = """
import sys, time
from unittest import mock
from lunarsite.engine import device
from lunarsite.engine.frontends import cli
with mock.patch.object(device, "has_gpu_driver", return_value=True):
    begin = time.perf_counter()
    cli.main(["terrain", "--dem", sys.argv[1], "--out", sys.argv[2], "--quiet"])
    took = time.perf_counter() - begin
imported = "torch" in sys.modules
begin = time.perf_counter()
import torch
print(took, imported, time.perf_counter() - begin, file=sys.stderr)
"""


def start(dem: Path, work: Path) -> None:
    """Tell whether a command without a network imports torch where there is a GPU driver."""
    command = [sys.executable, "-c", START, str(dem), str(work / "terrain")]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    took_s, imported, torch_s = told.stderr.splitlines()[-1].split()
    row(
        "terrain with a GPU driver installed",
        "torch is not imported",
        f"{float(took_s):.1f} s, torch imported: {said(imported == 'True')}; its import would take "
        f"{float(torch_s):.1f} s",
        imported == "False",
    )


def scenes(work: Path) -> list[Path]:
    """Write surface images with masks of classes."""
    paths = []
    for number in range(6):
        scene = batches.load("surface", 900 + number, None)
        paths.append(work / f"{number}_image.png")
        Image.fromarray(scene.image).save(paths[-1])
        Image.fromarray(scene.mask).save(work / f"{number}_mask.png")
    return paths


def image(path: Path, rows: int, columns: int) -> Path:
    """Write an image from orbit of several scenes, which is larger than a tile."""
    parts = [batches.load("orbital", 70 + number, None).image for number in range(4)]
    side = min(min(part.shape[:2]) for part in parts)
    block = np.concatenate(
        [np.concatenate([p[:side, :side] for p in parts[k : k + 2]], 1) for k in (0, 2)]
    )
    times = (-(-rows // block.shape[0]), -(-columns // block.shape[1]), 1)
    Image.fromarray(np.tile(block, times)[:rows, :columns]).save(path)
    return path


def band(path: Path) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path) as source:
            return source.read()


def ran(result: Values) -> str:
    return ", then ".join(result["device"]["ran_on"])


def row(what: str, figure: str, measured: str, reached: bool | None) -> None:  # noqa: FBT001
    print(f"| {what} | {figure} | {measured} | {'' if reached is None else said(reached)} |")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--side", type=int, default=2048)
    with tempfile.TemporaryDirectory() as folder:
        main(options.parse_args().side, Path(folder))
