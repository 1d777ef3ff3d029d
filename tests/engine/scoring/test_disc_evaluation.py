"""Discs evaluated at every pixel, on ground whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from scipy import special

from lunarsite.engine import stages
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import cog
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.scoring import disc_evaluation, profiles, suitability, tables
from lunarsite.engine.scoring.error_model import Errors, Footprint
from lunarsite.engine.scoring.features.layers import Layers
from lunarsite.engine.scoring.landing.discs import Disc

GRID = Grid(2000.0, 9000.0, 50.0, 60, 48)
SMALLER = Grid(2000.0, 8900.0, 50.0, 60, 40)
DISC = Disc(100.0, 50.0)
ERRORS = Errors()


@pytest.fixture
def written(tmp_path):
    """Return a maker of layers in a folder."""
    (tmp_path / "layers").mkdir()

    def write(name, values, folder="layers", grid=GRID, **options):
        path = tmp_path / folder / name
        cog.write_raster(path, values.astype(np.float32), grid, description="x", **options)
        return str(path)

    return write


@pytest.fixture
def given(written):
    random = np.random.default_rng(4)
    values = {
        "slope": random.gamma(2.0, 3.0, GRID.shape),
        "illumination": random.uniform(0.0, 90.0, GRID.shape),
        "earth_visibility": random.uniform(0.0, 100.0, GRID.shape),
        "illumination_sensitivity": random.uniform(2.0, 12.0, GRID.shape),
    }
    values["slope"][20:26, 30:36] = np.nan
    names = {
        "slope": "slope_deg.tif",
        "illumination": "illumination_pct.tif",
        "earth_visibility": "earth_visibility_pct.tif",
        "illumination_sensitivity": "illumination_sensitivity.tif",
    }
    rasters = {
        source: written(name, values[source], unit="%" if source != "slope" else "deg")
        for source, name in names.items()
    }
    dem = written("dem.tif", np.add.outer(np.arange(48.0), np.arange(60.0)), folder=".")
    return Layers(dem, rasters), values


def whole(layers, profile, context=None, disc=DISC):
    strips = list(
        disc_evaluation.evaluate(layers, GRID, disc, profile, ERRORS, context or Context())
    )
    return (
        np.concatenate([strip.suitability for strip in strips]),
        np.concatenate([strip.probability for strip in strips]),
    )


def test_every_criterion_is_judged_on_the_same_disc(given):
    layers, values = given
    profile = profiles.load("cassa")
    found, probability = whole(layers, profile)
    j, i = np.indices(GRID.shape)
    for row, column in ((10, 10), (30, 45), (2, 2), (47, 59), (0, 30)):
        near = np.hypot(j - row, i - column) * 50.0 <= 100.0
        known = {name: near & np.isfinite(v) for name, v in values.items()}
        if min(k.sum() for k in known.values()) < 0.9 * DISC.pixels:
            assert np.isnan(found[row, column])
            continue
        own = {
            "slope_mean_deg": values["slope"][known["slope"]].mean(),
            "avg_illumination_pct": values["illumination"][near].mean(),
            "earth_visibility_pct": values["earth_visibility"][near].mean(),
            "illumination_sensitivity": values["illumination_sensitivity"][near].mean(),
        }
        features = {name: np.array([value]) for name, value in own.items()}
        footprint = Footprint(50.0, radius_m=100.0)
        odds = suitability.log_odds(features, profile, ERRORS, footprint)
        assert found[row, column] == pytest.approx(special.expit(odds[0]), rel=1e-4)
        chance = suitability.probability(features, profile, ERRORS, footprint)
        assert probability[row, column] == pytest.approx(chance[0], abs=1e-4)


def test_discs_that_stick_out_or_lack_ground_are_unknown(given):
    layers, _ = given
    found, _ = whole(layers, profiles.load("cassa"))
    assert np.isnan(found[0]).all()
    assert np.isnan(found[:, -1]).all()
    assert np.isnan(found[22:24, 32:34]).all()
    assert np.isfinite(found[10:16, 10:20]).all()


@pytest.mark.parametrize("name", ["cassa", "hls"])
def test_strips_give_what_the_whole_gives(given, name, monkeypatch):
    layers, _ = given
    profile = profiles.load(name)
    expected = whole(layers, profile)
    monkeypatch.setattr(disc_evaluation, "_STRIP_PX", 60 * 27)
    for found, wanted in zip(whole(layers, profile), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_hls_needs_a_level_disc_far_from_steep_ground(written, given):
    layers, _ = given
    slope = np.full(GRID.shape, 2.0)
    slope[:, 30:] = 20.0
    lit = {name: np.full(GRID.shape, 90.0) for name in ("illumination", "earth_visibility")}
    rasters = {
        "slope": written("slope_deg.tif", slope, unit="deg"),
        "illumination": written("illumination_pct.tif", lit["illumination"], unit="%"),
        "earth_visibility": written("earth_visibility_pct.tif", lit["earth_visibility"], unit="%"),
    }
    disc = Disc(75.0, 50.0)
    _, probability = whole(Layers(layers.dem, rasters), profiles.load("hls"), disc=disc)
    row = probability[20]
    # Far from the steep ground all is well; at 100 m, two pixels, it is even; beside it never.
    assert row[5] == pytest.approx(1.0)
    assert row[28] == pytest.approx(0.5, abs=0.01)
    assert row[29] < 1e-6


def test_fractions_are_percent(given, written):
    layers, values = given
    profile = profiles.load("cassa")
    expected, _ = whole(layers, profile)
    share = written("share.tif", values["illumination"] / 100.0, folder=".")
    context = Context()
    rasters = layers.rasters | {"illumination": share}
    found, _ = whole(Layers(layers.dem, rasters), profile, context)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert any("fractions" in warning for warning in context.warnings)


def run(given, tmp_path, context=None, **more):
    layers, _ = given
    values = {
        "dem": layers.dem,
        "layers": str(tmp_path / "layers"),
        "out": str(tmp_path / "layers"),
    }
    stage = stages.load("landing")
    return stage.run(stage.resolve(values | more), context or Context())


def test_the_stage_says_what_it_raised_and_left_out(given, tmp_path):
    context = Context()
    path = tmp_path / "own.yaml"
    path.write_text(
        "criteria:\n"
        "  - {feature: slope_mean_deg, at_most: 5, softness: 1}\n"
        "  - {feature: crater_count, at_most: 3, softness: 1}\n"
    )
    result = run(given, tmp_path, context, landing_radius_m=20.0, profile=str(path))
    assert result["landing_radius_m"] == 75.0
    assert "radius of 75 m, 1.5 pixels, instead of 20 m" in context.warnings[0]
    assert "do not count the criteria on crater_count" in context.warnings[1]
    path.write_text("criteria: [{feature: crater_count, at_most: 3, softness: 1}]")
    with pytest.raises(InputError, match=r"No criterion of 'own' can be evaluated.*--place cell"):
        run(given, tmp_path, profile=str(path))


def test_light_of_the_middle_of_cells_has_no_part_in_the_maps(given, tmp_path):
    path, own = tmp_path / "own.yaml", tmp_path / "layers" / "illumination_darkest_month_pct.tif"
    slope = "criteria:\n  - {feature: slope_mean_deg, at_most: 5, softness: 1}\n"
    path.write_text(slope)
    run(given, tmp_path, profile=str(path))
    with rasterio.open(tmp_path / "layers" / "landing_suitability.tif") as source:
        expected = source.read(1)
    path.write_text(slope + "  - {feature: darkest_month_pct, at_least: 30, softness: 5}\n")
    for grid, counts in ((Grid(2000.0, 9000.0, 400.0, 8, 6), False), (GRID, True)):
        values = np.full(grid.shape, 5.0, np.float32)
        cog.write_raster(own, values, grid, description="x", unit="%")
        context = Context()
        run(given, tmp_path, context, profile=str(path))
        with rasterio.open(tmp_path / "layers" / "landing_suitability.tif") as source:
            found = source.read(1)
        left_out = any("do not count the criteria on darkest" in w for w in context.warnings)
        assert left_out != counts
        assert np.array_equal(found, expected, equal_nan=True) != counts


def test_features_are_those_of_the_best_disc(given, tmp_path):
    layers, values = given
    run(given, tmp_path)
    stage = stages.load("features")
    own = {
        "dem": layers.dem,
        "layers": str(tmp_path / "layers"),
        "out": str(tmp_path / "f.parquet"),
        "cell_m": 400.0,
    }
    stage.run(stage.resolve(own), Context())
    table = tables.read_features(tmp_path / "f.parquet")
    found, _ = whole(layers, profiles.load("cassa"))
    j, i = np.indices(GRID.shape)
    x, y = GRID.column_x_m(), GRID.row_y_m()
    for _, row in table.sample(12, random_state=1).iterrows():
        top, left = 8 * int(row["row"]), 8 * int(row["column"])
        part = np.s_[top : top + 8, left : left + 8]
        at = np.unravel_index(np.nanargmax(found[part]), found[part].shape)
        at = at[0] + top, at[1] + left
        assert (row["x_m"], row["y_m"]) == pytest.approx((x[at[1]], y[at[0]]))
        near = np.hypot(j - at[0], i - at[1]) * 50.0 <= 100.0
        for name, source in (
            ("slope_mean_deg", "slope"),
            ("avg_illumination_pct", "illumination"),
            ("earth_visibility_pct", "earth_visibility"),
        ):
            assert row[name] == pytest.approx(np.nanmean(values[source][near]), rel=1e-5)
        assert row["illumination_min_pct"] == pytest.approx(values["illumination"][near].min())
        assert row["cell_slope_mean_deg"] == pytest.approx(np.nanmean(values["slope"][part]))
        assert row["landing_radius_m"] == 100.0
    with pytest.raises(InputError, match=r"100 m radius is larger than a cell of 50 m"):
        stage.run(stage.resolve(own | {"cell_m": 50.0}), Context())
    (tmp_path / "layers" / "landing_suitability.tif").unlink()
    with pytest.raises(InputError, match="holds no landing discs"):
        stage.run(stage.resolve(own), Context())


def test_a_place_with_means_that_pass_and_no_disc_that_does_is_not_landable(written, given):
    """Half of a cell is level and dark, half steep and lit: the mean passes, no place does."""
    layers, _ = given
    east = np.arange(60)[None, :] >= 30
    rasters = {
        "slope": written("slope_deg.tif", np.where(east, 9.5, 0.0) + np.zeros(GRID.shape)),
        "illumination": written(
            "illumination_pct.tif", np.where(east, 80.0, 2.0) + np.zeros(GRID.shape), unit="%"
        ),
        "earth_visibility": written(
            "earth_visibility_pct.tif", np.full(GRID.shape, 90.0), unit="%"
        ),
    }
    _, probability = whole(Layers(layers.dem, rasters), profiles.load("cassa"))
    away = np.abs(np.arange(60) - 29.5) > 3.0
    assert np.nanmax(probability[:, away]) < 1e-6


def test_a_table_of_discs_chosen_by_other_criteria_is_warned_of(given, tmp_path):
    layers, _ = given
    run(given, tmp_path)
    table = tmp_path / "f.parquet"
    features = stages.load("features")
    own = {"dem": layers.dem, "layers": str(tmp_path / "layers"), "out": str(table)}
    features.run(features.resolve(own | {"cell_m": 200.0}), Context())
    assert tables.landing_profile(table) == profiles.load("cassa").fingerprint()
    score = stages.load("score")
    for profile, warned in (("cassa", False), ("hls", True)):
        context = Context()
        values = {"features": str(table), "out": str(tmp_path / profile), "profile": profile}
        score.run(score.resolve(values | {"draws": 20}), context)
        assert any("chosen by other criteria" in w for w in context.warnings) is warned


def test_light_of_other_discs_and_discs_of_other_grids_are_refused(given, tmp_path, written):
    layers, _ = given
    folder = tmp_path / "layers"
    run(given, tmp_path)
    features = stages.load("features")
    own = {"dem": layers.dem, "layers": str(folder), "out": str(tmp_path / "f.parquet")}
    own |= {"cell_m": 400.0}
    light = stages.load("disc-light")
    quick = {"out": str(folder), "azimuths": 36, "stop": "2027-02-01", "builtin_far_field": False}
    values = {name: own[name] for name in ("dem", "layers", "cell_m")} | quick
    light.run(light.resolve(values), Context())
    features.run(features.resolve(own), Context())
    run(given, tmp_path, landing_radius_m=150.0)
    with pytest.raises(InputError, match=r"is the light at other landing discs.*disc-light"):
        features.run(features.resolve(own), Context())
    smaller = written(
        "small.tif", np.add.outer(np.arange(40.0), np.arange(60.0)), folder=".", grid=SMALLER
    )
    (folder / "disc_darkest_month_pct.tif").unlink()
    (folder / "disc_longest_darkness_days.tif").unlink()
    with pytest.raises(InputError, match="evaluated on another dem"):
        features.run(features.resolve(own | {"dem": smaller}), Context())


def test_discs_evaluated_on_another_slope_are_refused(given, tmp_path, written):
    layers, _ = given
    run(given, tmp_path)
    features = stages.load("features")
    own = {"dem": layers.dem, "layers": str(tmp_path / "layers"), "cell_m": 400.0}
    own["out"] = str(tmp_path / "f.parquet")
    features.run(features.resolve(own), Context())
    written("slope_deg.tif", np.full(GRID.shape, 2.0))
    with pytest.raises(InputError, match=r"evaluated on another slope_deg\.tif.*lunarsite landing"):
        features.run(features.resolve(own), Context())
    run(given, tmp_path)
    features.run(features.resolve(own), Context())
    # Another model is another one under any name.
    higher = written("higher.tif", np.add.outer(np.arange(48.0), np.arange(60.0)) * 1.3, folder=".")
    with pytest.raises(InputError, match="The landing discs were evaluated on another"):
        features.run(features.resolve(own | {"dem": higher}), Context())


def test_maps_in_whose_place_the_light_at_discs_stands_are_no_other_layers(
    given, tmp_path, written
):
    layers, _ = given
    folder = str(tmp_path / "layers")
    written("illumination_darkest_month_pct.tif", np.full(GRID.shape, 20.0), unit="%")
    written("longest_night_days.tif", np.full(GRID.shape, 9.0), unit="d")
    own = {"dem": layers.dem, "layers": folder, "cell_m": 400.0}
    landing, light, features = (stages.load(n) for n in ("landing", "disc-light", "features"))
    landing.run(landing.resolve({"dem": layers.dem, "layers": folder, "out": folder}), Context())
    quick = {"out": folder, "azimuths": 36, "stop": "2027-02-01", "builtin_far_field": False}
    light.run(light.resolve(own | quick), Context())
    table = {"out": str(tmp_path / "f.parquet")}
    features.run(features.resolve(own | table), Context())
    written("longest_night_days.tif", np.full(GRID.shape, 11.0), unit="d")
    with pytest.raises(InputError, match=r"evaluated on another longest_night_days\.tif"):
        features.run(features.resolve(own | table), Context())


def test_heights_given_as_their_errors_are_refused(given, written, tmp_path):
    heights = written("heights.tif", np.full(GRID.shape, -900.0), folder=".", unit="m")
    with pytest.raises(InputError, match="errors of heights lie within"):
        run(given, tmp_path, elevation_error=heights)
