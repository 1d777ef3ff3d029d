"""Radial profiles of fresh and degraded craters.

Fresh shapes follow Pike (1977, Impact and Explosion Cratering, p. 489): simple craters are 0.196
D^1.01 deep with rims of 0.036 D^1.014 (km), complex ones 1.044 D^0.301 deep with rims of 0.236
D^0.399, flat floors 0.187 D^1.249 wide and a central peak. Degradation is topographic diffusion
(Fassett & Thomson 2014, JGR Planets 119, 2255): the profile solves dh/dt = κ ∇²h, so its state
depends on τ = κt/R² alone. This degradation state is called wear.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

REACH = 4.0
"""Extent of the ejecta, in rim radii from the centre."""

RADII = 257
"""Samples of a profile from the centre to `REACH`."""

WEARS = 33
"""Degradation states in a table, from `WEAR_MIN` to `WEAR_MAX`."""

WEAR_MAX = 0.3
"""Largest κt/R²: a simple crater then has a fifth of its fresh depth."""

WEAR_MIN = 1e-3
"""Smallest κt/R²: slopes at the angle of repose have settled."""

SIMPLE_M = 15_000.0
"""Transition diameter from simple to complex craters in the highlands (Pike 1988)."""

LARGEST_M = 400_000.0
"""Largest diameter in the table."""

_PER_OCTAVE = 4
_DOMAIN = 12.0
"""Radius of the disc of the Fourier-Bessel series, in rim radii."""

_MODES = 480


def fresh_depth_m(diameter_m: Float) -> Float:
    """Return the rim-to-floor depth of fresh craters.

    Parameters
    ----------
    diameter_m : ndarray of float64, any shape
        Rim diameters, metres.

    Returns
    -------
    ndarray of float64, same shape
        Metres. Below 400 m craters form shallower, down to a depth-to-diameter ratio of 0.15.

    References
    ----------
    Pike 1977; Stopar et al. 2017, Icarus 298, 34.
    """
    km = np.asarray(diameter_m, np.float64) / 1000.0
    simple = 0.196 * km**1.01
    small = np.clip(0.5 + np.log2(np.maximum(km, 1e-6) / 0.4) / 4.0, 0.0, 1.0)
    simple *= 0.77 + 0.23 * small
    return 1000.0 * np.minimum(simple, 1.044 * km**0.301)


def class_of(diameter_m: Float) -> NDArray[np.int32]:
    """Return the row of `tables` with the profiles of craters of these diameters, metres."""
    octaves = np.log2(np.asarray(diameter_m, np.float64) / SIMPLE_M)
    rows = np.ceil(octaves * _PER_OCTAVE)
    last = int(np.ceil(np.log2(LARGEST_M / SIMPLE_M) * _PER_OCTAVE))
    out: NDArray[np.int32] = np.clip(rows, 0, last).astype(np.int32)
    return out


def wear_column(wear: Float) -> Float:
    """Return the fractional column of `tables` for degradation states κt/R²."""
    clipped = np.clip(wear, WEAR_MIN, WEAR_MAX)
    row: Float = np.log(clipped / WEAR_MIN) / np.log(WEAR_MAX / WEAR_MIN) * (WEARS - 1)
    return row


@cache
def tables() -> Float32:
    """Return profiles by diameter class, wear and distance, in units of the fresh depth.

    Returns
    -------
    ndarray of float32, shape (classes, `WEARS`, `RADII`)
        Height above the surroundings; the fresh rim-to-floor depth is 1. Zero at `REACH`.
    """
    last = int(class_of(np.array(LARGEST_M)))
    diameters = SIMPLE_M * 2.0 ** (np.arange(last + 1) / _PER_OCTAVE)
    zeros = special.jn_zeros(0, _MODES)
    fine = np.linspace(0.0, _DOMAIN, 4096, endpoint=False, dtype=np.float64) + _DOMAIN / 8192
    # Fourier-Bessel series on a disc much wider than the reach of the crater.
    to_modes = special.j0(np.outer(zeros, fine / _DOMAIN)) * fine * (_DOMAIN / 4096)
    to_modes *= 2.0 / (_DOMAIN**2 * special.j1(zeros)[:, None] ** 2)
    radius = np.linspace(0.0, REACH, RADII)
    from_modes = special.j0(np.outer(radius / _DOMAIN, zeros))
    wears = WEAR_MIN * (WEAR_MAX / WEAR_MIN) ** (np.arange(WEARS) / (WEARS - 1))
    decay = np.exp(-wears[:, None] * (zeros / _DOMAIN) ** 2)
    taper = np.clip((REACH - radius) / (0.25 * REACH), 0.0, 1.0)
    taper = taper * taper * (3.0 - 2.0 * taper)
    out = np.empty((last + 1, WEARS, RADII), np.float32)
    for row, diameter in enumerate(diameters):
        modes = to_modes @ _fresh(fine, float(diameter) / 1000.0, simple=row == 0)
        out[row] = (decay * modes) @ from_modes.T * taper
    out.flags.writeable = False
    return out


def depth_ratio(diameter_m: Float, wear: Float) -> Float:
    """Return the rim-to-floor depth of degraded craters as a fraction of the fresh depth."""
    table = tables()
    share = table.max(axis=2) - table.min(axis=2)
    share /= share[:, :1]
    rows = class_of(diameter_m)
    column = wear_column(wear)
    low = np.minimum(column.astype(np.int64), WEARS - 2)
    weight = column - low
    ratio: Float = (1.0 - weight) * share[rows, low] + weight * share[rows, low + 1]
    return ratio


def mapped_radius(diameter_m: Float, wear: Float) -> Float:
    """Return the radius at which degraded craters are mapped, in radii of the fresh rim.

    Degradation moves the crest outwards, finally to twice the fresh radius, while the wall of the
    bowl stays in place; mappers draw the rim in between. The geometric mean of the fresh and the
    present crest agrees with the catalogue of Wu et al. 2022 on the ridge beside Shackleton.

    Parameters
    ----------
    diameter_m : ndarray of float64, any shape
        Rim diameters of the fresh craters, metres.
    wear : ndarray of float64, same shape
        Degradation states κt/R², from `WEAR_MIN` to `WEAR_MAX`.

    Returns
    -------
    ndarray of float64, same shape
        Mapped radius over fresh rim radius.
    """
    crest = tables().argmax(axis=2) * (REACH / (RADII - 1))
    growth = np.sqrt(crest / crest[:, :1])
    rows = class_of(diameter_m)
    column = wear_column(wear)
    low = np.minimum(column.astype(np.int64), WEARS - 2)
    weight = column - low
    mapped: Float = (1.0 - weight) * growth[rows, low] + weight * growth[rows, low + 1]
    return mapped


def _fresh(radius: Float, km: float, *, simple: bool) -> Float:
    """Return a fresh profile in units of its depth, at distances in rim radii."""
    if simple:
        rim, floor, power = 0.19, 0.15, 1.45
    else:
        rim = 0.236 * km**0.399 / (1.044 * km**0.301)
        floor, power = min(0.187 * km**1.249 / km, 0.75), 1.3
    wall = np.clip((radius - floor) / (1.0 - floor), 0.0, 1.0)
    inside = wall**power - (1.0 - rim)
    if not simple:
        peak = min(0.0006 * km**1.97 / (1.044 * km**0.301), 0.35)
        inside += peak * np.exp(-((radius / 0.13) ** 2))
    # Ejecta thickness falls with the cube of the distance (McGetchin, Settle & Head 1973).
    outside = rim * np.maximum(radius, 1.0) ** -3.0
    return np.where(radius <= 1.0, inside, outside)
