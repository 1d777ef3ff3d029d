"""Synthetic south polar terrain: fractal ground under a crater population.

The ground is noise with a power-law spectrum that levels off at long wavelengths, as in the lunar
highlands (Rosenburg et al. 2011, JGR 116, E02001: Hurst exponents near 0.95 from tens of metres to
kilometres).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import fft

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.synthetic.craters import population, stamp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.io.grid import Grid

    Float32 = NDArray[np.float32]

CATALOGUE_DECIMALS = {
    "lon_deg": 5,
    "lat_deg": 5,
    "diameter_m": 1,
    "depth_m": 1,
    "x_m": 1,
    "y_m": 1,
    "wear": 4,
}
"""Decimals with which the columns of a catalogue are written."""

_CRATERS_PER_STEP = 5_000


def generate(
    grid: Grid,
    seed: int,
    *,
    min_diameter_m: float | None = None,
    max_diameter_m: float = 120_000.0,
    density: float = 0.75,
    roll_over_m: float = 90_000.0,
    hurst: float = 1.4,
    slope_deg: float = 9.0,
    mean_m: float = 300.0,
    threads: int = 1,
    context: Context | None = None,
) -> tuple[Float32, pd.DataFrame]:
    """Generate terrain and the catalogue of its craters.

    Parameters
    ----------
    grid : Grid
        The area. With map scale k, a crater of D metres covers kD map metres.
    seed : int
        The same seed gives byte-identical results, with any number of threads.
    min_diameter_m, max_diameter_m : float
        Range of crater diameters in metres. The minimum defaults to three pixels.
    density : float
        Crater density as a fraction of Hartmann's saturation.
    roll_over_m : float
        Wavelength in metres above which the power of the fractal ground no longer grows.
    hurst : float
        Hurst exponent of the fractal ground.
    slope_deg : float
        Median slope of the fractal ground over a baseline of 100 m, degrees.
    mean_m : float
        Mean height of the fractal ground, metres.
    threads : int
        Threads of the Fourier transform; those of the context take precedence.
    context : Context, optional
        Receives the progress, and may cancel.

    Returns
    -------
    height_m : ndarray of float32, shape of the grid
        Metres above the lunar reference sphere; no nodata.
    catalogue : pandas.DataFrame
        id, lon_deg, lat_deg, diameter_m, depth_m, x_m, y_m, wear; craters centred in the grid,
        oldest first.

    Raises
    ------
    ParameterError
        If the smallest diameter is not below the largest.
    """
    context = Context(threads=threads) if context is None else context
    context.progress(0.0, "Fractal ground")
    rng_ground, rng_craters = (
        np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(seed).spawn(2)
    )
    height_m = fractal(
        grid,
        rng_ground,
        roll_over_m=roll_over_m,
        hurst=hurst,
        slope_deg=slope_deg,
        threads=context.threads,
    )
    height_m += np.float32(mean_m)
    craters = population(
        grid,
        rng_craters,
        min_diameter_m=3.0 * grid.pixel_m if min_diameter_m is None else min_diameter_m,
        max_diameter_m=max_diameter_m,
        density=density,
    )
    steps = max(1, craters.size // _CRATERS_PER_STEP)
    for step, batch in enumerate(np.array_split(craters, steps)):
        context.progress(0.4 + 0.6 * step / steps, "Craters")
        stamp(height_m, grid, batch)
    return height_m, _catalogue(craters, grid)


def fractal(
    grid: Grid,
    rng: np.random.Generator,
    *,
    roll_over_m: float,
    hurst: float,
    slope_deg: float,
    threads: int = 1,
) -> Float32:
    """Return Gaussian noise of zero mean with a power-law spectrum.

    The power spectral density falls as (1 + (roll_over/wavelength)²)^-(1 + hurst). The noise is
    generated on a larger area, so that opposite edges do not match.

    Parameters
    ----------
    grid : Grid
        The area.
    rng : numpy.random.Generator
        Random number generator.
    roll_over_m : float
        Wavelength in metres above which the power no longer grows.
    hurst : float
        Hurst exponent.
    slope_deg : float
        Median slope over a baseline of 100 m, degrees.
    threads : int
        Threads of the Fourier transform.

    Returns
    -------
    ndarray of float32, shape of the grid
        Heights in metres.
    """
    rows = fft.next_fast_len(int(grid.height * 1.2) + 8, real=False)
    columns = fft.next_fast_len(int(grid.width * 1.2) + 8, real=True)
    half = columns // 2 + 1
    spectrum = np.empty((rows, half), np.complex64)
    ky = np.fft.fftfreq(rows, grid.pixel_m)
    kx = np.fft.rfftfreq(columns, grid.pixel_m)
    q2 = kx * kx
    slope_power = 0.0
    for row in range(rows):
        k2 = q2 + ky[row] ** 2
        power = (1.0 + k2 * roll_over_m**2) ** (-(1.0 + hurst))
        # Finite differences over 100 m, so that the amplitude does not depend on the pixel.
        slope_power += 2.0 * float(np.sum(power * (2.0 - 2.0 * np.cos(2 * np.pi * kx * 100.0))))
        noise = rng.standard_normal((2, half), dtype=np.float32)
        spectrum[row] = (noise[0] + 1j * noise[1]) * np.sqrt(power).astype(np.float32)
    spectrum[0, 0] = 0.0
    # A median slope of s has per-axis slopes of s / 1.1774 rms (Rayleigh).
    axis_rms = np.tan(np.radians(slope_deg)) / 1.1774
    amplitude = axis_rms * 100.0 / np.sqrt(slope_power)
    spectrum *= np.float32(amplitude * np.sqrt(0.5) * rows * columns)
    noise = fft.irfft2(spectrum, s=(rows, columns), workers=threads, overwrite_x=True)
    return np.ascontiguousarray(noise[: grid.height, : grid.width], dtype=np.float32)


def _catalogue(craters: NDArray[np.void], grid: Grid) -> pd.DataFrame:
    west, south, east, north = grid.bounds
    x, y = craters["x_m"], craters["y_m"]
    inside = craters[(x >= west) & (x < east) & (y > south) & (y <= north)]
    lon, lat = moon.xy_to_lonlat(inside["x_m"], inside["y_m"])
    return pd.DataFrame(
        {
            "id": np.arange(1, inside.size + 1),
            "lon_deg": lon,
            "lat_deg": lat,
            "diameter_m": inside["diameter_m"],
            "depth_m": inside["depth_m"],
            "x_m": inside["x_m"],
            "y_m": inside["y_m"],
            "wear": inside["wear"],
        }
    )
