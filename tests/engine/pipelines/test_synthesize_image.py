"""A made image from orbit: rocks in it, laid where it is asked for, the same bytes for a seed."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import rasterio

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.errors import CancelledError, ParameterError
from lunarsite.engine.io import images, raster
from lunarsite.engine.pipelines import segment_terrain as segment
from lunarsite.engine.pipelines import synthesize_image as pipeline
from lunarsite.engine.segmentation import inference
from lunarsite.engine.stages import segment_terrain, synthesize_image
from lunarsite.engine.synthetic.scenes import orbital

GIVEN = {"lon": 19.2, "lat": -89.3, "pixel_m": 2.0, "seed": 55}


def made(path, **more):
    return synthesize_image.STAGE.run({**GIVEN, "out": str(path), **more}, Context())


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "image.tif"
    return path, made(path)


def test_the_image_has_the_requested_centre_and_pixel_size(image):
    path, _ = image
    x_m, y_m = moon.lonlat_to_xy(GIVEN["lon"], GIVEN["lat"])
    with rasterio.open(path) as source:
        assert source.shape == (orbital.SIDE_PX, orbital.SIDE_PX)
        assert source.transform.a == -source.transform.e == 2.0
        assert source.transform * (160, 160) == pytest.approx((float(x_m), float(y_m)))
        assert moon.is_south_polar(raster.crs_of(source, "It"))
        assert source.dtypes == ("uint8",)
        assert source.nodata is None


def test_the_image_has_rocks_of_both_sizes_and_their_mask(image):
    path, said = image
    with rasterio.open(said["outputs"]["classes"]) as source:
        kinds = source.read(1)
        assert source.nodata == 255
    scene = orbital.make(said["seed"])
    assert np.array_equal(kinds, scene.mask)
    for kind in (1, 2):
        assert (kinds == kind).sum() >= pipeline.LEAST_PX
    share = np.isin(kinds, (1, 2)).mean()
    assert said["rocks_pct"] == pytest.approx(100.0 * share)
    with rasterio.open(path) as source:
        assert np.array_equal(source.read(1), scene.image[..., 0])
        provenance = json.loads(source.tags()["LUNARSITE"])
    assert provenance["parameters"]["seed"] == said["seed"]


def test_the_same_seed_gives_the_same_bytes(image, tmp_path):
    path, said = image
    again = made(tmp_path / "again.tif", seed=said["seed"])
    assert again["seed"] == said["seed"]
    assert (tmp_path / "again.tif").read_bytes() == path.read_bytes()


def test_scenes_with_few_rocks_are_skipped(monkeypatch, tmp_path):
    bare, rocky = np.zeros((320, 320), np.uint8), np.zeros((320, 320), np.uint8)
    rocky[:20], rocky[20:40] = 1, 2
    looked = []

    def scene(seed):
        looked.append(seed)
        mask = rocky if seed == 9 else bare
        return orbital.Scene(np.repeat(mask[..., None], 3, axis=2), mask)

    monkeypatch.setattr(orbital, "make", scene)
    assert made(tmp_path / "a.tif", seed=7)["seed"] == 9
    assert looked == [7, 8, 9]
    # Where none has any, the last is as good as another.
    assert made(tmp_path / "b.tif", seed=100)["rocks_pct"] == 0.0
    assert len(looked) == 3 + pipeline.TRIED


def test_the_north_is_refused_and_cancellation_leaves_no_file(tmp_path):
    with pytest.raises(ParameterError, match=r"is in the north.*below 0"):
        made(tmp_path / "a.tif", lat=45.0)
    stopped = Context()
    stopped.cancelled.set()
    with pytest.raises(CancelledError):
        synthesize_image.STAGE.run({**GIVEN, "out": str(tmp_path / "a.tif")}, stopped)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("pixel_m", "warned"), [(2.0, False), (80.0, True)])
def test_pixels_too_coarse_for_rocks_give_a_warning(image, tmp_path, pixel_m, warned):
    with rasterio.open(image[0]) as source:
        values, crs = source.read(), source.crs
    path = tmp_path / "coarse.tif"
    place = {"crs": crs, "transform": rasterio.Affine(pixel_m, 0, 0, 0, -pixel_m, 0)}
    sides = {"width": 320, "height": 320, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", **sides, **place) as target:
        target.write(values)
    context = Context(threads=1)
    given = {"image": str(path), "out": str(tmp_path / "out"), "window": "0,0,64,64"}
    said = segment_terrain.STAGE.run(given, context)
    told = [line for line in context.warnings if "show no rocks" in line]
    assert bool(told) is warned
    assert all("Pixels of 80 m" in line and "2 m or finer" in line for line in told)
    assert said["verdict"] in (
        "as certain as usual",
        "less certain than usual",
        "out of distribution",
    )
    assert any(line.endswith(f": {said['verdict']}") for line in said["summary"])


def test_windows_do_not_depend_on_the_cached_range(tmp_path):
    path = tmp_path / "deep.tif"
    values = np.random.default_rng(1).integers(0, 4000, (1, 96, 128), dtype="uint16")
    warm = {}
    for values_of in (values, values[:, ::-1] * 2):
        sides = {"width": 128, "height": 96, "count": 1, "dtype": "uint16"}
        place = {"crs": "IAU_2015:30135", "transform": rasterio.Affine(2, 0, 0, 0, -2, 0)}
        with rasterio.open(path, "w", driver="GTiff", **place, **sides) as target:
            target.write(values_of)
        os.utime(path, ns=(len(warm), len(warm)))  # a later time of change
        for window in ("0,0,64,64", "32,16,64,64"):
            given = {"image": str(path), "window": window}
            said = [
                segment_terrain.STAGE.run({**given, "out": str(tmp_path / name)}, Context(**more))
                for name, more in (("warm", {"warm": warm}), ("cold", {}))
            ]
            del said[0]["outputs"], said[1]["outputs"]
            assert said[0] == said[1]
            for name in segment.FILES:
                first, second = (tmp_path / folder / name for folder in ("warm", "cold"))
                assert first.read_bytes() == second.read_bytes()
    # What was known of the first version of the file is gone with it.
    assert sorted(key[0] for key in warm) == ["sha256", "sha256", "stretch from orbit"]


def test_an_image_without_georeferencing_has_no_pixel_size():
    affine = rasterio.Affine(1, 0, 0, 0, -1, 0)
    assert images.Frame(4, 4, affine, None).pixel_m is None
    # In degrees it has one: that of a degree northward on the Moon.
    degree = images.Frame(4, 4, affine, rasterio.CRS.from_epsg(4326)).pixel_m
    assert degree == pytest.approx(np.pi * moon.RADIUS_M / 180.0)


@pytest.mark.parametrize(
    ("mean", "usual", "word"),
    [
        (1.9, {"median": 1.0, "percentile_95": 3.0}, "as certain as usual"),
        (2.0, {"median": 1.0, "percentile_95": 3.0}, "less certain than usual"),
        (3.1, {"median": 1.0, "percentile_95": 3.0}, "out of distribution"),
        (1.5, {"median": 1.0, "percentile_95": 1.2}, "as certain as usual"),
        (2.1, {"median": 1.0}, "out of distribution"),
    ],
)
def test_out_of_distribution_is_rare_among_validation_scenes(mean, usual, word):
    assert inference.verdict(mean, usual) == word
