"""Light of places against the skyline of each of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.errors import CancelledError
from lunarsite.engine.illumination import places
from lunarsite.engine.illumination.ephemeris import elevation_azimuth, ephemeris, visible_fraction
from lunarsite.engine.illumination.horizon import march, pack
from lunarsite.engine.illumination.places import light_at_places
from lunarsite.engine.illumination.skyline import Skyline
from lunarsite.engine.illumination.tables import EARTH_PARTS
from lunarsite.engine.io.grid import Dem, Grid

YEAR = ("2027-01-01", "2028-01-01")


def hills(x0: float = -7e3, y0: float = 7e3) -> Dem:
    random = np.random.default_rng(2)
    height = ndimage.gaussian_filter(random.standard_normal((70, 70)), 4.0)
    height *= 300.0 / height.std()
    return Dem(Grid(x0, y0, 200.0, 70, 70), height.astype(np.float32))


@pytest.fixture(scope="module", params=[0.0, 300e3], ids=["at the pole", "at 80° S"])
def there(request):
    """Return hills, some places among them, and the distance from the pole."""
    dem = hills(x0=request.param - 7e3)
    random = np.random.default_rng(5)
    x = dem.grid.x_min_m + random.uniform(2e3, 12e3, 8)
    y = dem.grid.y_max_m - random.uniform(2e3, 12e3, 8)
    return dem, x, y


def skylines(dem, x, y, mast, azimuth_step_deg=0.5):
    """Yield the skyline of each place by the plain march in steps of a twentieth of a pixel."""
    azimuth = np.arange(0.0, 360.0, azimuth_step_deg)
    for px, py in zip(x, y, strict=True):
        lon, lat = (float(value) for value in moon.xy_to_lonlat(px, py))
        place = (np.array([px]), np.array([py]))
        found = march(dem, pack([]), *place, azimuth, mast_height_m=mast, step_px=0.05)
        yield Skyline(lon, lat, mast, azimuth, found[0][0], found[1][0])


def test_means_agree_with_the_skyline_of_each_place(there) -> None:
    dem, x, y = there
    found = {
        part: light_at_places(dem, x, y, *YEAR, earth_part=part, mast_height_m=5.0, azimuths=1440)
        for part in EARTH_PARTS
    }
    sky = ephemeris(*YEAR)
    for n, line in enumerate(skylines(dem, x, y, 5.0, azimuth_step_deg=0.25)):
        up, azimuth = elevation_azimuth(line.lon_deg, line.lat_deg, sky.sun, height_m=5.0)
        shown = visible_fraction(line.at(azimuth), up, sky.sun.radius_deg)
        assert found["centre"].illumination_pct[n] == pytest.approx(100 * shown.mean(), abs=0.05)
        steps = round(29.530589 * 4)
        months = 100 * np.convolve(shown, np.ones(steps) / steps, "valid")
        assert found["centre"].darkest_month_pct[n] == pytest.approx(months.min(), abs=0.15)
        up, azimuth = elevation_azimuth(line.lon_deg, line.lat_deg, sky.earth, height_m=5.0)
        clear = up - line.at(azimuth)
        for part, offset in (("any", 1.0), ("centre", 0.0), ("whole", -1.0)):
            share = 100 * (clear + offset * sky.earth.radius_deg > 0).mean()
            assert found[part].earth_visibility_pct[n] == pytest.approx(share, abs=0.15)


def test_darkness_is_that_of_a_march_in_steps_of_a_quarter_of_an_hour(there) -> None:
    dem, x, y = there
    found = light_at_places(dem, x, y, *YEAR, azimuths=720)
    coarse = light_at_places(dem, x, y, *YEAR, azimuths=720, step_hours=24.0)
    fine = ephemeris(*YEAR, step_hours=0.25)
    for n, line in enumerate(skylines(dem, x, y, 2.0)):
        up, azimuth = elevation_azimuth(line.lon_deg, line.lat_deg, fine.sun, height_m=2.0)
        dark = up - line.at(azimuth) <= -fine.sun.radius_deg
        turns = np.flatnonzero(np.diff(np.concatenate([[False], dark, [False]]).astype(int)))
        longest = max((turns[1::2] - turns[::2]) / 96.0, default=0.0)
        assert found.longest_darkness_days[n] == pytest.approx(longest, abs=0.1)
        assert coarse.longest_darkness_days[n] == pytest.approx(longest, abs=0.1)


def test_a_notch_between_two_bearings_ends_the_darkness() -> None:
    """A ring of hills around the pole with a gap of 3° that no bearing of 10° meets."""
    axis = np.arange(-60, 60) * 100.0 + 50.0
    distance, bearing = (
        np.hypot(axis, axis[::-1, None]),
        np.degrees(np.arctan2(axis, axis[::-1, None])),
    )
    height = np.where((distance > 4600.0) & (distance < 5200.0), 60.0, 0.0)
    height[np.abs(bearing - 44.0) < 1.5] = 0.0
    dem = Dem.from_array(height, pixel_m=100.0, x_min_m=-6e3, y_max_m=6e3)
    (line,) = skylines(dem, [0.0], [0.0], 2.0, azimuth_step_deg=0.1)
    fine = ephemeris(*YEAR, step_hours=0.25)
    up, azimuth = elevation_azimuth(line.lon_deg, line.lat_deg, fine.sun, height_m=2.0)
    longest = {}
    for step in (1, 100):  # with the gap, and with the bearings alone
        horizon = np.interp(
            azimuth, line.azimuth_deg[::step], line.horizon_deg[::step], period=360.0
        )
        dark = np.concatenate([[False], up + fine.sun.radius_deg <= horizon, [False]])
        turns = np.flatnonzero(np.diff(dark.astype(int)))
        longest[step] = max((turns[1::2] - turns[::2]) / 96.0)
    assert longest[100] > longest[1] + 20.0
    found = light_at_places(dem, [0.0], [0.0], *YEAR, azimuths=36)
    assert found.longest_darkness_days[0] == pytest.approx(longest[1], abs=0.1)


def test_sensitivities_are_what_a_lower_horizon_gains() -> None:
    # On a sphere a mast of 20 m lowers the horizon by acos(R / (R + 20 m)), one of 5 m by half.
    dem = Dem(Grid(-3e5, 3e5, 5000.0, 120, 120), np.zeros((120, 120), np.float32))
    x = y = np.zeros(1)
    low, middle, high = (
        light_at_places(dem, x, y, *YEAR, mast_height_m=mast) for mast in (0.0, 5.0, 20.0)
    )
    dip_deg = np.degrees(np.arccos(1_737_400.0 / 1_737_420.0))
    gain = (high.illumination_pct - low.illumination_pct) / dip_deg
    assert middle.illumination_sensitivity == pytest.approx(gain, rel=0.1)
    gain = (high.earth_visibility_pct - low.earth_visibility_pct) / dip_deg
    assert middle.earth_sensitivity == pytest.approx(gain, rel=0.25)


def test_horizons_are_returned_when_asked_for(there) -> None:
    dem, x, y = there
    without = light_at_places(dem, x, y, *YEAR, azimuths=72)
    found = light_at_places(dem, x, y, *YEAR, azimuths=72, horizons=True)
    assert without.horizon_deg.shape == (0, 0)
    assert found.horizon_deg.shape == found.distance_m.shape == (8, 72)
    for n, line in enumerate(skylines(dem, x, y, 2.0, azimuth_step_deg=0.1)):
        hour, lat = np.radians(found.bearing_deg - line.lon_deg), np.radians(line.lat_deg)
        azimuth = np.degrees(np.arctan2(np.sin(hour), -np.sin(lat) * np.cos(hour)))
        off = found.horizon_deg[n] - line.at(azimuth)
        assert np.sqrt(np.mean(off**2)) < 0.01


def test_light_is_that_of_the_horizons_that_are_returned(there) -> None:
    dem, x, y = there
    alone = light_at_places(dem, x, y, *YEAR)
    shown = light_at_places(dem, x, y, *YEAR, horizons=True)
    assert alone.illumination_pct == pytest.approx(shown.illumination_pct, abs=0.02)
    assert alone.earth_visibility_pct == pytest.approx(shown.earth_visibility_pct, abs=0.02)
    assert alone.darkest_month_pct == pytest.approx(shown.darkest_month_pct, abs=0.02)
    assert alone.longest_darkness_days == pytest.approx(shown.longest_darkness_days, abs=0.01)


def test_batches_and_unknown_places_change_nothing(there, monkeypatch) -> None:
    dem, x, y = there
    x, y = np.append(x, 9e6), np.append(y, 0.0)
    whole = light_at_places(dem, x, y, *YEAR, azimuths=36)
    monkeypatch.setattr(places, "_BATCH", 2)
    parts = light_at_places(dem, x, y, *YEAR, azimuths=36, context=Context(threads=1))
    for name in ("illumination_pct", "earth_sensitivity", "longest_darkness_days"):
        one, other = getattr(whole, name), getattr(parts, name)
        assert np.array_equal(one, other, equal_nan=True)
        assert np.isnan(one).tolist() == [False] * 8 + [True]
    nowhere = light_at_places(dem, [], [], *YEAR, azimuths=36)
    assert nowhere.illumination_pct.shape == (0,)


def test_work_on_places_reports_and_can_be_cancelled(there, monkeypatch) -> None:
    dem, x, y = there
    monkeypatch.setattr(places, "_BATCH", 2)
    context, seen = Context(), []

    def report(fraction: float, _message: str) -> None:
        seen.append(fraction)
        if fraction >= 0.5:
            context.cancelled.set()

    context.report = report
    with pytest.raises(CancelledError):
        light_at_places(dem, x, y, *YEAR, azimuths=36, context=context)
    assert seen == [0.0, 0.25, 0.5]


def test_a_place_that_is_always_lit_has_a_fully_lit_darkest_month():
    """From 1 km above level ground at the pole the Sun's disc never touches the horizon."""
    level = Dem.from_array(np.zeros((100, 100)), pixel_m=2000.0, x_min_m=-1e5, y_max_m=1e5)
    found = light_at_places(
        level, [0.0], [0.0], "2027-01-01", "2028-01-01", mast_height_m=1000.0, azimuths=36
    )
    assert found.illumination_pct[0] == pytest.approx(100.0, abs=1e-3)
    assert found.darkest_month_pct[0] == pytest.approx(100.0, abs=1e-3)
    assert found.longest_darkness_days[0] == 0.0
