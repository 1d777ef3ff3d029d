"""Exact light on crests, and darkness, on the real frames: accuracy against a plain march, cost.

.venv/bin/python benchmarks/bench_crests.py --only crests darkness
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import rasterio

from lunarsite.engine import moon, stages
from lunarsite.engine.context import Context
from lunarsite.engine.illumination import crests, lighting
from lunarsite.engine.illumination.ephemeris import elevation_azimuth, ephemeris
from lunarsite.engine.illumination.horizon import Sweep, march, pack
from lunarsite.engine.illumination.places import light_at_places
from lunarsite.engine.io.elevation.builtin import builtin_far_field
from lunarsite.engine.io.elevation.dem import read_dem

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from oracles.dense_march import marched_light

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lunarsite.engine.illumination.ephemeris import Ephemeris
    from lunarsite.engine.io.grid import Dem

    Float = NDArray[np.float64]

REAL = Path(__file__).parents[2] / "shared" / "data" / "dem"
SHARE_PCT = 0.3
GRAZE_DEG = 0.003
"""A march in steps of a twentieth of a pixel errs by 0.001°."""

START = "2027-01-01"


def main(frames: list[str], parts: list[str], sample: int, places: int) -> None:
    """Print the rows."""
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    if not REAL.is_dir():
        print("| the real frames | | the real data are absent | |")
        return
    for name in frames:
        dem = read_dem(REAL / f"shackleton_ridge_{name}.tif")
        far = [builtin_far_field(dem.grid)]
        if "crests" in parts:
            for mast_m in (0.0, 2.0):
                on_crests(name, dem, far, mast_m, sample)
        if "darkness" in parts:
            darkness(name, dem, far, places)
        if "discs" in parts:
            listed_discs(name, dem, far)


def on_crests(name: str, dem: Dem, far: list[Dem], mast_m: float, sample: int) -> None:
    """Print layer against march on the truly best-lit pixels, and the cost of marching them."""
    sky, context = ephemeris(START), Context()
    # Compiled, or read from the cache, before it is timed.
    lighting.light(Sweep(dem, far), ephemeris(START, "2027-02-01"), context, azimuths=36)
    sweep = Sweep(dem, far, mast_height_m=mast_m)
    begun, cores = time.perf_counter(), time.process_time()
    swept = lighting.light(sweep, sky, context)
    taken, used = time.perf_counter() - begun, time.process_time() - cores
    light = lighting.light(sweep, ephemeris(START, "2027-02-01"), context, exact_share_pct=0.01)
    begun, cores = time.perf_counter(), time.process_time()
    light = lighting.light(sweep, sky, context, exact_share_pct=SHARE_PCT)
    total, total_used = time.perf_counter() - begun, time.process_time() - cores
    share = 100.0 * (total_used - used) / total_used
    count = int(SHARE_PCT / 100.0 * dem.height_m.size)
    rows, columns = crests.candidates(swept, sweep, 4 * count)
    x, y = dem.grid.column_x_m()[columns], dem.grid.row_y_m()[rows]
    exact = light_at_places(dem, x, y, START, far_field=far, mast_height_m=mast_m, context=context)
    best = np.argsort(-exact.illumination_pct, kind="stable")[:count]
    among = float((light.method[rows[best], columns[best]] == 1).mean())
    picked = np.random.default_rng(1).permutation(best)[:sample]
    truth, earth = marched_light(
        dem, far, rows[picked], columns[picked], sky, context, mast_height_m=mast_m
    )
    place = rows[picked], columns[picked]
    off = light.illumination_pct[place] - truth
    before = swept.illumination_pct[place] - truth
    other = light.earth_visibility_pct[place] - earth
    row(
        f"illumination of the best-lit {SHARE_PCT:g} %, {name} frame, mast {mast_m:g} m, against a "
        f"plain march, {len(picked)} pixels",
        "bias within ±0.5, rms ≤ 1.0 points",
        f"{told(off)}, worst {np.abs(off).max():.2f} (swept: {told(before)}); Earth {told(other)}; "
        f"{100 * among:.2f} % of them marched",
        abs(off.mean()) <= 0.5 and rms(off) <= 1.0,
    )
    row(
        f"share of the march in the time of lighting, {name} frame, mast {mast_m:g} m",
        "≤ 25 %",
        f"{share:.1f} % of {total_used:.0f} core seconds ({taken:.0f} s swept, {total:.0f} s in "
        f"all), {100 * float((light.method == 1).mean()):.2f} % of the pixels marched",
        share <= 25.0,
    )


def darkness(name: str, dem: Dem, far: list[Dem], count: int) -> None:
    """Print the longest continuous darkness of places against plain marches.

    One is the march in steps of 15 minutes, at every degree. The other follows the longest darkness
    of that in steps of a minute, and marches every fiftieth of a degree, in steps of a twentieth of
    a pixel, wherever the Sun's edge comes within 0.3° of the horizon; and every two hundredth of a
    degree, in steps of a fiftieth of a pixel, where it passes within 0.003° of it.
    """
    random, context = np.random.default_rng(2), Context()
    west, south, east, north = dem.grid.bounds
    x, y = (
        random.uniform(west + 1e3, east - 1e3, count),
        random.uniform(south + 1e3, north - 1e3, count),
    )
    light_at_places(dem, x[:2], y[:2], START, "2027-02-01", far_field=far, context=context)
    begun, cores = time.perf_counter(), time.process_time()
    found = light_at_places(dem, x, y, START, far_field=far, context=context)
    taken, used = time.perf_counter() - begun, time.process_time() - cores
    sky = ephemeris(START, step_hours=0.25)
    packed = pack(far)

    def work(k: int) -> tuple[float, float]:
        def marched(azimuth: Float, step_px: float) -> Float:
            here = x[k : k + 1], y[k : k + 1]
            return march(dem, packed, *here, azimuth, mast_height_m=2.0, step_px=step_px)[0][0]

        return reference_darkness(marched, sky, float(x[k]), float(y[k]))

    truth = np.array(list(context.pool().map(work, range(count))))
    for reference, longest in (
        ("a march in steps of 15 minutes, every degree", truth[:, 0]),
        ("a march in steps of a minute, every 0.02° to 0.005° where the Sun grazes", truth[:, 1]),
    ):
        off = found.longest_darkness_days - longest
        near = 100.0 * float((np.abs(off) <= 0.1).mean())
        row(
            f"longest continuous darkness of {count} places, {name} frame, mast 2 m, against "
            f"{reference}",
            "within 0.1 d for 99 %",
            f"{near:.1f} % within 0.1 d, median {np.median(np.abs(off)):.3f} d, worst "
            f"{np.abs(off).max():.2f} d ({(off > 0.1).sum()} longer, {(off < -0.1).sum()} shorter)",
            near >= 99.0,
        )
    off = truth[:, 0] - truth[:, 1]
    row(
        "the first of these marches against the second",
        "",
        f"{100.0 * float((np.abs(off) <= 0.1).mean()):.1f} % within 0.1 d, worst "
        f"{np.abs(off).max():.2f} d",
        None,
    )
    row(
        f"light of {count} places with the preparation of the {name} frame",
        "",
        f"{taken:.1f} s, {used:.1f} core seconds",
        None,
    )


def listed_discs(name: str, dem: Dem, far: list[Dem]) -> None:
    """Print how far the mean light of the listed discs is from that of exact horizons.

    The centre of a disc is marched for its darkness; its mean light is that of the layer.
    """
    with tempfile.TemporaryDirectory() as folder:
        values = {"dem": str(REAL / f"shackleton_ridge_{name}.tif"), "out": folder}
        stages.load("screen").run(values, Context())
        sites = gpd.read_file(Path(folder) / "sites.gpkg", layer="sites")
        with rasterio.open(Path(folder) / "layers" / "illumination_pct.tif") as source:
            layer = source.read(1)
    x, y = dem.grid.column_x_m(), dem.grid.row_y_m()
    off = []
    for site in sites.itertuples():
        away = np.hypot(x[None, :] - site.x_m, y[:, None] - site.y_m)
        inside = away <= site.landing_radius_m + 1e-6
        row_of, column_of = np.nonzero(inside)
        exact = light_at_places(dem, x[column_of], y[row_of], START, far_field=far)
        off.append(layer[inside].mean() - exact.illumination_pct.mean())
    off = np.array(off)
    row(
        f"mean light of the {len(off)} listed discs, {name} frame, layer less exact horizons",
        "",
        f"{told(off)}, worst {np.abs(off).max():.2f} points",
        None,
    )


def reference_darkness(
    marched: Callable[[Float, float], Float], sky: Ephemeris, x_m: float, y_m: float
) -> tuple[float, float]:
    """Return the longest darkness of a place, days: in plain steps, and followed finely."""
    lon, lat = (float(value) for value in moon.xy_to_lonlat(x_m, y_m))
    azimuth = np.arange(0.0, 360.0)
    horizon = marched(azimuth, 0.25)
    up, where = elevation_azimuth(lon, lat, sky.sun)
    up = up + sky.sun.radius_deg
    around = np.unwrap(where, period=360.0)
    days = sky.days
    periods = spells(days, up - np.interp(where, azimuth, horizon, period=360.0))
    plain = max((last - first for first, last in periods), default=0.0)
    done = np.zeros(360, bool)
    confirmed = 0.0
    grazed: list[float] = []
    while periods:
        periods.sort(key=lambda period: period[0] - period[1])
        first, last = periods.pop(0)
        if last - first <= confirmed:
            break
        # From half a day before it to half a day after it, where it may begin and end.
        times = np.arange(max(first - 0.5, 0.0), min(last + 0.5, days[-1]), 1.0 / 1440.0)
        edge, at = np.interp(times, days, up), np.mod(np.interp(times, days, around), 360.0)
        low = edge - np.interp(at, azimuth, horizon, period=360.0)
        wanted = np.unique(at[np.abs(low) < 0.3].astype(int))
        wanted = wanted[~done[wanted]]
        if len(wanted):
            done[wanted] = True
            fine = (wanted[:, None] + np.arange(0.02, 0.99, 0.02)).ravel()
            # The plain values between which they stand are marched as finely.
            ends = np.unique(np.append(wanted, wanted + 1) % 360)
            plains = np.isin(azimuth, ends)
            horizon[plains] = marched(azimuth[plains], 0.05)
            horizon = np.append(horizon, marched(fine, 0.05))
            order = np.argsort(np.append(azimuth, fine))
            azimuth, horizon = np.append(azimuth, fine)[order], horizon[order]
            low = edge - np.interp(at, azimuth, horizon, period=360.0)
        # What passes as narrowly as the march is exact decides where it is marched better.
        middle = low[1:-1]
        peaks = (middle >= low[:-2]) & (middle > low[2:]) & (np.abs(middle) < GRAZE_DEG)
        for place in at[1:-1][peaks]:
            if any(abs(place - each) < 0.05 for each in grazed):
                continue
            grazed.append(float(place))
            finest = place + np.arange(-0.1, 0.1001, 0.005)
            finest = finest[(finest >= 0.0) & (finest < 360.0)]
            apart = (azimuth < finest[0]) | (azimuth > finest[-1])
            azimuth = np.append(azimuth[apart], finest)
            horizon = np.append(horizon[apart], marched(finest, 0.02))
            order = np.argsort(azimuth)
            azimuth, horizon = azimuth[order], horizon[order]
            low = edge - np.interp(at, azimuth, horizon, period=360.0)
        confirmed = max([confirmed, *(b - a for a, b in spells(times, low))])
    return plain, confirmed


def spells(days: Float, above: Float) -> list[tuple[float, float]]:
    """Return begin and end of each period in which nothing is above the horizon, days."""
    step = days[1] - days[0]
    dark = np.concatenate([[False], above <= 0.0, [False]])
    turns = np.flatnonzero(np.diff(dark.astype(np.int8)))
    return [
        (float(days[first]), float(days[last - 1] + step))
        for first, last in zip(turns[::2], turns[1::2], strict=True)
    ]


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def told(off: np.ndarray) -> str:
    return f"bias {off.mean():+.2f}, rms {rms(off):.2f}"


def row(what: str, figure: str, measured: str, reached: bool | None) -> None:  # noqa: FBT001
    verdict = "" if reached is None else "yes" if reached else "no"
    print(f"| {what} | {figure} | {measured} | {verdict} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", choices=("200m", "25m"), nargs="+", default=["200m", "25m"])
    every = ("crests", "darkness", "discs")
    parser.add_argument("--only", choices=every, nargs="+", default=list(every))
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--places", type=int, default=200)
    arguments = parser.parse_args()
    main(arguments.frames, arguments.only, arguments.sample, arguments.places)
