"""Soft labels: the probability that a cell meets every criterion, given the errors of its features.

A criterion with margin m (positive if it is met) and softness s is met with the probability
1/(1 + exp(-m/s)). The margin is uncertain: the errors of heights are correlated over some distance,
and part of the error of horizons is shared by a region. The soft label of a cell is the mean, over
Monte Carlo draws of these errors, of the product over its criteria. A closed form approximates the
logistic curve by a normal distribution of scale 1.702 (MacKay 1992, Neural Comput. 4:720).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import ndimage, special

from lunarsite.engine.scoring.features.columns import CONFIDENCE, SEGMENTED
from lunarsite.engine.scoring.features.feature_table import cell_grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.scoring.profiles import Profile

    Float = NDArray[np.float64]

_REGIONAL_M = 5_000.0
_REGIONAL_SHARE = 0.5
_DEFAULT_SENSITIVITY = 7.3
"""Percentage points of illumination per degree of horizon, if there is no sensitivity layer."""

_DEM_FEATURES = frozenset(
    {
        "slope_mean_deg",
        "slope_max_deg",
        "slope_min_deg",
        "slope_std_deg",
        "clearance_5deg_m",
        "clearance_8deg_m",
    }
)


@dataclass(frozen=True, slots=True)
class Errors:
    """Error model of the features.

    Parameters
    ----------
    dem_error_m : float
        Standard error of heights, metres; overridden by the mean elevation error of a cell.
    dem_correlation_m : float
        Correlation length of height errors (Gaussian), metres.
    horizon_error_deg : float
        Standard error of horizons, degrees; half of its variance is shared over 5 km.
    """

    dem_error_m: float = 1.0
    dem_correlation_m: float = 300.0
    horizon_error_deg: float = 0.1

    @classmethod
    def from_parameters(cls, values: Mapping[str, Any]) -> Self:
        """Return the error model from the parameters of a stage."""
        return cls(**{error.name: values[error.name] for error in fields(cls)})

    def as_dict(self) -> dict[str, Any]:
        """Return the error model as JSON."""
        return asdict(self)


def standard_errors(table: pd.DataFrame, profile: Profile, errors: Errors) -> Float:
    """Return the standard errors of the features of all criteria.

    Returns
    -------
    ndarray of float64, shape (criteria, cells)
        In the unit of the feature; 0 for features whose error is not modelled.
    """
    out = np.zeros((len(profile.criteria), len(table)))
    for k, criterion in enumerate(profile.criteria):
        name = criterion.feature
        if name in _DEM_FEATURES:
            slope = _slope_error_deg(table, errors)
            out[k] = slope if name.endswith("_deg") else _pixel(table)
        elif name in ("avg_illumination_pct", "illumination_min_pct", "darkest_month_pct"):
            out[k] = errors.horizon_error_deg * _sensitivity(table, "illumination_sensitivity")
        elif name == "earth_visibility_pct":
            out[k] = errors.horizon_error_deg * _sensitivity(table, "earth_sensitivity")
        elif name in SEGMENTED:
            out[k] = _rock_error(table, name)
    return out


def closed_form_log_odds(table: pd.DataFrame, profile: Profile, errors: Errors) -> Float:
    """Return the log-odds that all criteria are met, assuming that they are independent.

    Returns
    -------
    ndarray of float64, shape (cells,)
        NaN if a feature is missing.

    References
    ----------
    MacKay (1992), Neural Comput. 4:720.
    """
    sigma = standard_errors(table, profile, errors)
    total = np.zeros(len(table))
    for k, criterion in enumerate(profile.criteria):
        width = np.sqrt(criterion.softness**2 + (sigma[k] / 1.702) ** 2)
        total += special.log_expit(criterion.margin(table[criterion.feature].to_numpy()) / width)
    return log_odds(total)


def exact_log_odds(table: pd.DataFrame, profile: Profile) -> Float:
    """Return the log-odds that all criteria are met for exact features; NaN if one is missing."""
    total = np.zeros(len(table))
    for criterion in profile.criteria:
        margin = criterion.margin(table[criterion.feature].to_numpy())
        total += special.log_expit(margin / criterion.softness)
    return log_odds(total)


def draws(
    table: pd.DataFrame, profile: Profile, errors: Errors, count: int, seed: int
) -> Iterator[Float]:
    """Yield the log of the probability that all criteria are met, for draws of the errors.

    Errors of heights are independent between cells. Half of the variance of the horizon error is
    shared over 5 km; illumination and Earth visibility have the same horizon error. Rock features
    have an independent error, the same for all of them in a cell.

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
        Log-probability; NaN if a feature is missing.
    """
    sigma = standard_errors(table, profile, errors)
    margins = [c.margin(table[c.feature].to_numpy()) for c in profile.criteria]
    grid = cell_grid(table)
    row, column = table["row"].to_numpy(), table["column"].to_numpy()
    width = _REGIONAL_M / grid.pixel_m
    norm = _filter_norm(grid.shape, width)
    segmented = any(c.feature in SEGMENTED for c in profile.criteria)
    for number in range(count):
        random = np.random.default_rng([seed, number])
        ground = random.standard_normal(len(table))
        local = random.standard_normal(len(table))
        field = ndimage.gaussian_filter(random.standard_normal(grid.shape), width, mode="wrap")
        horizon = np.sqrt(_REGIONAL_SHARE) * field[row, column] / norm
        horizon += np.sqrt(1.0 - _REGIONAL_SHARE) * local
        total = np.zeros(len(table))
        # Drawn last, and only for profiles that need it, so that the draws of others do not change.
        rocks = random.standard_normal(len(table)) if segmented else horizon
        for k, criterion in enumerate(profile.criteria):
            noise = ground if criterion.feature in _DEM_FEATURES else horizon
            noise = rocks if criterion.feature in SEGMENTED else noise
            total += special.log_expit((margins[k] + sigma[k] * noise) / criterion.softness)
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
    """Return the log-odds of the mean probability over draws, shape (cells,); NaN for nodata."""
    total = np.zeros(len(table))
    for number, log_probability in enumerate(draws(table, profile, errors, count, seed)):
        context.progress(number / count, "soft labels")
        total += np.exp(log_probability)
    with np.errstate(divide="ignore"):
        return log_odds(np.log(total / count))


def log_odds(log_probability: Float) -> Float:
    """Return log(p / (1 - p)) from log(p), accurate for p near 0 and 1."""
    safe = np.minimum(log_probability, -1e-300)
    return np.asarray(log_probability - np.log(-np.expm1(safe)))


def _slope_error_deg(table: pd.DataFrame, errors: Errors) -> Float:
    """Return the standard error of the mean slope of a cell.

    A slope is a difference over two pixels, d = 2p, of heights whose errors have the correlation
    ρ = exp(-d²/2L²): σ² = 2 σz² (1 - ρ)/d². A cell has (cell/2L)² independent slopes.
    """
    height = np.full(len(table), errors.dem_error_m)
    if "elevation_error_mean_m" in table:
        own = table["elevation_error_mean_m"].to_numpy()
        height = np.where(np.isfinite(own), own, height)
    distance = 2.0 * _pixel(table)
    length = errors.dem_correlation_m
    agreement = np.exp(-(distance**2) / (2.0 * length**2))
    gradient = height * np.sqrt(2.0 * (1.0 - agreement)) / distance
    cell = cell_grid(table).pixel_m
    independent = max(1.0, (cell / (2.0 * length)) ** 2)
    return np.asarray(np.degrees(np.arctan(gradient)) / np.sqrt(independent))


def _rock_error(table: pd.DataFrame, name: str) -> Float:
    """Return the standard error of a rock feature of a cell.

    A calibrated network is wrong for a share 1 - confidence of the pixels, and the errors in a cell
    may be fully correlated. For a count it is that share of the count, or of one rock if it is 0.
    """
    unsure = 1.0 - table[CONFIDENCE].to_numpy(np.float64)
    if name.endswith("_pct"):
        return np.asarray(100.0 * unsure)
    return np.asarray(np.maximum(table[name].to_numpy(np.float64), 1.0) * unsure)


def _pixel(table: pd.DataFrame) -> Float:
    return table["pixel_m"].to_numpy(np.float64)


def _sensitivity(table: pd.DataFrame, name: str) -> Float:
    if name not in table:
        return np.full(len(table), _DEFAULT_SENSITIVITY)
    own = table[name].to_numpy(np.float64)
    return np.where(np.isfinite(own), own, _DEFAULT_SENSITIVITY)


def _filter_norm(shape: tuple[int, int], width: float) -> float:
    """Return the standard deviation of filtered white noise, from the filter's own weights."""
    impulse = np.zeros(shape)
    impulse[shape[0] // 2, shape[1] // 2] = 1.0
    weights = ndimage.gaussian_filter(impulse, width, mode="wrap")
    return float(np.sqrt((weights**2).sum()))
