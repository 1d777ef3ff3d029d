"""Real ground of mixed trainings: both poles, held-out sectors, tiles of several pixel sizes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rasterio

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.craters.model import weights
from lunarsite.engine.craters.model.architecture import Architecture
from lunarsite.engine.craters.training import (
    held_out,
    mixed,
    recipe,
    region,
    region_tiles,
    sectors,
)
from lunarsite.engine.craters.training.sectors import Sector
from lunarsite.engine.errors import CrsError, InputError, ParameterError
from lunarsite.engine.io import cog
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.pipelines import train_craters as pipeline
from lunarsite.engine.stages import train_craters

PIXEL_M = 500.0
SIDE = 240
GRID = Grid(-60_000.0, 60_000.0, PIXEL_M, SIDE, SIDE)
RECIPE = """
widths: [8, 8, 8, 8, 8]
real_percent: 50
tiles: 4
tile_px: 96
crop_px: 64
validation_tiles: 2
steps: 2
batch: 2
validate_every: 2
"""


def catalogue():
    """Return bowls of 8 px of radius on a lattice, as a catalogue of the south lists them."""
    at = -50_000.0 + 20_000.0 * np.arange(6)
    x, y = (v.ravel() for v in np.meshgrid(at, at))
    lon, lat = moon.xy_to_lonlat(x, y)
    diameter = 2.0 * 4_000.0 / moon.map_scale(x, y)
    return pd.DataFrame({"lon_deg": lon, "lat_deg": lat, "diameter_m": diameter})


def bowls():
    x, y = np.meshgrid(GRID.column_x_m(), GRID.row_y_m())
    height = np.zeros((SIDE, SIDE), np.float32)
    table = catalogue()
    for at_x, at_y in zip(*moon.lonlat_to_xy(table["lon_deg"], table["lat_deg"]), strict=True):
        near = np.hypot(x - at_x, y - at_y) / 4_000.0
        height -= np.where(near < 1.0, 800.0 * (1.0 - near**2), 0.0).astype(np.float32)
    rng = np.random.default_rng(1)
    # A slope to the east and to the north, so that mirror images differ.
    return height + (0.001 * x + 0.002 * y).astype(np.float32) + rng.normal(0.0, 3.0, x.shape)


def write(folder, height, table, *, north=False):
    cog.write_raster(
        folder / "dem.tif", height.astype(np.float32), GRID, description="height", unit="m"
    )
    if north:
        with rasterio.open(folder / "dem.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
            file.crs = moon.PROJ.replace("lat_0=-90", "lat_0=90")
    table.to_csv(folder / "craters.csv", index=False)
    return folder / "dem.tif", folder / "craters.csv"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write(tmp_path_factory.mktemp("ground"), bowls(), catalogue())


@pytest.fixture(scope="module")
def ground(files):
    return region.read(*files, Context())


def northern():
    """Return the mirror image of the southern catalogue, with the metres of the northern map."""
    table = catalogue()
    x, y = moon.lonlat_to_xy(table["lon_deg"], table["lat_deg"])
    return table.assign(lat_deg=-table["lat_deg"], x_m=x, y_m=-y)


def test_the_north_is_the_mirror_image_of_the_south(ground, tmp_path):
    # The same longitudes on the map of the north, whose y points the other way.
    height = bowls()[::-1]
    mirrored = region.read(*write(tmp_path, height, northern(), north=True), Context())
    assert mirrored.north
    assert not ground.north
    assert mirrored.grid == ground.grid
    np.testing.assert_array_equal(mirrored.height_m, ground.height_m)
    np.testing.assert_allclose(mirrored.known.x_m, ground.known.x_m, atol=1e-3)
    np.testing.assert_allclose(mirrored.known.y_m, ground.known.y_m, atol=1e-3)
    np.testing.assert_allclose(mirrored.known.radius_m, ground.known.radius_m)


def test_dem_and_catalogue_must_be_of_the_same_pole(files, tmp_path):
    dem, known = write(tmp_path, bowls(), northern(), north=True)
    with pytest.raises(CrsError, match="lies in the south of the Moon, at latitudes") as caught:
        region.read(dem, files[1], Context())
    assert "of the same pole" in caught.value.remedy
    with pytest.raises(CrsError, match="lies in the north: its lat_deg is"):
        region.read(files[0], known, Context())
    northern().drop(columns=["lon_deg", "lat_deg"]).to_csv(known, index=False)
    with pytest.raises(InputError, match="has no longitudes and latitudes") as caught:
        region.read(dem, known, Context())
    assert "lon_deg and lat_deg" in caught.value.remedy
    with rasterio.open(dem, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.crs = moon.PROJ.replace("lat_0=-90", "lat_0=90").replace("lon_0=0", "lon_0=45")
    with pytest.raises(CrsError, match="a north polar map of its own") as caught:
        region.read(dem, known, Context())
    assert moon.NORTH_POLAR in caught.value.remedy


def test_a_catalogue_must_list_craters_that_the_dem_can_show(files, tmp_path):
    elsewhere = tmp_path / "elsewhere.csv"
    pd.DataFrame({"lon_deg": [0.0], "lat_deg": [-75.0], "diameter_m": [9e3]}).to_csv(elsewhere)
    with pytest.raises(InputError, match=r"No crater of the catalogue elsewhere\.csv lies on"):
        region.read(files[0], elsewhere, Context())
    small = tmp_path / "small.csv"
    catalogue().assign(diameter_m=2_500.0).to_csv(small)
    with pytest.raises(InputError, match="coarser than its craters: the largest of") as caught:
        region.read(files[0], small, Context())
    assert "finer pixels" in caught.value.remedy
    line = tmp_path / "line.csv"
    catalogue().iloc[:2].to_csv(line)
    with pytest.raises(CrsError, match="span no area"):
        region.read(files[0], line, Context())


def test_ground_beyond_the_catalogue_has_no_heights(ground):
    x, y = np.meshgrid(GRID.column_x_m(), GRID.row_y_m())
    listed = (np.abs(x) <= 50_000.0) & (np.abs(y) <= 50_000.0)
    np.testing.assert_array_equal(np.isfinite(ground.height_m), listed)


def test_no_height_is_in_two_sets(ground):
    one, other = Sector(0.0, 70.0, 5.0), Sector(180.0, 250.0, 5.0)
    parts = [ground.outside(one, other), ground.within(one), ground.within(other)]
    shown = [np.isfinite(part.height_m) for part in parts]
    assert all(part.any() for part in shown)
    assert not (shown[0] & shown[1]).any()
    assert not (shown[0] & shown[2]).any()
    x, y = np.meshgrid(GRID.column_x_m(), GRID.row_y_m())
    lon, _ = moon.xy_to_lonlat(x, y)
    away = (lon - one.west_deg + one.gap_deg) % 360.0
    assert (away[shown[0]] >= one.width_deg + 2.0 * one.gap_deg).all()


def test_circles_of_tiles_lie_on_their_craters_at_all_turns_and_sizes(ground):
    source = region_tiles.source(ground, 96, (0.6, 2.0), 3, 0)
    seen, sizes = 0, set()
    for number in range(12):
        sample = source(number)
        relief, valid = (sample.channels[k].astype(np.float64) for k in (1, -1))
        for column, row, radius, certain, _ in sample.circles:
            sizes.add(round(radius, 1))
            r, c = round(row), round(column)
            reach = round(0.7 * radius)
            if not (reach < r < 95 - reach and reach < c < 95 - reach):
                continue
            inside = relief[r - 1 : r + 2, c - 1 : c + 2]
            around = relief[r - reach : r + reach + 1, c - reach : c + reach + 1]
            if valid[r - reach : r + reach + 1, c - reach : c + reach + 1].all():
                assert certain == 1.0
                assert inside.mean() < around.mean()
                seen += 1
    assert seen > 30
    assert len(sizes) > 4


def test_the_same_number_gives_the_same_tile(ground):
    one, other = (region_tiles.source(ground, 64, (0.6, 2.0), 5, 0) for _ in range(2))
    for number in (0, 3):
        np.testing.assert_array_equal(one(number).channels, other(number).channels)
    assert not np.array_equal(one(0).channels, one(1).channels)
    with pytest.raises(ValueError, match="no heights"):
        region_tiles.source(
            region.Region(GRID, np.full(GRID.shape, np.nan, np.float32), ground.known, 1.0, False),
            64,
            (1.0, 1.0),
            1,
            0,
        )


@pytest.mark.parametrize("percent", [25, 50, 100])
def test_real_tiles_have_their_share_of_the_numbers(percent):
    source = mixed._mixture(lambda n: ("made", n), lambda n: ("real", n), percent)
    drawn = [source(number) for number in range(300)]
    assert sum(kind == "real" for kind, _ in drawn) == 3 * percent
    assert {tile for _, tile in drawn} == {0, 1, 2}
    first = [mixed._spread(source)(number) for number in range(100)]
    assert sum(kind == "real" for kind, _ in first) == percent
    assert [tile for _, tile in first] == list(range(100))


def test_recipes_name_real_tiles_only_where_they_use_them(tmp_path):
    assert "real_percent" not in recipe.read("heat-maps").as_dict()
    held = recipe.read("mixed")
    assert held.as_dict()["pixel_scale"] == list(held.pixel_scale)
    assert held.needs_start
    (tmp_path / "mine.yaml").write_text("real_percent: 101\n", encoding="utf-8")
    with pytest.raises(InputError, match="real_percent is 101"):
        recipe.read(str(tmp_path / "mine.yaml"))


def test_sectors_of_validation_and_test_lie_apart():
    sectors.check_apart(Sector(0.0, 70.0, 3.0), Sector(180.0, 250.0, 3.0))
    for other in (Sector(60.0, 90.0, 3.0), Sector(72.0, 90.0, 3.0), Sector(300.0, 10.0, 3.0)):
        with pytest.raises(ParameterError, match="overlaps --sector"):
            sectors.check_apart(Sector(0.0, 70.0, 3.0), other)


def test_detections_on_real_ground_count_in_the_sector_of_their_centre(ground, hot_weights):
    architecture = Architecture(widths=(8, 8, 8, 8, 8))
    runner = weights.Checkpoint(hot_weights(architecture), architecture, {}, None).runner()
    parts = {"west": Sector(180.0, 359.0, 0.0), "east": Sector(0.0, 179.0, 0.0)}
    found = held_out.evaluate_region(runner, ground, parts, Context(threads=2))
    # The 20 outer ones lie on the edge of the area that the catalogue covers.
    assert found["west"].target_count == found["east"].target_count == 8
    counted = [each.outcome >= 0 for each in found.values()]
    assert counted[0].any()
    assert counted[1].any()
    wrong = [each.outcome == 0 for each in found.values()]
    assert not (wrong[0] & wrong[1]).any()


def test_the_result_is_between_start_and_trained_weights():
    one = {"w": np.array([1.0, 2.0], np.float32), "n": np.array([3])}
    other = {"w": np.array([3.0, 6.0], np.float16), "n": np.array([9])}
    result = pipeline.averaged(one, other, 0.25)
    assert result["w"].dtype == np.float32
    np.testing.assert_allclose(result["w"], [1.5, 3.0])
    assert result["n"] == 3
    assert pipeline.averaged(one, None, 0.5)["w"] is one["w"]


def train(folder, files, **given):
    pytest.importorskip("torch", reason="networks need the ml group")
    (folder / "small.yaml").write_text(RECIPE, encoding="utf-8")
    out = folder / "small.safetensors"
    base = {"out": str(out), "recipe": str(folder / "small.yaml"), "frames": 2}
    base |= {"dem": str(files[0]), "catalogue": str(files[1]), "sector": "0,80"}
    return train_craters.STAGE.run({**base, **given}, Context(threads=2)), out


def test_a_mixed_training_is_calibrated_on_its_validation_sector(files, tmp_path):
    result, out = train(tmp_path, files, test_sector="180,260")
    card = weights.load(out).card
    assert card["source"]["sector_deg"] == [0.0, 80.0]
    assert card["source"]["test_sector_deg"] == [180.0, 260.0]
    assert card["source"]["pole"] == "south"
    assert card["data"].startswith("50 % tiles of dem.tif with the craters of craters.csv, the")
    assert "dem.tif with craters.csv, longitudes 0 to 80" in card["calibrated_on"]
    assert "lower bounds" in card["calibrated_on"]
    assert not card["licence"].startswith("CC0")
    assert set(card["metrics_on_real_ground"]) == {"validation", "test"}
    assert card["metrics_on_real_ground"]["test"]["craters"] > 0
    assert set(card["errors"]) == {"diameter", "depth"}
    assert any("Test sector" in line for line in result["summary"])


def test_a_mixed_training_asks_for_its_ground(files, tmp_path):
    for given, words in (
        ({"dem": None, "catalogue": None}, "needs an elevation model"),
        ({"deepmoon": "images.hdf5"}, "--deepmoon is given"),
        ({"sector": None}, "--sector is not given"),
        ({"test_sector": "70,90"}, "overlaps --sector"),
        ({"test_sector": "7"}, "--test-sector: '7' is not west,east"),
        ({"recipe": "heat-maps", "dem": None, "catalogue": None, "sector": None,
          "test_sector": "1,2"}, "evaluates on no real ground"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=words):
            train(tmp_path, files, **given)
    with pytest.raises(InputError, match="pixels and more lies on the DEM inside --sector"):
        train(tmp_path, files, sector="1,2")


def test_a_network_without_real_ground_says_so(tmp_path, files):
    (tmp_path / "plain.yaml").write_text(RECIPE.replace("real_percent: 50\n", ""), encoding="utf-8")
    given = {"recipe": str(tmp_path / "plain.yaml"), "dem": None, "catalogue": None}
    result, out = train(tmp_path, files, **given, sector=None)
    card = weights.load(out).card
    assert card["calibrated_on"] == result["calibrated_on"] == "generated frames alone"
    assert any("calibrated on generated terrain alone" in line for line in result["summary"])
    assert card["metrics_on_real_ground"] is None
