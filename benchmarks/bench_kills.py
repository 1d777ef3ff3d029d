"""Screenings that are killed, and go on to the bytes of one that never was.

Half of them are killed at any time, half while they write a file, which is stopped halfway.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [str(Path(sys.executable).with_name("lunarsite"))]
OPTIONS = {
    "azimuths": 36,
    "cell-m": 400,
    "stop": "2027-07-01",
    "step-hours": 24,
    "draws": 20,
    "folds": 2,
    "min-distance-m": 1000,
    "roughness-windows-px": "3,5,7",
    "position-window-px": 7,
    "threads": 1,
}
KNOWN = ".lunarsite-known.json"
"""Times of files, which differ."""


def main(kills: int, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  nothing secret
    with tempfile.TemporaryDirectory(prefix="lunarsite-kills-") as place:
        folder = Path(place)
        dem = folder / "dem.tif"
        size = ["--size-px", "48", "--pixel-m", "200", "--quiet"]
        subprocess.run([*COMMAND, "synthesize", "--out", str(dem), *size], check=True)
        begin = time.perf_counter()
        reference = started(dem, folder / "reference")
        written = sum(1 for _ in partial_files(reference, folder / "reference"))
        took = time.perf_counter() - begin
        if reference.wait():
            raise SystemExit("the screening that was not killed failed")
        wanted = contents(folder / "reference")
        left: Counter[str] = Counter()
        same = 0
        for number in range(kills):
            out = folder / f"run-{number}"
            in_write = number >= kills // 2
            if in_write:
                left[killed_in_write(dem, out, written, chance)] += 1
            else:
                killed_at(dem, out, chance.uniform(0.0, took))
            code = started(dem, out).wait()
            same += code == 0 and contents(out) == wanted
            print(f"kill {number + 1}: {same} resumed to the same bytes", file=sys.stderr)
    print("| what | target | measured | reached? |")
    print("|---|---|---|---|")
    print(
        f"| screenings of {took:.0f} s killed by SIGKILL, {kills - kills // 2} of them during a "
        f"write | all resume to the same {len(wanted)} files | {same} of {kills} | "
        f"{'yes' if same == kills else 'no'} |"
    )
    print(
        "\nFiles that were being written: " + ", ".join(f"{n} {name}" for name, n in left.items())
    )


def started(dem: Path, out: Path) -> subprocess.Popen[bytes]:
    options = [word for name, value in OPTIONS.items() for word in (f"--{name}", str(value))]
    command = [*COMMAND, "screen", "--dem", str(dem), "--out", str(out), *options, "--quiet"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed_at(dem: Path, out: Path, seconds: float) -> None:
    process = started(dem, out)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    process.wait()


def killed_in_write(dem: Path, out: Path, written: int, chance: random.Random) -> str:
    """Kill a screening in the middle of one of its writes, and return the name of the file."""
    while True:
        process = started(dem, out)
        first = chance.randint(1, written)
        for number, partial in enumerate(partial_files(process, out), start=1):
            if number < first:
                continue
            process.send_signal(signal.SIGSTOP)  # it cannot finish the file in the meantime
            time.sleep(0.001)
            if partial.exists():
                process.kill()
                process.wait()
                return partial.name.split(".partial-")[0].lstrip(".") + partial.suffix
            process.send_signal(signal.SIGCONT)
        process.wait()
        shutil.rmtree(out)


def partial_files(process: subprocess.Popen[bytes], out: Path) -> Iterator[Path]:
    """Yield the files that a process begins to write, until it ends."""
    seen = set()
    while process.poll() is None:
        for folder, _, names in os.walk(out):
            for name in names:
                if ".partial-" in name and (folder, name) not in seen:
                    seen.add((folder, name))
                    yield Path(folder) / name
        time.sleep(0.0005)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != KNOWN
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
