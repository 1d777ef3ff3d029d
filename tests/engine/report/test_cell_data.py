"""Cells in the report: unpacked again they are those of the run."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lunarsite.engine.io.grid import Grid
from lunarsite.engine.report import cell_data
from lunarsite.engine.scoring import profiles


@pytest.fixture(scope="module")
def run():
    """Return the tables of a run with gaps, in no order, and with missing values."""
    rng = np.random.default_rng(1)
    grid = Grid(-20e3, 20e3, 1000.0, 40, 40)
    place = 1 + rng.permutation(1599)[:1200]  # the first place of the grid holds no cell
    row, column = np.divmod(place, 40)
    x, y = grid.column_x_m()[column], grid.row_y_m()[row]
    features = pd.DataFrame(
        {
            "cell_id": place,
            "row": row,
            "column": column,
            "cell_x_m": x,
            "cell_y_m": y,
            "x_m": x + 60.0 * rng.integers(-8, 8, 1200),
            "y_m": y + 60.0 * rng.integers(-8, 8, 1200),
            "slope_mean_deg": rng.gamma(2.0, 3.0, 1200).astype(np.float32),
            "avg_illumination_pct": rng.uniform(0, 90, 1200).astype(np.float32),
            "earth_visibility_pct": rng.uniform(0, 100, 1200).astype(np.float32),
        }
    )
    features.loc[:4, "slope_mean_deg"] = [np.nan, 5.0, 5.0001, 4.9999, 0.0]
    odds = rng.normal(-3.0, 4.0, 1200).astype(np.float32)
    odds[0] = np.nan
    rank = np.full(1200, np.nan)
    rank[1:] = np.argsort(np.argsort(-odds[1:])) + 1.0
    scores = pd.DataFrame(
        {
            "log_odds": odds,
            "probability": 1.0 / (1.0 + np.exp(-odds)),
            "rank": rank,
            "rank_low": rank - rng.integers(0, 3, 1200),
            "rank_high": rank + rng.integers(0, 300, 1200),
        }
    )
    return SimpleNamespace(
        features=features,
        scores=scores,
        shap=rng.normal(0.0, 1.0, (1200, 3)).astype(np.float32),
        inputs=("slope_mean_deg", "avg_illumination_pct", "earth_visibility_pct"),
        base_log_odds=-2.5,
        profile=profiles.load("cassa"),
        grid=grid,
        scored=1199,
    )


def unpacked(about, data):
    """Return the columns as the page's script reads them."""
    raw = zlib.decompress(base64.b64decode(data))
    columns, at = {}, 0
    for name, kind in about["columns"]:
        size = np.dtype(kind).itemsize
        planes = np.frombuffer(raw, np.uint8, about["cells"] * size, at).reshape(size, -1)
        columns[name] = np.ascontiguousarray(planes.T).view(np.dtype(kind).newbyteorder("<"))[:, 0]
        at += about["cells"] * size
    assert at == len(raw)
    return columns


def test_cells_come_back_in_the_order_of_the_grid(run):
    about, data = cell_data.packed(run)
    columns = unpacked(about, data)
    order = np.argsort(run.features["cell_id"].to_numpy())
    assert np.array_equal(np.cumsum(columns["step"]), run.features["cell_id"].to_numpy()[order])
    odds = run.scores["log_odds"].to_numpy()[order]
    assert np.array_equal(np.isnan(columns["log_odds"]), np.isnan(odds))
    np.testing.assert_allclose(columns["log_odds"], odds, rtol=4e-5)
    np.testing.assert_allclose(columns["reason_1"], run.shap[order, 1], rtol=2e-3)
    known = np.isfinite(odds)
    rank = columns["rank"].astype(int)
    for name, sign in (("rank_low", -1), ("rank_high", 1)):
        expected = run.scores[name].to_numpy()[order][known]
        assert np.array_equal((rank + sign * columns[name])[known], expected)
    off = run.features["x_m"] - run.features["cell_x_m"]
    assert np.array_equal(columns["off_x_m"], off.to_numpy()[order])


def test_whether_a_criterion_is_met_is_not_decided_by_rounding(run):
    about, data = cell_data.packed(run)
    columns = unpacked(about, data)
    order = np.argsort(run.features["cell_id"].to_numpy())
    for number, criterion in enumerate(run.profile.criteria):
        with np.errstate(invalid="ignore"):
            met = criterion.margin(run.features[criterion.feature].to_numpy()[order]) >= 0.0
        assert np.array_equal((columns["holds"] >> number) & 1, met.astype(int))
    # Rounded, both are 5: only one of them meets the limit of 5 degrees.
    assert columns["value_0"][order == 2] == columns["value_0"][order == 3] == pytest.approx(5.0)


def test_seventeen_criteria_have_seventeen_bits(run):
    criterion = run.profile.criteria[0]
    many = replace(criterion, threshold=1e9)
    profile = SimpleNamespace(criteria=(*[criterion] * 16, many))
    about, data = cell_data.packed(SimpleNamespace(**vars(run) | {"profile": profile}))
    known = run.features["slope_mean_deg"].notna().to_numpy()[np.argsort(run.features["cell_id"])]
    assert np.array_equal((unpacked(about, data)["holds"] >> 16) & 1, known.astype(int))


def test_cells_are_placed_by_row_and_column_whatever_their_numbers(run):
    other = run.features.assign(cell_id=run.features["cell_id"].to_numpy()[::-1])
    moved = SimpleNamespace(**vars(run) | {"features": other})
    assert cell_data.packed(moved)[1] == cell_data.packed(run)[1]


def test_a_cell_takes_few_bytes(run):
    _, data = cell_data.packed(run)
    assert len(data) / 1200 < 15e6 / 315_034


def test_the_map_lies_where_the_picture_has_it():
    box = SimpleNamespace(x0=0.1, y1=0.9, width=0.8, height=0.7)
    axes = SimpleNamespace(get_position=lambda: box)
    frame = SimpleNamespace(extent=(-5.0, 7.0, -3.0, 9.0))
    found = cell_data.on_picture(SimpleNamespace(axes=[axes]), frame)
    assert found["top"] == pytest.approx(0.1)
    assert (found["west"], found["east"], found["south"], found["north"]) == (-5.0, 7.0, -3.0, 9.0)
