"""Features of landing discs and of cells against loops over pixels and craters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rasterio
from oracles import cell_features, ground

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.io import cog
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.scoring.features import craters, feature_table, rocks
from lunarsite.engine.scoring.features.layers import Layers
from lunarsite.engine.scoring.features.places import Places
from lunarsite.engine.scoring.landing import cells
from lunarsite.engine.scoring.landing.cells import Discs
from lunarsite.engine.scoring.landing.discs import Disc
from lunarsite.engine.segmentation import classes

# At 82.6°S, where a map metre is 0.4 % less on the ground; the last cells stick out.
GRID = Grid(160_000.0, 165_000.0, 100.0, 58, 43)
SIDE, RADIUS_M = 5, 250.0

ON_THE_SPHERE = {
    "psr_distance_m": 0.5,
    "psr_area_2km_km2": 0.011,
    "crater_rim_distance_m": 0.5,
    "crater_density_per_km2": 1.1 / (25.0 * np.pi),
}
"""What one map scale for a place makes of distances up to 5 km: half a metre, so that one pixel or
one crater may be on the other side of a circle."""


def files(folder, seed):
    """Write layers with gaps; return their paths."""
    random = np.random.default_rng(seed)
    row, column = np.indices(GRID.shape)
    made = {
        "elevation": 900.0 + 20.0 * np.sin(row / 5.0) * np.cos(column / 7.0),
        "slope": random.gamma(2.0, 3.0, GRID.shape),
        "roughness": random.gamma(2.0, 1.0, GRID.shape),
        "illumination": random.uniform(0.0, 90.0, GRID.shape),
        "earth_visibility": random.uniform(0.0, 90.0, GRID.shape),
        "psr": (random.random(GRID.shape) < 0.01).astype(np.float32),
        "suitability": random.random(GRID.shape),
        "probability": random.random(GRID.shape),
    }
    made["suitability"][20:32, 3:16] = made["probability"][20:32, 3:16] = np.nan
    paths = {}
    for name, values in made.items():
        values[22:28, 5:9] = np.nan
        values[random.random(GRID.shape) < 0.02] = np.nan
        paths[name] = folder / f"{name}.tif"
        cog.write_raster(
            paths[name],
            values.astype(np.float32),
            GRID,
            description=name,
            unit="%" if name in ("illumination", "earth_visibility") else "",
            tags={cells.RADIUS_TAG: str(RADIUS_M)},
        )
    return paths


def catalogue(seed, count=80):
    random = np.random.default_rng(seed)
    west, south, east, north = GRID.bounds
    x = random.uniform(west - 2000.0, east + 2000.0, count)
    y = random.uniform(south - 2000.0, north + 2000.0, count)
    diameter = 50.0 * 2.0 ** random.uniform(0.0, 6.5, count)
    depth = np.where(random.random(count) < 0.8, 0.1 * diameter * random.random(count), np.nan)
    return pd.DataFrame({"x_m": x, "y_m": y, "diameter_m": diameter, "depth_m": depth})


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("evaluated", ["disc", "cell"])
def test_every_column_agrees_with_a_loop_over_pixels_and_craters(tmp_path, evaluated, seed):
    paths, listed = files(tmp_path, seed), catalogue(seed)
    listed.to_csv(tmp_path / "craters.csv", index=False)
    landing = (
        (str(paths["suitability"]), str(paths["probability"])) if evaluated == "disc" else None
    )
    names = ("slope", "roughness", "illumination", "earth_visibility", "psr")
    rasters = {name: str(paths[name]) for name in names}
    layers = Layers(
        str(paths["elevation"]), rasters, str(tmp_path / "craters.csv"), landing=landing
    )
    table = feature_table.build(
        layers, cell_m=500.0, north_limit_deg=-80.0, context=Context(threads=1)
    )
    read = {name: ground.Raster.read(paths[name]) for name in ("elevation", *names)}
    inputs = cell_features.Inputs(read, listed, SIDE, np.nan)
    if evaluated == "disc":
        kept = {name: ground.Raster.read(paths[name]) for name in ("suitability", "probability")}
        inputs = cell_features.Inputs(read, listed, SIDE, RADIUS_M, kept)
    assert len(table) == 12 * 9
    expected = pd.DataFrame(
        [
            cell_features.features(inputs, row, column)
            for row, column in zip(table["row"], table["column"], strict=True)
        ]
    )
    for name in expected:
        np.testing.assert_allclose(
            table[name].astype(np.float64),
            expected[name].astype(np.float64),
            rtol=1e-5,
            atol=ON_THE_SPHERE.get(name, 1e-4),
            err_msg=name,
        )
    assert expected["crater_count"].max() >= 2


def on_discs(radius_m=30.0):
    """Return cells of 80 m with pixels of 20 m: one disc across a border, one cell without."""
    grid, coarse = Grid(2000.0, 9000.0, 20.0, 12, 8), Grid(2000.0, 9000.0, 80.0, 3, 2)
    row = np.array([[1, 0, 2], [5, 6, -1]])
    column = np.array([[1, 4, 10], [3, 5, -1]])
    return Places(grid, coarse, 4, Discs(Disc(radius_m, 20.0), row, column, {}))


def test_rocks_on_discs_are_those_of_the_image_within_the_radius(tmp_path):
    places, fine = on_discs(), Grid(2000.0, 9000.0, 10.0, 24, 16)
    random = np.random.default_rng(3)
    named = np.where(random.random(fine.shape) < 0.1, 1, 0).astype(np.uint8)
    rock_rows, rock_columns = np.array([2, 3, 1, 10, 13, 15]), np.array([2, 5, 9, 7, 11, 20])
    named[rock_rows, rock_columns] = 2
    sure = random.uniform(0.4, 1.0, fine.shape).astype(np.float32)
    shares = np.stack([np.where(named == k, sure, (1 - sure) / 3) for k in range(4)])
    named[12:, 2:5] = classes.NODATA
    shares[:, named == classes.NODATA] = np.nan
    for name, values in (("classes", named[None]), ("probabilities", shares)):
        write(tmp_path / f"{name}.tif", values, fine)
    found = rocks.features(str(tmp_path), places, Context())
    x, y = np.meshgrid(fine.column_x_m(), fine.row_y_m())
    for at in map(tuple, np.argwhere(places.found)):
        own = np.hypot(x - places.x_m[at], y - places.y_m[at]) <= 30.0
        known = own & (named != classes.NODATA)
        rock = np.isin(named[known], (classes.SMALL, classes.LARGE))
        assert found["rock_coverage_pct"][at] == pytest.approx(100.0 * rock.mean(), rel=1e-6)
        assert found["segmentation_confidence"][at] == pytest.approx(sure[known].mean(), rel=1e-6)
        large = own[rock_rows, rock_columns]
        assert found["large_rock_count"][at] == large.sum()
        # The disc of 28 pixels stands for its area.
        share = 100.0 * known.sum() / (np.pi * 9.0)
        assert found["coverage_rocks_pct"][at] == pytest.approx(min(share, 100.0), abs=2.0)
    assert found["large_rock_count"][0, 0] == 2.0
    assert np.isnan(found["rock_coverage_pct"][1, 2])
    assert found["coverage_rocks_pct"][1, 2] == 0.0


def write(path, values, grid):
    nodata = classes.NODATA if values.dtype == np.uint8 else np.nan
    with rasterio.open(
        path, "w", driver="GTiff", count=len(values), height=grid.height, width=grid.width,
        dtype=values.dtype, nodata=nodata, crs=moon.SOUTH_POLAR, transform=grid.transform,
    ) as target:  # fmt: skip
        target.write(values)


def test_a_crater_counts_on_a_disc_that_it_reaches_into_whatever_cell_it_is_in():
    places = on_discs()
    # 60 m east of the first disc's centre, in the second cell: a radius of 29 m does not reach.
    x = places.x_m[0, 0] + 60.0
    listed = pd.DataFrame({"x_m": [x], "y_m": [places.y_m[0, 0]], "diameter_m": [58.0]})
    assert craters.features(listed, places)["crater_count"][0, 0] == 0.0
    listed["diameter_m"] = 62.0
    counted = craters.features(listed, places)["crater_count"]
    assert counted[0].tolist() == [1.0, 1.0, 0.0]
    assert np.isnan(counted[1, 2])


def test_a_disc_that_was_not_searched_for_craters_has_none_that_are_known():
    """The cell is half searched; its disc lies in the other half."""
    grid = Grid(0.0, 1000.0, 50.0, 40, 20)
    coarse = Grid(0.0, 1000.0, 1000.0, 2, 1)
    discs = cells.Discs(Disc(100.0, 50.0), np.array([[10, 10]]), np.array([[4, 26]]), {})
    catalogue = pd.DataFrame({"x_m": [225.0], "y_m": [475.0], "diameter_m": [300.0]})
    found = craters.features(
        catalogue, Places(grid, coarse, 20, discs), frame=(0.0, 0.0, 1250.0, 1000.0)
    )
    assert found["crater_count"].tolist()[0][0] == 1.0
    assert np.isnan(found["crater_count"][0, 1])
    assert found["coverage_craters_pct"].tolist() == [[100.0, 25.0]]
