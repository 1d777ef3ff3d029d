"""Errors of the features: what the errors of heights and horizons make of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from scipy import signal

from lunarsite.engine.scoring.features.columns import BY_NAME, CONFIDENCE, SEGMENTED
from lunarsite.engine.scoring.features.feature_table import cell_grid
from lunarsite.engine.scoring.landing.discs import Disc

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from lunarsite.engine.scoring.profiles import Criterion, Profile

    Float = NDArray[np.float64]

_DEFAULT_SENSITIVITY = 7.3
"""Percentage points of illumination per degree of horizon, if there is no sensitivity layer."""

_PIXEL_SLOPES = frozenset({"slope_max_deg", "slope_min_deg", "slope_std_deg"})
_CLEARANCES = frozenset({"clearance_5deg_m", "clearance_8deg_m"})
HEIGHTS, HORIZONS, NETWORK = "heights", "horizons", "network"
"""What features have an error in common."""

_SOURCES = {
    **dict.fromkeys({"slope_mean_deg", *_PIXEL_SLOPES, *_CLEARANCES}, HEIGHTS),
    **dict.fromkeys(
        ("avg_illumination_pct", "illumination_min_pct", "darkest_month_pct"), HORIZONS
    ),
    "earth_visibility_pct": HORIZONS,
    **dict.fromkeys(SEGMENTED, NETWORK),
}


class Values(Protocol):
    """Features by name: a table, or arrays of one shape."""

    def __getitem__(self, name: str, /) -> Any:
        """Return the values of a feature."""
        ...

    def __contains__(self, name: object, /) -> bool:
        """Return whether there are values of a feature."""
        ...


@dataclass(frozen=True, slots=True)
class Errors:
    """Error model of the features.

    Parameters
    ----------
    dem_error_m : float
        Standard error of heights, metres; overridden by a layer of elevation errors.
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


@dataclass(frozen=True, slots=True)
class Footprint:
    """The pixels over which the features of a place are averaged.

    Parameters
    ----------
    pixel_m : float
        Pixel size, metres.
    side_m : float, optional
        Side of a cell.
    radius_m : float, optional
        Radius of a landing disc, in place of the cell.
    """

    pixel_m: float
    side_m: float = 0.0
    radius_m: float = 0.0

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The pixels, in a rectangle around them."""
        if self.radius_m:
            return Disc(self.radius_m, self.pixel_m).mask
        side = max(1, round(self.side_m / self.pixel_m))
        return np.ones((side, side), np.bool_)


def footprint_of(table: pd.DataFrame) -> Footprint:
    """Return the pixels over which the features of a table are averaged."""
    pixel_m, radius_m = float(table["pixel_m"].iloc[0]), float(table["landing_radius_m"].iloc[0])
    if np.isfinite(radius_m):
        return Footprint(pixel_m, radius_m=radius_m)
    return Footprint(pixel_m, side_m=cell_grid(table).pixel_m)


def source_of(criterion: Criterion) -> str | None:
    """Return what the feature of a criterion has an error in common with, None if it has none."""
    return _SOURCES.get(criterion.feature)


def sign_of(criterion: Criterion) -> int:
    """Return +1 if the shared error that is good for a place raises the margin, -1 if it lowers it.

    Two limits on one feature, at least and at most, have opposite signs.
    """
    better = BY_NAME[criterion.feature].direction
    return criterion.direction * better if better else 1


def standard_errors(
    values: Values, profile: Profile, errors: Errors, footprint: Footprint
) -> tuple[Float, ...]:
    """Return the standard errors of the features of all criteria.

    Parameters
    ----------
    values : mapping of str to array
        Features, with sensitivities and elevation errors if there are any; all of one shape.
    profile : Profile
        The criteria.
    errors : Errors
        The error model.
    footprint : Footprint
        The pixels over which features are averaged.

    Returns
    -------
    tuple of ndarray of float64
        One array for each criterion, in the unit of its feature; 0 for features whose error is not
        modelled.
    """
    return tuple(
        _standard_error(criterion.feature, values, errors, footprint)
        for criterion in profile.criteria
    )


def _standard_error(name: str, values: Values, errors: Errors, footprint: Footprint) -> Float:
    own = np.asarray(values[name], np.float64)
    if name == "slope_mean_deg" or name in _PIXEL_SLOPES:
        mean = name == "slope_mean_deg"
        gradient = gradient_error(
            footprint if mean else Footprint(footprint.pixel_m, footprint.pixel_m),
            errors.dem_correlation_m,
        )
        height = np.full(own.shape, errors.dem_error_m)
        if "elevation_error_mean_m" in values:
            given = np.asarray(values["elevation_error_mean_m"], np.float64)
            height = np.where(np.isfinite(given), given, height)
        return np.degrees(np.arctan(height * gradient))
    if name in _CLEARANCES:
        return np.full(own.shape, footprint.pixel_m)
    if name in ("avg_illumination_pct", "illumination_min_pct", "darkest_month_pct"):
        return errors.horizon_error_deg * _sensitivity(values, "illumination_sensitivity", own)
    if name == "earth_visibility_pct":
        return errors.horizon_error_deg * _sensitivity(values, "earth_sensitivity", own)
    if name in SEGMENTED:
        return _rock_error(name, values)
    return np.zeros(own.shape)


@lru_cache(maxsize=64)
def gradient_error(footprint: Footprint, correlation_m: float) -> float:
    """Return the standard error of a mean gradient, per metre of standard error of the heights.

    A mean of slopes is a weighted sum of heights: its variance is w' C w, where w are the weights
    of Horn's slopes, averaged over the footprint, and C = exp(-d²/2L²) is the correlation of the
    errors of heights at the distance d. Inside the footprint the weights cancel.

    Parameters
    ----------
    footprint : Footprint
        The pixels that are averaged.
    correlation_m : float
        Correlation length L, metres.

    Returns
    -------
    float
        Metres of height per metre, for errors of 1 m.
    """
    horn = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    mask = footprint.mask
    weights = signal.fftconvolve(mask / mask.sum(), horn / (8.0 * footprint.pixel_m))
    products = signal.fftconvolve(weights, weights[::-1, ::-1])
    away = [(np.arange(length) - length // 2) * footprint.pixel_m for length in products.shape]
    near = [np.exp(-0.5 * (distance / correlation_m) ** 2) for distance in away]
    variance = near[0] @ products @ near[1]
    return float(np.sqrt(max(variance, 0.0)))


def _rock_error(name: str, values: Values) -> Float:
    """Return the standard error of a rock feature of a place.

    A calibrated network is wrong for a share 1 - confidence of the pixels, and the errors at a
    place may be fully correlated. For a count it is that share of the count, or of one rock if it
    is 0.
    """
    unsure = 1.0 - np.asarray(values[CONFIDENCE], np.float64)
    if name.endswith("_pct"):
        return 100.0 * unsure
    return np.maximum(np.asarray(values[name], np.float64), 1.0) * unsure


def _sensitivity(values: Values, name: str, like: Float) -> Float:
    if name not in values:
        return np.full(like.shape, _DEFAULT_SENSITIVITY)
    own = np.asarray(values[name], np.float64)
    return np.where(np.isfinite(own), own, _DEFAULT_SENSITIVITY)
