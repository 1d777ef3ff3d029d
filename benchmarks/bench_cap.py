"""Screening of the 80-90°S cap at 80 m: first run, unchanged run, explain in a warm worker."""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from lunarsite.engine.scoring import tables

COMMAND = [str(Path(sys.executable).with_name("lunarsite"))]


def main(out: Path, quick: bool = False) -> None:  # noqa: FBT001, FBT002
    out.mkdir(parents=True, exist_ok=True)
    dem, run = out / "dem.tif", out / "run"
    if not dem.is_file():
        size = ["--size-px", "1200"] if quick else []
        call("synthesize", "--preset", "cap", "--out", dem, *size)
    given = ["--dem", dem, "--craters", out / "dem.craters.csv", "--out", run]
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    took, first, log = call("screen", *given)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    again, second, _ = call("screen", *given)
    cells, shown = first["cells"], seconds_by_step(log)
    row(
        f"`screen` of the cap, {cells:,} cells",
        "≤ 35 min, ≤ 8 GiB",
        f"{took / 60:.1f} min, {peak:.2f} GiB ({shown})",
        took <= 35 * 60 and peak <= 8,
    )
    row("`screen` again", "≤ 3 s", f"{again:.1f} s, ran {second['ran']}", again <= 3)
    scores = tables.read_table(run / "scores.parquet", "The scores")
    best = np.sort(scores["log_odds"].to_numpy())[::-1][:1000]
    distinct = len(np.unique(best))
    row("distinct scores among the best 1,000", "≥ 990", str(distinct), distinct >= 990)
    latency = explain_latency(run)
    row(
        f"`explain` in a warm worker, {cells:,} cells",
        "≤ 200 ms",
        f"{np.median(latency) * 1e3:.0f} ms (median of {len(latency)}), "
        f"{max(latency) * 1e3:.0f} ms at most",
        max(latency) <= 0.2,
    )


def call(verb: str, *options: object) -> tuple[float, dict, str]:
    begin = time.perf_counter()
    done = subprocess.run(
        [*COMMAND, verb, *map(str, options), "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - begin, json.loads(done.stdout), done.stderr


def seconds_by_step(log: str) -> str:
    """Return the time of each step, from the log of the run."""
    found = re.findall(r"(\S+) took (\S+) s", log)
    return ", ".join(f"{name} {float(seconds):.0f} s" for name, seconds in found)


def explain_latency(run: Path) -> list[float]:
    with subprocess.Popen(
        [*COMMAND, "worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        json.loads(worker.stdout.readline())
        taken = []
        for number in range(21):
            lon, lat = -170.0 + 17 * number, -81.0 - 0.4 * number
            request = {
                "id": number,
                "method": "explain",
                "params": {"run": str(run), "lon": lon, "lat": lat},
            }
            begin = time.perf_counter()
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()
            while "event" in (answer := json.loads(worker.stdout.readline())):
                continue
            taken.append(time.perf_counter() - begin)
            if "error" in answer:
                sys.exit(json.dumps(answer))
        worker.stdin.close()
    return taken[1:]


def row(what: str, figure: str, measured: str, reached: bool) -> None:  # noqa: FBT001
    print(f"| {what} | {figure} | {measured} | {'yes' if reached else 'no'} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(".cache/bench/cap"))
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    main(arguments.out, arguments.quick)
