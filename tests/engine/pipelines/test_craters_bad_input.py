"""The crater stages refuse unusable input with a remedy, and leave no files behind."""

from __future__ import annotations

import json
import warnings

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import rasterio.errors

from lunarsite.engine import moon, provenance
from lunarsite.engine.context import Context
from lunarsite.engine.craters.catalogue import read_catalogue
from lunarsite.engine.craters.model import weights
from lunarsite.engine.craters.model.architecture import Architecture
from lunarsite.engine.craters.training import calibration
from lunarsite.engine.errors import CrsError, InputError, OutputError, ParameterError
from lunarsite.engine.io import cog, raster
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.stages import detect_craters, diagnose_craters, evaluate_craters
from lunarsite.engine.synthetic.crater_tiles import tiles
from lunarsite.engine.training import checkpoint_files

SMALL = Architecture(widths=(8, 8, 8, 8, 8))
BOUNDS = "-9000,-18000,21000,12000"


def write_dem(path, height, pixel_m=100.0):
    grid = Grid(-9_000.0, 12_000.0, pixel_m, height.shape[1], height.shape[0])
    values = height.astype(np.float32)
    cog.write_raster(path, values, grid, description="height", unit="m")
    return path


@pytest.fixture(scope="module")
def height():
    return tiles.make(5, 260, pixel_m=100.0).height_m


@pytest.fixture
def dem(height, tmp_path):
    return write_dem(tmp_path / "dem.tif", height)


@pytest.fixture(scope="module")
def state(hot_weights):
    return hot_weights(SMALL)


@pytest.fixture
def hot(state, tmp_path):
    """Return a checkpoint whose network detects craters everywhere."""
    path = tmp_path / "net" / "hot.safetensors"
    path.parent.mkdir()
    fitted = calibration.Calibration(0.0, 1.0, 0.0, 0.0, threshold=0.3)
    card = {"architecture": SMALL.as_dict(), "calibration": fitted.as_dict()}
    checkpoint_files.save(path, state, card)
    return path


@pytest.fixture
def out(tmp_path):
    """Return an output path in an empty folder, in which leftover files would show."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "found.gpkg"


def detect(dem, out, **more):
    return detect_craters.STAGE.run({"dem": str(dem), "out": str(out), **more}, Context(threads=2))


def craters(count=40):
    random = np.random.default_rng(4)
    x, y = random.uniform(-8_000, 11_000, (2, count))
    wide = random.uniform(2_000, 5_000, count)
    return pd.DataFrame({"x_m": x, "y_m": y, "diameter_m": wide, "confidence": 0.5})


def points(frame, crs=moon.SOUTH_POLAR):
    return gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(frame["x_m"], frame["y_m"]), crs=crs)


def evaluate(folder, known, found=None, **more):
    """Evaluate detections against a catalogue, given as a table or as a file."""
    detections = folder / "detections.gpkg"
    points(craters() if found is None else found).to_file(detections, layer="craters")
    if isinstance(known, pd.DataFrame):
        known.to_csv(folder / "known.csv", index=False)
        known = folder / "known.csv"
    given = {"detections": str(detections), "catalogue": str(known), "bounds": BOUNDS}
    return evaluate_craters.STAGE.run({**given, **more}, Context())


def test_a_dem_coarser_than_its_craters_is_not_diagnosed(dem, hot, out, tmp_path):
    known = tmp_path / "known.csv"
    craters().assign(diameter_m=700.0).to_csv(known, index=False)
    given = {"dem": str(dem), "catalogue": str(known), "checkpoint": str(hot)}
    given |= {"out": str(out.parent), "min_diameter_m": 500.0}
    with pytest.raises(InputError, match="pixels of 100 m, coarser than its craters") as caught:
        diagnose_craters.STAGE.run(given, Context())
    assert "is 7.0 pixels wide" in str(caught.value)
    assert "finer pixels" in caught.value.remedy


@pytest.mark.parametrize("method", ["network", "template"])
def test_flat_ground_yields_empty_layers(out, tmp_path, method):
    flat = write_dem(tmp_path / "flat.tif", np.full((200, 230), -2345.0))
    assert detect(flat, out, method=method)["craters"] == 0
    for layer, kind in (("craters", "Point"), ("circles", "Polygon")):
        empty = gpd.read_file(out, layer=layer)
        assert len(empty) == 0
        assert {"diameter_m", "confidence", "lon_deg"} <= set(empty)
        assert kind in str(gpd.list_layers(out).set_index("name").loc[layer, "geometry_type"])


def test_gaps_have_no_craters_and_do_not_hide_those_nearby(hot, height, out, tmp_path):
    holes = height.copy()
    holes[40:90, 60:140] = np.nan
    holes[::41] = np.nan
    holes[:, -30:] = np.nan
    path = write_dem(tmp_path / "holes.tif", holes)
    assert detect(path, out, checkpoint=str(hot), min_confidence=0.0)["craters"] > 20
    found = gpd.read_file(out, layer="craters")
    assert np.isfinite(found[["x_m", "y_m", "diameter_m", "confidence"]].to_numpy()).all()
    assert found["confidence"].between(0.0, 1.0).all()
    with raster.opened(out.with_suffix(".rims.tif"), "rims") as rims:
        assert (rims.read(1) <= 250).any()
    own = detect(path, out.with_name("own.gpkg"))
    whole = detect(write_dem(tmp_path / "whole.tif", height), out.with_name("whole.gpkg"))
    assert own["craters"] <= 2 * max(whole["craters"], 1)


def test_strips_and_the_smallest_dem_are_searched(hot, height, out, tmp_path):
    for name, part in (("strip", height[100:103, :200]), ("least", height[:3, :3])):
        found = detect(write_dem(tmp_path / f"{name}.tif", part), out, checkpoint=str(hot))
        assert found["craters"] == len(gpd.read_file(out, layer="craters"))
    with pytest.raises(InputError, match="at least 3 × 3 are needed"):
        detect(write_dem(tmp_path / "two.tif", height[:2, :2]), out)


@pytest.mark.parametrize(
    ("change", "pixel_m", "words"),
    [
        (lambda h: h * np.nan, 100.0, "every pixel is nodata"),
        (lambda h: h[:40, :40], 25_000.0, "pixels of 25,000 m; the limit is 20,000 m"),
        (lambda h: h / 1000.0, 100.0, "plausible in kilometres"),
        (lambda h: h * 50.0, 100.0, "heights on the Moon lie within"),
        (lambda h: h + 1_737_400.0, 100.0, "holds radii"),
    ],
)
@pytest.mark.parametrize("method", ["network", "template"])
def test_implausible_heights_are_refused(height, out, tmp_path, method, change, pixel_m, words):
    path = write_dem(tmp_path / "bad.tif", change(height), pixel_m)
    with pytest.raises(InputError, match=words) as caught:
        detect(path, out, method=method)
    assert caught.value.remedy
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan"), "much"])
def test_a_confidence_lies_between_0_and_1(dem, out, value):
    with pytest.raises(ParameterError, match="--min-confidence"):
        detect(dem, out, min_confidence=value)


@pytest.mark.parametrize("value", [-5.0, 0.0, 1e7])
def test_a_diameter_is_positive_and_no_larger_than_the_moon(dem, out, value):
    with pytest.raises(ParameterError, match="--min-diameter-m"):
        detect(dem, out, min_diameter_m=value)


def test_craters_below_the_resolution_are_warned_of(hot, dem, out):
    context = Context(threads=2)
    given = {"dem": str(dem), "out": str(out), "checkpoint": str(hot), "min_diameter_m": 1.0}
    result = detect_craters.STAGE.run(given, context)
    assert result["min_diameter_m"] == 800.0
    assert any("below 800 m cannot be seen" in each for each in context.warnings)
    assert gpd.read_file(out, layer="craters")["diameter_m"].min() >= 800.0


@pytest.mark.parametrize(("least_m", "expected"), [(900_000.0, 1), (26_500.0, 1), (25_500.0, 0)])
def test_a_diameter_larger_than_the_frame_leaves_an_empty_layer(hot, dem, out, least_m, expected):
    context = Context(threads=2)
    given = {"dem": str(dem), "out": str(out), "checkpoint": str(hot), "min_diameter_m": least_m}
    found = detect_craters.STAGE.run(given, context)["craters"]
    assert found == 0 or least_m < 100_000.0
    warned = [each for each in context.warnings if "larger than the DEM" in each]
    assert len(warned) == expected
    assert all("Give a lower --min-diameter-m" in each for each in warned)


def write_picture(path, values, driver="GTiff"):
    profile = {"driver": driver, "count": len(values), "dtype": values.dtype}
    profile |= {"height": values.shape[1], "width": values.shape[2]}
    if driver == "GTiff":
        transform = Grid(-9_000.0, 12_000.0, 100.0, 10, 10).transform
        profile |= {"crs": moon.SOUTH_POLAR, "transform": transform}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as file:
            file.write(values)
    return path


@pytest.mark.parametrize("method", ["network", "template"])
def test_an_image_is_refused_as_elevation_model(out, tmp_path, method):
    shades = np.random.default_rng(1).integers(0, 255, (3, 64, 64)).astype(np.uint8)
    for path in (
        write_picture(tmp_path / "colours.tif", shades),
        write_picture(tmp_path / "grey.png", shades[:1], "PNG"),
        write_picture(tmp_path / "grey.tif", shades[:1]),
    ):
        with pytest.raises(InputError, match=f"{path.name} is a picture") as caught:
            detect(path, out, method=method)
        assert "elevation model" in caught.value.remedy
        assert "gdal_edit" not in str(caught.value)


def test_rims_of_an_earlier_run_are_removed_by_template_matching(hot, dem, out):
    detect(dem, out, checkpoint=str(hot))
    rims = out.with_suffix(".rims.tif")
    assert rims.is_file()

    def stop(fraction, _):
        if fraction > 0.5:
            raise KeyboardInterrupt

    given = {"dem": str(dem), "out": str(out), "method": "template"}
    with pytest.raises(KeyboardInterrupt):
        detect_craters.STAGE.run(given, Context(threads=1, report=stop))
    assert rims.is_file()
    detect(dem, out, method="template")
    assert [path.name for path in out.parent.iterdir()] == ["found.gpkg"]
    heights = dem.rename(rims)
    with pytest.raises(ParameterError, match="overwrite an input of --dem"):
        detect(heights, out, method="template")
    assert rims.is_file()


def damaged(path, how):
    """Damage a checkpoint; some damages also update its checksums."""
    loaded = weights.load(path)
    whole = path.read_bytes()
    listing = path.with_suffix(".sha256")
    if how == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "truncated and listed":
        path.write_bytes(whole[: len(whole) // 2])
        sums = {file.name: provenance.sha256(file) for file in (path, path.with_suffix(".json"))}
        listing.write_text("".join(f"{value}  {name}\n" for name, value in sums.items()))
    elif how == "another checksum":
        first, rest = listing.read_text()[0], listing.read_text()[1:]
        listing.write_text(("0" if first != "0" else "1") + rest)
    elif how == "another card":
        path.with_suffix(".json").write_text(json.dumps({**loaded.card, "threshold": 0.0}))
    elif how == "wider":
        card = {**loaded.card, "architecture": {"name": "heat-maps", "widths": [16] * 5}}
        checkpoint_files.save(path, loaded.state, card)
    elif how == "unknown":
        checkpoint_files.save(
            path, loaded.state, {"architecture": {"name": "vision", "widths": [8] * 5}}
        )
    elif how == "absent":
        path.unlink()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("truncated", "its checksum differs"),
        ("truncated and listed", "is damaged"),
        ("another checksum", "its checksum differs"),
        ("another card", "its checksum differs"),
        ("wider", "does not match the architecture on its card: .* not "),
        ("unknown", "no crater network 'vision'"),
        ("absent", "no file"),
    ],
)
def test_damaged_checkpoints_are_refused(hot, dem, out, how, words):
    damaged(hot, how)
    with pytest.raises(InputError, match=words) as caught:
        detect(dem, out, checkpoint=str(hot))
    assert caught.value.remedy
    assert list(out.parent.iterdir()) == []


def test_no_output_overwrites_the_dem(hot, dem, tmp_path):
    before = dem.read_bytes()
    with pytest.raises(ParameterError, match="overwrite an input of --dem"):
        detect(dem, dem, checkpoint=str(hot))
    beside = dem.rename(tmp_path / "found.rims.tif")
    with pytest.raises(ParameterError, match=r"rims beside --out: .* overwrite an input of --dem"):
        detect(beside, tmp_path / "found.gpkg", checkpoint=str(hot))
    assert beside.read_bytes() == before


def test_unwritable_outputs_are_reported_before_the_work(hot, dem, out):
    folder = out.parent
    for name in ("found.gpkg", "other.rims.tif"):
        (folder / name).mkdir()
    (folder / "file").write_text("words")
    for path, kind, words in (
        (folder / "found.gpkg", ParameterError, "is a folder"),
        (folder / "other.gpkg", ParameterError, "other.rims.tif is a folder"),
        (folder / "file" / "found.gpkg", OutputError, "Cannot write to"),
    ):
        with pytest.raises(kind, match=words):
            detect(dem, path, checkpoint=str(hot))
    names = {path.name for path in folder.iterdir()}
    assert names == {"found.gpkg", "other.rims.tif", "file"}


def test_an_interrupted_search_leaves_no_files(hot, dem, out):
    def stop(fraction, _):
        if fraction > 0.5:
            raise KeyboardInterrupt

    given = {"dem": str(dem), "out": str(out), "checkpoint": str(hot)}
    with pytest.raises(KeyboardInterrupt):
        detect_craters.STAGE.run(given, Context(threads=1, report=stop))
    assert list(out.parent.iterdir()) == []


def test_a_catalogue_with_invalid_degrees_is_refused(tmp_path):
    known = craters()
    lon, lat = moon.xy_to_lonlat(known["x_m"], known["y_m"])
    wide = known[["diameter_m"]]
    for frame, words in (
        (wide.assign(lon_deg=lat, lat_deg=lon), "longitude and latitude swapped"),
        (wide.assign(lon_deg=known["x_m"], lat_deg=known["y_m"]), "lon_deg lies between"),
        (wide.assign(x_m=lon, y_m=lat), "look like degrees"),
    ):
        with pytest.raises(CrsError, match=words) as caught:
            evaluate(tmp_path, frame)
        assert "lat_deg" in caught.value.remedy
    with pytest.raises(CrsError, match="lies in the north: its lat_deg is 89") as caught:
        evaluate(tmp_path, wide.assign(lon_deg=lon, lat_deg=-lat))
    assert "Southern latitudes are negative" in caught.value.remedy
    assert evaluate(tmp_path, wide.assign(lon_deg=lon, lat_deg=lat))["catalogued"] == len(known)


def test_a_catalogue_of_another_body_is_refused(tmp_path):
    points(craters(), 3031).to_file(tmp_path / "earth.gpkg", layer="craters")
    with pytest.raises(CrsError, match=r"catalogue earth\.gpkg lies on the Earth"):
        evaluate(tmp_path, tmp_path / "earth.gpkg")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda known: known.drop(columns="diameter_m"), "no column diameter_m or diameter_km"),
        (lambda known: known.drop(columns="x_m"), "no positions"),
        (lambda known: known[:0], "lists no crater"),
        (lambda known: known.assign(diameter_m=-1.0 * known["diameter_m"]), "a positive diameter"),
        (lambda known: known.assign(diameter_m="wide"), "a positive diameter"),
        (lambda known: known.assign(x_m=np.nan), "a position"),
        (lambda known: known.assign(diameter_m=known["diameter_m"] / 1000.0), "the cut is 2,000 m"),
    ],
)
def test_an_incomplete_catalogue_is_refused_by_both_stages(dem, tmp_path, change, words):
    known = change(craters())
    with pytest.raises(InputError, match=words) as caught:
        evaluate(tmp_path, known, out=str(tmp_path / "out" / "a.gpkg"))
    assert caught.value.remedy
    given = {"dem": str(dem), "catalogue": str(tmp_path / "known.csv")}
    with pytest.raises(InputError, match=words):
        diagnose_craters.STAGE.run({**given, "out": str(tmp_path / "out")}, Context())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text", ["", "diameter_m,x_m,y_m\n1,2,3,4,5\n1,2,3,4,5,6\n", "\xff\xfe\x00"]
)
def test_a_catalogue_that_is_not_a_table_is_refused(tmp_path, text):
    path = tmp_path / "bad.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"catalogue bad\.csv") as caught:
        evaluate(tmp_path, path)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "words", "remedy"),
    [
        ("diameter_m,x_m,y_m\n1,5,2,3\n", "line 2 has 4 values for 3 columns", "semicolons"),
        ("diameter_m;x_m;y_m\n2,400;2;3\n", "which may be 2.400 or 2400", "with a point"),
        ("diameter,x_m,y_m\n2400,2,3\n", "column diameter without a unit", "diameter_km"),
        ("x,y,diameter_m\n1,-89,3000\n", "columns x, y, diameter_m", "lon_deg and lat_deg"),
        ("x_m,y_m,diameter_m\n0,0,21\n90,5,2.5\n", "the cut is 2,000 m", "diameter_km"),
    ],
)
def test_errors_say_how_to_fix_a_table(tmp_path, text, words, remedy):
    path = tmp_path / "bad.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=words) as caught:
        evaluate(tmp_path, path)
    assert remedy in caught.value.remedy


def test_swapped_detections_and_catalogue_are_reported(tmp_path):
    evaluate(tmp_path, craters())
    given = {
        "detections": str(tmp_path / "known.csv"),
        "catalogue": str(tmp_path / "detections.gpkg"),
    }
    with pytest.raises(InputError, match=r"known\.csv are a CSV table") as caught:
        evaluate_craters.STAGE.run(given, Context())
    assert "swapped" in caught.value.remedy


def test_an_output_of_evaluate_craters_is_refused_as_input(tmp_path):
    compared = tmp_path / "compared.gpkg"
    evaluate(tmp_path, craters(), out=str(compared))
    with pytest.raises(InputError, match=r"catalogue compared\.gpkg is an output of") as caught:
        read_catalogue(compared)
    assert "were its inputs" in caught.value.remedy
    given = {"detections": str(compared), "catalogue": str(tmp_path / "known.csv")}
    with pytest.raises(InputError, match=r"detections compared\.gpkg is an output of"):
        evaluate_craters.STAGE.run({**given, "bounds": BOUNDS}, Context())


def warnings_of(folder, known, found, **more):
    """Return the warnings of an evaluation."""
    points(found).to_file(folder / "found.gpkg", layer="craters")
    known.to_csv(folder / "some.csv", index=False)
    context = Context()
    files = {"detections": str(folder / "found.gpkg"), "catalogue": str(folder / "some.csv")}
    evaluate_craters.STAGE.run({**files, "bounds": BOUNDS, **more}, context)
    return context.warnings


def test_bounds_without_detections_are_warned_of(tmp_path):
    known = pd.concat([craters(), craters().assign(x_m=500_000.0, y_m=500_000.0)])
    far = "490000,490000,510000,510000"
    with pytest.raises(ParameterError, match="does not intersect the detections") as caught:
        warnings_of(tmp_path, known, craters(), bounds=far)
    assert "--bounds" in caught.value.remedy
    corners = craters(4).assign(x_m=[-8e3, 2e4, 1e3, 1e3], y_m=[0.0, 0.0, -17e3, 11e3])
    inner = "4000,-2000,9000,9000"
    assert any(
        "No detection lies" in w for w in warnings_of(tmp_path, known, corners, bounds=inner)
    )
    assert not any("No detection lies" in w for w in warnings_of(tmp_path, known, craters()))


def test_a_catalogue_of_a_part_of_the_bounds_is_warned_of(tmp_path):
    random = np.random.default_rng(9)
    x, y = random.uniform(-9_000, 21_000, 300), random.uniform(-18_000, 12_000, 300)
    known = pd.DataFrame({"x_m": x, "y_m": y, "diameter_m": random.uniform(500, 3_000, 300)})
    found = known[known["diameter_m"] > 2_000].assign(confidence=0.5)
    part = known[known["y_m"] > -10_000]
    result = [w for w in warnings_of(tmp_path, part, found) if "lists no crater" in w]
    assert len(result) == 1
    box = [float(edge) for edge in result[0].split("--bounds=")[1].rstrip(".").split(",")]
    assert box[1] == pytest.approx(-10_000, abs=500)
    # No warning within the proposed bounds, for a complete catalogue, or for a short one.
    bounds = ",".join(map(str, box))
    for some, more in ((part, {"bounds": bounds}), (known, {}), (found[::8], {})):
        assert not [w for w in warnings_of(tmp_path, some, found, **more) if "no crater" in w]


def test_a_diagnosis_checks_its_bounds_against_the_dem(dem, tmp_path):
    away = craters().assign(x_m=500_000.0, y_m=500_000.0)
    away.to_csv(tmp_path / "known.csv", index=False)
    given = {"dem": str(dem), "catalogue": str(tmp_path / "known.csv")}
    given |= {"bounds": "490000,490000,510000,510000", "out": str(tmp_path / "out")}
    with pytest.raises(ParameterError, match="does not intersect the DEM"):
        diagnose_craters.STAGE.run(given, Context())
    assert not (tmp_path / "out").exists()
    craters().to_csv(tmp_path / "known.csv", index=False)
    wide = Context(report=stop_at_once)
    for bounds, result in (("-30000,-18000,21000,12000", 1), ("-9000,-14000,17000,12000", 0)):
        wide.warnings.clear()
        with pytest.raises(KeyboardInterrupt):
            diagnose_craters.STAGE.run({**given, "bounds": bounds}, wide)
        assert len([w for w in wide.warnings if "are covered by the DEM" in w]) == result
    # Temporary files are removed.
    assert not (tmp_path / "out").exists()


def stop_at_once(_fraction, _message):
    """Cancel."""
    raise KeyboardInterrupt


def test_invalid_detections_are_refused(tmp_path):
    found = craters()
    for frame, words in (
        (found.assign(diameter_m=-found["diameter_m"]), "40 features without"),
        (found.assign(confidence="high"), "40 features without"),
        (found.drop(columns="diameter_m"), "no column diameter_m"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            evaluate(tmp_path, craters(), frame, out=str(tmp_path / "a.gpkg"))
        assert caught.value.remedy
        assert not (tmp_path / "a.gpkg").exists()


def test_an_evaluation_does_not_overwrite_its_inputs(tmp_path):
    for name in ("detections.gpkg", "known.csv"):
        with pytest.raises(ParameterError, match="would overwrite an input of"):
            evaluate(tmp_path, craters(), report=str(tmp_path / name))
    assert evaluate(tmp_path, craters())["catalogued"] == 40


def test_bounds_that_miss_everything_name_where_the_craters_are(dem, tmp_path):
    with pytest.raises(InputError, match="its craters lie at x"):
        evaluate(tmp_path, craters(), bounds="1e6,1e6,2e6,2e6")
    given = {"dem": str(dem), "catalogue": str(tmp_path / "known.csv")}
    for bounds in ("1e6,1e6,2e6,2e6", "5"):
        with pytest.raises(ParameterError, match="bounds"):
            diagnose_craters.STAGE.run(
                {**given, "bounds": bounds, "out": str(tmp_path / "out")}, Context()
            )
    assert not (tmp_path / "out").exists()


def test_a_diagnosis_of_an_empty_dem_leaves_no_files(tmp_path):
    path = write_dem(tmp_path / "empty.tif", np.full((60, 60), np.nan))
    craters().to_csv(tmp_path / "known.csv", index=False)
    given = {"dem": str(path), "catalogue": str(tmp_path / "known.csv"), "bounds": BOUNDS}
    with pytest.raises(InputError, match="every pixel is nodata"):
        diagnose_craters.STAGE.run({**given, "out": str(tmp_path / "out")}, Context())
    assert not (tmp_path / "out").exists()
