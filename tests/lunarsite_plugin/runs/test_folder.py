"""Reading the folder of a run, also if it was moved, incomplete or has lost its inputs."""

from __future__ import annotations

import json
import os

import pytest

from lunarsite.engine.errors import InputError
from lunarsite.lunarsite_plugin.runs.folder import MANIFEST, RunFolder, check_located, runs_of

DEM, FAR = "d" * 64, "f" * 64


@pytest.fixture
def made(tmp_path):
    """Return the folder of a run whose two elevation models are in another folder."""
    terrain, run = tmp_path / "terrain", tmp_path / "work" / "run"
    terrain.mkdir()
    run.mkdir(parents=True)
    known = {}
    for name, sha, content in (("dem.tif", DEM, b"heights"), ("far.tif", FAR, b"far heights")):
        path = terrain / name
        path.write_bytes(content)
        status = path.stat()
        known[str(path)] = [status.st_size, status.st_mtime_ns, sha, status.st_ctime_ns, 1]
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
    (run / MANIFEST).write_text(json.dumps(content | changed))


def test_skylines_of_a_part_see_the_same_part_and_surroundings(made, tmp_path):
    dem = tmp_path / "terrain" / "dem.tif"
    known = json.loads((made / ".lunarsite-known.json").read_text())
    known[f"vrt://{dem}?srcwin=1,2,30,40"] = known.pop(str(dem))
    (made / ".lunarsite-known.json").write_text(json.dumps(known))
    dates = {"mast_height_m": 2.0, "start": "2027-01-01", "stop": None}
    write(made, {"parameters": dates | {"aoi": "-9,-8,7,6", "builtin_far_field": True}})
    found = RunFolder.open(made).terrain()
    assert found["dem"] == str(dem)
    assert (found["aoi"], found["builtin_far_field"]) == ("-9,-8,7,6", True)


def test_a_model_in_an_archive_is_opened_by_its_name(made, tmp_path):
    dem = tmp_path / "terrain" / "dem.tif"
    known = json.loads((made / ".lunarsite-known.json").read_text())
    known[f"/vsizip/{dem}/s/dem.tif"] = known.pop(str(dem))
    (made / ".lunarsite-known.json").write_text(json.dumps(known))
    run = RunFolder.open(made)
    assert run.missing == ()
    assert run.terrain()["dem"] == f"/vsizip/{dem}/s/dem.tif"


def test_inputs_and_parameters_are_read(made, tmp_path):
    run = RunFolder.open(made)
    terrain = tmp_path / "terrain"
    far = [str(terrain / "far.tif")]
    models = {"dem": str(terrain / "dem.tif"), "far_field": far}
    # The run is of a version that did not surround the models with the one that ships.
    assert run.terrain() == models | {"builtin_far_field": False}
    assert (run.mast_height_m, run.best, run.profile) == (
        2.0,
        (10.0, -89.0),
        "CASSA screening rule",
    )
    assert run.title == "work/run"
    assert run.missing == ()
    assert run.craters is None  # the catalogue is not at its recorded path


def test_the_crater_catalogue_is_found(made):
    (made.parent / "craters.csv").write_text("diameter_m")
    known = json.loads((made / ".lunarsite-known.json").read_text())
    known["/gone/craters.csv"] = [len("diameter_m"), 1, "c" * 64]
    (made / ".lunarsite-known.json").write_text(json.dumps(known))
    run = RunFolder.open(made)
    assert run.craters == made.parent / "craters.csv"
    assert [each.role for each in run.inputs] == ["dem", "far_field"]


@pytest.mark.parametrize("absolute", [False, True])
def test_names_that_leave_the_run_are_not_followed(made, tmp_path, absolute):
    """A folder from somebody else could make any file of the same length an input."""
    secret = tmp_path / "secret.tif"
    secret.write_bytes(b"heights")
    name = str(secret) if absolute else "../../secret.tif"
    write(made, {"inputs": [{"role": "dem", "name": name, "sha256": DEM}]})
    known = json.loads((made / ".lunarsite-known.json").read_text())
    known = {"/gone/dem.tif": [len(b"heights"), 1, DEM, 1, 1]} | {
        path: stamp for path, stamp in known.items() if stamp[2] != DEM
    }
    (made / ".lunarsite-known.json").write_text(json.dumps(known))
    run = RunFolder.open(made)
    assert run.inputs[0].path is None
    with pytest.raises(InputError, match="has been moved or changed"):
        run.terrain()


def test_a_long_period_is_limited_to_a_year(made):
    assert RunFolder.open(made).span(800) == ("2027-01-01", "2028-01-01")
    parameters = {"mast_height_m": 0.0, "start": "2027-01-01", "stop": "2045-08-01"}
    write(made, {"parameters": parameters})
    assert RunFolder.open(made).span(800) == ("2027-01-01", "2028-01-01")
    write(made, {"parameters": parameters | {"stop": "2027-03-01"}})
    assert RunFolder.open(made).span(800) == ("2027-01-01", "2027-03-01")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"finished": False}, "is not finished"),
        ({"steps": None}, "was not written by LunarSite"),
        ({"parameters": {}}, "is not in the format of this version"),
        ({"inputs": 7}, "is not in the format of this version"),
        ({"steps": {}}, "is not in the format of this version"),
    ],
)
def test_what_is_not_a_finished_run_is_explained(made, changed, message):
    write(made, changed)
    with pytest.raises(InputError, match=message) as caught:
        RunFolder.open(made)
    assert "Screen a region" in caught.value.remedy


def test_a_missing_or_empty_folder_is_explained(made, tmp_path):
    with pytest.raises(InputError, match="has been moved, renamed or deleted"):
        RunFolder.open(tmp_path / "absent")
    with pytest.raises(InputError, match="contains no run"):
        RunFolder.open(made.parent)


def test_a_moved_run_still_finds_its_elevation_models(made, tmp_path):
    moved = made.rename(tmp_path / "elsewhere")
    assert RunFolder.open(moved).missing == ()


def test_elevation_models_that_moved_with_the_run_are_found(made, tmp_path):
    for name in ("dem.tif", "far.tif"):
        (tmp_path / "terrain" / name).rename(made.parent / name)
    assert RunFolder.open(made).terrain()["dem"] == str(made.parent / "dem.tif")


def test_a_changed_elevation_model_is_not_used(made, tmp_path):
    dem = tmp_path / "terrain" / "dem.tif"
    dem.write_bytes(b"HEIGHTS")
    os.utime(dem, ns=(1, 1))
    run = RunFolder.open(made)
    assert [each.name for each in run.missing] == ["dem.tif"]
    with pytest.raises(InputError, match=r"elevation model dem\.tif has been moved or changed"):
        run.terrain()


def test_a_located_elevation_model_is_used(made, tmp_path):
    dem = tmp_path / "terrain" / "dem.tif"
    found = dem.rename(tmp_path / "renamed.tif")
    wanted = RunFolder.open(made).missing[0]
    check_located(wanted, found)
    assert RunFolder.open(made, {DEM: str(found)}).terrain()["dem"] == str(found)


def test_a_file_of_another_length_is_rejected(made, tmp_path):
    (tmp_path / "terrain" / "dem.tif").unlink()
    wanted = RunFolder.open(made).missing[0]
    with pytest.raises(InputError, match="its length is 11 bytes, not 7"):
        check_located(wanted, tmp_path / "terrain" / "far.tif")


def test_runs_are_found_by_their_files(made, tmp_path):
    sources = [made / "score.tif", made / "layers" / "slope_deg.tif", tmp_path / "terrain/dem.tif"]
    assert runs_of(sources) == [made]


@pytest.fixture
def closed(tmp_path):
    """Return a folder that is not accessible, not even to root."""
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


def test_an_inaccessible_folder_is_explained(closed):
    with pytest.raises(InputError, match=r"Cannot access the folder .*: Permission denied"):
        RunFolder.open(closed)
    assert runs_of([closed / "score.tif"]) == []
