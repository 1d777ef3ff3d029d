"""All terrain layers of the whole polar cap, compared with gdaldem for the layers it supports."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lunarsite.engine.context import Context
from lunarsite.engine.stages.synthesize import STAGE

THEIRS = ("slope", "aspect", "roughness", "TPI", "TRI")
OPTIONS = {
    "COMPRESS": "ZSTD",
    "LEVEL": "1",
    "PREDICTOR": "FLOATING_POINT",
    "NUM_THREADS": "ALL_CPUS",
    "BLOCKSIZE": "512",
    "OVERVIEW_RESAMPLING": "AVERAGE",
}
OURS = """
import json, resource, sys, time
from pathlib import Path
from lunarsite.engine.pipelines import terrain
from lunarsite.engine.context import Context
begin = time.perf_counter()
result = terrain.write_layers(sys.argv[1], Path(sys.argv[2]), context=Context())
took = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"took": took, "peak": peak, "layers": len(result["outputs"])}))
"""


def main(out: Path, quick: bool = False) -> None:  # noqa: FBT001, FBT002
    out.mkdir(parents=True, exist_ok=True)
    side = 1900 if quick else 7600
    with tempfile.TemporaryDirectory(dir=out) as folder:
        dem = Path(folder) / "dem.tif"
        STAGE.run({"out": str(dem), "preset": "cap", "size_px": side}, Context())
        ours(dem, Path(folder) / "warm")  # compiles where no cache is yet
        rounds = [ours(dem, Path(folder) / "ours") for _ in range(2)]
        took = min(found["took"] for found in rounds)
        peak = max(found["peak"] for found in rounds)
        print("| what | figure | measured | reached? |")
        print("|---|---|---|---|")
        if shutil.which("gdaldem") is None:
            print(f"| terrain, {side}² | gdaldem | {took:.1f} s; gdaldem is not installed | |")
            return
        alone, pairs = (theirs(dem, Path(folder), workers) for workers in (1, 2))
    reached = "yes" if took <= alone and peak <= 2 else "no"
    beside = "faster" if took <= pairs else "slower"
    print(
        f"| {rounds[0]['layers']} terrain layers at {side}² to compressed COGs | not slower than "
        f"gdaldem's {len(THEIRS)} one after another; ≤ 2 GiB | {took:.1f} s "
        f"({took / rounds[0]['layers']:.1f} s a layer), {peak:.2f} GiB; gdaldem {alone:.1f} s "
        f"({alone / len(THEIRS):.1f} s a layer), two at a time {pairs:.1f} s "
        f"({pairs / len(THEIRS):.1f} s a layer; {beside} in all) | {reached} |"
    )


def ours(dem: Path, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-c", OURS, str(dem), str(folder)]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(found)


def theirs(dem: Path, folder: Path, workers: int) -> float:
    options = [part for key, value in OPTIONS.items() for part in ("-co", f"{key}={value}")]

    def one(verb: str) -> None:
        target = folder / f"gdal_{verb}.tif"
        subprocess.run(["gdaldem", verb, "-q", "-of", "COG", *options, dem, target], check=True)

    begin = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, THEIRS))
    return time.perf_counter() - begin


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"))
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    sys.exit(main(given.out, given.quick))
