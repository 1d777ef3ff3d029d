"""Estimates of stages against what they took: time, memory and disk, on generated data."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

LUNARSITE = Path(sys.executable).with_name("lunarsite")
POLL_S = 0.05


def main(sizes: list[int], names: list[str]) -> None:
    print("| stage | size | estimated | measured | ratio | memory, GiB | disk, MiB |")
    print("|---|---|---|---|---|---|---|")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder)
            for name, words in cases(base, size):
                needed = not names or name.split()[0] in names
                compare(name, size, words, base, shown=needed)


def cases(base: Path, size: int) -> list[tuple[str, list[str]]]:
    """Return the commands, in an order in which each finds its inputs."""
    dem, layers, table = str(base / "dem.tif"), str(base / "layers"), str(base / "f.parquet")
    image = str(base / "image.tif")
    subprocess.run(
        [LUNARSITE, "synthesize", "--out", dem, "--size-px", str(size), "--pixel-m", "40"],
        check=True,
        capture_output=True,
    )
    surface = ["segment-terrain", "--image", image, "--view", "surface"]
    orbital = ["segment-terrain", "--image", image, "--view", "orbital"]
    return [
        ("terrain", ["terrain", "--dem", dem, "--out", layers]),
        ("lighting", ["lighting", "--dem", dem, "--out", layers, "--azimuths", "120"]),
        ("features", ["features", "--dem", dem, "--layers", layers, "--out", table]),
        ("score", ["score", "--features", table, "--out", str(base / "scores")]),
        ("screen", ["screen", "--dem", dem, "--out", str(base / "run"), "--azimuths", "60"]),
        ("render-orbital", ["render-orbital", "--dem", dem, "--time", TIME, "--out", image]),
        ("detect-craters", ["detect-craters", "--dem", dem, "--out", str(base / "c.gpkg")]),
        (
            "detect-craters by template",
            ["detect-craters", "--dem", dem, "--out", str(base / "t.gpkg"), "--method", "template"],
        ),
        ("segment-terrain from orbit", [*orbital, "--out", str(base / "o")]),
        ("segment-terrain, 5 passes", [*orbital, "--out", str(base / "p"), "--passes", "5"]),
        ("segment-terrain from the ground", [*surface, "--out", str(base / "s")]),
    ]


TIME = "2027-01-15T06:00"


def compare(name: str, size: int, words: list[str], base: Path, *, shown: bool) -> None:
    """Run a command after its dry run, and print a row."""
    if "--cell-m" not in words and words[0] in ("features", "screen"):
        words = [*words, "--cell-m", "240"]
    dry = subprocess.run(
        [LUNARSITE, *words, "--dry-run", "--json"], check=True, capture_output=True, text=True
    )
    needed: dict[str, Any] = json.loads(dry.stdout)["estimate"]
    before, most, done = used(base), [0], threading.Event()

    def watch() -> None:
        while not done.wait(POLL_S):
            most[0] = max(most[0], used(base) - before)

    watching = threading.Thread(target=watch)
    watching.start()
    begin = time.perf_counter()
    code = "import resource, subprocess, sys; r = subprocess.call(sys.argv[1:]); "
    code += "u = resource.getrusage(resource.RUSAGE_CHILDREN); "
    code += "print(u.ru_maxrss, u.ru_utime + u.ru_stime); sys.exit(r)"
    ran = subprocess.run(
        [sys.executable, "-c", code, str(LUNARSITE), *words, "--quiet"],
        check=True,
        capture_output=True,
        text=True,
    )
    took_s = time.perf_counter() - begin
    done.set()
    watching.join()
    if not shown:
        return
    estimated_s = 60.0 * needed["minutes"]
    peak_kib, core_s = ran.stdout.split()
    memory_gib = int(peak_kib) / 2**20
    disk = f"{1024 * needed['disk_gib']:.0f} / {most[0] / 2**20:.0f}"
    took = f"{took_s:.0f} s ({float(core_s):.0f} core s)"
    print(
        f"| {name} | {size}² | {estimated_s:.0f} s | {took} | {estimated_s / took_s:.2f} | "
        f"{needed['memory_gib']:.2f} / {memory_gib:.2f} | {disk} |",
        flush=True,
    )


def used(folder: Path) -> int:
    """Return the size of the files in a folder, bytes."""
    total = 0
    for path in folder.rglob("*"):
        try:
            status = path.stat()
        except OSError:  # a temporary file that was removed
            continue
        total += status.st_blocks * 512 if path.is_file() else 0
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 3000])
    parser.add_argument("--stages", nargs="*", default=[])
    given = parser.parse_args()
    main(given.sizes, given.stages)
