from __future__ import annotations

import shlex

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from lunarsite.engine import moon, stages
from lunarsite.engine.context import Context
from lunarsite.engine.errors import CrsError, InputError, LunarSiteError
from lunarsite.engine.io import cog
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.scoring import (
    error_model,
    profiles,
    scorer_training,
    suitability,
    tables,
)
from lunarsite.engine.scoring.error_model import Errors, footprint_of
from lunarsite.engine.scoring.features import columns, lattice, rock_groups, rocks
from lunarsite.engine.scoring.features.places import Places
from lunarsite.engine.segmentation import classes
from lunarsite.engine.segmentation.architecture import Architecture
from lunarsite.engine.training import checkpoint_files

CELLS = Grid(2000.0, 9000.0, 80.0, 3, 2)
PIXELS = Grid(2000.0, 9000.0, 10.0, 24, 16)
NAMES = ("rock_coverage_pct", "large_rock_count", "segmentation_confidence")


def written(path, values, transform, crs=moon.SOUTH_POLAR, nodata=None):
    values = values if values.ndim == 3 else values[None]
    count, height, width = values.shape
    options = {"count": count, "height": height, "width": width, "dtype": values.dtype}
    with rasterio.open(
        path, "w", driver="GTiff", crs=crs, transform=transform, nodata=nodata, **options
    ) as target:
        target.write(values)
    return str(path)


def segmented(folder, named, sure=0.9, transform=PIXELS.transform, crs=moon.SOUTH_POLAR):
    """Write what segment-terrain would: each pixel's class has the probability ``sure``."""
    folder.mkdir(exist_ok=True)
    sure = np.broadcast_to(np.float32(sure), named.shape)
    shares = np.stack([np.where(named == k, sure, (1 - sure) / 3) for k in range(4)])
    shares = np.where(named == 255, np.nan, shares).astype(np.float32)
    written(folder / "classes.tif", named, transform, crs, 255)
    written(folder / "probabilities.tif", shares, transform, crs, float("nan"))
    return str(folder)


def ground(grid=PIXELS):
    return np.zeros(grid.shape, np.uint8)


@pytest.fixture
def scene():
    """Return classes whose counts are known by hand: cells are 8 × 8 pixels, 3 across, 2 down."""
    named = ground()
    named[0:2, 0:3] = 2
    named[2, 3] = 2
    named[5, 5:7] = 1
    named[3:5, 6:9] = 2
    named[0, 23] = named[15, 0] = 2
    return named


def found(folder, cells=CELLS, context=None):
    return rocks.features(folder, Places.of_cells(cells), context or Context())


def test_shares_counts_and_confidence_agree_with_a_manual_count(tmp_path, scene):
    sure = np.full(PIXELS.shape, 0.9)
    sure[:8, :8] = np.where(np.arange(8) < 2, 0.5, 0.9)
    got = found(segmented(tmp_path / "r", scene, sure))
    share = [[100 * (6 + 1 + 2 + 4) / 64, 100 * 2 / 64, 100 / 64], [100 / 64, 0.0, 0.0]]
    np.testing.assert_allclose(got["rock_coverage_pct"], share, rtol=1e-6)
    assert got["large_rock_count"].tolist() == [[2.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    confidence = [[0.8, 0.9, 0.9], [0.9, 0.9, 0.9]]
    np.testing.assert_allclose(got["segmentation_confidence"], confidence, rtol=1e-6)
    assert (got["coverage_rocks_pct"] == 100.0).all()
    assert all(values.dtype == np.float32 for values in got.values())


def test_rocks_are_8_connected(tmp_path):
    named = ground()
    named[1, 1] = named[2, 2] = 2
    named[1, 9] = named[1, 11] = 2
    named[10, 1] = 2
    named[10, 2] = 1
    count = found(segmented(tmp_path / "r", named))["large_rock_count"]
    assert count.tolist() == [[1.0, 2.0, 0.0], [1.0, 0.0, 0.0]]


def test_a_rock_on_a_border_is_counted_once_in_the_cell_of_its_centroid(tmp_path):
    for columns_, cell in (((5, 9), 0), ((7, 11), 1), ((7, 9), 1), ((6, 10), 1)):
        named = ground()
        named[2:4, slice(*columns_)] = 2
        got = found(segmented(tmp_path / "r", named))
        count = got["large_rock_count"].ravel()
        assert count.sum() == 1.0
        assert count.argmax() == cell
        assert (got["rock_coverage_pct"][0, :2] > 0.0).all()


def test_cells_with_less_than_half_coverage_are_nan(tmp_path, scene):
    scene[8:, :4] = 255
    scene[8:, 8:13] = 255
    scene[:8, 16:] = 255
    got = found(segmented(tmp_path / "r", scene))
    np.testing.assert_allclose(
        got["coverage_rocks_pct"], [[100, 100, 0], [50, 37.5, 100]], rtol=1e-6
    )
    known = [[True, True, False], [True, False, True]]
    for name in NAMES:
        assert np.isfinite(got[name]).tolist() == known
    assert got["rock_coverage_pct"][1, 0] == 0.0


def test_the_share_is_that_of_the_valid_pixels(tmp_path):
    named = ground()
    named[:8, :4] = 255
    named[:8, 4] = 1
    assert found(segmented(tmp_path / "r", named))["rock_coverage_pct"][0, 0] == 25.0


def test_images_without_overlap_give_no_features_and_a_warning(tmp_path):
    far = Grid(500_000.0, 500_000.0, 10.0, 24, 16)
    context = Context()
    got = found(segmented(tmp_path / "r", ground(), transform=far.transform), CELLS, context)
    assert all(np.isnan(got[name]).all() for name in NAMES)
    assert (got["coverage_rocks_pct"] == 0.0).all()
    assert any("covers no cell" in warning for warning in context.warnings)


@pytest.mark.parametrize("strip_px", [1, 24, 50, 24 * 5, 10_000])
def test_components_do_not_depend_on_the_strips(tmp_path, strip_px):
    named = np.where(np.random.default_rng(3).random((40, 24)) < 0.35, 2, 0).astype(np.uint8)
    named[:, 5] = 2
    path = written(tmp_path / "c.tif", named, PIXELS.transform)
    with rasterio.open(path) as source:
        whole = np.sort_complex(rock_groups.centroids(source, 2)[0] + 0j)
        row, column = rock_groups.centroids(source, 2, strip_px=strip_px)
        both = rock_groups.centroids(source, 2)
    np.testing.assert_allclose(np.sort(row), whole.real, rtol=1e-12)
    np.testing.assert_allclose(np.sort(column), np.sort(both[1]), rtol=1e-12)
    assert 1 < row.size < (named == 2).sum()


def test_components_do_not_wrap_around_the_edge(tmp_path):
    named = np.zeros((4, 6), np.uint8)
    named[1, 5] = named[2, 0] = 2
    with rasterio.open(written(tmp_path / "c.tif", named, PIXELS.transform)) as source:
        assert rock_groups.centroids(source, 2, strip_px=1)[0].tolist() == [1.5, 2.5]


def test_tiles_of_the_lattice_give_the_same_features(tmp_path, scene, monkeypatch):
    folder = segmented(tmp_path / "r", scene)
    whole = found(folder)
    monkeypatch.setattr(lattice, "TILE_PX", 5)
    for name, values in found(folder).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-6)


def test_a_map_with_another_central_meridian_gives_the_same_features(tmp_path, scene):
    straight = found(segmented(tmp_path / "r", scene))
    turned = "+proj=stere +lat_0=-90 +lon_0=90 +R=1737400 +units=m +no_defs"
    # The meridian of 90° points up where that of 0° did: x' = -y and y' = x.
    corner = Affine(10.0, 0.0, -9000.0, 0.0, -10.0, 2000.0 + 24 * 10.0)
    folder = segmented(tmp_path / "t", np.rot90(scene), transform=corner, crs=turned)
    for name, values in found(folder).items():
        np.testing.assert_allclose(values, straight[name], rtol=1e-5, err_msg=name)


def test_degrees_give_nearly_the_same_features(tmp_path):
    cells = Grid(20_000.0, 60_000.0, 960.0, 6, 6)
    grid = Grid(20_000.0, 60_000.0, 20.0, 288, 288)
    x, y = np.meshgrid(grid.column_x_m(), grid.row_y_m())
    disc = (np.hypot(x - 21_500.0, y - 58_300.0) < 700.0) | (np.hypot(x - 24e3, y - 56e3) < 300.0)
    straight = found(
        segmented(tmp_path / "r", np.where(disc, 2, 0).astype(np.uint8), 0.9, grid.transform), cells
    )
    west, east, south, north = 17.0, 27.0, -88.2, -87.6
    lon_step, lat_step = 0.01, 0.0005
    lon = np.arange(west + lon_step / 2, east, lon_step)
    lat = np.arange(north - lat_step / 2, south, -lat_step)
    x, y = moon.lonlat_to_xy(*np.meshgrid(lon, lat))
    disc = (np.hypot(x - 21_500.0, y - 58_300.0) < 700.0) | (np.hypot(x - 24e3, y - 56e3) < 300.0)
    place = Affine(lon_step, 0.0, west, 0.0, -lat_step, north)
    folder = segmented(
        tmp_path / "d", np.where(disc, 2, 0).astype(np.uint8), 0.9, place, moon.GEOGRAPHIC
    )
    got = found(folder, cells)
    assert straight["large_rock_count"].sum() == 2.0
    np.testing.assert_array_equal(got["large_rock_count"], straight["large_rock_count"])
    np.testing.assert_allclose(got["rock_coverage_pct"], straight["rock_coverage_pct"], atol=1.5)
    assert (got["coverage_rocks_pct"] == 100.0).all()


def test_pixels_that_do_not_divide_the_cells_cover_them(tmp_path):
    grid = Grid(1993.0, 9011.0, 17.0, 20, 14)
    got = found(segmented(tmp_path / "r", ground(grid), 0.7, grid.transform))
    assert (got["coverage_rocks_pct"] == 100.0).all()
    np.testing.assert_allclose(got["segmentation_confidence"], 0.7, rtol=1e-6)


def test_pixels_coarser_than_a_quarter_of_a_cell_are_refused(tmp_path):
    for pixel_m, refused in ((20.0, False), (20.5, True)):
        grid = Grid(2000.0, 9000.0, pixel_m, 12, 8)
        folder = segmented(tmp_path / "r", ground(grid), 0.9, grid.transform)
        if refused:
            with pytest.raises(InputError, match=r"20.5 m wide.*80 m.*at least 82 m"):
                found(folder)
        else:
            assert np.isfinite(found(folder)["rock_coverage_pct"]).all()


def test_images_of_the_northern_hemisphere_are_refused(tmp_path):
    place = Affine(10.0, 0.0, -80.0, 0.0, -10.0, 80.0)
    folder = segmented(tmp_path / "r", ground(), transform=place, crs=moon.NORTH_POLAR)
    with pytest.raises(InputError, match="The image of rocks is in the northern hemisphere"):
        found(folder)


def test_a_polar_cap_in_degrees_covers_the_pole(tmp_path):
    cells = Grid(-4_800.0, 4_800.0, 960.0, 10, 10)
    place = Affine(0.5, 0.0, -180.0, 0.0, -0.002, -89.5)
    got = found(
        segmented(tmp_path / "r", np.ones((250, 720), np.uint8), 0.9, place, moon.GEOGRAPHIC), cells
    )
    assert (got["coverage_rocks_pct"] == 100.0).all()
    assert (got["rock_coverage_pct"] == 100.0).all()


def test_shadow_is_the_share_of_dark_pixels(tmp_path):
    seen = np.full(PIXELS.shape, 100, np.uint8)
    seen[:8, :4] = 11
    seen[:8, 8:16] = 12
    seen[:8, 16:21] = 255
    seen[8:, 0] = 255
    seen[8:, 1] = 3
    image = written(tmp_path / "i.tif", seen, PIXELS.transform, nodata=255)
    got = rocks.shadow(image, Places.of_cells(CELLS), Context())
    np.testing.assert_allclose(
        got["shadow_coverage_pct"], [[50.0, 0.0, np.nan], [100.0 / 7.0, 0.0, 0.0]], rtol=1e-6
    )
    np.testing.assert_allclose(
        got["coverage_rock_image_pct"], [[100, 100, 37.5], [87.5, 100, 100]], rtol=1e-6
    )


def test_exact_black_at_the_edge_counts_as_shadow_with_a_warning(tmp_path):
    seen = np.random.default_rng(2).integers(100, 250, PIXELS.shape).astype(np.uint8)
    seen[:, :8] = 0
    context = Context()
    path = written(tmp_path / "i & j.tif", seen, PIXELS.transform)
    got = rocks.shadow(path, Places.of_cells(CELLS), context)["shadow_coverage_pct"]
    np.testing.assert_allclose(got, [[100.0, 0.0, 0.0]] * 2, rtol=1e-6)
    (warning,) = context.warnings
    assert warning.startswith("33 % of the image i & j.tif is exactly 0 in an area at its edge")
    assert warning.endswith(f"gdal_edit.py -a_nodata 0 {shlex.quote(str(path))}")
    declared = written(tmp_path / "d.tif", seen, PIXELS.transform, nodata=0)
    got = rocks.shadow(declared, Places.of_cells(CELLS), Context())["shadow_coverage_pct"]
    assert np.isnan(got[:, 0]).all()


def test_shadow_of_a_colour_image_in_another_map_is_the_same(tmp_path):
    seen = np.random.default_rng(4).integers(0, 30, (3, *PIXELS.shape)).astype(np.uint8)
    image = written(tmp_path / "i.tif", seen, PIXELS.transform)
    straight = rocks.shadow(image, Places.of_cells(CELLS), Context())
    turned = "+proj=stere +lat_0=-90 +lon_0=90 +R=1737400 +units=m +no_defs"
    corner = Affine(10.0, 0.0, -9000.0, 0.0, -10.0, 2000.0 + 24 * 10.0)
    other = written(tmp_path / "t.tif", np.rot90(seen, axes=(1, 2)), corner, turned)
    got = rocks.shadow(other, Places.of_cells(CELLS), Context())["shadow_coverage_pct"]
    assert 5.0 < got.min() < got.max() < 60.0
    np.testing.assert_allclose(got, straight["shadow_coverage_pct"], rtol=1e-5)


def test_folders_not_written_by_segment_terrain_are_refused(tmp_path, scene):
    folder = tmp_path / "r"
    folder.mkdir()
    with pytest.raises(InputError, match=r"holds no classes.tif.*segment-terrain"):
        found(str(folder))
    segmented(folder, scene)
    written(folder / "classes.tif", np.full(PIXELS.shape, 7, np.uint8), PIXELS.transform)
    with pytest.raises(InputError, match="hold the class 7"):
        found(str(folder))
    written(folder / "classes.tif", scene.astype(np.float32), PIXELS.transform)
    with pytest.raises(InputError, match="not one band of 8-bit classes and four"):
        found(str(folder))
    written(folder / "classes.tif", scene[:8], PIXELS.transform)
    with pytest.raises(InputError, match="do not have the same grid"):
        found(str(folder))
    segmented(folder, scene, 5.0)
    with pytest.raises(InputError, match=r"probabilities from .* not within 0 to 1"):
        found(str(folder))
    (folder / "classes.tif").write_text("no raster")
    with pytest.raises(InputError, match="cannot be read"):
        found(str(folder))


def test_images_that_are_not_on_the_moon_are_refused(tmp_path, scene):
    folder = segmented(tmp_path / "r", scene, crs=None)
    with pytest.raises(CrsError, match=r"The rocks' classes.tif.*no coordinate system"):
        found(folder)
    folder = segmented(tmp_path / "r", scene, crs="EPSG:32633")
    with pytest.raises(CrsError, match="lies on the Earth"):
        found(folder)
    image = written(tmp_path / "i.tif", scene, PIXELS.transform, crs=None)
    with pytest.raises(CrsError, match="no coordinate system"):
        rocks.shadow(image, Places.of_cells(CELLS), Context())


def features_table(folder, values, context=None):
    stages.load("features").run(values | {"out": str(folder / "f.parquet")}, context or Context())
    return tables.read_features(folder / "f.parquet")


@pytest.fixture
def given(tmp_path):
    row, column = np.indices(PIXELS.shape)
    cog.write_raster(
        tmp_path / "dem.tif",
        (5.0 * row + column).astype(np.float32),
        PIXELS,
        description="height",
    )
    (tmp_path / "layers").mkdir()
    folders = {"dem": str(tmp_path / "dem.tif"), "layers": str(tmp_path / "layers")}
    return folders | {"cell_m": 80.0, "place": "cell"}


def test_the_stage_is_deterministic_and_writes_nan_without_images(tmp_path, given, scene):
    folder = segmented(tmp_path / "r", scene)
    image = written(tmp_path / "i.tif", scene * 40, PIXELS.transform)
    more = given | {"rocks": folder, "rock_image": image}
    table = features_table(tmp_path, more)
    first = (tmp_path / "f.parquet").read_bytes()
    assert table["large_rock_count"].tolist() == [2.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    assert table["shadow_coverage_pct"].iloc[5] == 100.0
    features_table(tmp_path, more)
    assert (tmp_path / "f.parquet").read_bytes() == first
    without = features_table(tmp_path, given)
    new = [f.name for f in columns.FEATURES if f.source in columns.IMAGERY]
    assert len(new) == 4
    assert without[new].isna().all(axis=None)
    assert (without[[columns.coverage_column(s) for s in columns.IMAGERY]] == 0.0).all(axis=None)
    rest = [name for name in table if name not in new and not name.startswith("coverage_rock")]
    pd.testing.assert_frame_equal(table[rest], without[rest])


def net_that_says_all_classes(path):
    architecture = Architecture(widths=(6, 6, 8, 8, 8, 8), dropout=0.0)
    random = np.random.default_rng(0)
    state = {
        name: random.standard_normal(shape).astype(np.float32) * np.float32(0.3)
        for name, shape in architecture.shapes().items()
    }
    state = {name: abs(v) + 0.5 if name.endswith("var") else v for name, v in state.items()}
    state["head.bias"] += np.float32([1.0, 0.0, 0.0, 0.0])  # two sizes of rock stand against it
    card = {"architecture": architecture.as_dict(), "classes": list(classes.NAMES)}
    checkpoint_files.save(path, state, card)


def test_outputs_of_segment_terrain_are_read_unchanged(tmp_path, given):
    random = np.random.default_rng(2)
    grid = Grid(1900.0, 9100.0, 5.0, 80, 70)
    image = random.integers(20, 200, grid.shape).astype(np.uint8)
    path = written(tmp_path / "i.tif", image, grid.transform)
    net = tmp_path / "net.safetensors"
    net_that_says_all_classes(net)
    stages.load("segment-terrain").run(
        {
            "image": path,
            "out": str(tmp_path / "r"),
            "checkpoint": [str(net)],
            "uncertainty": "none",
        },
        Context(),
    )
    table = features_table(tmp_path, given | {"rocks": str(tmp_path / "r")})
    assert (table["coverage_rocks_pct"] == 100.0).all()
    with rasterio.open(tmp_path / "r" / "classes.tif") as source:
        named = source.read(1, window=Window(20, 20, 48, 32))
    assert {0, 1} <= set(np.unique(named))
    rock = np.isin(named, (1, 2)).reshape(2, 16, 3, 16).mean(axis=(1, 3)).ravel()
    np.testing.assert_allclose(table["rock_coverage_pct"], 100.0 * rock, rtol=1e-5)


@pytest.fixture
def rocky(tmp_path, random_cells):
    path = tmp_path / "rocky.yaml"
    path.write_text(
        "criteria:\n"
        "  - {feature: slope_mean_deg, at_most: 5, softness: 1}\n"
        "  - {feature: rock_coverage_pct, at_most: 5, softness: 2}\n"
    )
    table = random_cells()
    random = np.random.default_rng(6)
    return profiles.load(str(path)), table.assign(
        rock_coverage_pct=random.gamma(1.5, 3.0, len(table)).astype(np.float32),
        segmentation_confidence=random.uniform(0.6, 1.0, len(table)).astype(np.float32),
    )


def test_low_confidence_softens_the_criterion(rocky):
    profile, table = rocky
    errors = Errors()
    flat = table.assign(slope_mean_deg=np.float32(0.0))
    odds = {}
    for rock in (1.0, 20.0):
        for sure in (1.0, 0.9, 0.6):
            judged = flat.assign(rock_coverage_pct=rock, segmentation_confidence=sure)
            found = suitability.log_odds(judged, profile, errors, footprint_of(judged))
            odds[rock, sure] = found.mean()
    assert odds[1.0, 1.0] > odds[1.0, 0.9] > odds[1.0, 0.6]
    assert odds[20.0, 1.0] < odds[20.0, 0.9] < odds[20.0, 0.6]
    assert odds[1.0, 0.6] > odds[20.0, 0.6]
    few = error_model.standard_errors(
        table.assign(segmentation_confidence=0.75, large_rock_count=8.0),
        profiles.Profile("p", "p", "", (profiles.Criterion("large_rock_count", "at_most", 3, 1),)),
        errors,
        footprint_of(table),
    )
    np.testing.assert_allclose(few, 2.0)


def test_cells_without_images_are_unknown_to_a_criterion_on_rocks(rocky):
    profile, table = rocky
    model = scorer_training.train(table, profile, Errors(), Context(), draws=10, folds=2)
    assert model.inputs == ("slope_mean_deg", "rock_coverage_pct")
    part = table.copy()
    part.loc[:9, ["rock_coverage_pct", "segmentation_confidence"]] = np.nan
    assert np.isnan(model.log_odds(part)[:10]).all()
    np.testing.assert_array_equal(model.log_odds(part)[10:], model.log_odds(table)[10:])
    clear = model.log_odds(table.assign(rock_coverage_pct=np.float32(0.5)))
    assert (clear >= model.log_odds(table.assign(rock_coverage_pct=np.float32(30.0)))).all()
    assert clear.mean() > model.log_odds(table.assign(rock_coverage_pct=np.float32(30.0))).mean()


def test_rock_criteria_in_the_wrong_direction_are_refused(tmp_path):
    path = tmp_path / "odd.yaml"
    path.write_text("criteria: [{feature: rock_coverage_pct, at_least: 5, softness: 2}]")
    with pytest.raises(LunarSiteError, match="can only be at_most"):
        profiles.load(str(path))
