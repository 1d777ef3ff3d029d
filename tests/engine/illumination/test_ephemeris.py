from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunarsite.engine.errors import ParameterError
from lunarsite.engine.illumination.ephemeris import (
    CYCLE_DAYS,
    default_stop,
    elevation_azimuth,
    ephemeris,
    moon_frame,
    visible_fraction,
)


def test_latitudes_and_radii_over_a_full_cycle() -> None:
    sky = ephemeris("2027-01-01", step_hours=12)
    assert sky.days[-1] == pytest.approx(CYCLE_DAYS, abs=1)
    assert np.abs(sky.sun.lat_deg).max() == pytest.approx(1.59, abs=0.01)
    assert np.abs(sky.earth.lat_deg).max() == pytest.approx(6.87, abs=0.02)
    assert np.abs(sky.earth.lon_deg).max() == pytest.approx(8.08, abs=0.05)
    assert sky.sun.radius_deg.min() == pytest.approx(0.261, abs=0.001)
    assert sky.sun.radius_deg.max() == pytest.approx(0.272, abs=0.001)
    assert sky.earth.radius_deg.min() == pytest.approx(0.90, abs=0.01)
    assert sky.earth.radius_deg.max() == pytest.approx(1.03, abs=0.01)


@pytest.mark.parametrize(
    ("date", "hour"),
    [("2024-04-08", 18.3), ("2017-08-21", 18.4), ("2026-08-12", 17.8), ("2027-08-02", 10.1)],
)
def test_the_moon_is_between_earth_and_sun_in_a_solar_eclipse(date: str, hour: float) -> None:
    # Times of greatest eclipse: F. Espenak, NASA/GSFC. Seen from the Moon, the Earth is opposite
    # the Sun to within a degree (the axis of the shadow meets the Earth).
    sky = ephemeris(date, default_stop(date), step_hours=24)
    day = ephemeris(date, f"{date[:8]}{int(date[8:]) + 1:02d}", step_hours=0.1)
    at = int(np.argmin(np.abs(day.days * 24 - hour)))
    sun, earth = (direction(body, at) for body in (day.sun, day.earth))
    apart = np.degrees(np.arccos(np.clip(-sun @ earth, -1, 1)))
    assert apart < 1.0
    assert len(sky.days) > 6_000


@pytest.mark.parametrize(("date", "hour"), [("2025-03-14", 7.0), ("2022-11-08", 11.0)])
def test_the_earth_hides_the_sun_in_a_lunar_eclipse(date: str, hour: float) -> None:
    day = ephemeris(date, f"{date[:8]}{int(date[8:]) + 1:02d}", step_hours=0.1)
    at = int(np.argmin(np.abs(day.days * 24 - hour)))
    sun, earth = (direction(body, at) for body in (day.sun, day.earth))
    assert np.degrees(np.arccos(sun @ earth)) < day.earth.radius_deg[at] - day.sun.radius_deg[at]


def test_the_frame_is_a_rotation() -> None:
    frames = moon_frame(np.linspace(0, 20_000, 7))
    assert np.allclose(frames @ np.transpose(frames, (0, 2, 1)), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(frames), 1.0)


def test_elevation_at_the_pole_is_minus_the_latitude_of_the_body() -> None:
    sky = ephemeris("2027-01-01", "2027-02-01")
    up, azimuth = elevation_azimuth(0.0, -90.0, sky.sun)
    assert np.allclose(up, -sky.sun.lat_deg, atol=0.001)
    # At the pole the azimuth counts from the meridian of longitude 0, whose direction is north.
    assert np.allclose(np.mod(azimuth, 360), np.mod(sky.sun.lon_deg, 360), atol=1e-6)


def test_parallax_lowers_the_earth_by_a_quarter_degree() -> None:
    sky = ephemeris("2027-01-01", "2027-02-01")
    up, _ = elevation_azimuth(0.0, -90.0, sky.earth)
    assert (-sky.earth.lat_deg - up).mean() == pytest.approx(0.26, abs=0.01)


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(0.1, 1.0))
def test_visible_fraction_is_symmetric_about_the_horizon(height: float, radius: float) -> None:
    up = visible_fraction(np.array(0.0), np.array(height), np.array(radius))
    down = visible_fraction(np.array(0.0), np.array(-height), np.array(radius))
    assert up + down == pytest.approx(1.0)
    assert 0.0 <= up <= 1.0


def test_positions_do_not_depend_on_the_time_step() -> None:
    coarse = ephemeris("2030-05-01", "2030-05-11", step_hours=24)
    fine = ephemeris("2030-05-01", "2030-05-11", step_hours=6)
    assert np.array_equal(coarse.sun.lon_deg, fine.sun.lon_deg[::4])


@pytest.mark.parametrize(
    ("start", "stop", "message"),
    [
        ("2027-01-02", "2027-01-02", "no time"),
        ("2028-01-01", "2027-01-01", "no time"),
        ("1950-01-01", "1951-01-01", "1972"),
        ("2099-01-01", "2101-01-01", "2100"),
    ],
)
def test_invalid_dates_are_refused(start: str, stop: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        ephemeris(start, stop)


def test_dates_of_steps() -> None:
    sky = ephemeris("2027-01-01", "2027-01-03", step_hours=6)
    assert sky.date_at(0) == "2027-01-01T00:00"
    assert sky.date_at(5) == "2027-01-02T06:00"


def direction(body, at: int) -> np.ndarray:
    lon, lat = np.radians(body.lon_deg[at]), np.radians(body.lat_deg[at])
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
