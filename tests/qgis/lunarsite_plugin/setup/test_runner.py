"""Installations with uv, of tiny packages from a wheel folder."""

from __future__ import annotations

import hashlib
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
from lunarsite.lunarsite_plugin.setup import interpreters, plan, runner, tasks
from lunarsite.lunarsite_plugin.setup.install import unpack_uv
from lunarsite.lunarsite_plugin.setup.install.work import SetupError, Work
from lunarsite.lunarsite_plugin.setup.lock import exclusive_lock
from lunarsite.lunarsite_plugin.setup.paths import REQUIREMENTS, EnginePaths

ROOT = Path(__file__).resolve().parents[4]
UV = ROOT / ".tools" / "uv" / "bin" / "uv"
BASE = interpreters.examine(Path(sys.executable))

ENDS_WITHIN_S = 20.0  # the work itself would take a minute; the limit is 2 s

pytestmarker = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


@pytest.fixture
def paths(tmp_path):
    home = tmp_path / "profile" / "lunarsite" / "engine"
    return EnginePaths(home, home / "venv" / "bin" / "python")


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Return a folder of wheels, which are the requirements."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder, "moonrock", "1.0")
    make_wheel(folder, "regolith", "2.0")
    pins = tmp_path / "requirements"
    pins.mkdir()
    shutil.copy(REQUIREMENTS / "uv.txt", pins)
    pin(pins / "core.txt", folder, "moonrock==1.0")
    pin(pins / "ml.txt", folder, "regolith==2.0")
    (pins / "torch.txt").write_text("torch==3.0\nnvidia-x==1.0\n")
    make_wheel(folder, "torch", "3.0")
    monkeypatch.setattr(plan, "REQUIREMENTS", pins)
    monkeypatch.setattr(plan, "LAUNCHER", pins / "smoke_test.py")
    plan.LAUNCHER.write_text("print('started')\n")
    monkeypatch.setenv("PATH", f"{UV.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def pin(path, wheels, *requirements):
    """Write pins with the hashes of their wheels; of missing ones with that of nothing."""
    lines = []
    for requirement in requirements:
        wheel = wheels / f"{requirement.replace('==', '-')}-py3-none-any.whl"
        content = wheel.read_bytes() if wheel.is_file() else b""
        lines.append(f"{requirement} --hash=sha256:{hashlib.sha256(content).hexdigest()}\n")
    path.write_text("".join(lines))


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


class Recorder:
    """Records the progress and the log of a task."""

    def __init__(self):
        self.fractions, self.lines = [], []
        self.work = Work(lambda fraction, _: self.fractions.append(fraction), self.lines.append)

    def titles(self):
        return [line for line in self.lines if line.startswith("== ") and "done" not in line]


def modules(paths):
    return {path.name for path in paths.venv.glob("lib/python3*/site-packages/*.py")}


def test_an_offline_installation(paths, wheels):
    recorder = Recorder()
    runner.install(paths, plan.Options(BASE, "cpu", wheels), recorder.work)
    assert {"moonrock.py", "regolith.py", "torch.py"} <= modules(paths)
    state = plan.state(paths)
    assert (state.kind, state.torch, state.wheels) == ("ready", "cpu", str(wheels))
    assert not paths.build.exists()
    assert recorder.fractions == sorted(recorder.fractions)
    assert recorder.fractions[-1] == 1.0


def test_the_environment_works_after_it_has_been_moved(paths, wheels):
    runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    recorder = Recorder()
    code = recorder.work.run(
        [str(paths.python), "-I", "-c", "import moonrock; print(moonrock.VERSION)"]
    )
    assert (code, recorder.lines) == (0, ["1.0"])


def test_all_missing_wheels_are_reported(paths, wheels):
    for wheel in wheels.glob("*.whl"):
        wheel.unlink()
    pin(plan.REQUIREMENTS / "core.txt", wheels, "moonrock==1.0", "regolith==2.0")
    with pytest.raises(
        SetupError, match=r"has no wheels for moonrock==1\.0, regolith==2\.0"
    ) as caught:
        runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    assert "Add the missing packages" in caught.value.remedy
    assert plan.state(paths).kind == "incomplete"


def test_a_failed_update_leaves_the_old_engine(paths, wheels):
    runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    pin(plan.REQUIREMENTS / "core.txt", wheels, "moonrock==9.0")
    assert plan.state(paths).kind == "outdated"
    with pytest.raises(SetupError, match=r"moonrock==9\.0"):
        runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    assert plan.state(paths).kind == "outdated"
    assert "moonrock.py" in modules(paths)


def test_an_engine_that_fails_its_test_is_not_activated(paths, wheels):
    runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    pin(plan.REQUIREMENTS / "core.txt", wheels, "regolith==2.0")
    plan.LAUNCHER.write_text("raise ImportError('DLL load failed while importing _x')\n")
    with pytest.raises(SetupError, match="DLL load failed") as caught:
        runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    assert "Visual C++" in caught.value.remedy
    assert modules(paths) == {"moonrock.py"}


def test_an_update_removes_unused_packages(paths, wheels):
    runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    pin(plan.REQUIREMENTS / "core.txt", wheels, "regolith==2.0")
    runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    assert plan.state(paths).kind == "ready"
    assert "moonrock.py" not in modules(paths)
    assert not paths.old.exists()


def test_uv_is_extracted_once(paths, wheels, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    version = plan.pinned_uv()
    make_uv_wheel(wheels, version, "a_other_system", b"#!/bin/sh\nexit 1\n")
    make_uv_wheel(wheels, version, "this_system", UV.read_bytes())
    pin_uv(wheels, version)
    pin(plan.REQUIREMENTS / "core.txt", wheels, "moonrock==9.0")
    first, second = Recorder(), Recorder()
    with pytest.raises(SetupError):
        runner.install(paths, plan.Options(BASE, "none", wheels), first.work)
    assert any("this_system" in line for line in first.lines)
    pin(plan.REQUIREMENTS / "core.txt", wheels, "moonrock==1.0")
    runner.install(paths, plan.Options(BASE, "none", wheels), second.work)
    assert any("uv" in title for title in first.titles())
    assert not any("uv" in title for title in second.titles())


def make_uv_wheel(folder, version, system, program):
    with zipfile.ZipFile(folder / f"uv-{version}-py3-none-{system}.whl", "w") as file:
        file.writestr(f"uv-{version}.data/scripts/uv", program)


def pin_uv(wheels, version):
    """Pin the wheels of uv in a folder."""
    digests = [hashlib.sha256(each.read_bytes()).hexdigest() for each in wheels.glob("uv-*.whl")]
    hashes = "".join(f" --hash=sha256:{digest}" for digest in digests)
    (plan.REQUIREMENTS / "uv.txt").write_text(f"uv=={version}{hashes}\n")


def test_a_wheel_folder_without_uv_is_reported(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(plan, "REQUIREMENTS", tmp_path)
    arguments = (str(tmp_path), str(tmp_path / "uv.txt"), str(tmp_path / "bin" / "uv"))
    pin_uv(tmp_path, "1.2.3")
    assert unpack_uv.main(*arguments) == 1
    assert "has no wheel of uv 1.2.3" in capsys.readouterr().out
    (tmp_path / "uv-1.2.3-py3-none-any.whl").write_bytes(b"no zip")
    pin_uv(tmp_path, "1.2.3")
    assert unpack_uv.main(*arguments) == 1
    assert "has no wheel of uv 1.2.3" in capsys.readouterr().out


def test_a_uv_that_is_not_the_pinned_one_is_not_opened(paths, wheels, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    make_uv_wheel(wheels, "1.2.3", "this_system", UV.read_bytes())
    pin_uv(wheels, "1.2.3")
    make_uv_wheel(wheels, "1.2.3", "this_system", f"#!/bin/sh\ntouch {tmp_path}/run\n".encode())
    recorder = Recorder()
    with pytest.raises(SetupError):
        runner.install(paths, plan.Options(BASE, "none", wheels), recorder.work)
    assert any("its hash differs" in line for line in recorder.lines)
    assert not (paths.uv / "bin" / "uv").exists()
    assert not (tmp_path / "run").exists()


def test_a_tampered_wheel_is_refused_by_its_hash(paths, wheels):
    make_wheel(wheels, "moonrock", "1.0")
    with zipfile.ZipFile(wheels / "moonrock-1.0-py3-none-any.whl", "a") as file:
        file.writestr("more.py", "print('tampered')\n")
    with pytest.raises(SetupError, match=r"Hash mismatch.*may have been tampered with"):
        runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    assert plan.state(paths).kind == "incomplete"


@pytest.fixture
def silent_index():
    """Return the URL of a server that accepts connections but never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/simple"


def test_a_cancelled_installation_can_be_resumed(paths, wheels, silent_index):
    recorder = Recorder()
    options = plan.Options(BASE, environment={"UV_DEFAULT_INDEX": silent_index})
    ended = in_background(lambda: runner.install(paths, options, recorder.work))
    wait_until(lambda: processes_with(str(paths.build_python)))
    start = time.monotonic()
    recorder.work.cancel()
    assert isinstance(ended(), CancelledError)
    assert time.monotonic() - start < ENDS_WITHIN_S
    assert not processes_with(str(paths.home))
    assert plan.state(paths).kind == "incomplete"
    runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    assert plan.state(paths).kind == "ready"


def test_cancelling_kills_all_descendants(tmp_path):
    marker = str(tmp_path / "grandchild")
    stubborn = f"import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60); {marker!r}"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {stubborn!r}])"
    recorder = Recorder()
    ended = in_background(lambda: recorder.work.run([sys.executable, "-c", parent]))
    wait_until(lambda: len(processes_with(marker)) == 2)
    time.sleep(0.3)  # until the grandchild ignores the signal
    start = time.monotonic()
    recorder.work.cancel()
    assert isinstance(ended(), CancelledError)
    assert time.monotonic() - start < ENDS_WITHIN_S
    assert not processes_with(marker)


def test_a_cancelled_task_starts_no_process():
    recorder = Recorder()
    recorder.work.cancel()
    with pytest.raises(CancelledError):
        recorder.work.run(["/bin/true"])


def test_a_process_that_takes_too_long_is_killed():
    start = time.monotonic()
    with pytest.raises(SetupError, match=r"did not finish within 0\.3 s"):
        Recorder().work.run(["/bin/sleep", "30"], within_s=0.3)
    assert time.monotonic() - start < ENDS_WITHIN_S


def test_simultaneous_setups_are_rejected(paths, wheels):
    runner.open_home(paths)
    held, release = threading.Event(), threading.Event()

    def hold():
        with exclusive_lock(paths.lock):
            held.set()
            release.wait(20)

    ended = in_background(hold)
    assert held.wait(10)
    with pytest.raises(BusyError, match=f"process {os.getpid()}"):
        runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    with pytest.raises(BusyError):
        runner.remove(paths, Recorder().work)
    release.set()
    assert ended() is None
    runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)


def test_the_lock_of_a_crashed_process_is_stale(tmp_path):
    lock = tmp_path / "setup.lock"
    script = (
        "import sys, os; from pathlib import Path; "
        "from lunarsite.lunarsite_plugin.setup.lock import exclusive_lock\n"
        f"with exclusive_lock(Path({str(lock)!r})): os.kill(os.getpid(), {int(signal.SIGKILL)})"
    )
    assert Recorder().work.run([sys.executable, "-c", script]) == -signal.SIGKILL
    assert lock.exists()
    with exclusive_lock(lock):
        assert lock.exists()
    assert not lock.exists()


def test_a_folder_that_cannot_be_created_is_reported(paths):
    paths.home.parent.mkdir(parents=True)
    paths.home.write_text("a file in the way")
    with pytest.raises(OutputError, match="Cannot write to"):
        runner.open_home(paths)


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_reported(paths):
    paths.home.mkdir(parents=True)
    paths.home.chmod(0o500)
    with pytest.raises(OutputError, match="Cannot write to"):
        runner.open_home(paths)


def test_a_folder_with_other_files_is_rejected(paths):
    paths.home.mkdir(parents=True)
    (paths.home / "thesis.txt").touch()
    with pytest.raises(OutputError, match=r"did not create: thesis\.txt"):
        runner.open_home(paths)


def test_the_disk_space_is_checked_first(paths, wheels, monkeypatch):
    monkeypatch.setitem(plan.NEEDED_BYTES, "none", 10**18)
    with pytest.raises(OutputError, match="GiB are free"):
        runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    assert not paths.build.exists()


def test_remove_leaves_other_files(paths, wheels, tmp_path):
    runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    (paths.home / "notes.txt").write_text("mine")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    paths.uv.symlink_to(outside)
    runner.remove(paths, Recorder().work)
    assert [path.name for path in paths.home.iterdir()] == ["notes.txt"]
    assert (outside / "file").exists()
    assert plan.state(paths).kind == "missing"


def test_remove_deletes_the_folder(paths, wheels):
    runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    runner.remove(paths, Recorder().work)
    assert not paths.home.exists()


def test_remove_does_not_touch_an_unmarked_folder(paths):
    paths.venv.mkdir(parents=True)
    with pytest.raises(OutputError, match="was not created by the engine setup"):
        runner.remove(paths, Recorder().work)
    assert paths.venv.is_dir()


def test_the_oldest_lines_of_a_long_log_are_dropped(tmp_path):
    log = tmp_path / "setup.log"
    log.write_text("".join(f"line {number}\n" for number in range(200_000)))
    runner.trim_log(log)
    lines = log.read_text().splitlines()
    assert log.stat().st_size <= runner.KEPT_LOG_BYTES
    assert lines[-1] == "line 199999"
    assert lines[0].startswith("line ")


def test_the_previous_interpreter_is_used_again(paths, wheels):
    runner.install(paths, plan.Options(BASE, "none", wheels), Recorder().work)
    assert tasks.choose_base(paths, "", Recorder().work).python == BASE.python


def test_an_unsuitable_interpreter_is_rejected(paths, tmp_path):
    with pytest.raises(SetupError, match="cannot be started"):
        tasks.choose_base(paths, str(tmp_path / "none"), Recorder().work)


def test_a_missing_wheel_folder_is_reported(paths, tmp_path):
    with pytest.raises(SetupError, match="does not exist"):
        tasks.install(paths, tasks.InstallRequest(wheels=tmp_path / "gone"), Recorder().work)


def in_background(function):
    """Call a function in a thread; return a function that waits for it and returns its error."""
    errors = []

    def run():
        try:
            function()
        except Exception as error:  # noqa: BLE001  returned to the test
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
    """Return the ids of the processes whose command line contains a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in entry.read_bytes().decode("utf-8", "replace"):
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found
