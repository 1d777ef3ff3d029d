"""Mutated inputs of every format: internal errors, crashes and hangs, of which there must be none.

    .venv/bin/python benchmarks/fuzz.py [--number 2000] [--seed 1] [--keep .cache/fuzz]

Valid inputs are made once; each mutant flips bits, cuts, doubles, swaps or splices bytes of one, or
replaces a number in a text. A worker runs the cheapest stage that reads it. Inputs that end in an
internal error, a crash or after 10 s are kept, with the request that reads them.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.shutil
from shapely.geometry import Point, box

from lunarsite.engine import moon
from lunarsite.engine.frontends.library import run

LAUNCHER = Path(__file__).resolve().parents[1] / "engine" / "launch.py"
HANGS_AFTER_S = 10.0
"""Core seconds: other programs on the machine do not count."""

PATIENCE_S = 120.0
QUICK = {"azimuths": 72, "step_hours": 48, "stop": "2028-01-01", "draws": 20, "profile": "hls"}
PROFILE = """name: mine
title: Mine
source: me
criteria:
  - {feature: slope_mean_deg, at_most: 5.0, softness: 1.0}
  - {feature: avg_illumination_pct, at_least: 33 %, softness: 5}
"""
NUMBERS = ("1e400", "-1", "nan", "0", "99999999999999999999", "1e-9", "inf", "", "2027-01-01", "é")


class Worker:
    """A worker that is started again when it has died."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.lines: queue.Queue[bytes] = queue.Queue()
        self.number = 0

    def ask(self, method: str, params: dict[str, Any]) -> str:
        """Return ``result``, ``refused``, an internal error, ``crash`` or ``hang``."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, str(LAUNCHER), "worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self.lines = queue.Queue()
            reading = (self.process, self.lines)
            threading.Thread(target=self._read, args=reading, daemon=True).start()
            self._line(60.0)
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        limit = time.monotonic() + PATIENCE_S
        used_s = cpu_seconds(self.process.pid)
        while True:
            line = self._line(1.0)
            busy_s = cpu_seconds(self.process.pid) - used_s
            waits = busy_s < HANGS_AFTER_S and time.monotonic() < limit
            if line is None and waits and self.process.poll() is None:
                continue
            if line is None:
                verdict = "crash" if self.process.poll() is not None else "hang"
                self.process.kill()
                self.process.wait()
                return verdict
            reply = json.loads(line)
            if reply.get("id") != self.number or reply.get("event"):
                continue
            if "error" not in reply:
                return "result"
            internal = reply["error"]["type"] == "InternalError"
            return reply["error"]["problem"] if internal else "refused"

    def _read(self, process: subprocess.Popen[bytes], lines: queue.Queue[bytes]) -> None:
        for line in process.stdout:
            lines.put(line)
        lines.put(b"")

    def _line(self, within_s: float) -> bytes | None:
        try:
            return self.lines.get(timeout=within_s) or None
        except queue.Empty:
            return None


def cpu_seconds(pid: int) -> float:
    """Return the core seconds that a process has used; 0 where that is not told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Return a mutant of a file."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 5, 20))):
        if not data:
            break
        # Headers decide more than pixels do.
        end = rng.choice((64, 512, 4096, len(data)))
        at = rng.randrange(min(len(data), end))
        kind = rng.randrange(7)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = data[at : at + rng.randrange(1, 64)]
        elif kind == 3:
            del data[at : at + rng.randrange(1, 64)]
        elif kind == 4:
            data[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
        elif kind == 5:
            data[at : at + 1] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
        else:
            found = list(re.finditer(rb"-?\d+\.?\d*", bytes(data)))
            if found and len(data) < 50_000:
                one = rng.choice(found)
                data[one.start() : one.end()] = rng.choice(NUMBERS).encode()
    return bytes(data)


def seeds(  # noqa: PLR0915  one input after another
    folder: Path,
) -> dict[str, tuple[Path, str, dict[str, Any], str]]:
    """Make valid inputs: by name the file, the stage, its other parameters, and the parameter."""
    dem = folder / "dem.tif"
    run("synthesize", size_px=64, pixel_m=240, out=str(dem))
    craters = folder / "craters.csv"
    shutil.copy(next(folder.glob("*catalog*.csv"), None) or next(folder.glob("*.csv")), craters)
    done = folder / "run"
    run("screen", dem=str(dem), out=str(done), **QUICK)
    with rasterio.open(dem) as source:
        heights, profile = source.read(1), source.profile
        bounds = source.bounds
    made: dict[str, tuple[Path, str, dict[str, Any], str]] = {}
    terrain = ("terrain", {"out": "OUT"}, "dem")
    for name, options in (
        ("plain.tif", {"driver": "GTiff"}),
        ("deflate.tif", {"driver": "GTiff", "compress": "deflate", "tiled": True}
         | {"blockxsize": 32, "blockysize": 32}),
        ("envi.img", {"driver": "ENVI"}),
        ("dem.nc", {"driver": "netCDF"}),
        ("dem.asc", {"driver": "AAIGrid"}),
        ("dem.jp2", {"driver": "JP2OpenJPEG", "dtype": "int16"}),
    ):  # fmt: skip
        path = folder / name
        plain = {"width": 64, "height": 64, "count": 1, "dtype": "float32", "crs": moon.SOUTH_POLAR}
        try:
            kept = plain | {"transform": profile["transform"]} | options
            temporary = folder / "whole.tif"
            with rasterio.open(temporary, "w", **(kept | {"driver": "GTiff"})) as target:
                target.write(heights.astype(kept["dtype"]), 1)
            rasterio.shutil.copy(temporary, path, driver=options["driver"])
        except rasterio.errors.RasterioError:
            continue
        made[name] = (path, *terrain)
    image = folder / "label.img"
    (heights * 2).astype("<i2").tofile(image)
    label = folder / "label.lbl"
    half = (bounds.right - bounds.left) / 2
    label.write_text(
        "PDS_VERSION_ID = PDS3\nRECORD_TYPE = FIXED_LENGTH\nRECORD_BYTES = 128\n"
        'FILE_RECORDS = 64\n^IMAGE = "label.img"\nOBJECT = IMAGE\nLINES = 64\n'
        "LINE_SAMPLES = 64\nSAMPLE_TYPE = LSB_INTEGER\nSAMPLE_BITS = 16\nUNIT = METER\n"
        "SCALING_FACTOR = 0.5\nOFFSET = 0\nEND_OBJECT = IMAGE\n"
        'OBJECT = IMAGE_MAP_PROJECTION\nMAP_PROJECTION_TYPE = "POLAR STEREOGRAPHIC"\n'
        "A_AXIS_RADIUS = 1737.4 <KM>\nB_AXIS_RADIUS = 1737.4 <KM>\nC_AXIS_RADIUS = 1737.4 <KM>\n"
        "CENTER_LATITUDE = -90\nCENTER_LONGITUDE = 0\nMAP_SCALE = 240 <M/PIXEL>\n"
        f"LINE_PROJECTION_OFFSET = {half / 240 - 0.5}\n"
        f"SAMPLE_PROJECTION_OFFSET = {half / 240 - 0.5}\nEND_OBJECT = IMAGE_MAP_PROJECTION\nEND\n"
    )
    made["label.lbl"] = (label, *terrain)
    vrt = folder / "plain.vrt"
    rasterio.shutil.copy(folder / "plain.tif", vrt, driver="VRT")
    made["plain.vrt"] = (vrt, *terrain)
    check = {"dem": str(dem), "out": "OUT", "dry_run": True, **QUICK}
    table = gpd.read_file(craters)
    x, y = np.float64(table["x_m"]), np.float64(table["y_m"])
    points = gpd.GeoDataFrame(
        {"diameter_m": np.float64(table["diameter_m"])},
        geometry=[Point(*place) for place in zip(x, y, strict=True)],
        crs=moon.SOUTH_POLAR,
    ).head(20)
    areas = gpd.GeoDataFrame(
        {"name": ["a", "b"]},
        geometry=[box(-6000, -6000, 0, 0), box(0, 0, 6000, 6000)],
        crs=moon.SOUTH_POLAR,
    )
    for ending, driver in ((".gpkg", "GPKG"), (".geojson", "GeoJSON"), (".shp", "ESRI Shapefile")):
        points.to_file(folder / f"points{ending}", driver=driver)
        areas.to_file(folder / f"areas{ending}", driver=driver)
        made[f"points{ending}"] = (folder / f"points{ending}", "screen", check, "craters")
        made[f"areas{ending}"] = (folder / f"areas{ending}", "screen", check, "regions")
    made["points.dbf"] = (folder / "points.dbf", "screen", check, "craters")
    made["craters.csv"] = (craters, "screen", check, "craters")
    profile_file = folder / "profile.yaml"
    profile_file.write_text(PROFILE)
    made["profile.yaml"] = (profile_file, "screen", check, "profile")
    for end in ("ubj", "json"):
        made[f"scorer.{end}"] = (done / f"scorer.{end}", "screen", check, "scorer")
    picture = folder / "photo.png"
    with rasterio.open(
        picture, "w", driver="PNG", width=64, height=64, count=3, dtype="uint8"
    ) as t:
        t.write(np.random.default_rng(1).integers(0, 255, (3, 64, 64), dtype=np.uint8))
    rasterio.shutil.copy(picture, folder / "photo.jpg", driver="JPEG")
    for name in ("photo.png", "photo.jpg"):
        made[name] = (folder / name, "segment-terrain", {"out": "OUT"}, "image")
    made["features.parquet"] = (done / "features.parquet", "score", {"out": "OUT"}, "features")
    place = {"lon": 0.0, "lat": -89.95}
    for name in ("manifest.json", "scores.parquet", "shap.parquet"):
        made[name] = (done / name, "explain", place, "run")
    return {name: each for name, each in made.items() if each[0].is_file()}


def copy_with(path: Path, folder: Path, content: bytes, parameter: str) -> Path:
    """Write a mutant where the files beside it are, and return what is given to the stage."""
    shutil.rmtree(folder, ignore_errors=True)
    if parameter == "run":
        shutil.copytree(path.parent, folder)
        (folder / path.name).write_bytes(content)
        return folder
    folder.mkdir(parents=True)
    for beside in path.parent.glob(f"{path.stem}.*"):
        if beside.is_file():
            shutil.copy(beside, folder)
    (folder / path.name).write_bytes(content)
    given = {".dbf": ".shp", ".json": ".ubj", ".lbl": ".img"}.get(path.suffix, path.suffix)
    if path.suffix == ".lbl":
        return folder / path.name
    return folder / f"{path.stem}{given}"


def ask(
    worker: Worker,
    keep: Path,
    path: Path,
    content: bytes,
    stage: str,
    others: dict[str, Any],
    parameter: str,
) -> tuple[str, dict[str, Any]]:
    """Run the stage on a mutant, and return the verdict and the parameters."""
    target = copy_with(path, (keep / "mutant").resolve(), content, parameter)
    out = (keep / "out").resolve()
    shutil.rmtree(out, ignore_errors=True)
    params = {key: str(out) if value == "OUT" else value for key, value in others.items()}
    params[parameter] = str(target)
    return worker.ask(stage, params), params


def main() -> None:
    """Print the table, and exit with 1 if anything but a result or a refusal came back."""
    options = argparse.ArgumentParser()
    options.add_argument("--number", type=int, default=2000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--keep", type=Path, default=Path(".cache/fuzz"))
    given = options.parse_args()
    rng = random.Random(given.seed)  # noqa: S311  mutants, not secrets
    shutil.rmtree(given.keep, ignore_errors=True)
    home = (given.keep / "seeds").resolve()
    home.mkdir(parents=True)
    os.environ["LUNARSITE_DEVICE"] = "cpu"
    made = seeds(home)
    worker = Worker()
    counts: dict[str, Counter[str]] = {name: Counter() for name in made}
    bad = 0
    for name, (path, stage, others, parameter) in made.items():
        verdict = ask(worker, given.keep, path, path.read_bytes(), stage, others, parameter)[0]
        if verdict != "result":
            print(f"<!-- {name}, as it is: {verdict[:200]} -->", flush=True)
    for number in range(given.number):
        name = list(made)[number % len(made)]
        path, stage, others, parameter = made[name]
        content = mutated(path.read_bytes(), rng)
        verdict, params = ask(worker, given.keep, path, content, stage, others, parameter)
        kind = verdict if verdict in ("result", "refused", "crash", "hang") else "internal error"
        counts[name][kind] += 1
        if kind in ("crash", "hang", "internal error"):
            bad += 1
            kept = given.keep / f"bad_{number}"
            shutil.copytree(given.keep / "mutant", kept)
            (kept / "request.json").write_text(json.dumps([verdict, stage, params], indent=1))
            print(f"<!-- {number} {name}: {verdict[:200]} -->", flush=True)
    kinds = ("result", "refused", "internal error", "crash", "hang")
    print(f"| input | {' | '.join(kinds)} |")
    print("|---|" + "---|" * len(kinds))
    for name, count in counts.items():
        print(f"| {name} | {' | '.join(str(count[kind]) for kind in kinds)} |")
    totals = [sum(count[kind] for count in counts.values()) for kind in kinds]
    print(f"| all {given.number} | {' | '.join(map(str, totals))} |")
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
