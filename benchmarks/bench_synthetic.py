"""Synthetic terrain: comparison with real terrain, and run time for the whole polar cap."""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lunarsite.engine.io.elevation.dem import read_dem
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.synthetic.terrain import generate
from lunarsite.engine.terrain import attributes

REAL = Path(__file__).parents[1].parent / "shared" / "data"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SEEDS = tuple(range(1, 9))


def main(out: Path, quick: bool = False) -> None:  # noqa: FBT001, FBT002
    out.mkdir(parents=True, exist_ok=True)
    print("| what | figure | measured | reached? |")
    print("|---|---|---|---|")
    side = 1900 if quick else 7600
    begin = time.perf_counter()
    height, craters = generate(Grid(-40.0 * side, 40.0 * side, 80.0, side, side), 1, threads=2)
    took = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    reached = "yes" if took <= 180 and peak <= 4 else "no"
    print(
        f"| generated terrain, {side} x {side} at 80 m | ≤ 180 s, ≤ 4 GiB | {took:.0f} s, "
        f"{peak:.1f} GiB, {len(craters):,} craters, {height.min():,.0f} to {height.max():,.0f} m "
        f"| {reached} |"
    )
    del height
    if REAL.is_dir():
        frames = {200.0: "shackleton_ridge_200m.tif", 100.0: "shackleton_ridge_25m.tif"}
        compared = {px: compare(px, REAL / "dem" / name) for px, name in frames.items()}
        picture(compared, out / "synthetic.png")


def compare(pixel_m: float, path: Path) -> dict[str, np.ndarray | list[np.ndarray]]:
    dem = read_dem(path)
    factor = round(pixel_m / dem.grid.pixel_m)
    rows, columns = (side // factor for side in dem.grid.shape)
    real = dem.height_m[: rows * factor, : columns * factor]
    real = real.reshape(rows, factor, columns, factor).mean((1, 3))
    grid = Grid(dem.grid.x_min_m, dem.grid.y_max_m, pixel_m, columns, rows)
    made = [generate(grid, seed, threads=2)[0] for seed in SEEDS]
    slopes = [slope(h, grid) for h in made]
    theirs, ours = (np.quantile(s, QUANTILES) for s in (slope(real, grid), np.concatenate(slopes)))
    listed = ", ".join(f"{a:.1f}/{b:.1f}" for a, b in zip(theirs, ours, strict=True))
    print(
        f"| slope at {pixel_m:.0f} m, quantiles 5, 25, 50, 75, 95 % | near | real/generated "
        f"{listed}° | median off by {ours[2] - theirs[2]:+.1f}° |"
    )
    wave, power = spectrum(real, pixel_m)
    powers = np.array([spectrum(h, pixel_m)[1] for h in made])
    mine = np.exp(np.log(powers).mean(axis=0))
    part = (wave > 2.5 * pixel_m) & (wave < 26_000)
    fits = [np.polyfit(np.log(1 / wave[part]), np.log(p[part]), 1)[0] for p in (power, mine)]
    off = np.sqrt(np.mean(np.log10(mine[part] / power[part]) ** 2))
    print(
        f"| power spectrum at {pixel_m:.0f} m, {2.5 * pixel_m / 1000:.1f} to 26 km | near | slope "
        f"{fits[0]:.2f} real, {fits[1]:.2f} generated; {off:.2f} decades rms apart | |"
    )
    return {
        "real": real,
        "made": made[:3],
        "slopes": [slope(real, grid), np.concatenate(slopes)],
        "wave": wave,
        "power": power,
        "powers": powers,
    }


def slope(height_m: np.ndarray, grid: Grid) -> np.ndarray:
    values = attributes.derivatives(height_m, grid)["slope_deg"]
    return values[np.isfinite(values)]


def spectrum(height_m: np.ndarray, pixel_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Return wavelengths and mean power spectral density of the detrended, tapered frame."""
    side = min(height_m.shape)
    part = height_m[:side, :side].astype(np.float64)
    axis = np.linspace(-1.0, 1.0, side)
    for _ in range(2):
        part = part - part.mean()
        part = part - np.outer(np.ones(side), axis * (part @ axis).mean() / (axis @ axis))
        part = part.T
    taper = np.outer(np.hanning(side), np.hanning(side))
    power = np.abs(np.fft.fft2(part * taper)) ** 2 * pixel_m**2 / (taper**2).sum()
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(side, pixel_m), np.fft.fftfreq(side, pixel_m)))
    edges = np.geomspace(1.5, side / 2, 16) / (side * pixel_m)
    which = np.digitize(k.ravel(), edges)
    mean = np.array([power.ravel()[which == n].mean() for n in range(1, edges.size)])
    return 1.0 / np.sqrt(edges[1:] * edges[:-1]), mean


def hillshade(height_m: np.ndarray, pixel_m: float) -> np.ndarray:
    rise = np.gradient(height_m.astype(np.float64), pixel_m)
    light = 0.35 - 0.66 * rise[1] + 0.66 * rise[0]
    return np.clip(light / np.sqrt(1.0 + rise[0] ** 2 + rise[1] ** 2), 0.0, 1.0)


def picture(compared: dict[float, dict], path: Path) -> None:
    figure = Figure(figsize=(20, 10), layout="constrained")
    axes = figure.subplots(2, 4)
    fine = compared[100.0]
    for ax, height, title in zip(
        axes[0], [fine["real"], *fine["made"]], ["real", *("generated",) * 3], strict=True
    ):
        ax.imshow(hillshade(height, 100.0), cmap="gray", vmin=0, vmax=1)
        ax.set_title(f"{title}, {height.min():,.0f} to {height.max():,.0f} m")
        ax.axis("off")
    for column, (pixel_m, found) in enumerate(compared.items()):
        ax = axes[1][column]
        for values, label in zip(found["slopes"], ("real", "generated"), strict=True):
            ax.hist(values, np.arange(0, 45), density=True, histtype="step", label=label)
        ax.set(title=f"slope at {pixel_m:.0f} m", xlabel="degrees")
        ax.legend()
        ax = axes[1][2 + column]
        for power in found["powers"]:
            ax.loglog(found["wave"], power, color="C1", alpha=0.4)
        ax.loglog(found["wave"], found["power"], color="C0", label="real")
        ax.set(title=f"power spectrum at {pixel_m:.0f} m", xlabel="wavelength, m", ylabel="m⁴")
        ax.legend()
    figure.savefig(path, dpi=70)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"))
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    sys.exit(main(given.out, given.quick))
