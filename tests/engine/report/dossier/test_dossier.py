"""The dossier of a site: the numbers of its run, the same bytes again, and pages that show them."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import rasterio

from lunarsite.engine import explain, moon, run, screen
from lunarsite.engine.context import QuietContext
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.frontends.cli import parse
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.pipelines import dossier as pipeline
from lunarsite.engine.report import drawing
from lunarsite.engine.report.dossier import figures, ground, numbers, pages
from lunarsite.engine.scoring.run_inputs import find_inputs

QUICK = {"azimuths": 36, "stop": "2027-02-01", "step_hours": 24.0, "draws": 20}
TABLES = ("calendar", "contributions", "craters", "margins", "periods", "profiles", "skyline")


@pytest.fixture(scope="module")
def screened(tmp_path_factory):
    """Return the folder of a run with a catalogue, and its elevation model."""
    folder = tmp_path_factory.mktemp("dossier")
    dem = folder / "dem.tif"
    run("synthesize", out=str(dem), size_px=96, pixel_m=40.0)
    craters = str(folder / "dem.craters.csv")
    screen(str(dem), str(folder / "run"), craters=craters, min_distance_m=500.0, **QUICK)
    return folder / "run", dem


@pytest.fixture(scope="module")
def made(screened, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return run("dossier", run=str(screened[0]), site=1, out=str(out)), out


@pytest.fixture(scope="module")
def told(made):
    return json.loads((made[1] / "site.json").read_text("utf-8"))


def test_everything_is_there(made):
    found, out = made
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    pictures = ("calendar", "contributions", "maps", "profiles", "skyline", "uncertainty")
    assert names == {
        "index.html",
        "dossier.pdf",
        "site.json",
        *(f"{name}.csv" for name in TABLES),
        *(f"figures/{name}.png" for name in pictures),
    }
    assert found["outputs"]["pdf"] == str(out / "dossier.pdf")
    pdf = (out / "dossier.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", pdf)) >= 4


def test_the_numbers_are_those_of_explain_and_skyline(screened, told):
    folder, dem = screened
    place = told["place"]
    answer = explain(str(folder), place["lon_deg"], place["lat_deg"])
    for name in ("score", "rank", "interval", "probability", "contributions", "margins"):
        assert told[name] == numbers.plain(answer[name]), name
    given = {"lon": place["lon_deg"], "lat": place["lat_deg"], "start": "2027-01-01"}
    sky = run("skyline", dem=str(dem), mast_height_m=2.0, **given)
    assert told["skyline"]["illumination_pct"] == pytest.approx(sky["illumination_pct"])
    assert told["skyline"]["horizon_deg"] == pytest.approx(sky["horizon_deg"], abs=1e-4)
    for kind in ("sun_up", "earth_up"):
        assert [s["start"] for s in told["skyline"][kind]] == [s["start"] for s in sky[kind]]


def test_provenance_goes_down_to_the_checksums_of_the_manifest(screened, told):
    manifest = json.loads((screened[0] / "manifest.json").read_text("utf-8"))
    origin = told["provenance"]
    assert origin["inputs"] == manifest["inputs"]
    sums = {each["name"]: each["sha256"] for each in origin["outputs"]}
    for step in manifest["steps"].values():
        for name, sha in step["outputs"].items():
            assert sums[name] == sha
    assert set(manifest["warnings"]) <= set(told["warnings"])
    assert manifest["warnings"]


def test_the_page_says_it_all_and_its_pictures_exist(made, told):
    text = (made[1] / "index.html").read_text("utf-8")
    for source in re.findall(r'src="([^"]+)"', text):
        assert (made[1] / source).is_file()
    for title in ("Maps", "Criteria and margins", "Skyline", "Calendar of light", "Craters nearby"):
        assert title in text
    for title in ("Height profiles", "Rocks", "Checks", "Warnings", "SHA-256", "Cite"):
        assert title in text
    assert told["provenance"]["inputs"][0]["sha256"] in text
    assert not re.findall(r"https?://(?!github)", text)


def test_tables_hold_what_the_document_holds(made, told):
    with (made[1] / "contributions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["feature"] for row in rows] == [c["feature"] for c in told["contributions"]]
    with (made[1] / "skyline.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(told["skyline"]["azimuth_deg"])


def test_months_add_up_to_the_year(told):
    sky = told["skyline"]
    for name, kind in (("light_days", "sun_up"), ("earth_days", "earth_up")):
        total = sum(month[name] for month in told["months"])
        assert total == pytest.approx(sum(span["days"] for span in sky[kind]), abs=0.02)
    assert all(m["both_days"] <= min(m["light_days"], m["earth_days"]) for m in told["months"])
    assert len(told["months"]) == 12


def test_a_site_that_is_not_there_names_those_that_are(screened):
    with pytest.raises(
        ParameterError, match=r"there is no site 999 in .*; there are 1, 2"
    ) as caught:
        run("dossier", run=str(screened[0]), site=999)
    assert caught.value.remedy.endswith(f"lunarsite dossier {screened[0]} --site 1")


def test_the_folder_of_the_run_is_given_without_an_option():
    given = {"run": "a", "site": "3", "json": False, "quiet": False}
    assert parse(["dossier", "a", "--site", "3"]) == given
    assert parse(["dossier", "--site", "3", "--run", "a"]) == given
    for words in (["a", "b"], ["a", "--run", "b"]):
        with pytest.raises(ParameterError, match="Run is given more than once: a, b"):
            parse(["dossier", *words])


def test_a_folder_of_inputs_that_is_not_there_is_told(screened, tmp_path):
    """Even where the inputs are found without it: it is not what was meant."""
    folder, dem = screened
    content = json.loads((folder / "manifest.json").read_text())
    for wrong in (tmp_path / "none", dem):
        with pytest.raises(InputError, match=f"The folder of the inputs, {wrong}, is not there"):
            find_inputs(folder, content, str(wrong))


def test_inputs_that_were_moved_are_found_and_give_the_same_bytes(screened, made, tmp_path):
    folder, dem = screened
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    (copy / ".lunarsite-known.json").unlink()
    with pytest.raises(InputError, match=r"dem\.tif, is not where it was") as caught:
        run("dossier", run=str(copy))
    assert caught.value.remedy.endswith(f"lunarsite dossier {copy} --site 1 --inputs FOLDER")
    found = run("dossier", run=str(copy), inputs=str(dem.parent))
    assert found["folder"] == str(copy / "dossiers" / "site-1")
    again = {path.name: path.read_bytes() for path in made[1].rglob("*.*") if path.is_file()}
    assert len(again) == 16
    for path in (copy / "dossiers" / "site-1").rglob("*.*"):
        assert path.read_bytes() == again[path.name], path.name


def test_an_input_that_has_changed_is_not_taken(screened, tmp_path):
    folder, dem = screened
    content = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert set(find_inputs(folder, content)) == {"dem", "craters"}
    copy, other = tmp_path / "runs" / "run", tmp_path / "moved"
    other.mkdir()
    shutil.copytree(folder, copy)
    (copy / ".lunarsite-known.json").unlink()
    (other / "dem.tif").write_bytes(dem.read_bytes()[:-1] + b"x")
    shutil.copy(dem.with_name("dem.craters.csv"), other)
    assert set(find_inputs(copy, content, str(other))) == {"craters"}
    shutil.copy(dem, tmp_path)
    record = next(each for each in content["inputs"] if each["role"] == "dem")
    outside = {"inputs": [record | {"name": "../dem.tif"}]}
    assert find_inputs(copy, outside, str(other)) == {}, "a manifest must not name any file"


def test_a_layer_that_is_not_the_run_s_is_refused(screened, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(screened[0], copy)
    slope = copy / "layers" / "slope_deg.tif"
    slope.write_bytes((copy / "layers" / "aspect_deg.tif").read_bytes())
    with pytest.raises(InputError, match=r"slope_deg\.tif is not what the run has written"):
        run("dossier", run=str(copy), out=str(tmp_path / "a"))


def ramp(lon_deg, rise):
    """Return ground that rises along a direction of the map, around a place 5 km from the pole."""
    x, y = 5_000.0 * np.sin(np.radians(lon_deg)), 5_000.0 * np.cos(np.radians(lon_deg))
    grid = Grid(x - 3_000.0, y + 3_000.0, 50.0, 120, 120)
    right, up = np.meshgrid(grid.column_x_m() - x, grid.row_y_m() - y)
    heights = (rise[0] * right + rise[1] * up).astype(np.float32)
    return ground.Ground(grid, heights, x, y, lon_deg, 100.0, 2_000.0, 1_000.0)


@pytest.mark.parametrize("lon_deg", [0.0, 30.0, -120.0, 180.0])
def test_profiles_run_north_and_east_on_the_ground(lon_deg):
    angle = np.radians(lon_deg)
    around = ramp(lon_deg, (0.1 * np.sin(angle), 0.1 * np.cos(angle)))
    found = ground.profiles(around)
    scale = float(moon.map_scale(around.x_m, around.y_m))
    along, heights = found["south_north"]
    assert np.polyfit(along, heights, 1)[0] == pytest.approx(0.1 * scale, rel=1e-4)
    along, heights = found["west_east"]
    assert np.abs(heights).max() < 1e-2


@pytest.mark.parametrize("radius_m", [100.0, None])
def test_maps_show_the_disc_or_else_the_cell(radius_m):
    around = replace(ramp(30.0, (0.1, 0.0)), radius_m=radius_m)
    with drawing.style():
        picture = figures.maps(around, around.height_m, None, None)
        assert drawing.as_png(picture).startswith(b"\x89PNG")
    for axes in picture.axes[:4]:
        kinds = {type(patch).__name__ for patch in axes.patches}
        assert kinds == ({"Circle"} if radius_m else {"Rectangle"})
    assert "no catalogue" in picture.axes[3].get_title(loc="left")


def test_craters_are_listed_by_the_distance_of_their_rims(tmp_path):
    around = ramp(0.0, (0.0, 0.0))
    table = pd.DataFrame(
        {
            "x_m": [300.0, 900.0, 40_000.0],
            "y_m": [5_000.0] * 3,
            "diameter_m": [200.0, 2_000.0, 50.0],
        }
    )
    table.to_csv(tmp_path / "craters.csv", index=False)
    near = ground.craters_near(str(tmp_path / "craters.csv"), around)
    assert near["diameter_m"].tolist() == [2_000.0, 200.0]
    assert near["rim_distance_m"].tolist() == pytest.approx([-100.0, 200.0], abs=1.0)
    assert ground.craters_near(None, around) is None


def test_data_of_others_among_the_inputs_are_cited():
    inputs = [
        {"role": "dem", "name": "LDEM_80S_20MPP_ADJ_10_20_300x300.tif"},
        {"role": "psr", "name": "LPSR_85S_060M_201608.TIF"},
        {"role": "builtin_far_field", "name": "lola_70S_1600m.tif"},
    ]
    told = " ".join(numbers.citations({"inputs": inputs}))
    assert "Barker et al. (2023)" in told
    assert "Mazarico et al. (2011)" in told
    assert "LRO-L-LOLA-4-GDR-V1.0" in told
    assert "Barker" not in " ".join(numbers.citations({"inputs": []}))


def test_dollar_signs_and_tags_in_names_are_letters(tmp_path):
    page = pages.Pages("a$b$ _{ <i>")
    page.title("DEM $\\frac$ x", "b")
    page.table(["A"], [["$x_{$"]], [1.0])
    assert page.save(tmp_path / "x.pdf", "t") == 1


def test_dark_ground_of_a_layer_in_percent_stays_dark(screened):
    folder, dem = screened
    content = json.loads((folder / "manifest.json").read_text("utf-8"))
    own = folder / "layers" / "illumination_pct.tif"
    with rasterio.open(own) as source:
        profile = source.profile | {"driver": "GTiff"}
    site = pipeline._site(folder, 1)
    around = ground.read_ground(str(dem), site, 400.0)
    for unit, value in (("%", 0.5), ("", 50.0)):
        path = folder.parent / f"dark{value:g}.tif"
        with rasterio.open(path, "w", **profile) as target:
            target.write(np.full((1, target.height, target.width), 0.5, np.float32))
            target.units = (unit,)
        _, light = pipeline._layers(
            folder, content, {"illumination": [str(path)]}, around, QuietContext()
        )
        assert np.nanmax(light) == pytest.approx(value)
