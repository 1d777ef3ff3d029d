from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lunarsite.engine import output_paths, stages
from lunarsite.engine.context import Context
from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.errors import BusyError, OutputError, ParameterError

HOLD = """
import os, sys
from lunarsite.engine import output_paths
kind, path, names = sys.argv[1:]
folders = {path: names.split(",")} if kind == "folder" else {}
files = [path] if kind == "file" else []
with output_paths.locked(folders, files, print):
    print("locked", flush=True)
    sys.stdin.read()
"""


class Other:
    """Another process that holds an output."""

    def __init__(self, kind, path, names="*"):
        command = [sys.executable, "-c", HOLD, kind, str(path), names]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        assert self.process.stdout.readline() == b"locked\n"
        return self

    def __exit__(self, *_):
        self.process.communicate()
        assert self.process.returncode == 0

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.returncode = 0


def locked(folder=None, file=None, names=("a.tif",)):
    folders = {str(folder): names} if folder else {}
    return output_paths.locked(folders, [str(file)] if file else [], pytest.fail)


def test_a_second_run_on_one_output_is_refused_and_leaves_the_first_alone(tmp_path):
    with Other("folder", tmp_path / "run"):
        for _ in range(2):
            with (
                pytest.raises(BusyError, match=r"Another run works in .*run.*another folder"),
                locked(tmp_path / "run"),
            ):
                pytest.fail("two runs")
    with Other("file", tmp_path / "a.gpkg"):
        for _ in range(2):
            with (
                pytest.raises(BusyError, match=r"Another run writes .*a\.gpkg.*another name"),
                locked(file=tmp_path / "a.gpkg"),
            ):
                pytest.fail("two runs")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    with locked(tmp_path / "run"), locked(file=tmp_path / "a.gpkg"):
        pass


def test_a_file_that_a_run_writes_in_its_folder_is_locked_and_others_are_not(tmp_path):
    with Other("folder", tmp_path, "slope.tif,aspect.tif"):
        with pytest.raises(BusyError, match="works in"), locked(file=tmp_path / "slope.tif"):
            pytest.fail("two runs")
        with locked(file=tmp_path / "craters.gpkg"), locked(file=tmp_path / "other.gpkg"):
            pass
    with Other("file", tmp_path / "slope.tif"):
        with (
            pytest.raises(BusyError, match=r"writes .*slope\.tif"),
            locked(tmp_path, names=["aspect.tif", "slope.tif"]),
        ):
            pytest.fail("two runs")
        with locked(tmp_path, names=["aspect.tif"]):
            pass
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_killed_run_does_not_block(tmp_path):
    with Other("folder", tmp_path, "a.tif") as other, Other("file", tmp_path / "b.tif") as second:
        other.kill()
        second.kill()
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            ".b.tif.lunarsite.lock",
            ".lunarsite.lock",
        ]
    with locked(tmp_path, names=["b.tif"]):
        pass
    with locked(file=tmp_path / "b.tif"):
        pass
    assert not list(tmp_path.iterdir())


def test_another_name_of_a_folder_is_the_same_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with (
        Other("folder", tmp_path / "real"),
        pytest.raises(BusyError),
        locked(tmp_path / "link" / ".." / "link"),
    ):
        pytest.fail("two runs")


def test_steps_of_a_run_pass_its_locks_and_other_threads_do_not(tmp_path):
    refused = []

    def another():
        try:
            with locked(tmp_path):
                pass
        except BusyError as error:
            refused.append(error)

    with locked(tmp_path, names=["*"]):
        with locked(tmp_path), locked(file=tmp_path / "b.tif"):
            thread = threading.Thread(target=another)
            thread.start()
            thread.join()
        assert (tmp_path / output_paths.LOCK).exists()
    assert len(refused) == 1


def test_folders_that_a_failed_run_created_are_removed(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path / "a" / "b", tmp_path / "c" / "d.tif"):
        assert (tmp_path / "a" / "b").is_dir()
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with locked(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "kept.txt").touch()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["kept.txt"]


def test_a_disk_without_locks_is_warned_of(tmp_path, monkeypatch):
    def refuse(_descriptor):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(output_paths, "_try", refuse)
    warned = []
    with output_paths.locked({str(tmp_path): ["*"]}, [], warned.append):
        pass
    assert warned == [f"{tmp_path} is on a disk without locks: let no other run write there."]
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_too_long_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(OutputError, match="a shorter name"), locked(file=tmp_path / ("a" * 250)):
        pytest.fail("too long")


def test_two_runs_never_hold_one_lock(tmp_path):
    """Many threads lock and remove one lock file; at no time do two of them hold it."""
    holding, most, errors = [], [], []

    def work():
        for _ in range(150):
            try:
                with locked(file=tmp_path / "a.tif"):
                    holding.append(1)
                    most.append(len(holding))
                    holding.pop()
            except BusyError:
                pass
            except Exception as error:  # noqa: BLE001
                errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert max(most) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", stages.NAMES)
def test_every_stage_refuses_an_output_of_another_run(name, tmp_path, monkeypatch):
    """Whatever a stage writes, a second run on it does not reach its pipeline."""
    stage = stages.load(name)
    outputs = [p for p in stage.parameters if p.output]
    reached = []
    monkeypatch.setattr(
        "importlib.import_module",
        lambda _: type("Pipeline", (), {"run": staticmethod(lambda *_: reached.append(1) or {})}),
    )
    given = {p.name: stand_in(p, tmp_path) for p in stage.parameters if p.required or p.output}
    stage.run(given, Context(threads=1))
    assert reached == [1]
    for parameter in outputs:
        path = given[parameter.name]
        kind = "folder" if parameter.kind is Kind.FOLDER else "file"
        with Other(kind, path), pytest.raises(BusyError, match="Another run"):
            stage.run(given, Context(threads=1))
    assert reached == [1]
    assert not list(tmp_path.rglob("*.lock"))


def stand_in(parameter, folder):
    if parameter.output:
        return str(folder / (parameter.name + (parameter.endings or ("",))[0]))
    if parameter.kind in (Kind.NUMBER, Kind.INTEGER):
        return parameter.minimum or 0
    if parameter.kind is Kind.CHOICE:
        return parameter.choices[0]
    value = "2027-01-01" if "time" in parameter.name else "none"
    return [value] if parameter.many else value


def test_a_stage_without_outputs_takes_no_lock():
    stage = Stage(name="reading", title="", group="", summary="", help="", parameters=())
    assert stage._locks({}) == ({}, [])
    folder = Parameter(name="out", kind=Kind.FOLDER, title="", help="", output=True)
    layers = Output(name="layers", kind=Kind.FOLDER, title="", help="", path="layers")
    whole = Stage(
        name="w", title="", group="", summary="", help="", parameters=(folder,), outputs=(layers,)
    )
    run = str(Path("a") / "run")
    assert whole._locks({"out": run}) == ({run: ["*"], str(Path(run) / "layers"): ["*"]}, [])


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("x.tif", "{}"),
        ("x.gpkg", "{}|layername=craters"),
        ("x.tif", "vrt://{}?bands=1"),
        ("x.zip", "/vsizip/{}/a.tif"),
        ("x.tar.gz", "/vsitar/{{{}}}/s/a.tif"),
        ("x.nc", 'NETCDF:"{}":z'),
    ],
)
def test_an_output_does_not_overwrite_the_file_that_holds_an_input(tmp_path, file, name):
    path = tmp_path / file
    path.touch()
    inputs = {"--dem": [name.format(path)]}
    with pytest.raises(ParameterError, match="would overwrite an input of --dem"):
        output_paths.check({"--out": str(path)}, inputs)
    output_paths.check({"--out": str(tmp_path / "other.tif")}, inputs)
