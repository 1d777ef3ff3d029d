"""What all tests share."""

from __future__ import annotations

import datetime as dt
import importlib.util
import math
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data"

# No test sees what was fetched on this computer, nor fetches into the user's cache.
os.environ["LUNARSITE_DATA"] = str(ROOT / ".cache" / "no-data")
os.environ.pop("LUNARSITE_DATA_MIRROR", None)

# What runs inside QGIS is for the interpreter that has it: `make test-qgis`.
# (This folder is on the path, so its own ``qgis`` is found as a package without a file.)
_QGIS = importlib.util.find_spec("qgis")
collect_ignore = [] if _QGIS is not None and _QGIS.origin else ["qgis"]


# An example may take long where other programs have the cores.
if importlib.util.find_spec("hypothesis"):
    import hypothesis

    hypothesis.settings.register_profile("lunarsite", deadline=None)
    hypothesis.settings.load_profile("lunarsite")


@pytest.fixture(scope="session")
def real() -> Path:
    """Return the folder of real data, or skip where it is absent."""
    if not REAL.is_dir():
        pytest.skip("the real data of ../shared/data are absent")
    return REAL


@pytest.fixture(scope="session")
def random_cells():
    """Return a maker of feature tables whose features are drawn at random, map metres as in use."""
    import numpy as np  # noqa: PLC0415  most tests need none of this
    import pandas as pd  # noqa: PLC0415

    from lunarsite.engine import moon  # noqa: PLC0415
    from lunarsite.engine.scoring.features import columns  # noqa: PLC0415

    def make(rows=24, across=25, seed=1, cell_m=400.0, pixel_m=200.0):
        random = np.random.default_rng(seed)
        count = rows * across
        row, column = (index.ravel() for index in np.indices((rows, across)))
        x, y = 1000.0 + (column + 0.5) * cell_m, 9000.0 - (row + 0.5) * cell_m
        lon, lat = moon.xy_to_lonlat(x, y)
        table = pd.DataFrame(
            {"cell_id": np.arange(count), "row": row, "column": column, "lon_deg": lon}
            | {"lat_deg": lat, "x_m": x, "y_m": y, "cell_x_m": x, "cell_y_m": y}
            | {"landing_radius_m": np.float32(np.nan), "pixel_m": np.float32(pixel_m)}
            | {"cell_m": cell_m}
        )
        drawn = {feature.name: random.normal(50.0, 20.0, count) for feature in columns.FEATURES}
        drawn["slope_mean_deg"] = random.gamma(2.0, 3.0, count)
        drawn["avg_illumination_pct"] = random.uniform(0.0, 90.0, count)
        drawn["earth_visibility_pct"] = random.uniform(0.0, 100.0, count)
        for statistic in ("mean", "std", "min", "max"):
            drawn[f"elevation_error_{statistic}_m"] = np.full(count, np.nan)
        for name, values in drawn.items():
            table[name] = values.astype(np.float32)
        for name in columns.CONTEXT:
            table[name] = np.float32(np.nan)
        for source in columns.SOURCES:
            table[columns.coverage_column(source)] = np.float32(100.0)
        table["illumination_sensitivity"] = random.uniform(2.0, 12.0, count).astype(np.float32)
        table["earth_sensitivity"] = random.uniform(2.0, 12.0, count).astype(np.float32)
        return table

    return make


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """Return the folder of a screened region; its elevation model is ``dem.tif`` beside it."""
    from lunarsite.engine import stages  # noqa: PLC0415
    from lunarsite.engine.context import Context  # noqa: PLC0415

    made = tmp_path_factory.mktemp("small")
    dem = made / "dem.tif"
    context = Context(threads=2)
    stages.load("synthesize").run({"out": str(dem), "size_px": 96, "pixel_m": 100.0}, context)
    quick = {"azimuths": 36, "stop": "2027-03-01", "step_hours": 24.0, "draws": 20}
    stages.load("screen").run(
        {"dem": str(dem), "out": str(made / "run"), "cell_m": 400.0, **quick}, context
    )
    return made / "run"


@pytest.fixture(scope="session")
def hot_weights():
    """Return a maker of weights of crater networks that see craters everywhere, by chance."""
    import numpy as np  # noqa: PLC0415  most tests need none of this

    def make(architecture, seed=1):
        random = np.random.default_rng(seed)
        state = {}
        for name, shape in architecture.shapes().items():
            if len(shape) == 4:
                spread = 0.3 if name == "centers.weight" else np.sqrt(2.0 / np.prod(shape[1:]))
                state[name] = random.normal(0.0, spread, shape)
            elif name == "centers.bias":
                state[name] = np.full(shape, -1.0)
            else:
                # Gains and variances of one, biases and means of none, but not just so.
                level = 1.0 if name.endswith((".1.weight", "_var")) else 0.0
                state[name] = level + random.uniform(0.0, 0.1, shape)
        return {name: value.astype(np.float16).astype(np.float32) for name, value in state.items()}

    return make


@pytest.fixture(scope="session")
def site_answers():
    """Return makers of what ``explain`` and ``skyline`` answer for a made-up place."""
    return SimpleNamespace(explain=_explain_answer, skyline=_skyline_answer)


def _explain_answer(**changed):
    """Return an answer of ``explain``: 12 features, of three criteria one fails, one is unknown."""
    parts = [("Slope, mean", 8.5, "deg", -0.25), ("Average illumination", 41.72, "%", 0.12)]
    parts += [(f"Feature {k} of <b>ground</b>", None, "m", 0.001 * k) for k in range(10)]
    contributions = [
        {"feature": f"f{k}", "title": title, "value": value, "unit": unit, "contribution": points}
        for k, (title, value, unit, points) in enumerate(parts)
    ]
    limits = [
        ("Slope, mean", 8.5, "at_most", 5.0, -3.5, "deg", False),
        ("Average illumination", 41.72, "at_least", 33.0, 8.72, "%", True),
        ("Relief", None, "at_most", 100.0, None, "m", None),
    ]
    keys = ("title", "value", "sense", "threshold", "margin", "unit", "holds")
    margins = [
        {"feature": f"c{k}"} | dict(zip(keys, row, strict=True)) for k, row in enumerate(limits)
    ]
    changes = [
        {"feature": "c0", "title": "Slope, mean", "value": 8.5, "needed": 5.0, "unit": "deg"}
        | {"change": -3.5},
        {"feature": "c2", "title": "Relief", "value": None, "needed": 100.0, "unit": "m"}
        | {"change": None},
    ]
    near = {"cell_id": 972, "lon_deg": -52.3524, "lat_deg": -89.3003, "x_m": -16800.0}
    near |= {"y_m": 12960.0, "distance_m": 25615.5}
    return {
        "warnings": [],
        "score": 0.5 + sum(part[3] for part in parts),
        "rank": 12,
        "cells": 3600,
        "percentile": 99.69,
        "interval": [9, 18],
        "base_value": 0.5,
        "contributions": contributions,
        "margins": margins,
        "coverage": {"slope": 100.0, "psr": 45.0, "craters": 0.0, "earth_visibility": 100.0},
        "to_pass": {"passes": False, "changes": changes, "nearest_passing": near},
        "place": {"lon_deg": -137.3915, "lat_deg": -89.4594, "x_m": -80.0, "y_m": 50.0},
        "cell": {"cell_id": 7, "lon_deg": -137.386, "lat_deg": -89.4623, "x_m": 1.0, "y_m": 2.0}
        | {"size_m": 960.0},
        "profile": "cassa",
    } | changed


def _skyline_answer(points=400, **changed):
    """Return an answer of ``skyline``: a hill of 6° in the east, light for every second ten days.

    Earth is in view from day 5 to 25 of the year only.
    """
    start = dt.datetime(2027, 1, 1)  # noqa: DTZ001  the engine's answers are UTC and do not say so

    def at(day):
        return (start + dt.timedelta(days=day)).isoformat(timespec="minutes")

    def span(first, last):
        ends = [
            (start + dt.timedelta(days=day)).isoformat(timespec="minutes") for day in (first, last)
        ]
        return {"start": ends[0], "end": ends[1], "days": float(last - first)}

    step = 365.0 / points
    times = [at(k * step) for k in range(points)]
    around = [2.0 * math.pi * k * step / 29.53 for k in range(points)]
    light = [span(day, min(day + 10, 365)) for day in range(0, 365, 20)]
    azimuths = [0.5 * k for k in range(720)]
    return {
        "warnings": [],
        "azimuth_deg": azimuths,
        "horizon_deg": [max(0.0, 6.0 - 0.1 * abs(azimuth - 90.0)) for azimuth in azimuths],
        "horizon_distance_m": [1500.0] * 720,
        "illumination_pct": 47.446,
        "earth_visibility_pct": 0.04,
        "sun_up": light,
        "earth_up": [span(5, 25)],
        "longest_night": span(10, 20),
        "longest_night_days": 10.0,
        "best_windows": [span(5, 10), span(20, 25)],
        "sun": {
            "time": times,
            "azimuth_deg": [math.degrees(angle) % 360.0 for angle in around],
            "elevation_deg": [1.5 * math.sin(angle / 12.0) for angle in around],
            "visible_fraction": [1.0] * points,
        },
        "earth": {
            "time": times,
            "azimuth_deg": [200.0 + 5.0 * math.sin(angle) for angle in around],
            "elevation_deg": [6.5 * math.cos(angle) for angle in around],
            "visible_fraction": [0.5] * points,
        },
        "start": "2027-01-01",
        "stop": "2028-01-01",
        "step_hours": 1.0,
    } | changed
