"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data"


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
    from lunarsite.engine.scoring import columns  # noqa: PLC0415

    def make(rows=24, across=25, seed=1, cell_m=400.0, pixel_m=200.0):
        random = np.random.default_rng(seed)
        count = rows * across
        row, column = (index.ravel() for index in np.indices((rows, across)))
        x, y = 1000.0 + (column + 0.5) * cell_m, 9000.0 - (row + 0.5) * cell_m
        lon, lat = moon.xy_to_lonlat(x, y)
        table = pd.DataFrame(
            {"cell_id": np.arange(count), "row": row, "column": column, "lon_deg": lon}
            | {"lat_deg": lat, "x_m": x, "y_m": y, "pixel_m": np.float32(pixel_m)}
        )
        drawn = {feature.name: random.normal(50.0, 20.0, count) for feature in columns.FEATURES}
        drawn["slope_mean_deg"] = random.gamma(2.0, 3.0, count)
        drawn["avg_illumination_pct"] = random.uniform(0.0, 90.0, count)
        drawn["earth_visibility_pct"] = random.uniform(0.0, 100.0, count)
        for statistic in ("mean", "std", "min", "max"):
            drawn[f"elevation_error_{statistic}_m"] = np.full(count, np.nan)
        for name, values in drawn.items():
            table[name] = values.astype(np.float32)
        for source in columns.SOURCES:
            table[columns.coverage_column(source)] = np.float32(100.0)
        table["illumination_sensitivity"] = random.uniform(2.0, 12.0, count).astype(np.float32)
        table["earth_sensitivity"] = random.uniform(2.0, 12.0, count).astype(np.float32)
        return table

    return make
