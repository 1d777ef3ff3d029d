"""Screenings of the real Shackleton frame, and the ledger of what differs from a recomputation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from oracles.cell_features import Inputs
from rasterio.windows import Window

from lunarsite.engine import stages
from lunarsite.engine.context import Context

if TYPE_CHECKING:
    from pathlib import Path

COARSE_LIGHT = {"azimuths": 72, "step_hours": 24.0, "lines_per_pixel": 1.0, "mast_height_m": 2.0}
"""The audit starts from the layers of light, whatever they are."""

RUNS = {
    "frame-cassa": {"profile": "cassa", "cell_m": 1000.0},
    "crop-hls": {"profile": "hls", "cell_m": 1000.0, "landing_radius_m": 500.0},
    "crop-cells": {"profile": "cassa", "cell_m": 1600.0, "place": "cell"},
}
SIDES = {"frame-cassa": 5, "crop-hls": 5, "crop-cells": 8}
RADII_M = {"frame-cassa": 300.0, "crop-hls": 500.0, "crop-cells": np.nan}

_WORST: dict[str, tuple[float, float, int]] = {}


@dataclass(frozen=True, eq=False)
class Run:
    """A finished screening, read from its files."""

    name: str
    profile: str
    folder: Path
    inputs: Inputs
    features: pd.DataFrame
    scores: pd.DataFrame
    shap: pd.DataFrame
    sites: gpd.GeoDataFrame

    def rows(self, count=50):
        """Return rows of the table, drawn at random, among them cells that stick out or lack data.

        The draw is the same each time.
        """
        random = np.random.default_rng(5)
        share = self.features["coverage_slope_pct"].to_numpy()
        partly = random.permutation(np.flatnonzero(share < 100.0))[: count // 3]
        best = self.scores["rank"].to_numpy().argsort()[: count // 10]
        others = np.setdiff1d(np.arange(len(share)), np.concatenate([partly, best]))
        rest = random.permutation(others)[: count - len(partly) - len(best)]
        return np.concatenate([partly, best, rest])

    def pixels(self, count=50):
        """Return pixels, a part at edges of the frame and around gaps, a part where sites are."""
        random = np.random.default_rng(6)
        known = np.isfinite(self.inputs.rasters["slope"].pixels)
        edge = random.permutation(np.argwhere(known & ~_eroded(known, 3)))[: count // 5]
        unknown = random.permutation(np.argwhere(~known))[: count // 10]
        level = np.argwhere(self.inputs.rasters["slope"].pixels < 8.0)
        light = self.inputs.rasters["illumination"].pixels[tuple(level.T)]
        best = random.permutation(level[np.argsort(-light)[:300]])[: count // 3]
        rest = random.permutation(np.argwhere(known))[
            : count - len(edge) - len(unknown) - len(best)
        ]
        return np.concatenate([edge, unknown, best, rest]).tolist()


def _eroded(mask, width):
    padded = np.pad(mask, width)
    out = mask.copy()
    for down in range(2 * width + 1):
        for across in range(2 * width + 1):
            out &= padded[down : down + mask.shape[0], across : across + mask.shape[1]]
    return out


@pytest.fixture(scope="session")
def crop(real, tmp_path_factory):
    """Return a part of the frame with a gap, and a layer of elevation errors for it."""
    folder = tmp_path_factory.mktemp("crop")
    with rasterio.open(real / "dem" / "shackleton_ridge_200m.tif") as source:
        window = Window(3, 1, 252, 252)
        profile = source.profile | {"width": 252, "height": 252}
        profile |= {"transform": source.window_transform(window)}
        heights = source.read(1, window=window)
    # Between Shackleton and de Gerlache, where sites are.
    heights[120:129, 88:97] = np.nan
    across = np.linspace(0.5, 3.0, 252)
    errors = np.sqrt(across[:, None] * across).astype(np.float32)
    errors[200:204, 30:60] = np.nan
    for name, values in (("dem", heights), ("errors", errors)):
        with rasterio.open(folder / f"{name}.tif", "w", **profile) as target:
            target.write(values, 1)
    return folder


@pytest.fixture(scope="session")
def run(request, real, crop, tmp_path_factory):
    """Return the screening of the name that a test is given."""
    name, out = request.param, tmp_path_factory.mktemp(request.param)
    dem, more = real / "dem" / "shackleton_ridge_200m.tif", {}
    if name.startswith("crop"):
        dem, more = crop / "dem.tif", {"elevation_error": crop / "errors.tif"}
    craters = real / "craters" / "lu1319373_80S.csv"
    given = {"dem": dem, "out": out, "craters": craters} | more
    values = {key: str(path) for key, path in given.items()} | COARSE_LIGHT | RUNS[name]
    stages.load("screen").run(values, Context(threads=2))
    radius_m = RADII_M[name]
    return Run(
        name=name,
        profile=RUNS[name]["profile"],
        folder=out,
        inputs=Inputs.read(dem, out / "layers", craters, SIDES[name], radius_m, **more),
        features=gpd.read_parquet(out / "features.parquet"),
        scores=pd.read_parquet(out / "scores.parquet"),
        shap=pd.read_parquet(out / "shap.parquet"),
        sites=gpd.read_file(out / "sites.gpkg", layer="sites"),
    )


@pytest.fixture
def agree():
    """Return a function that compares a figure with its recomputation.

    All figures that disagree are listed when the test ends; the worst difference is kept.
    """
    wrong = []

    def compare(what, found, expected, *, rtol=0.0, atol=0.0, where=""):
        found, expected = (np.atleast_1d(np.asarray(v, np.float64)) for v in (found, expected))
        known = np.isfinite(found)
        away = np.abs(found - expected)[known].max(initial=0.0)
        largest, size, count = _WORST.get(what, (0.0, 0.0, 0))
        size = max(size, np.abs(expected[known]).max(initial=0.0))
        _WORST[what] = (max(largest, away), size, count + found.size)
        if not np.allclose(found, expected, rtol=rtol, atol=atol, equal_nan=True):
            wrong.append(f"{what}: {found} instead of {expected} {where}")

    yield compare
    assert not wrong, f"{len(wrong)} disagree:\n" + "\n".join(wrong[:40])


def pytest_terminal_summary(terminalreporter):
    """Print the largest differences, for docs/results/audit.md."""
    if not _WORST:
        return
    terminalreporter.section("largest differences")
    for what, (away, size, count) in sorted(_WORST.items()):
        terminalreporter.write_line(f"{what:32} {away:10.3g} of {size:<10.4g} n = {count}")
