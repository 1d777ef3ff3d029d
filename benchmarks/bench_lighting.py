"""Horizons and illumination: accuracy against brute force and published maps, speed, scaling."""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.illumination import lighting
from lunarsite.engine.illumination.ephemeris import ephemeris
from lunarsite.engine.illumination.horizon import DEFAULT_LINES_PER_PIXEL, Sweep
from lunarsite.engine.io.cog import write_raster
from lunarsite.engine.io.elevation.dem import read_dem
from lunarsite.engine.io.grid import Dem, Grid
from lunarsite.engine.moon import RADIUS_M
from lunarsite.engine.synthetic.terrain import generate

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from oracles.dense_march import edge_crossing_horizons, marched_light

REAL = Path(__file__).parents[2] / "shared" / "data"
BEARINGS = (3.0, 20.0, 45.0, 80.0, 130.0, 200.0, 250.0, 315.0)


def main(out: Path, parts: list[str], quick: bool = False) -> None:  # noqa: FBT001, FBT002
    out.mkdir(parents=True, exist_ok=True)
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    if "exact" in parts:
        analytic()
        if REAL.is_dir():
            real(2_000 if quick else 6_000)
        else:
            print("| the real frame | | the real data are absent | |")
    if "speed" in parts:
        against_grass()
        cap(out, 240.0, 2535 if not quick else 800, "≤ 2 min", 120.0, None)
    if "growth" in parts:
        growth(out, (300, 600, 1200, 2400) if quick else (475, 950, 1900, 3800))
    if "cap" in parts and not quick:
        cap(out, 80.0, 7600, "≤ 18 min, peak memory ≤ 6 GiB", 18 * 60.0, 6.0)


def analytic() -> None:
    """Print the errors on a smooth sphere, a wall and a cone."""
    context, worst = Context(), {}
    flat = Dem(Grid(-6e3, 6e3, 200.0, 60, 60), np.zeros((60, 60), np.float32))
    worst["sphere"] = max(
        float(np.abs(Sweep(flat).horizon_deg(b, context)[1:-1, 1:-1]).max()) for b in BEARINGS
    )
    grid = Grid(-40e3, 41 * 200.0, 400.0, 201, 41)
    height = np.zeros((41, 201), np.float32)
    height[:, 140] = 1000.0
    found = Sweep(Dem(grid, height)).horizon_deg(90.0, context)[20, :139]
    x = 2 * np.arctan(grid.column_x_m() / (2 * RADIUS_M))
    apart, top = x[140] - x[:139], RADIUS_M + 1000.0
    wanted = np.degrees(np.arctan2(top * np.cos(apart) - RADIUS_M, top * np.sin(apart)))
    worst["wall"] = float(np.abs(found - wanted).max())
    grid = Grid(-20e3 - 100, 20e3 + 100, 200.0, 201, 201)
    distance = moon.angular_distance_rad(0.0, 0.0, *np.meshgrid(grid.column_x_m(), grid.row_y_m()))
    radius = RADIUS_M + 6000.0 - 0.25 * RADIUS_M * distance
    cone = Dem(grid, (radius - RADIUS_M).astype(np.float32))
    found = Sweep(cone).horizon_deg(90.0, context)[100, 10:75]
    here = distance[100, 10:75, None]
    target = here * np.linspace(0.0, 1.0, 400)[:-1]
    height_of = RADIUS_M + 6000.0 - 0.25 * RADIUS_M * target
    rise = height_of * np.cos(here - target) - radius[100, 10:75, None]
    wanted = np.degrees(np.arctan2(rise, height_of * np.sin(here - target))).max(axis=1)
    worst["cone, 5 km and more from its top"] = float(np.abs(found - wanted).max())
    said = "; ".join(f"{name} {value:.4f}°" for name, value in worst.items())
    row("analytic cases, greatest error", "≤ 0.01°", said, max(worst.values()) <= 0.01)


def real(count: int) -> None:
    """Print the comparisons on real terrain at 200 m."""
    dem = read_dem(REAL / "dem/shackleton_ridge_200m.tif")
    far = [read_dem(REAL / "dem/south_pole_80S_cells_4960m.tif")]
    sky, context = ephemeris("2027-01-01"), Context()
    error = brute_force(dem)
    row(
        "sweep against brute force over all grid-edge crossings of the same line, real 200 m frame",
        "rms ≤ 0.01°",
        f"{np.sqrt(np.mean(error**2)):.6f}° rms of {error.size:,} horizons",
        np.sqrt(np.mean(error**2)) <= 0.01,
    )
    random = np.random.default_rng(1)
    rows, columns = random.integers(2, 254, count), random.integers(2, 254, count)
    sun, earth = marched_light(dem, far, rows, columns, sky, context)
    kept, said, reached = None, [], False
    for lines in (1.0, DEFAULT_LINES_PER_PIXEL, 2.0, 4.0):
        light = lighting.light(Sweep(dem, far, lines_per_pixel=lines), sky, context)
        error = light.illumination_pct[rows, columns] - sun
        other = light.earth_visibility_pct[rows, columns] - earth
        bias, rms = error.mean(), np.sqrt(np.mean(error**2))
        said.append(
            f"{lines:g} lines a pixel: bias {bias:+.3f}, rms {rms:.3f} (Earth "
            f"{other.mean():+.3f}, {np.sqrt(np.mean(other**2)):.3f})"
        )
        if lines == DEFAULT_LINES_PER_PIXEL:
            kept, reached = light, abs(bias) <= 0.1 and rms <= 1.0
    row(
        f"average illumination against a dense march from {count:,} pixels' centres, real frame",
        "bias ≤ 0.1, rms ≤ 1.0 points, better with more lines",
        "; ".join(said),
        reached,
    )
    x, y = np.meshgrid(dem.grid.column_x_m(), dem.grid.row_y_m())
    centre = [float(value) for value in moon.lonlat_to_xy(129.78, -89.67)]
    inside = moon.angular_distance_rad(*centre, x, y) * RADIUS_M < 10_500.0
    area = float((kept.psr & inside).sum() * 0.04)
    row(
        "Shackleton's permanent shadow",
        "within 3 % of 233.7 km²",
        f"{area:.1f} km² ({100 * (area / 233.7 - 1):+.1f} %)",
        abs(area / 233.7 - 1) <= 0.03,
    )
    for band, layer, least, most, name in (
        (5, kept.illumination_pct, 0.99, 2.6, "average illumination"),
        (6, kept.earth_visibility_pct, 0.995, 2.0, "Earth visibility (centre of the disc)"),
    ):
        truth, mine = cells(dem, layer, band)
        error = mine - truth
        agreement, rmse = np.corrcoef(truth, mine)[0, 1], np.sqrt(np.mean(error**2))
        row(
            f"{name} against {len(truth)} cells of the 80°S table",
            f"r ≥ {least}, RMSE ≤ {most} points",
            f"r {agreement:.4f}, RMSE {rmse:.2f}, bias {error.mean():+.2f}",
            agreement >= least and rmse <= most,
        )


def brute_force(dem: Dem) -> np.ndarray:
    """Return the errors of the sweep on some lines of every bearing, degrees."""
    sweep, errors = Sweep(dem), []
    for bearing in BEARINGS:
        slopes = sweep.slopes(bearing, Context())
        qx, qy, nx, ny, x0, step = slopes.geometry[:6]
        for line in range(5, len(slopes.reach) - 5, 9):
            t = slopes.first_offset + line * slopes.spacing
            index, wanted = edge_crossing_horizons(dem, bearing, t, columns=not slopes.swapped)
            index, wanted = index[wanted > -90], wanted[wanted > -90]
            x = x0 + index * step
            c = nx * x - t + t * x * x / 4
            y = -2 * c / (ny + np.copysign(np.sqrt(ny * ny - t * c), ny))
            s = (qx * x + qy * y) / (1 - (x * x + y * y) / 4)
            cosine = 1 / np.hypot(1, t)
            tangent = slopes.values[line - slopes.base[index], index].astype(float)
            found = np.degrees(np.arctan(tangent * cosine) + np.arctan(s * cosine))
            errors.append(found - wanted)
    return np.concatenate(errors)


def cells(dem: Dem, layer: np.ndarray, band: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of the table and the means of the layer for the cells in the frame."""
    x, y = dem.grid.column_x_m(), dem.grid.row_y_m()
    west, south, east, north = dem.grid.bounds
    truth, mine = [], []
    with rasterio.open(REAL / "dem/south_pole_80S_cells_4960m.tif") as table:
        values = table.read(band)
        for (r, c), value in np.ndenumerate(values):
            left, top = table.transform * (c, r)
            right, bottom = table.transform * (c + 1, r + 1)
            if left < west or right > east or bottom < south or top > north:
                continue
            if np.isfinite(value):
                part = layer[np.ix_((y > bottom) & (y < top), (x > left) & (x < right))]
                truth.append(value)
                mine.append(part.mean())
    return np.array(truth), np.array(mine)


def against_grass() -> None:
    """Print the speed against GRASS on the same 500² model, per pixel and azimuth."""
    grid = Grid(-20e3, 20e3, 80.0, 500, 500)
    height, _ = generate(grid, 3)
    sky, context = ephemeris("2027-01-01", "2027-03-01"), Context()
    # As r.horizon does: one line a pixel, the angle at every pixel.
    plain = Sweep(Dem(grid, height), lines_per_pixel=1)
    full = Sweep(Dem(grid, height))
    best = {"plain": np.inf, "full": np.inf}
    for _ in range(3):
        begin = time.perf_counter()
        for bearing in range(0, 360, 2):
            plain.horizon_deg(float(bearing), context)
        best["plain"] = min(best["plain"], (time.perf_counter() - begin) / 180)
        begin = time.perf_counter()
        lighting.light(full, sky, context, azimuths=180)
        best["full"] = min(best["full"], (time.perf_counter() - begin) / 180)
    ours, lit = (best[name] / 500**2 * 1e9 for name in ("plain", "full"))
    if shutil.which("grass") is None:
        print(f"| horizon speed | ≥ 100 × r.horizon | {ours:.0f} ns; grass is not installed | |")
        return
    with tempfile.TemporaryDirectory() as folder:
        dem = Path(folder) / "dem.tif"
        write_raster(dem, height, grid, description="height")
        script = Path(folder) / "run.sh"
        script.write_text(
            f"r.in.gdal -o input={dem} output=dem --quiet && g.region raster=dem && "
            "date +%s.%N && r.horizon elevation=dem step=45 output=h --quiet && date +%s.%N\n"
        )
        done = subprocess.run(
            ["grass", "--tmp-location", "EPSG:3031", "--exec", "sh", str(script)],
            capture_output=True,
            text=True,
            check=True,
        )
    first, last = (float(line) for line in done.stdout.split() if line.replace(".", "").isdigit())
    theirs = (last - first) / (500 * 500 * 8) * 1e9
    row(
        "horizons per pixel and azimuth on 500² against `r.horizon`",
        "≥ 100×",
        f"{ours:.1f} ns against {theirs:,.0f} ns: {theirs / ours:.0f}×; with 1.5 lines a pixel "
        f"and the light looked up {lit:.1f} ns: {theirs / lit:.0f}×",
        theirs / ours >= 100,
    )


def cap(
    out: Path, pixel_m: float, side: int, figure: str, seconds: float, gib: float | None
) -> None:
    """Print time and peak memory of the lighting stage on a cap."""
    dem = out / f"cap_{side}.tif"
    if not dem.is_file():
        half = side * pixel_m / 2
        grid = Grid(-half, half, pixel_m, side, side)
        write_raster(dem, generate(grid, 7)[0], grid, description="height")
    command = Path(sys.executable).with_name("lunarsite")
    begin = time.perf_counter()
    subprocess.run(
        [command, "lighting", "--dem", dem, "--out", out / "light", "--posting-m", "960", "--json"],
        capture_output=True,
        check=True,
    )
    took = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    row(
        f"lighting of the cap at {pixel_m:g} m ({side}²), 360 azimuths, all layers written",
        figure,
        f"{took / 60:.1f} min, {peak:.2f} GiB, {took / side**2 / 360 * 1e9:.0f} ns a pixel and "
        "azimuth",
        took <= seconds and (gib is None or peak <= gib),
    )


def growth(out: Path, sides: tuple[int, ...]) -> None:
    """Print and plot the time of a sweep against the number of pixels."""
    sky, context = ephemeris("2027-01-01", "2027-03-01"), Context()
    pixels, taken = [], []
    for side in sides:
        half = side * 80.0 / 2
        grid = Grid(-half, half, 80.0, side, side)
        sweep = Sweep(Dem(grid, generate(grid, 7)[0]))
        lighting.light(sweep, sky, context, azimuths=36)
        begin = time.perf_counter()
        lighting.light(sweep, sky, context, azimuths=36)
        taken.append((time.perf_counter() - begin) / 36)
        pixels.append(side * side)
    count, seconds = np.array(pixels, float), np.array(taken)
    law = count * np.log(count)
    grown = seconds[-1] / seconds[0] / (law[-1] / law[0])
    power = np.polyfit(np.log(count), np.log(seconds), 1)[0]
    figure = Figure((6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.loglog(count, seconds, "o-", label="measured")
    axes.loglog(count, seconds[0] * law / law[0], "--", label="N log N")
    axes.set_xlabel("pixels")
    axes.set_ylabel("seconds for one azimuth")
    axes.set_title("Sweep and light of one azimuth")
    axes.legend()
    axes.grid(alpha=0.3, which="both")
    figure.savefig(out / "growth.png", dpi=120, metadata={"Software": None})
    row(
        "growth over " + ", ".join(f"{side}²" for side in sides),
        "no worse than N log N",
        f"time ∝ pixels^{power:.2f}; {grown:.2f} of N log N from the first to the last",
        grown <= 1.0,
    )
    (out / "growth.json").write_text(json.dumps({"pixels": pixels, "seconds": taken}))


def row(what: str, figure: str, measured: str, reached: bool) -> None:  # noqa: FBT001
    print(f"| {what} | {figure} | {measured} | {'yes' if reached else 'no'} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(".cache/bench/lighting"))
    parser.add_argument("--quick", action="store_true")
    every = ("exact", "speed", "growth", "cap")
    parser.add_argument("--only", choices=every, nargs="+", default=list(every))
    arguments = parser.parse_args()
    main(arguments.out, arguments.only, arguments.quick)
