"""A screening of the real Shackleton frame, recomputed from its files in plain numpy.

The definitions are those of docs/concepts/score.md; `oracles` has them as code of its own.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rasterio
import xgboost as xgb
from oracles import cell_features, cell_scores, ground

from lunarsite.engine.scoring import bundle

DISCS = ("frame-cassa", "crop-hls")
ALL = (*DISCS, "crop-cells")

pytestmark = [pytest.mark.slow, pytest.mark.realdata]

ANGLES = {"aspect_deg"}
# Layers are float32, as are the sums behind the direction of a slope where it is gentle.
FLOAT32 = 2e-6
SPHERE = 2e-5
"""A map scale per place instead of one per pixel, within 2 km."""

ON_THE_SPHERE = {"psr_distance_m", "psr_area_2km_km2", "crater_rim_distance_m"}


@pytest.mark.parametrize("run", ALL, indirect=True, scope="session")
def test_terrain_layers(run, agree):
    dem = run.inputs.rasters["elevation"]
    layers = {}
    for row, column in run.pixels():
        for name, expected in ground.terrain(dem, row, column).items():
            if name not in layers:
                layers[name] = ground.Raster.read(run.folder / "layers" / f"{name}.tif").pixels
            found = layers[name][row, column]
            if name in ANGLES:
                found = expected + (found - expected + 180.0) % 360.0 - 180.0
                agree(name, found, expected, atol=2e-3)
                continue
            agree(name, found, expected, rtol=FLOAT32, atol=2e-5, where=f"at {row}, {column}")


@pytest.mark.parametrize("run", DISCS, indirect=True, scope="session")
def test_suitability_and_probability_of_discs(run, agree):
    inputs, offsets = run.inputs, _offsets(run)
    least = 0.9 * len(offsets)
    for row, column in run.pixels():
        place = {}
        for source in ("slope", "illumination", "earth_visibility", "elevation_error"):
            _put(place, source, inputs, row, column, least)
        for name in ("illumination_sensitivity", "earth_sensitivity"):
            _put(place, name, inputs, row, column, least)
        slope = inputs.rasters["slope"]
        at = slope.x_m[column], slope.y_m[row]
        place |= cell_features.clearances(inputs, (row, column), 0, 0, *at)
        expected = _suitability(run, place, offsets)
        probability = np.nan
        if np.isfinite(expected):
            sigma = cell_scores.standard_errors(run.profile, place, offsets, slope.pixel_m)
            probability = cell_scores.probability(run.profile, place, sigma)
        for name, value in (("suitability", expected), ("probability", probability)):
            found = inputs.landing[name].pixels[row, column]
            agree(
                f"landing_{name}", found, value, rtol=1e-4, atol=1e-7, where=f"at {row}, {column}"
            )


@pytest.mark.parametrize("run", ALL, indirect=True, scope="session")
def test_every_column_of_the_feature_table(run, agree):
    columns = set()
    for number in run.rows():
        row = run.features.iloc[number]
        expected = cell_features.features(run.inputs, int(row["row"]), int(row["column"]))
        for name, value in expected.items():
            sphere = SPHERE if name in ON_THE_SPHERE or name.startswith("clearance") else FLOAT32
            where = f"in cell {row['cell_id']}"
            agree(name, row[name], value, rtol=sphere, atol=2e-5, where=where)
        columns |= set(expected)
    # The rest is of layers that were not given, or draws of the rank intervals.
    for name in set(run.features) - columns - {"geometry"}:
        values = run.features[name]
        empty = values.eq(0.0) if name.startswith("coverage_") else values.isna()
        assert empty.all() or name.startswith("lattice_draw_"), name


@pytest.mark.parametrize("run", DISCS, indirect=True, scope="session")
def test_the_suitability_of_the_best_disc_is_that_of_its_features(run, agree):
    for number in run.rows():
        place = run.features.iloc[number]
        disc = run.inputs.best_disc(int(place["row"]), int(place["column"]))
        if disc is None:
            assert np.isnan(place["slope_mean_deg"])
            continue
        found = run.inputs.landing["suitability"].pixels[disc]
        agree("best disc", found, _suitability(run, place, _offsets(run)), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("run", ALL, indirect=True, scope="session")
def test_scores_margins_and_contributions(run, agree):
    dump, inputs, references = _scorer(run.profile)
    criteria = [name for name, *_ in cell_scores.PROFILES[run.profile]]
    sources = [cell_scores.SOURCES[name] for name in criteria]
    offsets = _offsets(run)
    pixel_m = run.inputs.rasters["elevation"].pixel_m
    for number in run.rows():
        place, scored = run.features.iloc[number], run.scores.iloc[number]
        shap = run.shap.iloc[number]
        assert place["cell_id"] == scored["cell_id"] == shap["cell_id"]
        margins = cell_scores.margins(run.profile, place)
        coverage = min(place[f"coverage_{source}_pct"] for source in sources)
        known = bool(np.isfinite(margins).all() and coverage >= 50.0)
        for name, margin in zip(criteria, margins, strict=True):
            agree("margins", scored[f"margin_{name}"], margin, rtol=FLOAT32, atol=1e-5)
        assert scored["coverage_pct"] == coverage
        assert scored["passes"] == (known and (margins >= 0.0).all())
        if not known:
            assert scored[["score", "log_odds", "rank", "percentile", "probability"]].isna().all()
            continue
        sigma = cell_scores.standard_errors(run.profile, place, offsets, pixel_m)
        memberships = cell_scores.log_memberships(run.profile, place, sigma)
        closed = float(cell_scores.log_odds(memberships))
        trees = cell_scores.trees_at(dump, place)
        agree("log_odds", scored["log_odds"], closed + trees, rtol=1e-5, atol=1e-4)
        score = cell_scores.expit(closed + trees)
        agree("score", scored["score"], score, rtol=1e-4, atol=1e-7)
        probability = cell_scores.probability(run.profile, place, sigma)
        agree("probability", scored["probability"], probability, rtol=1e-4, atol=1e-9)
        parts = shap[list(inputs)].to_numpy(np.float64)
        total = shap["base_log_odds"] + parts.sum()
        agree("contributions, sum", total, closed + trees, rtol=1e-5, atol=2e-4)
        expected, base = cell_scores.shapley(memberships, references)
        of_trees = _tree_shap(run.profile, place[list(inputs)])
        for name, value in zip(criteria, expected, strict=True):
            of_trees[inputs.index(name)] += value
        agree("contributions", parts, of_trees[:-1], rtol=1e-4, atol=2e-4)
        agree("base_log_odds", shap["base_log_odds"], base + of_trees[-1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("run", ALL, indirect=True, scope="session")
def test_ranks_and_percentiles(run, agree):
    scores = run.scores
    score = scores["score"].to_numpy()
    known = np.isfinite(score)
    for n in np.flatnonzero(known):
        better = (score > score[n]).sum() + (score[:n] == score[n]).sum()
        assert scores["rank"].iloc[n] == better + 1
        share = 100.0 * (known.sum() - better) / known.sum()
        agree("percentile", scores["percentile"].iloc[n], share, rtol=1e-9)
    low, high = scores["rank_low"][known], scores["rank_high"][known]
    assert ((low >= 1) & (low <= high) & (high <= known.sum())).all()
    for name in ("score", "rank", "probability"):
        with rasterio.open(run.folder / f"{name}.tif") as source:
            pixels = source.read(1)
        own = pixels[run.features["row"], run.features["column"]]
        np.testing.assert_array_equal(own, scores[name].to_numpy(np.float32))
        assert np.isfinite(pixels).sum() == scores[name].notna().sum()


@pytest.mark.parametrize("run", ALL, indirect=True, scope="session")
def test_sites(run):
    sites, features, scores = run.sites, run.features, run.scores
    x, y = features["x_m"].to_numpy(), features["y_m"].to_numpy()
    expected = cell_scores.sites(x, y, scores["score"].to_numpy(), 3000.0, 50)
    assert sites["cell_id"].tolist() == features["cell_id"].iloc[expected].tolist()
    assert sites["site"].tolist() == list(range(1, len(expected) + 1))
    assert sites["rank"].is_monotonic_increasing
    for name in ("score", "rank", "percentile", "probability", "passes", "rank_low", "rank_high"):
        own = scores[name].iloc[expected].to_numpy()
        np.testing.assert_array_equal(sites[name].to_numpy(own.dtype), own)
    for name in ("lon_deg", "lat_deg", "x_m", "y_m", "landable_pct", "landing_circle_m"):
        np.testing.assert_array_equal(sites[name], features[name].iloc[expected])
    np.testing.assert_array_equal(sites.geometry.x, x[expected])
    np.testing.assert_array_equal(sites.geometry.y, y[expected])


def _put(place, source, inputs, row, column, least):
    """Put the features of a source on the disc of a pixel, missing where too little is known."""
    if source not in inputs.rasters:
        return
    pixels = inputs.rasters[source].disc(row, column, inputs.radius_m)
    if np.isfinite(pixels).sum() < least:
        pixels = np.full(1, np.nan)
    place |= cell_features.of_pixels(source, pixels)


def _offsets(run):
    """Return rows and columns of the pixels of a place about its middle."""
    if not run.inputs.discs:
        return list(np.ndindex(run.inputs.side, run.inputs.side))
    reach = run.inputs.radius_m / run.inputs.rasters["elevation"].pixel_m
    span = range(-int(reach), int(reach) + 1)
    return [(j, i) for j in span for i in span if np.hypot(j, i) <= reach + 1e-9]


def _suitability(run, place, offsets):
    pixel_m = run.inputs.rasters["elevation"].pixel_m
    if np.isnan(cell_scores.margins(run.profile, place)).any():
        return np.nan
    sigma = cell_scores.standard_errors(run.profile, place, offsets, pixel_m)
    memberships = cell_scores.log_memberships(run.profile, place, sigma)
    return float(cell_scores.expit(cell_scores.log_odds(memberships)))


def _scorer(profile):
    """Return the trees that ship, as JSON, their inputs, and the references of contributions."""
    booster = _booster(profile)
    card = pd.read_json(bundle.FOLDER / f"scorer-{profile}.json", typ="series")
    criteria = len(cell_scores.PROFILES[profile])
    references = np.array(card["background"], np.float64)[: 512 // 2**criteria]
    return booster.get_dump(dump_format="json"), booster.feature_names, references


def _booster(profile):
    return xgb.Booster(model_file=bundle.FOLDER / f"scorer-{profile}.ubj")


def _tree_shap(profile, values):
    row = pd.DataFrame([values.to_numpy(np.float32)], columns=list(values.index))
    booster = _booster(profile)
    return booster.predict(xgb.DMatrix(row), pred_contribs=True)[0].astype(np.float64)
