from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.segmentation import picture

from lunarsite.engine import stages
from lunarsite.engine.context import GIB, Context
from lunarsite.engine.errors import InputError, LunarSiteError, ParameterError
from lunarsite.engine.frontends import cli, execution, library
from lunarsite.engine.io.grid import Grid
from lunarsite.engine.io.vectors import layers
from lunarsite.engine.pipelines import estimates, landing
from lunarsite.engine.pipelines.estimates import Estimate

QUICK = {"azimuths": 36, "stop": "2027-02-01", "step_hours": 24.0, "builtin_far_field": False}
ESTIMATING = [stage.name for stage in stages.load_all() if stage.estimates]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Return inputs of every stage that estimates, by stage."""
    folder = tmp_path_factory.mktemp("inputs")
    dem = str(folder / "dem.tif")
    context = Context(threads=1)
    stages.load("synthesize").run({"out": dem, "size_px": 48, "pixel_m": 200.0}, context)
    layers, table = str(folder / "layers"), str(folder / "features.parquet")
    (folder / "layers").mkdir()
    stages.load("terrain").run({"dem": dem, "out": layers}, context)
    stages.load("lighting").run({"dem": dem, "out": layers} | QUICK, context)
    discs = {"dem": dem, "layers": layers}
    stages.load("landing").run({**discs, "out": layers}, context)
    cells = {"dem": dem, "layers": layers, "cell_m": 400.0}
    stages.load("features").run({**cells, "out": table}, context)
    grey = np.random.default_rng(0).integers(30, 250, (40, 60), dtype=np.uint8)
    image = str(picture(folder / "image.png", grey, driver="PNG"))
    return {
        "terrain": {"dem": dem},
        "lighting": {"dem": dem, "far_field": [dem]},
        "landing": discs,
        "disc-light": cells,
        "features": cells,
        "score": {"features": table},
        "screen": {"dem": dem, "cell_m": 400.0},
        "detect-craters": {"dem": dem},
        "segment-terrain": {"image": image},
        "render-orbital": {"dem": dem, "time": "2027-01-15T06:00"},
    }


def output(name, folder):
    endings = next(p for p in stages.load(name).parameters if p.name == "out").endings
    return str(folder / "new" / ("out" + (endings or ("",))[0]))


def run(name, given, **more):
    stage = stages.load(name)
    return execution.run_stage(stage, given | more, cancelled=threading.Event())


def test_every_stage_that_works_on_rasters_estimates(inputs):
    assert sorted(ESTIMATING) == sorted(inputs)


@pytest.mark.parametrize("name", ESTIMATING)
def test_a_dry_run_estimates_and_writes_nothing(name, inputs, tmp_path):
    result = run(name, inputs[name], out=output(name, tmp_path), dry_run=True)
    assert not list(tmp_path.iterdir())
    assert result["outputs"] == {}
    estimate = result["estimate"]
    assert estimate["count"] == {"score": 24**2, "segment-terrain": 40 * 60}.get(name, 48**2)
    assert 0.0 < estimate["minutes"] < 1.0
    assert 0.1 < estimate["memory_gib"] < 4.0
    (line,) = result["summary"]
    unit = "cells" if name == "score" else "pixels"
    assert line.startswith(f"Estimate for {estimate['count']:,} {unit}: less than a minute, about")


@pytest.mark.parametrize("name", ESTIMATING)
def test_a_dry_run_validates_the_inputs(name, inputs, tmp_path):
    given = dict(inputs[name])
    first = next(iter(given))
    missing = given | {first: str(tmp_path / "none.tif")}
    with pytest.raises(InputError, match=r"none\.tif"):
        run(name, missing, out=output(name, tmp_path), dry_run=True)
    (tmp_path / "file").touch()
    bad = str(tmp_path / "file" / Path(output(name, tmp_path)).name)
    with pytest.raises(LunarSiteError, match=r"[Cc]annot write"):
        run(name, given, out=bad, dry_run=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("lighting", {"stop": "2026-01-01"}, "2026-01-01"),
        ("lighting", {"posting_m": 100.0}, None),
        ("terrain", {"roughness_windows_px": "3,4,5"}, "not an odd number"),
        ("render-orbital", {"time": "noon"}, "noon"),
        ("segment-terrain", {"window": "100,0,5,5"}, "outside the image"),
        ("segment-terrain", {"uncertainty": "ensemble"}, "at least two networks"),
        ("score", {"profile": "casa"}, "cassa"),
        ("screen", {"regions": "none.gpkg"}, "there is no file"),
        ("features", {"cell_m": 100.0}, "smaller than a pixel"),
        ("detect-craters", {"checkpoint": "none.safetensors"}, "none.safetensors"),
    ],
)
def test_a_dry_run_refuses_what_the_run_refuses(name, more, words, inputs, tmp_path):
    given = {**inputs[name], **more, "out": output(name, tmp_path), "dry_run": True}
    if words is None:
        assert run(name, given)["estimate"]
    else:
        with pytest.raises(LunarSiteError, match=words):
            run(name, given)


def test_the_command_line_prints_the_estimate(inputs, tmp_path, capsys):
    words = ["--dem", inputs["terrain"]["dem"], "--out", str(tmp_path / "out")]
    assert cli.main(["terrain", *words, "--dry-run"]) == 0
    assert "Estimate for 2,304 pixels" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert cli.main(["synthesize", "--out", str(tmp_path / "a.tif"), "--dry-run"]) == 2
    assert "--dry-run" in capsys.readouterr().err
    with pytest.raises(ParameterError, match="dry_run"):
        run("synthesize", {"out": str(tmp_path / "a.tif")}, dry_run=True)
    again = library.run("terrain", dem=words[1], out=words[3], dry_run=True, context=Context())
    assert again["estimate"]["count"] == 48**2
    assert not (tmp_path / "out").exists()


def test_work_of_more_than_a_minute_is_announced(inputs, tmp_path, monkeypatch, caplog):
    said = []
    monkeypatch.setattr(estimates, "WORTH_SAYING_S", 0.0)
    caplog.set_level(logging.INFO, "lunarsite")
    result = execution.run_stage(
        stages.load("terrain"),
        inputs["terrain"] | {"out": str(tmp_path / "a")},
        cancelled=threading.Event(),
        report=lambda _, message: said.append(message),
    )
    assert any(line.startswith("Estimate for 2,304 pixels: about") for line in caplog.messages)
    assert said[0].startswith("Estimate for 2,304 pixels")
    assert result["estimate"]["count"] == 48**2
    monkeypatch.undo()
    caplog.clear()
    result = run("terrain", inputs["terrain"], out=str(tmp_path / "b"))
    assert "estimate" not in result
    assert not [line for line in caplog.messages if "Estimate" in line]


@pytest.mark.parametrize("name", ["terrain", "lighting", "detect-craters", "render-orbital"])
def test_time_is_shared_by_threads_and_memory_is_bounded(name, inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(estimates, "available_cores", lambda: 8)
    stage = stages.load(name)
    given = inputs[name] | {"out": output(name, tmp_path)}
    one, four = (stage.estimate(given, Context(threads=threads)) for threads in (1, 4))
    assert four.seconds < one.seconds
    # No more threads help than there are cores.
    many = stage.estimate(given, Context(threads=8)), stage.estimate(given, Context(threads=99))
    assert many[0].seconds == many[1].seconds
    # The memory of a model of ten thousand million pixels is that of the limit, and some more.
    grid = Grid(0.0, 0.0, 5.0, 10**5, 10**5)
    reads = "check_dem" if name == "detect-craters" else "dem_grid"
    monkeypatch.setattr(f"{stage.pipeline}.{reads}", lambda _: grid)
    for limit in (GIB, 8 * GIB):
        vast = stage.estimate(given, Context(threads=4, memory_limit_bytes=limit))
        assert vast.count == 10**10
        assert vast.memory_bytes <= estimates.BASE_BYTES + limit + GIB


def test_work_arrays_beyond_the_memory_limit_are_counted_as_disk(inputs, tmp_path):
    assert estimates.work_arrays(1.0 * GIB, 2 * GIB) == (GIB, 0.0)
    assert estimates.work_arrays(5.0 * GIB, 2 * GIB) == (2 * GIB, 3 * GIB)
    stage = stages.load("lighting")
    given = inputs["lighting"] | {"out": str(tmp_path / "out")}
    ample, tight = (stage.estimate(given, Context(memory_limit_bytes=n)) for n in (GIB, 1000))
    assert tight.memory_bytes < ample.memory_bytes
    assert tight.disk_bytes > ample.disk_bytes


def test_landing_takes_longer_with_larger_discs():
    """The sums of a disc have a row for every row of it: measured 28 ns a pixel and row."""
    small, large = (
        landing.of_grid(Grid(0.0, 0.0, 5.0, 2000, 2000), radius_m, Context())
        for radius_m in (100.0, 10_000.0)
    )
    assert large.seconds - small.seconds == pytest.approx(3960 * 4e6 * 28e-9, rel=0.01)


def test_lighting_takes_as_long_as_it_has_bearings_and_lines(inputs, tmp_path):
    stage = stages.load("lighting")

    def seconds(**more):
        given = inputs["lighting"] | {"out": str(tmp_path / "out")} | more
        return stage.estimate(given, Context(threads=1)).seconds

    few, some, many = (seconds(azimuths=azimuths) for azimuths in (100, 200, 300))
    assert some - few == pytest.approx(many - some, rel=1e-6)
    assert seconds(lines_per_pixel=1.0) < seconds() < seconds(lines_per_pixel=3.0)


@pytest.mark.parametrize(
    ("needed", "words"),
    [
        (Estimate(2304, 12.0, GIB, 2**20), "2,304 pixels: less than a minute, about 1 GiB"),
        (
            Estimate(57_760_000, 1140.0, 3 * GIB, GIB),
            "57.8 million pixels: about 19 min, about 3",
        ),
        (Estimate(10, 86_400.0, 9 * GIB, 40 * GIB), "about 24 h, about 9 GiB of memory and 40 GiB"),
        (Estimate(315_034, 100.0, GIB, GIB // 4, "cells"), "315,034 cells: about 1.7 min"),
    ],
)
def test_estimates_are_said_in_round_numbers(needed, words):
    assert words in needed.sentence()


def test_a_disk_that_is_too_small_is_warned_of(tmp_path):
    context = Context()
    estimates.announce(Estimate(10, 1.0, GIB, 10**6 * GIB), tmp_path / "new" / "run", context)
    (warning,) = context.warnings
    assert warning.startswith("About 1,000,000 GiB of disk are needed")
    assert f"free in {tmp_path}: choose an output folder" in warning
    assert not context.notes


def test_the_steps_of_a_screening_announce_nothing_of_their_own(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(estimates, "WORTH_SAYING_S", 0.0)
    monkeypatch.setattr(estimates.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    given = inputs["screen"] | {"out": str(tmp_path / "run"), "azimuths": 36}
    whole = stages.load("screen").estimate(given, Context(threads=1))
    first = run("screen", given)
    (warning,) = (line for line in first["warnings"] if "of disk are needed" in line)
    assert estimates.size(whole.disk_bytes) in warning
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    told = [line for step in manifest["steps"].values() for line in step["warnings"]]
    assert not [line for line in told if "of disk are needed" in line]
    # The step that is left is not the whole run.
    (tmp_path / "run" / "sites.gpkg").unlink()
    again = run("screen", given)
    assert "score" in again["ran"]
    assert "estimate" not in again
    assert not [line for line in again["warnings"] if "of disk are needed" in line]


def test_a_screening_validates_the_craters_once_and_reads_them_once(inputs, tmp_path, monkeypatch):
    craters = tmp_path / "craters.csv"
    craters.write_text("x_m,y_m,diameter_m\n0,0,900\n")
    reads = []
    read = layers.read_layer

    def counted(path, what, *more, **options):
        reads.append((Path(path).name, options.get("features", True)))
        return read(path, what, *more, **options)

    monkeypatch.setattr(layers, "read_layer", counted)
    run("screen", inputs["screen"], craters=str(craters), out=str(tmp_path / "run"), azimuths=36)
    assert reads == [("craters.csv", True)] * 2


def test_far_fields_are_named_as_they_are_shown(inputs, tmp_path):
    far = f"vrt://{tmp_path}/none.tif?bands=1"
    for name in ("lighting", "render-orbital"):
        given = inputs[name] | {"far_field": [far], "out": output(name, tmp_path)}
        with pytest.raises(LunarSiteError, match=r"^The far field none\.tif "):
            run(name, given, dry_run=True)
