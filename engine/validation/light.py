"""Light against independent values: JPL Horizons, published places, and maps of others."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.illumination.ephemeris import elevation_azimuth, sun_and_earth
from lunarsite.engine.illumination.places import light_at_places
from lunarsite.engine.validation.checks import Check, Outcome, not_run, rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Dem

    Float = NDArray[np.float64]

EPHEMERIS = "ephemeris"
EPHEMERIS_CLAIM = "Sun and Earth stand where JPL Horizons has them."
PLACES = "published-light"
PLACES_CLAIM = "The light of published places on crests agrees with their papers."
MAPS = {
    "illumination": (
        "illumination-map",
        "Average illumination agrees with an independent map.",
        "avg_illumination_pct",
        "cell_illumination_pct",
    ),
    "earth_visibility": (
        "earth-map",
        "Earth visibility agrees with an independent map.",
        "earth_visibility_pct",
        "cell_earth_visibility_pct",
    ),
}
"""Name and claim of the check of each map, and the columns with the values of discs and cells."""
MAP_FILES = {
    "illumination": "The illumination map",
    "earth_visibility": "The map of Earth visibility",
}
"""The file of each map, in messages that name it."""
_HERE = Path(__file__).parent
_ELEVATION_DEG, _AZIMUTH_DEG = 0.005, 0.02
_POINTS_PCT, _DARKNESS_DAYS = 1.0, 0.5
_COARSE_M = 60.0
"""Pixels above this do not show the crests that published places stand on."""
_LEAST_CELLS = 30


def check_ephemeris() -> Check:
    """Return the greatest differences of directions from a table of JPL Horizons (DE441)."""
    rows = _rows("horizons_ephemeris.csv")
    elevation, azimuth = [], []
    for row in rows:
        at = dt.datetime.fromisoformat(row["utc"]).replace(tzinfo=dt.UTC)
        jd_utc = 2440587.5 + at.timestamp() / 86400.0
        lon, lat = float(row["lon_deg"]), float(row["lat_deg"])
        for name, body in zip(("sun", "earth"), sun_and_earth(jd_utc, np.zeros(1)), strict=True):
            up, around = elevation_azimuth(lon, lat, body)
            elevation.append(float(up[0]) - float(row[f"{name}_elevation_deg"]))
            turn = float(around[0]) - float(row[f"{name}_azimuth_deg"])
            azimuth.append((turn + 180.0) % 360.0 - 180.0)
    worst = float(np.abs(elevation).max()), float(np.abs(azimuth).max())
    holds = worst[0] <= _ELEVATION_DEG and worst[1] <= _AZIMUTH_DEG
    return Check(
        name=EPHEMERIS,
        claim=EPHEMERIS_CLAIM,
        outcome=Outcome.HOLDS if holds else Outcome.FAILS,
        finding=f"At {len(rows)} times of November 2026 the elevation differs by at most "
        f"{worst[0]:.4f}° and the azimuth by {worst[1]:.4f}°.",
        null=f"At most {_ELEVATION_DEG:g}° in elevation and {_AZIMUTH_DEG:g}° in azimuth; the "
        "Sun's radius is 0.27°",
        figures={"elevation_deg": rounded(elevation), "azimuth_deg": rounded(azimuth)},
        files=("horizons_ephemeris.csv",),
    )


def check_places(
    dem: Dem,
    far_field: Sequence[Dem],
    *,
    start: str,
    stop: str | None,
    files: tuple[str, ...],
    context: Context,
) -> Check:
    """Return the light at published places inside an elevation model against their papers.

    Horizons are marched exactly from each place, at the height of its mast, over the span of the
    run.
    """
    if dem.grid.pixel_m > _COARSE_M:
        lacks = (
            f"Pixels of {dem.grid.pixel_m:g} m average the crests away on which these places "
            f"stand: give an elevation model with pixels of {_COARSE_M:g} m or finer (--dem)."
        )
        return not_run(PLACES, PLACES_CLAIM, lacks)
    found = []
    for row in _rows("published_light.csv"):
        x, y = moon.lonlat_to_xy([float(row["lon_deg"])], [float(row["lat_deg"])])
        if dem.grid.pixel_of(float(x[0]), float(y[0])) is None:
            continue
        light = light_at_places(
            dem,
            x,
            y,
            start,
            stop,
            far_field=far_field,
            mast_height_m=float(row["mast_height_m"]),
            step_hours=1.0,
            azimuths=720,
            context=context,
        )
        if np.isfinite(light.illumination_pct[0]):
            found.append(_place(row, light.illumination_pct[0], light.longest_darkness_days[0]))
    if not found:
        lacks = (
            "No published place lies on known heights of the elevation model: give one of "
            "Shackleton and its surroundings (--dem)."
        )
        return not_run(PLACES, PLACES_CLAIM, lacks)
    light_off = [each["illumination_pct"] - each["published_pct"] for each in found]
    dark_off = [
        each["longest_darkness_days"] - each["published_days"]
        for each in found
        if each["published_days"] is not None
    ]
    worst_days = max(map(abs, dark_off), default=0.0)
    holds = max(map(abs, light_off)) <= _POINTS_PCT and worst_days <= _DARKNESS_DAYS
    darkness = (
        f"The longest darkness differs by at most {worst_days:.2f} days"
        if dark_off
        else "No longest darkness is published for them"
    )
    listed = ", ".join(
        f"{each['place']} {each['illumination_pct']:.1f} % for {each['published_pct']:g} %"
        for each in found
    )
    return Check(
        name=PLACES,
        claim=PLACES_CLAIM,
        outcome=Outcome.HOLDS if holds else Outcome.FAILS,
        finding=f"{listed}. {darkness}.",
        null=f"Within {_POINTS_PCT:g} point of light and {_DARKNESS_DAYS:g} days of darkness",
        figures={"places": found},
        files=("published_light.csv", *files),
    )


def check_map(
    kind: str, ours: Float, theirs: Float, latitude_deg: Float, files: tuple[str, ...]
) -> Check:
    """Return how values of cells agree with those of a map of others.

    Parameters
    ----------
    kind : str
        ``illumination`` or ``earth_visibility``.
    ours, theirs : ndarray of float64, shape (cells,)
        Means over cells, percent; NaN for nodata.
    latitude_deg : ndarray of float64, shape (cells,)
        Latitudes: the null is a polynomial of them.
    files : tuple of str
        Names of the files.
    """
    name, claim, *_ = MAPS[kind]
    both = np.isfinite(ours) & np.isfinite(theirs)
    if both.sum() < _LEAST_CELLS:
        lacks = f"The map covers {int(both.sum())} cells of the run: give one that covers them."
        return not_run(name, claim, lacks)
    off = (ours - theirs)[both]
    known, at = theirs[both], latitude_deg[both]
    rmse, bias = float(np.sqrt(np.mean(off**2))), float(off.mean())
    fitted = np.polynomial.Polynomial.fit(at, known, 3)(at)
    null_rmse = float(np.sqrt(np.mean((fitted - known) ** 2)))
    spread = float(known.std()) > 0.0 and float(ours[both].std()) > 0.0
    correlation = float(np.corrcoef(ours[both], known)[0, 1]) if spread else float("nan")
    agreement = f"correlation {correlation:.4f}" if spread else "one of them is the same everywhere"
    figures: dict[str, Any] = {
        "cells": int(both.sum()),
        "bias_pct": round(bias, 3),
        "rmse_pct": round(rmse, 3),
        "rmse_of_latitude_alone_pct": round(null_rmse, 3),
        "correlation": rounded([correlation])[0],
    }
    return Check(
        name=name,
        claim=claim,
        outcome=Outcome.HOLDS if rmse < 0.5 * null_rmse else Outcome.NO_SKILL,
        finding=f"Over {int(both.sum()):,} cells: bias {bias:+.2f} points, RMSE {rmse:.2f}, "
        f"{agreement}; latitude alone has an RMSE of {null_rmse:.2f}. Maps "
        "differ by pixel size, mast, span and the part of the disc that counts, too.",
        null="A cubic polynomial of the latitude, fitted to the map",
        figures=figures,
        files=files,
    )


def _place(row: dict[str, str], light_pct: float, darkness_days: float) -> dict[str, Any]:
    published = row["longest_darkness_days"]
    return {
        "place": row["place"],
        "source": row["source"],
        "mast_height_m": float(row["mast_height_m"]),
        "illumination_pct": round(float(light_pct), 3),
        "published_pct": float(row["illumination_pct"]),
        "longest_darkness_days": round(float(darkness_days), 3),
        "published_days": float(published) if published else None,
    }


def _rows(name: str) -> list[dict[str, str]]:
    with (_HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
