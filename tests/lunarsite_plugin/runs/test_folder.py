"""What the folder of a run says, and what becomes of one that was moved or never finished."""

from __future__ import annotations

import json
import os

import pytest

from lunarsite.engine.errors import InputError
from lunarsite.lunarsite_plugin.runs import folder as run_folder
from lunarsite.lunarsite_plugin.runs.folder import RunFolder

DEM, FAR = "d" * 64, "f" * 64


@pytest.fixture
def made(tmp_path):
    """Return the folder of a run, whose two elevation models lie in a folder of their own."""
    terrain, run = tmp_path / "terrain", tmp_path / "work" / "run"
    terrain.mkdir()
    run.mkdir(parents=True)
    known = {}
    for name, sha, content in (("dem.tif", DEM, b"heights"), ("far.tif", FAR, b"far heights")):
        path = terrain / name
        path.write_bytes(content)
        status = path.stat()
        known[str(path)] = [status.st_size, status.st_mtime_ns, sha]
    (run / ".lunarsite-known.json").write_text(json.dumps(known))
    write(run, {})
    return run


def write(run, changed):
    content = {
        "finished": True,
        "lunarsite": "0.1.0",
        "inputs": [
            {"role": "dem", "name": "dem.tif", "sha256": DEM},
            {"role": "far_field", "name": "far.tif", "sha256": FAR},
            {"role": "craters", "name": "craters.csv", "sha256": "c" * 64},
        ],
        "parameters": {"mast_height_m": 2.0, "start": "2027-01-01", "stop": None},
        "profile": {"name": "cassa", "title": "CASSA screening rule"},
        "steps": {"score": {"result": {"best": {"lon_deg": 10.0, "lat_deg": -89.0}}}},
    }
    (run / run_folder.MANIFEST).write_text(json.dumps(content | changed))


def test_it_says_what_it_was_made_from_and_how(made, tmp_path):
    run = RunFolder.open(made)
    terrain = tmp_path / "terrain"
    far = [str(terrain / "far.tif")]
    assert run.terrain() == {"dem": str(terrain / "dem.tif"), "far_field": far}
    assert (run.mast_height_m, run.best, run.profile) == (
        2.0,
        (10.0, -89.0),
        "CASSA screening rule",
    )
    assert run.title == "work/run"
    assert run.missing == ()
    assert run.craters is None  # the catalogue is not where the run knows it


def test_the_catalogue_of_its_craters_is_found(made):
    (made.parent / "craters.csv").write_text("diameter_m")
    known = json.loads((made / ".lunarsite-known.json").read_text())
    known["/gone/craters.csv"] = [len("diameter_m"), 1, "c" * 64]
    (made / ".lunarsite-known.json").write_text(json.dumps(known))
    run = RunFolder.open(made)
    assert run.craters == made.parent / "craters.csv"
    assert [each.role for each in run.inputs] == ["dem", "far_field"]


def test_a_year_is_shown_of_a_long_span(made):
    assert RunFolder.open(made).span(800) == ("2027-01-01", "2028-01-01")
    given = {"mast_height_m": 0.0, "start": "2027-01-01", "stop": "2045-08-01"}
    write(made, {"parameters": given})
    assert RunFolder.open(made).span(800) == ("2027-01-01", "2028-01-01")
    write(made, {"parameters": given | {"stop": "2027-03-01"}})
    assert RunFolder.open(made).span(800) == ("2027-01-01", "2027-03-01")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"finished": False}, "is not finished"),
        ({"steps": None}, "is not LunarSite's"),
        ({"parameters": {}}, "not one that this version of LunarSite writes"),
        ({"inputs": 7}, "not one that this version of LunarSite writes"),
        ({"steps": {}}, "not one that this version of LunarSite writes"),
    ],
)
def test_what_is_no_finished_run_gets_a_sentence(made, changed, said):
    write(made, changed)
    with pytest.raises(InputError, match=said) as caught:
        RunFolder.open(made)
    assert "Screen a region" in caught.value.remedy


def test_a_folder_that_is_gone_or_empty_gets_a_sentence(made, tmp_path):
    with pytest.raises(InputError, match="was moved, renamed or removed"):
        RunFolder.open(tmp_path / "absent")
    with pytest.raises(InputError, match="holds no run"):
        RunFolder.open(made.parent)


def test_a_moved_run_still_finds_its_terrain(made, tmp_path):
    moved = made.rename(tmp_path / "elsewhere")
    assert RunFolder.open(moved).missing == ()


def test_terrain_that_moved_with_the_run_is_found_beside_it(made, tmp_path):
    for name in ("dem.tif", "far.tif"):
        (tmp_path / "terrain" / name).rename(made.parent / name)
    assert RunFolder.open(made).terrain()["dem"] == str(made.parent / "dem.tif")


def test_terrain_that_changed_since_is_not_taken(made, tmp_path):
    dem = tmp_path / "terrain" / "dem.tif"
    dem.write_bytes(b"HEIGHTS")
    os.utime(dem, ns=(1, 1))
    run = RunFolder.open(made)
    assert [each.name for each in run.missing] == ["dem.tif"]
    with pytest.raises(InputError, match=r"dem\.tif that the run was made from is not where"):
        run.terrain()


def test_terrain_is_taken_from_where_the_user_found_it(made, tmp_path):
    dem = tmp_path / "terrain" / "dem.tif"
    found = dem.rename(tmp_path / "renamed.tif")
    wanted = RunFolder.open(made).missing[0]
    run_folder.check_located(wanted, found)
    assert RunFolder.open(made, {DEM: str(found)}).terrain()["dem"] == str(found)


def test_another_file_is_not_taken_for_it(made, tmp_path):
    (tmp_path / "terrain" / "dem.tif").unlink()
    wanted = RunFolder.open(made).missing[0]
    with pytest.raises(InputError, match="its length is 11 bytes, not 7"):
        run_folder.check_located(wanted, tmp_path / "terrain" / "far.tif")


def test_runs_are_found_from_files_in_them(made, tmp_path):
    sources = [made / "score.tif", made / "layers" / "slope_deg.tif", tmp_path / "terrain/dem.tif"]
    assert run_folder.runs_of(sources) == [made]


@pytest.fixture
def closed(tmp_path):
    """Return a folder that may not be looked into, by root as little as by others."""
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield folder
    if before == 0:
        os.seteuid(before)
    folder.chmod(0o700)


def test_a_folder_that_is_closed_to_the_user_gets_a_sentence(closed):
    with pytest.raises(InputError, match="cannot be looked into: Permission denied"):
        RunFolder.open(closed)
    assert run_folder.runs_of([closed / "score.tif"]) == []
