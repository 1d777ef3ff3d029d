"""The dossier of a site: its time, for a run on a generated region that is kept.

.venv/bin/python benchmarks/bench_dossier.py [--side 1024] [--folder .cache/dossier]
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from stage_process import run_stage

LIMIT_S = 30.0


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--side", type=int, default=1024)
    options.add_argument("--folder", type=Path, default=Path(".cache/dossier"))
    given = options.parse_args()
    folder = given.folder / str(given.side)
    folder.mkdir(parents=True, exist_ok=True)
    dem, run = folder / "dem.tif", folder / "run"
    if not (run / "manifest.json").is_file():
        run_stage("synthesize", "--out", dem, "--size-px", given.side, "--pixel-m", 20)
        craters = ("--craters", folder / "dem.craters.csv")
        quick = ("--azimuths", 90, "--stop", "2028-01-01", "--step-hours", 12)
        run_stage("screen", "--dem", dem, "--out", run, *craters, *quick)
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    out = folder / "site-1"
    shutil.rmtree(out, ignore_errors=True)
    seconds, peak_gib = run_stage("dossier", "--run", run, "--site", 1, "--out", out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(
        f"| dossier of one site, DEM of {given.side:,}² pixels | ≤ {LIMIT_S:.0f} s | "
        f"{seconds:.1f} s, {peak_gib:.2f} GiB, {size / 1e6:.1f} MB | "
        f"{'yes' if seconds <= LIMIT_S else 'no'} |"
    )


if __name__ == "__main__":
    main()
