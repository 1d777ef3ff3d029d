"""Soft labels: the suitability of a place over Monte Carlo draws of the errors of its features.

The errors of heights are correlated over some distance, and part of the error of horizons is shared
by a region. The soft label is the geometric mean of the memberships of the criteria (see
`suitability`), where their product is averaged over draws of these errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, special

from lunarsite.engine.scoring import error_model, suitability
from lunarsite.engine.scoring.error_model import footprint_of
from lunarsite.engine.scoring.features.feature_table import cell_grid

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.scoring.error_model import Errors
    from lunarsite.engine.scoring.profiles import Profile

    Float = NDArray[np.float64]

_REGIONAL_M = 5_000.0
_REGIONAL_SHARE = 0.5


def draws(
    table: pd.DataFrame, profile: Profile, errors: Errors, count: int, seed: int
) -> Iterator[Float]:
    """Yield the log of the product of all memberships, for draws of the errors.

    Errors of heights are independent between cells. Half of the variance of the horizon error is
    shared over 5 km; illumination and Earth visibility have the same horizon error. Rock features
    have an independent error, the same for all of them at a place.

    Parameters
    ----------
    table : DataFrame
        Feature table.
    profile : Profile
        The criteria.
    errors : Errors
        The error model.
    count, seed : int
        Number of draws, and their seed.

    Yields
    ------
    ndarray of float64, shape (cells,)
        Logarithm; NaN if a feature is missing.
    """
    sigma = error_model.standard_errors(table, profile, errors, footprint_of(table))
    margins = [c.margin(table[c.feature].to_numpy()) for c in profile.criteria]
    sources = [error_model.source_of(c) for c in profile.criteria]
    signs = [error_model.sign_of(c) for c in profile.criteria]
    grid = cell_grid(table)
    row, column = table["row"].to_numpy(), table["column"].to_numpy()
    width = _REGIONAL_M / grid.pixel_m
    norm = _filter_norm(grid.shape, width)
    for number in range(count):
        random = np.random.default_rng([seed, number])
        noise = {error_model.HEIGHTS: random.standard_normal(len(table))}
        local = random.standard_normal(len(table))
        field = ndimage.gaussian_filter(random.standard_normal(grid.shape), width, mode="wrap")
        horizon = np.sqrt(_REGIONAL_SHARE) * field[row, column] / norm
        noise[error_model.HORIZONS] = horizon + np.sqrt(1.0 - _REGIONAL_SHARE) * local
        if error_model.NETWORK in sources:
            # Drawn last, and only for profiles that need it: the draws of others do not change.
            noise[error_model.NETWORK] = random.standard_normal(len(table))
        total = np.zeros(len(table))
        for k, criterion in enumerate(profile.criteria):
            shift = signs[k] * sigma[k] * noise.get(sources[k] or "", 0.0)
            total += special.log_expit((margins[k] + shift) / criterion.softness)
        yield total


def soft_labels(
    table: pd.DataFrame,
    profile: Profile,
    errors: Errors,
    *,
    count: int,
    seed: int,
    context: Context,
) -> Float:
    """Return the log-odds of the suitability over draws, shape (cells,); NaN for nodata."""
    total = np.zeros(len(table))
    for number, log_product in enumerate(draws(table, profile, errors, count, seed)):
        context.progress(number / count, "soft labels")
        total += np.exp(log_product)
    with np.errstate(divide="ignore"):
        return suitability.to_log_odds(np.log(total / count) / len(profile.criteria))


def _filter_norm(shape: tuple[int, int], width: float) -> float:
    """Return the standard deviation of filtered white noise, from the filter's own weights."""
    impulse = np.zeros(shape)
    impulse[shape[0] // 2, shape[1] // 2] = 1.0
    weights = ndimage.gaussian_filter(impulse, width, mode="wrap")
    return float(np.sqrt((weights**2).sum()))
