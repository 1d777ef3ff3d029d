"""Installing for real: real uv, real environments, packages of a few bytes from a folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from lunarsite.engine.errors import BusyError, CancelledError, OutputError
from lunarsite.lunarsite_plugin.setup import interpreters, plan, runner, tasks, unpack_uv
from lunarsite.lunarsite_plugin.setup.lock import alone
from lunarsite.lunarsite_plugin.setup.place import REQUIREMENTS, Place
from lunarsite.lunarsite_plugin.setup.work import SetupError, Work

ROOT = Path(__file__).resolve().parents[4]
UV = ROOT / ".tools" / "uv" / "bin" / "uv"
BASE = interpreters.examine(Path(sys.executable))

ENDS_WITHIN_S = 20.0  # against the minute that the work would take; 2 s are promised, and measured

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


@pytest.fixture
def place(tmp_path):
    home = tmp_path / "profile" / "lunarsite" / "engine"
    return Place(home, home / "venv" / "bin" / "python")


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Return a folder of wheels, and let the requirements be these."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder, "moonrock", "1.0")
    make_wheel(folder, "regolith", "2.0")
    pins = tmp_path / "requirements"
    pins.mkdir()
    shutil.copy(REQUIREMENTS / "uv.txt", pins)
    (pins / "core.txt").write_text("moonrock==1.0\n")
    (pins / "ml.txt").write_text("moonrock==1.0\nregolith==2.0\nnvidia-x==1.0\n")
    monkeypatch.setattr(plan, "REQUIREMENTS", pins)
    monkeypatch.setattr(plan, "LAUNCHER", pins / "first_job.py")
    plan.LAUNCHER.write_text("print('started')\n")
    monkeypatch.setenv("PATH", f"{UV.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def make_wheel(folder, name, version):
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        file.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")


class Seen:
    """Work whose progress and log are kept."""

    def __init__(self):
        self.fractions, self.lines = [], []
        self.work = Work(lambda fraction, _: self.fractions.append(fraction), self.lines.append)

    def titles(self):
        return [line for line in self.lines if line.startswith("== ") and "done" not in line]


def modules(place):
    return {path.name for path in place.venv.glob("lib/python3*/site-packages/*.py")}


def test_installs_from_a_folder_without_a_network_and_says_so(place, wheels):
    seen = Seen()
    runner.install(place, plan.Options(BASE, "cpu", wheels), seen.work)
    assert {"moonrock.py", "regolith.py"} <= modules(place)
    state = plan.state(place)
    assert (state.kind, state.torch, state.wheels) == ("ready", "cpu", str(wheels))
    assert not place.build.exists()
    assert seen.fractions == sorted(seen.fractions)
    assert seen.fractions[-1] == 1.0


def test_the_engine_starts_from_where_it_came_to_rest(place, wheels):
    runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)
    seen = Seen()
    code = seen.work.run(
        [str(place.python), "-I", "-c", "import moonrock; print(moonrock.VERSION)"]
    )
    assert (code, seen.lines) == (0, ["1.0"])


def test_missing_wheels_are_named_all_at_once(place, wheels):
    for wheel in wheels.glob("*.whl"):
        wheel.unlink()
    (plan.REQUIREMENTS / "core.txt").write_text("moonrock==1.0\nregolith==2.0\n")
    with pytest.raises(
        SetupError, match=r"lacks wheels for moonrock==1\.0, regolith==2\.0"
    ) as told:
        runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)
    assert "Add what is missing" in told.value.remedy
    assert plan.state(place).kind == "incomplete"


def test_an_update_that_fails_leaves_the_engine_as_it_was(place, wheels):
    runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)
    (plan.REQUIREMENTS / "core.txt").write_text("moonrock==9.0\n")
    assert plan.state(place).kind == "outdated"
    with pytest.raises(SetupError, match=r"moonrock==9\.0"):
        runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)
    assert plan.state(place).kind == "outdated"
    assert "moonrock.py" in modules(place)


def test_an_engine_that_does_not_start_never_replaces_one_that_does(place, wheels):
    runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)
    (plan.REQUIREMENTS / "core.txt").write_text("regolith==2.0\n")
    plan.LAUNCHER.write_text("raise ImportError('DLL load failed while importing _x')\n")
    with pytest.raises(SetupError, match="DLL load failed") as told:
        runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)
    assert "Visual C++" in told.value.remedy
    assert modules(place) == {"moonrock.py"}


def test_an_update_drops_what_is_no_longer_required(place, wheels):
    runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)
    (plan.REQUIREMENTS / "core.txt").write_text("regolith==2.0\n")
    runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)
    assert plan.state(place).kind == "ready"
    assert "moonrock.py" not in modules(place)
    assert not place.old.exists()


def test_uv_is_unpacked_from_its_wheel_and_not_twice(place, wheels, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    version = plan.pinned_uv()
    make_uv_wheel(wheels, version, "a_other_system", b"#!/bin/sh\nexit 1\n")
    make_uv_wheel(wheels, version, "this_system", UV.read_bytes())
    (plan.REQUIREMENTS / "core.txt").write_text("moonrock==9.0\n")
    first, second = Seen(), Seen()
    with pytest.raises(SetupError):
        runner.install(place, plan.Options(BASE, "none", wheels), first.work)
    assert any("this_system" in line for line in first.lines)
    (plan.REQUIREMENTS / "core.txt").write_text("moonrock==1.0\n")
    runner.install(place, plan.Options(BASE, "none", wheels), second.work)
    assert any("uv" in title for title in first.titles())
    assert not any("uv" in title for title in second.titles())


def make_uv_wheel(folder, version, system, program):
    with zipfile.ZipFile(folder / f"uv-{version}-py3-none-{system}.whl", "w") as file:
        file.writestr(f"uv-{version}.data/scripts/uv", program)


def test_a_folder_without_uv_is_refused_by_name(tmp_path, capsys):
    assert unpack_uv.main(str(tmp_path), "1.2.3", str(tmp_path / "bin" / "uv")) == 1
    assert "needs a wheel of uv 1.2.3" in capsys.readouterr().out
    (tmp_path / "uv-1.2.3-py3-none-any.whl").write_bytes(b"no zip")
    assert unpack_uv.main(str(tmp_path), "1.2.3", str(tmp_path / "bin" / "uv")) == 1
    assert "none of them runs here" in capsys.readouterr().out


@pytest.fixture
def silent_index():
    """Return the address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/simple"


def test_cancel_ends_everything_and_the_next_time_goes_on(place, wheels, silent_index):
    seen = Seen()
    options = plan.Options(BASE, environment={"UV_DEFAULT_INDEX": silent_index})
    ended = in_background(lambda: runner.install(place, options, seen.work))
    wait_until(lambda: processes_with(str(place.build_python)))
    begun = time.monotonic()
    seen.work.cancel()
    assert isinstance(ended(), CancelledError)
    assert time.monotonic() - begun < ENDS_WITHIN_S
    assert not processes_with(str(place.home))
    assert plan.state(place).kind == "incomplete"
    runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)
    assert plan.state(place).kind == "ready"


def test_cancel_takes_what_the_child_started_even_if_it_does_not_listen(tmp_path):
    mark = str(tmp_path / "grandchild")
    stubborn = f"import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60); {mark!r}"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {stubborn!r}])"
    seen = Seen()
    ended = in_background(lambda: seen.work.run([sys.executable, "-c", parent]))
    wait_until(lambda: len(processes_with(mark)) == 2)
    time.sleep(0.3)  # until the grandchild has stopped listening
    begun = time.monotonic()
    seen.work.cancel()
    assert isinstance(ended(), CancelledError)
    assert time.monotonic() - begun < ENDS_WITHIN_S
    assert not processes_with(mark)


def test_work_that_was_cancelled_starts_nothing_more():
    seen = Seen()
    seen.work.cancel()
    with pytest.raises(CancelledError):
        seen.work.run(["/bin/true"])


def test_a_child_that_is_not_done_in_time_is_given_up():
    begun = time.monotonic()
    with pytest.raises(SetupError, match=r"not done within 0\.3 s"):
        Seen().work.run(["/bin/sleep", "30"], within_s=0.3)
    assert time.monotonic() - begun < ENDS_WITHIN_S


def test_two_at_once_the_second_is_told_who_holds_it(place, wheels):
    runner.open_home(place)
    held, release = threading.Event(), threading.Event()

    def hold():
        with alone(place.lock):
            held.set()
            release.wait(20)

    ended = in_background(hold)
    assert held.wait(10)
    with pytest.raises(BusyError, match=f"process {os.getpid()}"):
        runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)
    with pytest.raises(BusyError):
        runner.remove(place, Seen().work)
    release.set()
    assert ended() is None
    runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)


def test_a_lock_of_a_dead_process_is_taken_over(tmp_path):
    lock = tmp_path / "setup.lock"
    script = (
        "import sys, os; from pathlib import Path; "
        "from lunarsite.lunarsite_plugin.setup.lock import alone\n"
        f"with alone(Path({str(lock)!r})): os.kill(os.getpid(), {int(signal.SIGKILL)})"
    )
    assert Seen().work.run([sys.executable, "-c", script]) == -signal.SIGKILL
    assert lock.exists()
    with alone(lock):
        assert lock.exists()
    assert not lock.exists()


def test_a_folder_that_cannot_be_made_is_refused(place):
    place.home.parent.mkdir(parents=True)
    place.home.write_text("a file in the way")
    with pytest.raises(OutputError, match="cannot be written to"):
        runner.open_home(place)


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_refused(place):
    place.home.mkdir(parents=True)
    place.home.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written to"):
        runner.open_home(place)


def test_a_folder_of_somebody_elses_is_refused(place):
    place.home.mkdir(parents=True)
    (place.home / "thesis.txt").touch()
    with pytest.raises(OutputError, match=r"did not make: thesis\.txt"):
        runner.open_home(place)


def test_a_disk_that_is_too_full_is_refused_before_anything_is_fetched(place, wheels, monkeypatch):
    monkeypatch.setitem(plan.NEEDED_BYTES, "none", 10**18)
    with pytest.raises(OutputError, match="GiB are free"):
        runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)
    assert not place.build.exists()


def test_remove_takes_ours_and_leaves_theirs(place, wheels, tmp_path):
    runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)
    (place.home / "notes.txt").write_text("mine")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    place.uv.symlink_to(outside)
    runner.remove(place, Seen().work)
    assert [path.name for path in place.home.iterdir()] == ["notes.txt"]
    assert (outside / "kept").exists()
    assert plan.state(place).kind == "missing"


def test_remove_leaves_nothing_where_all_is_ours(place, wheels):
    runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)
    runner.remove(place, Seen().work)
    assert not place.home.exists()


def test_remove_refuses_a_folder_that_it_did_not_mark(place):
    place.venv.mkdir(parents=True)
    with pytest.raises(OutputError, match="was not made by the engine set-up"):
        runner.remove(place, Seen().work)
    assert place.venv.is_dir()


def test_a_long_log_is_cut_at_its_oldest_lines(tmp_path):
    log = tmp_path / "setup.log"
    log.write_text("".join(f"line {number}\n" for number in range(200_000)))
    runner.trim_log(log)
    kept = log.read_text().splitlines()
    assert log.stat().st_size <= runner.KEPT_LOG_BYTES
    assert kept[-1] == "line 199999"
    assert kept[0].startswith("line ")


def test_an_installation_goes_on_with_the_python_it_was_begun_with(place, wheels):
    runner.install(place, plan.Options(BASE, "none", wheels), Seen().work)
    assert tasks.choose_base(place, "", Seen().work).python == BASE.python


def test_an_interpreter_that_does_not_fit_is_refused_with_the_reason(place, tmp_path):
    with pytest.raises(SetupError, match="cannot be started"):
        tasks.choose_base(place, str(tmp_path / "none"), Seen().work)


def test_a_folder_of_wheels_that_is_not_there_is_refused(place, tmp_path):
    with pytest.raises(SetupError, match="There is no folder"):
        tasks.install(place, tasks.Wish(wheels=tmp_path / "gone"), Seen().work)


def in_background(function):
    """Start a function in a thread; return a function that waits and gives its error or None."""
    errors = []

    def run():
        try:
            function()
        except Exception as error:  # noqa: BLE001  handed to the test
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def ended():
        thread.join(30)
        assert not thread.is_alive()
        return errors[0] if errors else None

    return ended


def wait_until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def processes_with(text):
    """Return the ids of the processes whose command line holds a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in entry.read_bytes().decode("utf-8", "replace"):
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found
