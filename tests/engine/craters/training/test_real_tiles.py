"""Training tiles of real ground: elevation models with catalogues, and DeepMoon."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import rasterio

from lunarsite.engine import moon, provenance
from lunarsite.engine.context import Context
from lunarsite.engine.craters.model import weights
from lunarsite.engine.craters.training import batches, deepmoon, dem_tiles, recipe, tile_sets
from lunarsite.engine.craters.training.sectors import Sector, read_sector, span_of
from lunarsite.engine.errors import InputError, MissingDependencyError, ParameterError
from lunarsite.engine.io import cog
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.stages import train_craters
from lunarsite.engine.synthetic.crater_tiles import tiles

RECIPE = """
widths: [8, 8, 8, 8, 8]
tile_px: 64
crop_px: 64
validation_tiles: 2
epochs: 1
batch: 2
validate_every: 2
"""
PIXEL_M = 100.0
SIDE = 600
EAST, NORTH = Sector(0.0, 90.0, 0.0), Sector(315.0, 45.0, 5.0)
GRID = Grid(-30_000.0, 30_000.0, PIXEL_M, SIDE, SIDE)


def craters_in_rows():
    """Return one crater of 16 px of radius every 50 px, as a catalogue lists them."""
    at = -27_500.0 + 5_000.0 * np.arange(12)
    x, y = (v.ravel() for v in np.meshgrid(at, at))
    diameter = 2.0 * 1_600.0 / moon.map_scale(x, y)
    return pd.DataFrame({"x_m": x, "y_m": y, "diameter_m": diameter})


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ground")
    rng = np.random.default_rng(1)
    height = 20.0 * rng.standard_normal((SIDE, SIDE), dtype=np.float32) - 1_000.0
    made = tiles.make(5, 300, pixel_m=PIXEL_M).height_m
    height += np.tile(np.nan_to_num(made), (2, 2))
    cog.write_raster(folder / "dem.tif", height, GRID, description="height", unit="m")
    craters_in_rows().to_csv(folder / "craters.csv", index=False)
    return folder


def cut(folder, sector=EAST, **given):
    given = {"pixel_m": PIXEL_M, "side_px": 64, "overlap": 0.0, "least_m": 3_000.0, **given}
    return dem_tiles.cut(folder / "dem.tif", folder / "craters.csv", sector, Context(), **given)


def frame_of(piece):
    """Return west, south, east and north of a tile."""
    return piece.grid.part(piece.window).bounds


def longitudes(piece):
    """Return the longitudes of all the pixels of a tile."""
    grid = piece.grid.part(piece.window)
    x, y = np.meshgrid(grid.column_x_m(), grid.row_y_m())
    return moon.xy_to_lonlat(x, y)[0].ravel()


@pytest.mark.parametrize("sector", [EAST, NORTH, Sector(100.0, 300.0, 20.0)])
def test_no_tile_reaches_into_the_other_set_or_the_gap(ground, sector):
    split = cut(ground, sector, overlap=0.5)
    for piece in split.validation:
        assert ((longitudes(piece) - sector.west_deg) % 360.0 <= sector.width_deg).all()
    reach = sector.width_deg + 2.0 * sector.gap_deg
    for piece in split.training:
        from_gap = longitudes(piece) - sector.west_deg + sector.gap_deg
        assert (from_gap % 360.0 >= reach).all()
    both = {str(frame_of(p)) for p in split.training} & {str(frame_of(p)) for p in split.validation}
    assert not both


def test_no_crater_is_in_both_sets_however_short_the_gap(ground, tmp_path):
    (tmp_path / "dem.tif").symlink_to(ground / "dem.tif")
    rng = np.random.default_rng(7)
    x, y = rng.uniform(-30_000.0, 30_000.0, (2, 60))
    diameter = rng.uniform(4_000.0, 12_000.0, 60)
    pd.DataFrame({"x_m": x, "y_m": y, "diameter_m": diameter}).to_csv(tmp_path / "craters.csv")

    def craters(pieces):
        shown = set()
        for piece in pieces:
            west, _, _, north = frame_of(piece)
            column, row, _ = piece.circles.T
            place = np.column_stack(
                [west + (column + 0.5) * PIXEL_M, north - (row + 0.5) * PIXEL_M]
            )
            shown |= {tuple(one) for one in np.rint(place).tolist()}
        return shown

    split = cut(tmp_path, Sector(0.0, 90.0, 0.5), overlap=0.5)
    assert craters(split.training)
    assert craters(split.validation)
    assert not craters(split.training) & craters(split.validation)


def test_a_wider_gap_leaves_fewer_training_tiles(ground):
    counts = [len(cut(ground, Sector(0.0, 90.0, gap)).training) for gap in (0.0, 30.0, 60.0)]
    assert counts[0] > counts[1] > counts[2] > 0


def test_a_tile_on_the_pole_spans_all_longitudes():
    assert span_of(-1.0, -1.0, 1.0, 1.0) == (-180.0, 360.0)
    west, width = span_of(-1.0, -3.0, 1.0, -1.0)
    assert (west, width) == pytest.approx((135.0, 90.0))
    assert not EAST.inside(np.array([-180.0]), np.array([360.0]))[0]
    assert not EAST.outside(np.array([-180.0]), np.array([360.0]))[0]


def test_a_sample_holds_the_catalogued_craters_in_place(ground):
    piece = cut(ground).training[0]
    sample = piece.sample()
    assert sample.channels.shape[1:] == (64, 64)
    assert sample.least_px == pytest.approx(15.0, rel=1e-3)
    column, row, radius, certain = sample.circles[:, :4].T
    np.testing.assert_allclose(radius, 16.0, rtol=1e-6)
    assert (certain == 1.0).all()
    west, _, _, north = frame_of(piece)
    x, y = west + (column + 0.5) * PIXEL_M, north - (row + 0.5) * PIXEL_M
    known = craters_in_rows()
    away = np.hypot(x[:, None] - known["x_m"].to_numpy(), y[:, None] - known["y_m"].to_numpy())
    np.testing.assert_allclose(away.min(axis=1), 0.0, atol=1e-6)
    # Rims that reach into the tile from outside are drawn too.
    assert (column < 0).any() or (column > 63).any() or (row < 0).any() or (row > 63).any()
    assert not batches.stacked([sample]).weight[0, 0].any()
    assert batches.stacked([sample]).weight[0, 2].any()


def test_basins_that_are_larger_than_a_tile_are_left_out(ground, tmp_path):
    (tmp_path / "dem.tif").symlink_to(ground / "dem.tif")
    craters_in_rows().assign(diameter_m=13_000.0).to_csv(tmp_path / "craters.csv")
    with pytest.raises(InputError, match="No tile"):
        cut(tmp_path)
    assert cut(tmp_path, side_px=96).training


def test_tiles_of_another_pixel_are_means_of_the_ground(ground):
    split = cut(ground, pixel_m=200.0)
    piece = split.training[0]
    with rasterio.open(ground / "dem.tif") as source:
        west, _, _, north = frame_of(piece)
        row, column = source.index(west + 1.0, north - 1.0)
        fine = source.read(1)[row : row + 128, column : column + 128]
    means = fine.reshape(64, 2, 64, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(piece.height_m(), means, atol=1e-2)
    np.testing.assert_allclose(piece.sample().circles[:, 2], 8.0, rtol=1e-6)


def test_nodata_hides_centres_and_mostly_empty_tiles(ground, tmp_path):
    with rasterio.open(ground / "dem.tif") as source:
        height = source.read(1)
    height[:, 300:] = np.nan
    height[:40, :40] = np.nan
    cog.write_raster(tmp_path / "dem.tif", height, GRID, description="height", unit="m")
    craters_in_rows().to_csv(tmp_path / "craters.csv", index=False)
    split = cut(tmp_path, Sector(180.0, 269.0, 0.0), overlap=0.5)
    for piece in split.training + split.validation:
        assert frame_of(piece)[0] < 0.0
        sample = piece.sample()
        at = np.rint(sample.circles[:, :2]).astype(np.int64)
        inside = ((at >= 0) & (at < 64)).all(axis=1)
        assert (sample.channels[-1, at[inside, 1], at[inside, 0]] > 0).all()


def test_samples_are_cached_up_to_the_capacity(ground):
    split = cut(ground)
    held = tile_sets.samples(split.training, 10**9)
    assert held(0) is held(0)
    small = tile_sets.samples(split.training, 0)
    assert small(0) is not small(0)
    np.testing.assert_array_equal(small(0).channels, held(0).channels)


def test_elevation_models_and_catalogues_that_do_not_fit_are_refused(ground, tmp_path):
    with pytest.raises(InputError, match="coarser than the tiles' 50 m"):
        cut(ground, pixel_m=50.0)
    with pytest.raises(InputError, match="holds no tile of 1024 pixels"):
        cut(ground, side_px=1024)
    with pytest.raises(InputError, match=r"No tile of dem\.tif has a crater of 9,000 m"):
        cut(ground, least_m=9_000.0)
    with pytest.raises(InputError, match=r"none lies inside the sector from 0° to 1°"):
        cut(ground, Sector(0.0, 1.0, 1.0))
    (tmp_path / "dem.tif").symlink_to(ground / "dem.tif")
    craters_in_rows().drop(columns="diameter_m").to_csv(tmp_path / "craters.csv")
    with pytest.raises(InputError, match="no column diameter_m"):
        cut(tmp_path)


def test_errors_name_options_that_yield_enough_tiles(ground):
    with pytest.raises(InputError, match="holds no tile of 128 pixels of 500 m") as caught:
        cut(ground, pixel_m=500.0, side_px=128)
    assert "--pixel-m 234.3 for two tiles a side" in caught.value.remedy
    with pytest.raises(InputError, match="Of 4 tiles with craters"):
        cut(ground, pixel_m=234.3, side_px=128)
    with pytest.raises(InputError, match="holds no tile of 512") as caught:
        cut(ground, pixel_m=200.0, side_px=512)
    assert "--pixel-m" not in caught.value.remedy
    narrow = Sector(0.0, 1.0, 1.0)
    for more, hint in (
        ({}, "; --overlap 0.5 makes"),
        ({"pixel_m": 200.0}, "; --overlap 0.5 or --pixel-m 100 makes"),
        ({"pixel_m": 200.0, "overlap": 0.5}, "; --pixel-m 100 makes"),
    ):
        with pytest.raises(InputError, match="none lies inside the sector") as caught:
            cut(ground, narrow, **more)
        assert hint in str(caught.value)


@pytest.mark.parametrize("text", ["", "1", "a,b", "0,60,1", "nan,2", "0,inf", "0,400"])
def test_invalid_sectors_are_refused(text):
    with pytest.raises(ParameterError, match="is not west,east"):
        read_sector(text, 1.0)


def test_a_sector_leaves_something_on_both_sides():
    assert read_sector("-30, 60", 1.0) == Sector(-30.0, 60.0, 1.0)
    for text, gap in (("5,5", 0.0), ("0,350", 5.0), ("0,90", 179.0)):
        with pytest.raises(ParameterError, match="leaves no longitudes"):
            read_sector(text, gap)


def test_recipes_may_give_epochs(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 25\nbatch: 4\naccumulate: 2\n", encoding="utf-8")
    read = recipe.read(str(file))
    assert read.for_tiles(334).steps == 1044
    assert read.for_tiles(334, 7).steps == read.for_tiles(334, 7).validate_every == 7
    assert recipe.read("fine-tune").for_tiles(334).steps == 2088
    plain = recipe.read("heat-maps")
    assert recipe.read("fine-tune").widths == plain.widths
    assert plain.for_tiles(5) == plain
    assert "epochs" not in plain.as_dict()
    file.write_text("epochs: 25\nsteps: 4\n", encoding="utf-8")
    with pytest.raises(InputError, match="both steps and epochs"):
        recipe.read(str(file))
    file.write_text("needs_start: 1\n", encoding="utf-8")
    with pytest.raises(InputError, match="needs_start is 1"):
        recipe.read(str(file))


# DeepMoon's layout


def write_deepmoon(folder, count=24, side=64, columns=None, width_deg=8.0):
    """Write images and tables as DeepMoon does; the table of the last image has no rows."""
    h5py = pytest.importorskip("h5py", reason="of the ml group")
    rng = np.random.default_rng(2)
    names = columns or ["Diameter (km)", "Lat", "Long", "x", "y", "Diameter (pix)"]
    grey = rng.integers(1, 256, (count, side, side), dtype=np.uint8)
    grey[:, :, :5] = 0
    with (
        h5py.File(folder / "some_images.hdf5", "w") as images,
        h5py.File(folder / "some_craters.hdf5", "w") as tables,
    ):
        images["input_images"] = grey
        images["target_masks"] = np.zeros((count, side, side), np.float32)
        for number in range(count):
            name = f"img_{number:05d}"
            west = -180.0 + 15.0 * number
            images[f"longlat_bounds/{name}"] = np.array([west, west + width_deg, -5.0, 5.0])
            images[f"pix_distortion_coefficient/{name}"] = np.array([0.98])
            rows = [
                [10.0, 0.0, west + 1.0, 20.5, 30.5, 40.0],
                [6.0, 0.0, west + 1.0, 2.5, 10.5, 24.0],
                [3.0, 0.0, west + 1.0, 50.5, 50.5, 12.0],
            ]
            block = tables.create_group(name)
            block["axis0"] = block["block0_items"] = np.array(names, "S20")
            if number == count - 1:
                block["block0_values"] = np.ones((1, 1))
                block["block0_values"].attrs["shape"] = np.array([len(names), 0])
                continue
            block["axis1"] = np.arange(len(rows))
            block["block0_values"] = np.array(rows)[:, : len(names)]
    return folder / "some_images.hdf5"


def read_deepmoon(path, sector=Sector(0.0, 90.0, 10.0), **given):  # noqa: B008  it is frozen
    return deepmoon.read(path, None, sector, Context(), **{"side_px": 64, **given})


def test_deepmoons_tiles_come_with_their_craters(tmp_path):
    split = read_deepmoon(write_deepmoon(tmp_path))
    piece = split.training[0]
    assert piece.pixel_m == 250.0
    sample = piece.sample()
    assert sample.least_px == 10.0
    # The 3 km crater is below the cut, and the centre of the 6 km one has no height.
    np.testing.assert_array_equal(sample.circles[:, :4], [[20.0, 30.0, 20.0, 1.0]])
    assert sample.channels.shape == (7, 64, 64)
    assert not sample.channels[-1, :, :5].any()
    assert sample.channels[-1, :, 5:].all()


def test_deepmoons_tiles_are_split_by_their_bounds(tmp_path):
    split = read_deepmoon(write_deepmoon(tmp_path))
    assert sorted(p.number for p in split.validation) == [12, 13, 14, 15, 16, 17]
    # Tiles 11 and 18 lie in the gaps, and the last has no craters.
    assert sorted(p.number for p in split.training) == [*range(11), 19, 20, 21, 22]


def test_files_of_another_layout_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py", reason="of the ml group")
    images = write_deepmoon(tmp_path, columns=["Diameter (km)", "Lat", "Long"])
    with pytest.raises(InputError, match=r"has no numbers Diameter \(pix\), x, y"):
        read_deepmoon(images)
    with pytest.raises(InputError, match="smaller than the recipe's crop of 256"):
        read_deepmoon(write_deepmoon(tmp_path), side_px=256)
    with pytest.raises(InputError, match=r"no crater of 90,000 m or more"):
        read_deepmoon(images, least_m=90_000.0)
    with pytest.raises(InputError, match="none lies inside"):
        read_deepmoon(images, Sector(1.0, 2.0, 1.0))
    with h5py.File(images, "a") as file:
        del file["input_images"]
        file["input_images"] = np.zeros((3, 64, 64), np.uint8)
    with pytest.raises(InputError, match=r"has a table img_00003, and some_images\.hdf5 has 3"):
        read_deepmoon(images)
    with h5py.File(images, "a") as file:
        del file["input_images"]
        file["input_images"] = np.zeros((3, 64, 32), np.float32)
    with pytest.raises(InputError, match="not tiles × side × side of uint8"):
        read_deepmoon(images)
    with h5py.File(images, "a") as file:
        del file["input_images"]
    with pytest.raises(InputError, match=r"no input_images \(it has longlat_bounds"):
        read_deepmoon(images)
    with pytest.raises(InputError, match="no input_images"):
        deepmoon.read(tmp_path / "some_craters.hdf5", images, EAST, Context())
    images.write_bytes(b"nothing")
    with pytest.raises(InputError, match="not an HDF5 file, or damaged"):
        read_deepmoon(images)
    with pytest.raises(InputError, match="There is no file"):
        read_deepmoon(tmp_path / "other_images.hdf5")
    with pytest.raises(InputError, match="The file with the craters of"):
        read_deepmoon(tmp_path / "other.hdf5")


def test_a_missing_h5py_is_reported(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "h5py" else found(name)
    )
    with pytest.raises(MissingDependencyError, match="needs h5py") as caught:
        read_deepmoon(tmp_path / "some_images.hdf5")
    assert "ml group" in caught.value.remedy


# The stage


def run(folder, **given):
    pytest.importorskip("torch", reason="networks need the ml group")
    (folder / "small.yaml").write_text(RECIPE, encoding="utf-8")
    out = str(folder / "small.safetensors")
    base = {"out": out, "recipe": str(folder / "small.yaml"), "frames": 2, "steps": 2}
    train_craters.STAGE.run({**base, **given}, Context(threads=2))
    return weights.load({**base, **given}["out"]).card


def test_a_network_trained_on_real_ground_names_it_on_its_card(ground, tmp_path):
    real = {"dem": str(ground / "dem.tif"), "catalogue": str(ground / "craters.csv")}
    card = run(tmp_path, **real, sector="0,90", pixel_m=PIXEL_M)
    split = cut(ground, Sector(0.0, 90.0, 2.0))
    assert card["data"] == "tiles of dem.tif with the craters of craters.csv"
    assert card["tiles"] == card["source"]["tiles"] == len(split.training)
    assert card["source"]["validation_tiles"] == len(split.validation)
    assert card["source"]["sector_deg"] == [0.0, 90.0]
    assert card["source"]["min_diameter_m"] == 3000.0
    files = [ground / name for name in ("dem.tif", "craters.csv")]
    named = [{"name": file.name, "sha256": provenance.sha256(file)} for file in files]
    assert card["source"]["inputs"] == named
    assert card["steps"] == 2
    assert card["device"]["tiles_at_once"] == 2
    assert np.isfinite(card["history"][-1]["validation"])
    assert not card["licence"].startswith("CC0")
    # Fine-tuning it does not change the licence.
    start, out = (str(tmp_path / name) for name in ("small.safetensors", "further.safetensors"))
    further = run(tmp_path, start=start, out=out)
    assert further["data"].startswith("generated tiles")
    assert further["licence"] == card["licence"]
    before = further["started_from"]
    assert before["weights"]["file"] == "small.safetensors"
    assert (before["data"], before["steps"]) == (card["data"], card["steps"])
    assert before["source"] == card["source"]
    assert before["started_from"] is None


def test_epochs_of_deepmoons_tiles_become_steps(tmp_path):
    images = write_deepmoon(tmp_path)
    card = run(tmp_path, deepmoon=str(images), sector="0,90", gap_deg=10.0, steps=None)
    assert card["recipe"]["epochs"] == 1
    assert card["steps"] == 8
    assert card["tiles"] == 15
    assert card["data"] == "DeepMoon's tiles of some_images.hdf5 (Silburt et al. 2019)"
    assert card["source"]["min_diameter_m"] == 5000.0
    files = [given["name"] for given in card["source"]["inputs"]]
    assert files == ["some_images.hdf5", "some_craters.hdf5"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dem": "a.tif"}, "only one is given"),
        ({"catalogue": "a.csv"}, "only one is given"),
        ({"dem": "a.tif", "catalogue": "a.csv", "deepmoon": "a.hdf5"}, "both given"),
        ({"dem": "a.tif", "catalogue": "a.csv"}, "--sector is not given"),
        ({"deepmoon": "a.hdf5"}, "--sector is not given"),
        ({"deepmoon_craters": "a.hdf5"}, "without --deepmoon"),
        ({"sector": "0,60"}, "no longitude"),
        ({"recipe": "fine-tune"}, "fine-tunes a trained network"),
    ],
)
def test_parameters_that_do_not_belong_together_are_refused(tmp_path, given, words):
    with pytest.raises(ParameterError, match=words):
        run(tmp_path, **given)


def test_a_start_of_another_architecture_is_refused(tmp_path):
    with pytest.raises(InputError, match="is of the architecture"):
        run(tmp_path, start=str(weights.BUNDLED))


def test_a_state_of_other_data_is_refused(ground, tmp_path):
    torch = pytest.importorskip("torch", reason="networks need the ml group")
    from lunarsite.engine.craters.training import task  # noqa: PLC0415  needs torch
    from lunarsite.engine.device import choose  # noqa: PLC0415  likewise

    assert torch.__version__
    (tmp_path / "small.yaml").write_text(RECIPE, encoding="utf-8")
    small = replace(recipe.read(str(tmp_path / "small.yaml")), epochs=None, steps=2, tiles=2)
    split = cut(ground)
    held = tile_sets.samples(split.training, 10**9)
    data = task.Data("one", held, 2, held, 1)
    place = (1, choose("cpu"), tmp_path / "state", Context(threads=1))
    task.train(small, *place, data=data)
    with pytest.raises(InputError, match="its data differs"):
        task.train(small, *place, data=replace(data, name="other"))
    with pytest.raises(InputError, match="its data differs"):
        task.train(small, *place)
