"""What the numbers of an elevation model mean: units, labels, bands, masks, fill values."""

from __future__ import annotations

import gzip
import json
import re
import tarfile
import zipfile

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin

from lunarsite.engine import moon, run
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import part_name
from lunarsite.engine.io.elevation.builtin import BUILTIN
from lunarsite.engine.io.elevation.dem import dem_grid, read_dem
from lunarsite.engine.io.labels import label_beside

PIXEL_M = 1600.0


@pytest.fixture(scope="module")
def real_heights():
    """Return heights of the real pole, in whole metres, and where they lie."""
    with rasterio.open(BUILTIN) as source:
        return source.read(1)[340:420, 340:420].astype(np.float32), source.transform * (340, 340)


@pytest.fixture
def write(real_heights, tmp_path):
    """Return a function that writes bands as a GeoTIFF on the real heights' place."""
    _, (left, top) = real_heights

    def make(bands, name="dem.tif", **more):
        bands = np.asarray(bands)
        bands = bands if bands.ndim == 3 else bands[None]
        after = {key: more.pop(key) for key in ("scales", "offsets", "units") if key in more}
        described = more.pop("descriptions", None)
        profile = {
            "driver": "GTiff",
            "count": len(bands),
            "height": bands.shape[1],
            "width": bands.shape[2],
            "dtype": bands.dtype.name,
            "crs": moon.SOUTH_POLAR,
            "transform": from_origin(left, top, PIXEL_M, PIXEL_M),
        } | more
        with rasterio.open(tmp_path / name, "w", **profile) as target:
            target.write(bands)
            for key, value in after.items():
                setattr(target, key, value)
            if described:
                target.descriptions = described
        return tmp_path / name

    return make


@pytest.fixture
def heights(real_heights):
    return real_heights[0]


@pytest.mark.parametrize(
    ("unit", "metres"),
    [("ft", 0.3048), ("feet", 0.3048), ("km", 1000.0), ("kilometre", 1000.0), ("cm", 0.01)],
)
def test_other_units_are_converted(write, heights, unit, metres):
    context = Context()
    path = write((heights / metres).astype(np.float32), units=(unit,))
    assert read_dem(path, context=context).height_m == pytest.approx(heights, abs=0.01)
    assert any(f"is in {unit}, and was converted" in warning for warning in context.warnings)


@pytest.mark.parametrize("unit", ["deg", "%", "counts"])
def test_what_is_no_length_is_refused(write, heights, unit):
    with pytest.raises(InputError, match=f"is in '{unit}'") as caught:
        read_dem(write(heights, units=(unit,)))
    assert "gdal_edit.py -units m" in caught.value.remedy


@pytest.mark.parametrize(
    ("stored", "scale", "offset"),
    [
        (lambda h: (h + moon.RADIUS_M).astype("f4"), 1.0, 0.0),
        (lambda h: ((h + moon.RADIUS_M) / 1000).astype("f8"), 1.0, 0.0),
        (lambda h: np.round(h / 0.5).astype("i2"), 0.0005, 1737.4),
        (lambda h: np.round(h / 0.5).astype("i2"), 0.5, moon.RADIUS_M),
    ],
)
def test_radii_are_refused_with_a_command_that_mends_them(write, heights, stored, scale, offset):
    path = write(stored(heights), scales=(scale,), offsets=(offset,))
    with pytest.raises(InputError, match="holds radii") as caught:
        read_dem(path)
    found = re.search(r"gdal_translate -a_scale (\S+) -a_offset (\S+)", caught.value.remedy)
    with rasterio.open(path, "r+") as source:
        source.scales, source.offsets = (float(found[1]),), (float(found[2]),)
    assert read_dem(path).height_m == pytest.approx(heights, abs=0.3)


PDS3 = """PDS_VERSION_ID = "PDS3"
OBJECT = IMAGE
  SAMPLE_TYPE = LSB_INTEGER
  UNIT = METER
  SCALING_FACTOR = 0.5
  OFFSET = 1737400.
  MISSING_CONSTANT = -32768
END_OBJECT = IMAGE
END
"""
PDS3_KM = PDS3.replace("METER", "KILOMETER").replace("0.5", "0.0005").replace("1737400.", "1737.4")
PDS4 = """<Product_Observational><File_Area_Observational><Array_2D_Image>
<offset unit="byte">2048</offset><Element_Array><data_type>SignedLSB2</data_type>
<unit>m</unit><scaling_factor>0.5</scaling_factor><value_offset>0</value_offset>
</Element_Array><Special_Constants><missing_constant>-32000</missing_constant>
</Special_Constants></Array_2D_Image></File_Area_Observational></Product_Observational>
"""


@pytest.mark.parametrize(
    ("suffix", "label"), [(".lbl", PDS3), (".LBL", PDS3_KM), (".xml", PDS4), ("_JP2.LBL", PDS3)]
)
def test_a_label_beside_says_that_numbers_are_half_metres(write, heights, suffix, label):
    path = write(np.round(heights / 0.5).astype("i2"))
    path.with_name(path.stem + suffix).write_text(label)
    context = Context()
    assert read_dem(path, context=context).height_m == pytest.approx(heights, abs=0.26)
    assert "as its label" in context.warnings[0]


@pytest.mark.parametrize(("kind", "folder"), [("zip", ""), ("zip", "data/"), ("tar", "data/")])
@pytest.mark.parametrize(
    ("suffix", "label"), [(".lbl", PDS3), (".LBL", PDS3_KM), (".xml", PDS4), ("_JP2.LBL", PDS3)]
)
def test_a_label_in_an_archive_counts_as_one_beside_the_file(
    write, heights, tmp_path, kind, folder, suffix, label
):
    path = write(np.round(heights / 0.5).astype("i2"))
    beside = path.with_name(path.stem + suffix)
    beside.write_text(label + " " * 1000)
    archive = tmp_path / f"moon.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
            target.write(path, folder + path.name)
            target.write(beside, folder + beside.name)
    else:
        with tarfile.open(archive, "w") as target:
            target.add(path, folder + path.name)
            target.add(beside, folder + beside.name)
    beside.unlink()
    name = f"/vsi{kind}/{archive}/{folder}{path.name}"
    context = Context()
    assert read_dem(name, context=context).height_m == pytest.approx(heights, abs=0.26)
    assert f"as its label {beside.name}" in context.warnings[0]
    assert label_beside(part_name(name, 0, 0, 20, 20)) == label_beside(name)


def test_a_label_lies_beside_a_file_that_is_compressed_alone(write, heights):
    path = write(np.round(heights / 0.5).astype("i2"))
    path.with_suffix(".lbl").write_text(PDS3)
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert read_dem(f"/vsigzip/{packed}").height_m == pytest.approx(heights, abs=0.26)


def test_archives_without_a_label_and_other_virtual_names_have_none(write, heights, tmp_path):
    path = write(heights)
    with zipfile.ZipFile(tmp_path / "moon.zip", "w") as target:
        target.write(path, path.name)
        target.writestr(f"{path.stem}.xml", b"")
    for name in (f"/vsizip/{tmp_path}/moon.zip/{path.name}", f"/vsizip/{tmp_path}/moon.zip"):
        assert label_beside(name) is None
    assert label_beside("/vsicurl/https://host/dem.img") is None
    assert label_beside(f"/vsizip/{tmp_path}/none.zip/dem.img") is None


@pytest.mark.parametrize(
    ("suffix", "label", "missing"), [(".lbl", PDS3, -32768), (".xml", PDS4, -32000)]
)
def test_what_a_label_declares_missing_is_nodata(write, heights, suffix, label, missing):
    stored = np.round(heights / 0.5).astype("i2")
    stored[20:40, 30:50] = missing
    path = write(stored)
    path.with_suffix(suffix).write_text(label)
    read = read_dem(path).height_m
    assert np.isnan(read[20:40, 30:50]).all()
    assert np.isfinite(read).sum() == read.size - 400


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("16#8000#", -32768.0),
        ("16#FFFF8000#", -32768.0),
        ('"16#FF7FFFFB#"', -3.4028226550889045e38),
        ("16#FFEFFFFFFFFFFFFB#", -1.797693134862315e308),
        ("2#1000000000000000#", -32768.0),
        ("-9999", -9999.0),
        ('"N/A"', None),
    ],
)
def test_missing_numbers_of_labels_may_have_a_base(tmp_path, text, number):
    kind = "PC_REAL" if "FF7F" in text or "FFEF" in text else "LSB_INTEGER"
    label = f"SCALING_FACTOR = 5D-1\nSAMPLE_TYPE = {kind}\nMISSING_CONSTANT = {text}\n"
    (tmp_path / "dem.lbl").write_text(label)
    found = label_beside(tmp_path / "dem.img")
    assert found.scale == 0.5
    assert found.missing == (number if number is None else pytest.approx(number, rel=1e-12))


def test_a_label_of_other_numbers_is_left_out_with_a_warning(write, heights):
    path = write(heights)
    path.with_suffix(".lbl").write_text(PDS3)
    context = Context()
    assert read_dem(path, context=context).height_m == pytest.approx(heights)
    assert "is of other numbers than the float32" in context.warnings[0]


def test_other_objects_of_a_label_say_nothing_of_the_image(write, heights):
    table = "OBJECT = TABLE\n  SCALING_FACTOR = 0.001\n  UNIT = DEGREE\nEND_OBJECT = TABLE\n"
    path = write(np.round(heights / 0.5).astype("i2"))
    path.with_suffix(".lbl").write_text(table + PDS3)
    assert read_dem(path).height_m == pytest.approx(heights, abs=0.26)


def test_a_scale_of_zero_is_refused(write, heights):
    with pytest.raises(InputError, match="has the scale 0"):
        read_dem(write(heights, scales=(0.0,), offsets=(5.0,)))


def test_the_spread_of_cells_has_its_own_scale(write, heights):
    from lunarsite.engine.io.elevation.source import open_elevation  # noqa: PLC0415

    bands = np.stack([heights, np.full_like(heights, 100.0)])
    path = write(
        bands,
        scales=(1.0, 0.1),
        offsets=(0.0, 0.0),
        descriptions=("elevation_mean", "elevation_std"),
    )
    with open_elevation(path, "It") as model:
        assert model.read_spread() == pytest.approx(10.0)


def test_fill_values_are_found_wherever_they_stand(write, heights):
    holed = np.repeat(np.repeat(heights, 12, 0), 12, 1)
    holed[502, 406] = -9999.0
    context = Context()
    read = read_dem(write(holed), context=context).height_m
    assert np.argwhere(np.isnan(read)).tolist() == [[502, 406]]
    assert "value -9999, which is a fill value" in context.warnings[0]


def test_stages_warn_of_a_single_fill_value_that_the_sample_misses(write, heights, tmp_path):
    holed = np.repeat(np.repeat(heights, 12, 0), 12, 1)
    holed[502, 406] = -9999.0
    result = run("terrain", dem=str(write(holed)), out=str(tmp_path / "out"))
    assert any("value -9999, which is a fill value" in each for each in result["warnings"])


def test_a_container_of_rasters_is_refused_with_their_names(tmp_path):
    path = tmp_path / "two.gpkg"
    profile = {"driver": "GPKG", "width": 80, "height": 80, "count": 1, "dtype": "uint8"}
    for name in ("one", "two"):
        with rasterio.open(
            path,
            "w",
            crs=moon.SOUTH_POLAR,
            transform=from_origin(0, 0, 100, 100),
            RASTER_TABLE=name,
            APPEND_SUBDATASET="YES" if name == "two" else "NO",
            **profile,
        ) as target:
            target.write(np.ones((1, 80, 80), "u1"))
    for read in (read_dem, dem_grid):
        with pytest.raises(InputError, match=r"holds 2 rasters: .*one.*two") as caught:
            read(path)
        assert "GPKG:" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "words"),
    [("a.zip", "/vsizip/"), ("a.tar", "/vsitar/"), ("a.tif.gz", "/vsigzip/"), ("LDEM.IMG", "LBL")],
)
def test_what_gdal_cannot_open_is_refused_with_the_name_that_opens(tmp_path, name, words):
    (tmp_path / name).write_bytes(b"nothing")
    (tmp_path / "LDEM.LBL").write_text(PDS3)
    with pytest.raises(InputError, match="cannot be read") as caught:
        read_dem(tmp_path / name)
    assert words in caught.value.remedy


def test_a_label_without_its_file_and_a_vrt_of_nothing_are_refused(tmp_path):
    (tmp_path / "LDEM.LBL").write_text(PDS3)
    (tmp_path / "a.vrt").write_text("<VRTDataset")
    for name, words in (("LDEM.LBL", "fetch both again"), ("a.vrt", "where it names them")):
        with pytest.raises(InputError, match="cannot be read") as caught:
            read_dem(tmp_path / name)
        assert words in caught.value.remedy


def test_the_terrain_of_what_is_not_the_real_moon_gives_a_warning(write, heights, tmp_path):
    for name, changed in (("twice.tif", heights * 2), ("flip.tif", heights[::-1])):
        path = write(np.ascontiguousarray(changed).astype("f4"), name)
        result = run("terrain", dem=str(path), out=str(tmp_path / name[:-4]))
        assert any("contradict each other" in warning for warning in result["warnings"])


def test_whole_numbers_without_a_label_are_doubted_unless_the_real_moon_agrees(write, heights):
    context = Context()
    read_dem(write(heights.astype("i2")), context=context)
    assert context.warnings == []
    read_dem(write(np.round(heights / 0.5).astype("i2"), "half.tif"), context=context)
    (warning,) = context.warnings
    assert "half.tif holds whole numbers" in warning
    assert "compared with the built-in model they are half metres" in warning
    assert "gdal_translate -a_scale 0.5 -a_offset 0" in warning


def test_the_stage_of_a_model_in_half_metres_warns_too(write, heights, tmp_path):
    path = write(np.round(heights / 0.5).astype("i2"))
    result = run("terrain", dem=str(path), out=str(tmp_path / "out"))
    assert any("half metres" in warning for warning in result["warnings"])


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_validity_in_an_alpha_band_is_nodata(write, heights, dtype):
    valid = np.ones(heights.shape, bool)
    valid[:, :25] = False
    holed = np.where(valid, heights, 0)
    if dtype == "f4":
        bands = np.stack([holed, valid * np.float32(255)])
    else:
        bands = np.stack([holed, valid * np.float64(np.iinfo(dtype).max)]).astype("f8")
    path = write(bands, alpha="yes")
    with rasterio.open(path, "r+") as source:
        source.colorinterp = (ColorInterp.gray, ColorInterp.alpha)
    read = read_dem(path).height_m
    assert np.array_equal(np.isnan(read), ~valid)
    assert read[valid] == pytest.approx(heights[valid])


@pytest.mark.parametrize("internal", [True, False])
def test_masks_are_nodata(write, heights, internal):
    valid = np.ones(heights.shape, bool)
    valid[:, :25] = False
    path = write(heights)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal),
        rasterio.open(path, "r+") as source,
    ):
        source.write_mask(valid)
    assert path.with_suffix(".tif.msk").is_file() is not internal
    assert np.array_equal(np.isnan(read_dem(path).height_m), ~valid)


def test_several_bands_without_descriptions_are_refused(write, heights):
    bands = np.stack([np.full_like(heights, 7), heights])
    with pytest.raises(InputError, match="2 bands, and nothing says which") as caught:
        read_dem(write(bands))
    assert "gdal_translate -b 2" in caught.value.remedy


@pytest.mark.parametrize(
    "described",
    [("Number of shots", "Elevation"), ("quality", "height_mean"), ("elevation_std", "DEM")],
)
def test_the_band_of_the_heights_is_found(write, heights, described):
    bands = np.stack([np.full_like(heights, 7), heights])
    path = write(bands, descriptions=described)
    assert read_dem(path).height_m == pytest.approx(heights)


@pytest.mark.parametrize("described", ["Slope", "Hillshade", "illumination_pct"])
def test_a_band_that_says_it_is_something_else_is_refused(write, heights, described):
    with pytest.raises(InputError, match="not heights"):
        read_dem(write(heights, descriptions=(described,)))


@pytest.mark.parametrize("layer", ["slope_deg", "position_index_9px_m", "illumination_pct"])
def test_a_result_of_lunarsite_is_refused_as_elevation_model(write, heights, layer):
    stage = "lighting" if layer == "illumination_pct" else "terrain"
    tag = json.dumps({"stage": stage})
    path = write(np.abs(heights), f"{layer}.tif")
    with rasterio.open(path, "r+") as source:
        source.update_tags(LUNARSITE=tag)
    for read in (read_dem, dem_grid):
        with pytest.raises(InputError, match=f"result of LunarSite's stage {stage}"):
            read(path)


@pytest.mark.parametrize("dtype", ["u1", "i1"])
def test_shades_of_eight_bits_are_refused(write, heights, dtype):
    shades = (np.abs(heights) % 100).astype(dtype)
    with pytest.raises(InputError, match="is a picture"):
        read_dem(write(shades))


@pytest.mark.parametrize("name", ["/vsizip/{}", "/vsizip/{{{}}}"])
def test_a_raster_in_an_archive_is_read_and_identified(write, heights, tmp_path, name):
    path = write(heights)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.write(path, "s/dem.tif")
    inside = name.format(tmp_path / "b.zip") + "/s/dem.tif"
    assert np.array_equal(read_dem(inside).height_m, heights)
    result = run("terrain", dem=inside, out=str(tmp_path / "out"))
    with rasterio.open(result["outputs"]["slope_deg"]) as layer:
        (used,) = json.loads(layer.tags()["LUNARSITE"])["inputs"]
    assert used["name"] == "dem.tif"


def test_names_that_open_nothing_are_refused_before_the_work(tmp_path):
    for name in (
        "/vsizip/none.zip/dem.tif",
        'NETCDF:"none.nc":height',
        "/vsicurl/http://127.0.0.1:9/dem.tif",
        "vrt://none.tif?bands=1",
    ):
        with pytest.raises(InputError, match=r"cannot be read|there is no file none\.nc"):
            run("terrain", dem=name, out=str(tmp_path / "out"))
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", [-9999.0, -3.4028227e38, 1e30])
def test_fill_values_that_are_not_declared_are_nodata(write, heights, value):
    filled = heights.copy()
    filled[:10] = value
    context = Context()
    read = read_dem(write(filled), context=context).height_m
    assert np.isnan(read[:10]).all()
    assert np.array_equal(read[10:], heights[10:])


def test_zeros_at_the_edge_give_a_warning(write, heights):
    cut = heights.copy()
    cut[:, :25] = 0.0
    context = Context()
    path = write(cut)
    read = read_dem(path, context=context).height_m
    assert (read[:, :25] == 0.0).all()
    (warning,) = context.warnings
    assert "31 % of the sampled pixels, at its edge, hold one exact value, 0 m" in warning
    assert f"gdal_edit.py -a_nodata 0 {path}" in warning


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize("value", [0, -3000])
def test_areas_of_one_value_inside_give_a_warning(write, heights, dtype, value):
    holed = heights.astype(dtype)
    holed[10:22, 12:20] = holed[40:50, 60:70] = value
    context = Context()
    path = write(holed, units=["m"])
    read = read_dem(path, context=context).height_m
    assert (read[10:22, 12:20] == value).all()
    (warning,) = context.warnings
    assert f"3 % of the sampled pixels, inside it, hold one exact value, {value} m" in warning
    assert f"gdal_edit.py -a_nodata {value} {path}" in warning


def test_a_model_of_one_value_gives_a_warning(write, heights):
    context = Context()
    path = write(np.full_like(heights, -1500.0))
    read_dem(path, context=context)
    (warning,) = context.warnings
    assert "all pixels that were sampled hold one exact value, -1500 m" in warning
    assert f"gdal_edit.py -a_nodata -1500 {path}" in warning


@pytest.mark.parametrize("quantum", [1, 100, 500])
def test_coarse_whole_numbers_are_no_fill(write, heights, quantum):
    context = Context()
    coarse = (np.round(heights / quantum) * quantum).astype(np.int16)
    read_dem(write(coarse, units=["m"]), context=context)
    assert not any("inside it" in each for each in context.warnings)


def test_a_single_impossible_value_is_refused_with_the_command_that_declares_it(write, heights):
    stored = np.round(heights + 10_000).astype(np.uint16)
    stored[5:7, 5:7] = 65535
    path = write(stored, offsets=(-10_000,), scales=(1,))
    with pytest.raises(InputError, match=r"ranges from .* to 55,535") as caught:
        read_dem(path)
    assert caught.value.remedy.endswith(f"gdal_edit.py -a_nodata 65535 {path}")
    stored[8, 8] = 65534
    with pytest.raises(InputError, match="ranges from") as caught:
        read_dem(write(stored, offsets=(-10_000,), scales=(1,)))
    assert "Check its unit" in caught.value.remedy


def test_whole_numbers_on_another_datum_are_warned_of(write, heights, tmp_path):
    path = write(np.round(heights + 9000).astype(np.uint16))
    result = run("terrain", dem=str(path), out=str(tmp_path / "out"))
    assert any("median offset +9000 m" in each for each in result["warnings"])
