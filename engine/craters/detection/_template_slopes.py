"""Correlation of slopes with those of a crater profile, by Fourier transforms."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

from lunarsite.engine.synthetic import profiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Complex = NDArray[np.complex128]
    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

RING = (0.5, 1.3)
"""Ring in which slopes are compared, in radii."""

DEGRADATIONS = (0, 22)
"""Profiles that are tried, fresh and degraded: columns of `profiles.tables`. Degradation moves the
crest outwards, so with the fresh one alone degraded craters would come out 25 % too large."""

SMOOTH_PX = 0.6
"""Sigma of the Gaussian that smooths both ground and profile, pixels."""

KNOWN = 0.55
"""Least share of the ring that must have valid heights."""

_FLAT = 1e-9
"""Mean square slope below which the ground counts as flat."""


class Slopes:
    """Fourier transforms of the slopes of a square block of terrain.

    Parameters
    ----------
    height : ndarray of float32, shape (side, side)
        Heights in pixels, NaN for nodata.
    """

    def __init__(self, height: Float32) -> None:
        known = np.isfinite(height)
        share = ndimage.gaussian_filter(known.astype(np.float64), SMOOTH_PX, mode="constant")
        level = height[known].mean(dtype=np.float64)
        smooth = ndimage.gaussian_filter(
            np.where(known, height - level, 0.0), SMOOTH_PX, mode="constant"
        )
        smooth = np.where(known, smooth / np.maximum(share, 1e-9), np.nan)
        south, east = np.gradient(smooth)
        sloping = np.isfinite(south) & np.isfinite(east)
        south, east = (np.where(sloping, v, 0.0) for v in (south, east))
        self.side = height.shape[0]
        self.known = known
        self.whole = bool(sloping.all())
        self.weight = fft.rfft2(sloping.astype(np.float64))
        self.east, self.south = fft.rfft2(east), fft.rfft2(south)
        self.square = fft.rfft2(east**2 + south**2)

    def correlate(self, radius: np.float64, core: tuple[slice, slice]) -> tuple[Float, Float]:
        """Return correlation and depth for circles of a radius centred on each pixel of the core.

        The mean slopes of ground and profile in the ring are removed, so the products are
        <f, g> - Σf Σg / n.

        Parameters
        ----------
        radius : float
            Radius of the circles, pixels.
        core : tuple of slice
            Rows and columns of the centres.

        Returns
        -------
        correlation : ndarray of float64, shape of the core
            Normalised correlation; -1 where the ground is flat or too little of it is known.
        depth : ndarray of float64, shape of the core
            Depth of the best-fitting profile, in diameters.
        """
        ring = _ring(self.side, float(radius))[1]
        full = ring[0, 0].real
        east, south = self._over(self.east * ring, core), self._over(self.south * ring, core)
        count = np.full_like(east, full)
        if not self.whole:
            count = np.maximum(self._over(self.weight * ring, core), 1e-3)
        left = self._over(self.square * ring, core) - (east**2 + south**2) / count
        good = self.known[core] & (count >= KNOWN * full) & (left > _FLAT * count)
        left = np.where(good, left, 1.0)
        best, depth = np.full_like(east, -1.0), np.zeros_like(east)
        for degradation in DEGRADATIONS:
            to_east, to_south, power = _kernels(self.side, float(radius), degradation)
            common = self._over(self.east * to_east + self.south * to_south, core)
            profile_power = np.full_like(east, power[0, 0].real)
            if not self.whole:
                own_east = self._over(self.weight * to_east, core)
                own_south = self._over(self.weight * to_south, core)
                common -= (east * own_east + south * own_south) / count
                profile_power = (
                    self._over(self.weight * power, core) - (own_east**2 + own_south**2) / count
                )
            profile_power = np.where(good, profile_power, 1.0)
            correlation = common / np.sqrt(left * profile_power)
            better = good & (correlation > best)
            best = np.where(better, correlation, best)
            # The profile is one radius deep, which is half a diameter.
            depth = np.where(better, 0.5 * common / profile_power, depth)
        return best, depth

    def _over(self, spectrum: Complex, core: tuple[slice, slice]) -> Float:
        """Return the core of the inverse transform of a spectrum."""
        values: Float = fft.irfft2(spectrum, (self.side, self.side))[core]
        return values


@lru_cache(maxsize=24)
def _ring(side: int, radius: float) -> tuple[Float, Complex]:
    """Return the weights of the ring and their conjugate spectrum."""
    at = fft.fftfreq(side, 1.0 / side) / radius
    distance = np.hypot(at[:, None], at[None, :])
    # Edges are two pixels wide, since small rings would be ragged otherwise.
    inside, outside = (np.clip((distance - r) * radius / 2.0 + 0.5, 0.0, 1.0) for r in RING)
    ring = inside - outside
    return ring, np.conj(fft.rfft2(ring))


@lru_cache(maxsize=24 * len(DEGRADATIONS))
def _kernels(side: int, radius: float, degradation: int) -> tuple[Complex, Complex, Complex]:
    """Return conjugate spectra of a profile's slopes in the ring: east, south, and squared."""
    at = fft.fftfreq(side, 1.0 / side) / radius
    distance = np.hypot(at[:, None], at[None, :])
    slope = _profile_slope(distance, SMOOTH_PX / radius, degradation)
    away = _ring(side, radius)[0] * slope / np.maximum(distance, 1e-9)
    east, south = fft.rfft2(away * at[None, :]), fft.rfft2(away * at[:, None])
    return np.conj(east), np.conj(south), np.conj(fft.rfft2(away * slope * distance))


def _profile_slope(distance: Float, smooth: float, column: int) -> Float:
    """Return the outward slope of a crater one radius deep, at distances in mapped radii."""
    profile = profiles.tables()[0, column].astype(np.float64)
    profile /= profile.max() - profile.min()
    step = profiles.REACH / (profiles.RADII - 1)
    through = ndimage.gaussian_filter1d(
        np.concatenate([profile[:0:-1], profile]), smooth / step, mode="nearest"
    )
    slope = np.gradient(through, step)[profiles.RADII - 1 :]
    worn = profiles.WEAR_MIN * (profiles.WEAR_MAX / profiles.WEAR_MIN) ** (
        column / (profiles.WEARS - 1)
    )
    grown = profiles.mapped_radius(np.array(profiles.SIMPLE_M), np.array(worn))
    found: Float = grown * np.interp(distance * grown, step * np.arange(profiles.RADII), slope)
    return found
