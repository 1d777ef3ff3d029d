"""Inputs that change while a screening reads them: no provenance may be false."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio

from lunarsite.engine import report, stages
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.input_versions import ChangedInputError
from lunarsite.engine.pipelines import manifest as manifests
from lunarsite.engine.provenance import sha256
from lunarsite.engine.scoring import bundle

QUICK = {
    "azimuths": 36,
    "cell_m": 400.0,
    "builtin_far_field": False,
    "stop": "2027-04-01",
    "step_hours": 24.0,
    "draws": 20,
    "folds": 2,
    "min_distance_m": 1000.0,
    "roughness_windows_px": "3,5,7",
    "position_window_px": 7,
}
SWAPS = 20


def stand_in(folder, _values, manifest, context):
    context.progress(0.5, "report")
    content = {key: manifest[key] for key in ("warnings", "parameters", "inputs")}
    (Path(folder) / "report.html").write_text(json.dumps(content, sort_keys=True))


@pytest.fixture(scope="module", autouse=True)
def _no_pictures_and_no_scorer():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "write_report", stand_in, raising=False)
        patch.setattr(bundle, "FOLDER", Path("none"))
        yield


def screen(dem, out, context=None):
    values = QUICK | {"dem": str(dem), "out": str(out)}
    return stages.load("screen").run(values, context or Context(threads=1))


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lunarsite-known.json"
    }


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two elevation models of equal length and modification time, and what is made of each."""
    folder = tmp_path_factory.mktemp("models")
    stages.load("synthesize").run(
        {"out": str(folder / "made.tif"), "size_px": 48, "pixel_m": 200.0}, Context(threads=1)
    )
    made, took_s = {}, 0.0
    for name in ("one", "two"):
        (folder / name).mkdir()
        dem = folder / name / "dem.tif"
        with rasterio.open(folder / "made.tif") as source:
            heights = source.read(1)
            plain = {"crs": source.crs, "transform": source.transform, "driver": "GTiff"}
        if name == "two":
            heights = np.ascontiguousarray(heights[:, ::-1])
        plain |= {"width": 48, "height": 48, "count": 1, "dtype": "float32", "nodata": np.nan}
        with rasterio.open(dem, "w", **plain) as target:
            target.write(heights, 1)
            target.units = ("m",)
        os.utime(dem, ns=(10**18, 10**18))
        begin = time.perf_counter()
        screen(dem, folder / name / "run")
        took_s = time.perf_counter() - begin
        made[sha256(dem)] = contents(folder / name / "run")
    one, two = (folder / name / "dem.tif" for name in ("one", "two"))
    assert one.stat().st_size == two.stat().st_size
    assert len(made) == 2
    return one, two, made, took_s


def renamed(dem, other):
    shutil.copy2(other, dem.with_name("new.tif"))
    dem.with_name("new.tif").replace(dem)


def overwritten(dem, other):
    dem.write_bytes(other.read_bytes())


def overwritten_at_equal_time(dem, other):
    overwritten(dem, other)
    os.utime(dem, ns=(10**18, 10**18))


def there_and_back(dem, other):
    kept = dem.with_name("kept.tif")
    dem.rename(kept)
    shutil.copy2(other, dem)
    time.sleep(0.2)
    kept.replace(dem)


KINDS = (renamed, overwritten, overwritten_at_equal_time, there_and_back)


def outcome_of(dem, out, made, change):
    """Screen while ``change`` happens; return what came of it, and that it is true."""
    try:
        change.start()
        result = screen(dem, out)
        outcome = "finished"
    except ChangedInputError:
        result, outcome = None, "refused"
    change.join()
    if result is not None:
        told = json.loads((out / "manifest.json").read_text())
        assert contents(out) == made[told["inputs"][0]["sha256"]], "false provenance"
    # Whatever came of it, the next run is that of what the file holds now.
    again = screen(dem, out)["ran"]
    assert contents(out) == made[sha256(dem)], "it does not heal"
    return outcome if result is None or not again else "finished before, then redone"


@pytest.mark.parametrize(
    ("kind", "share"),
    [(renamed, share) for share in (0.0, 0.5, 0.95)]
    + [(kind, share) for kind in KINDS for share in (0.05, 0.74)],
)
def test_an_input_that_changes_at_a_step_is_refused(models, tmp_path, kind, share):
    one, two, made, _ = models
    dem = Path(shutil.copy2(one, tmp_path / "dem.tif"))
    done = threading.Event()

    def report_progress(fraction, _message):
        if fraction >= share and not done.is_set():
            done.set()
            kind(dem, two)

    with pytest.raises(InputError, match=r"The input dem\.tif changed while"):
        screen(dem, tmp_path / "run", Context(threads=1, report=report_progress))
    assert done.is_set()
    manifest = tmp_path / "run" / "manifest.json"
    assert not manifest.exists() or not json.loads(manifest.read_text()).get("finished")
    screen(dem, tmp_path / "run")
    assert contents(tmp_path / "run") == made[sha256(dem)]


@pytest.mark.parametrize(("share", "steps"), [(0.5, ["terrain"]), (0.9, [])])
def test_a_change_that_no_time_shows_is_found(models, tmp_path, monkeypatch, share, steps):
    """As on file systems without change times, or through memory maps."""
    one, two, made, _ = models
    dem = Path(shutil.copy2(one, tmp_path / "dem.tif"))
    blind = lambda file: (1, 1, 1, 1) if Path(file) == dem else version(file)  # noqa: E731
    version = manifests.input_versions.version
    monkeypatch.setattr(manifests.input_versions, "version", blind)
    done = threading.Event()

    def report_progress(fraction, _message):
        if fraction >= share and not done.is_set():
            done.set()
            overwritten(dem, two)

    with pytest.raises(InputError, match=r"The input dem\.tif changed while"):
        screen(dem, tmp_path / "run", Context(threads=1, report=report_progress))
    assert list(json.loads((tmp_path / "run" / "manifest.json").read_text())["steps"]) == steps
    screen(dem, tmp_path / "run")
    assert contents(tmp_path / "run") == made[sha256(two)]


def test_a_layer_of_other_inputs_is_not_taken_as_done(models, tmp_path):
    """Not even if the manifest has its checksum, as after a swap that nothing noticed."""
    one, two, made, _ = models
    dem = Path(shutil.copy2(one, tmp_path / "dem.tif"))
    run = tmp_path / "run"
    shutil.copytree(one.parent / "run", run)
    assert screen(dem, run)["ran"] == []
    name = "layers/slope_deg.tif"
    shutil.copy(two.parent / "run" / name, run / name)
    told = json.loads((run / "manifest.json").read_text())
    told["steps"]["terrain"]["outputs"][name] = sha256(run / name)
    (run / "manifest.json").write_text(json.dumps(told))
    assert screen(dem, run)["ran"][0] == "terrain"
    assert contents(run) == made[sha256(one)]


def test_a_layer_that_changes_between_steps_is_refused(models, tmp_path):
    one, two, made, _ = models
    run = tmp_path / "run"
    done = threading.Event()

    def report_progress(fraction, _message):
        if fraction >= 0.3 and not done.is_set():
            done.set()
            shutil.copy(two.parent / "run/layers/slope_deg.tif", run / "layers/slope_deg.tif")

    with pytest.raises(InputError, match=r"The input slope_deg\.tif changed while"):
        screen(one, run, Context(threads=1, report=report_progress))
    screen(one, run)
    assert contents(run) == made[sha256(one)]


@pytest.mark.slow
def test_twenty_swaps_at_random_moments_leave_no_false_provenance(models, tmp_path, capsys):
    one, two, made, took_s = models
    draw, outcomes = np.random.default_rng(20), []
    for number in range(SWAPS):
        kind, at_s = KINDS[number % len(KINDS)], draw.uniform(0.0, took_s)
        folder = tmp_path / str(number)
        folder.mkdir()
        dem = Path(shutil.copy2(one, folder / "dem.tif"))
        change = threading.Timer(at_s, kind, (dem, two))
        outcomes.append(outcome_of(dem, folder / "run", made, change))
        with capsys.disabled():
            pass
    with capsys.disabled():
        outcomes.count("refused")
