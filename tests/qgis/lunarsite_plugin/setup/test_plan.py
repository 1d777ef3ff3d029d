"""Interpreters, torch builds, the steps and states of installations, and the output of uv."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lunarsite.engine.errors import LunarSiteError
from lunarsite.lunarsite_plugin.setup import check, interpreters, plan
from lunarsite.lunarsite_plugin.setup.install import torch_build, uv_output
from lunarsite.lunarsite_plugin.setup.install.work import without_credentials
from lunarsite.lunarsite_plugin.setup.interpreters import Interpreter, Unsuitable
from lunarsite.lunarsite_plugin.setup.paths import REQUIREMENTS, EnginePaths

BASE = Interpreter(Path("/opt/python/bin/python3"), (3, 12, 4), has_pip=True, has_ensurepip=True)
UV = Path("/usr/bin/uv")


@pytest.fixture
def paths(tmp_path):
    home = tmp_path / "home"
    return EnginePaths(home, home / "venv" / "bin" / "python")


def make_engine(paths, options):
    """Create an environment with the stamps of a successful installation."""
    paths.python.parent.mkdir(parents=True)
    paths.python.symlink_to(sys.executable)
    (paths.venv / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\n")
    folder = plan.stamp_folder(paths.venv)
    folder.mkdir()
    for step in plan.steps(paths, options, UV):
        if step.stamp_file is not None:
            (folder / step.stamp_file.name).write_text(step.stamp)
    (folder / plan.CHOICES_FILE).write_text(plan.choices_text(options))


def script(folder, name, text):
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def test_the_running_python_is_suitable():
    answer = interpreters.examine(Path(sys.executable))
    assert isinstance(answer, Interpreter)
    assert answer.version == sys.version_info[:3]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo hello", "not Python 3: hello"),
        ("echo stub >&2; exit 9", "not Python 3: stub"),
        ("exit 1", "no output"),
        ("echo '{}'", "unexpected output"),
    ],
)
def test_other_programs_are_unsuitable(tmp_path, text, reason):
    answer = interpreters.examine(script(tmp_path, "python3", text))
    assert isinstance(answer, Unsuitable)
    assert reason in answer.reason


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"version": [3, 10, 2]}, "Python 3.10.2; the engine needs 3.11"),
        ({"bits": 32}, "32-bit"),
        ({"implementation": "PyPy"}, "PyPy"),
        ({"free_threaded": True}, "free-threaded"),
    ],
)
def test_unsuitable_interpreters_have_a_reason(tmp_path, changed, reason):
    facts = {
        "python": "/p",
        "version": [3, 12, 0],
        "implementation": "CPython",
        "bits": 64,
        "free_threaded": False,
        "pip": True,
        "ensurepip": True,
    }
    fine = script(tmp_path, "fine", f"echo '{as_json(facts)}'")
    assert isinstance(interpreters.examine(fine), Interpreter)
    other = script(tmp_path, "other", f"echo '{as_json(facts | changed)}'")
    assert reason in interpreters.examine(other).reason


def as_json(value):
    import json  # noqa: PLC0415

    return json.dumps(value)


def test_an_interpreter_that_hangs_is_unsuitable(tmp_path, monkeypatch):
    monkeypatch.setattr(interpreters, "ANSWER_WITHIN_S", 0.2)
    answer = interpreters.examine(script(tmp_path, "python3", "exec sleep 30"))
    assert "did not answer within 0.2 s" in answer.reason


def test_links_to_the_same_interpreter_are_found_once(tmp_path):
    link = tmp_path / "python3"
    link.symlink_to(sys.executable)
    missing = tmp_path / "gone"
    found, unsuitable = interpreters.find([Path(sys.executable), link, missing])
    assert len(found) == 1
    assert "cannot be started" in unsuitable[0].reason


def test_candidates_are_on_the_path_and_never_the_running_program(tmp_path, monkeypatch):
    named = script(tmp_path, "python3.12", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "qgis-bin.exe"))
    (tmp_path / "qgis-bin.exe").touch()
    paths = interpreters.candidates()
    assert named in paths
    assert tmp_path / "qgis-bin.exe" not in paths


def test_the_list_of_the_windows_launcher_is_parsed():
    text = (
        " -V:3.13 *        C:\\Program Files\\Python313\\python.exe\r\n"
        " -V:3.11          D:\\py\\python.exe\r\nno more\r\n"
    )
    assert [str(path) for path in interpreters.listed_by_launcher(text)] == [
        "C:\\Program Files\\Python313\\python.exe",
        "D:\\py\\python.exe",
    ]


@pytest.mark.parametrize(
    ("choice", "driver", "build"),
    [
        ("none", 600, "none"),
        ("cpu", 600, "cpu"),
        ("gpu", None, "gpu"),
        ("auto", None, "cpu"),
        ("auto", 579, "cpu"),
        ("auto", 580, "gpu"),
    ],
)
def test_automatic_selects_the_gpu_build_with_a_recent_driver(choice, driver, build):
    assert torch_build.resolve(choice, driver=driver) == build


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux are the CUDA wheels separate")
def test_automatic_selects_the_gpu_build_if_its_wheels_exist(tmp_path):
    assert torch_build.resolve("auto", driver=600, wheels=tmp_path) == "cpu"
    (tmp_path / "nvidia_cublas-13-py3-none-any.whl").touch()
    assert torch_build.resolve("auto", driver=600, wheels=tmp_path) == "gpu"


def test_the_version_of_the_driver_is_queried(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    assert torch_build.driver_version() is None
    script(tmp_path, "nvidia-smi", "echo 581.12.03")
    assert torch_build.driver_version() == 581
    script(tmp_path, "nvidia-smi", "echo 581.12.03; exit 9")
    assert torch_build.driver_version() is None


def test_torch_from_its_own_index_is_pinned_without_hashes():
    lines = (REQUIREMENTS / "torch.txt").read_text("utf-8").splitlines()
    names = [pin.partition("==")[0] for pin in torch_build.pins(lines)]
    assert names == ["torch", "torchvision"]
    assert not any("hash" in pin or "\\" in pin for pin in torch_build.pins(lines))


@pytest.mark.parametrize(
    ("build", "offline", "platform", "verified"),
    [
        ("gpu", False, "linux", True),
        ("gpu", True, "linux", True),
        ("cpu", False, "linux", False),
        ("cpu", True, "linux", False),
        ("cpu", False, "darwin", True),
        ("cpu", False, "win32", True),
        ("gpu", False, "win32", False),
    ],
)
def test_builds_of_the_package_index_are_verified(build, offline, platform, verified):
    assert torch_build.is_verified(build, offline=offline, platform=platform) is verified


def test_everything_but_torch_of_its_own_index_is_verified(paths):
    for step in plan.steps(paths, plan.Options(BASE, "cpu"), None):
        if step.name in ("uv", "core", "ml"):
            assert "--require-hashes" in step.argv, step.name


def test_the_index_depends_on_the_build():
    backend = torch_build.uv_options
    assert backend("cpu", offline=False, platform="linux") == ["--torch-backend", "cpu"]
    assert backend("cpu", offline=True, platform="linux") == []
    assert backend("gpu", offline=False, platform="linux") == []
    assert backend("gpu", offline=False, platform="win32") == ["--torch-backend", "auto"]
    assert backend("cpu", offline=False, platform="darwin") == []


def test_the_steps_end_with_a_test(paths):
    names = [step.name for step in plan.steps(paths, plan.Options(BASE, "gpu"), None)]
    assert names == ["uv", "venv", "core", "ml", "torch", "start"]
    assert "ml" not in [step.name for step in plan.steps(paths, plan.Options(BASE), UV)]


def test_an_interpreter_without_pip_gets_a_temporary_one(paths):
    bare = Interpreter(BASE.python, BASE.version, has_pip=False, has_ensurepip=True)
    boot, uv, *_ = plan.steps(paths, plan.Options(bare), None)
    assert str(paths.boot) in boot.argv
    assert uv.argv[0] == str(paths.boot / "bin" / "python")
    barer = Interpreter(BASE.python, BASE.version, has_pip=False, has_ensurepip=False)
    with pytest.raises(LunarSiteError, match=r"neither pip nor ensurepip.*python3-venv"):
        plan.steps(paths, plan.Options(barer), None)


def test_offline_installations_use_the_wheel_folder(paths, tmp_path):
    for step in plan.steps(paths, plan.Options(BASE, "cpu", tmp_path), UV):
        if step.name in {"core", "ml", "torch"}:
            assert {"--offline", "--no-index", str(tmp_path)} <= set(step.argv)
            assert "--torch-backend" not in step.argv


def test_installations_resume_at_the_first_pending_step(paths):
    steps = plan.steps(paths, plan.Options(BASE, "cpu"), UV)
    assert plan.pending(steps) == steps
    for step in steps[:2]:
        step.stamp_file.parent.mkdir(parents=True, exist_ok=True)
        step.stamp_file.write_text(step.stamp)
    assert [step.name for step in plan.pending(steps)] == ["ml", "torch", "start"]
    other = Interpreter(BASE.python, (3, 13, 0), has_pip=True, has_ensurepip=True)
    again = plan.steps(paths, plan.Options(other, "cpu"), UV)
    assert plan.pending(again) == again


def test_the_states_of_an_engine(paths):
    assert plan.state(paths).kind == "missing"
    paths.build.mkdir(parents=True)
    assert plan.state(paths).kind == "incomplete"
    make_engine(paths, plan.Options(BASE, "cpu"))
    state = plan.state(paths)
    assert (state.kind, state.torch, state.base) == ("ready", "cpu", str(BASE.python))


@pytest.mark.parametrize(("name", "build"), [("core", "none"), ("ml", "cpu")])
def test_an_engine_is_outdated_if_requirements_change(paths, tmp_path, monkeypatch, name, build):
    changed = tmp_path / "requirements"
    changed.mkdir()
    for file in REQUIREMENTS.glob("*.txt"):
        (changed / file.name).write_text(file.read_text("utf-8"))
    make_engine(paths, plan.Options(BASE, build))
    monkeypatch.setattr(plan, "REQUIREMENTS", changed)
    assert plan.state(paths).kind == "ready"
    with (changed / f"{name}.txt").open("a") as file:
        file.write("regolith==1.0\n")
    assert plan.state(paths).kind == "outdated"


def test_an_engine_without_its_base_python_is_incomplete(paths):
    make_engine(paths, plan.Options(BASE))
    (paths.venv / "pyvenv.cfg").write_text("home = /nowhere/at/all\n")
    state = plan.state(paths)
    assert state.kind == "incomplete"
    assert "/nowhere/at/all" in state.why


def test_an_engine_without_a_stamp_is_incomplete(paths):
    make_engine(paths, plan.Options(BASE, "cpu"))
    (plan.stamp_folder(paths.venv) / "ml").unlink()
    assert plan.state(paths).kind == "incomplete"


def test_progress_depends_on_the_downloaded_size():
    progress = uv_output.Progress()
    seen = [progress.fraction]
    for line in (
        "Resolved 3 packages in 1ms",
        "Downloading torch (800.0MiB)",
        "Downloading numpy (200.0MiB)",
        " Downloaded numpy",
        " Downloaded torch",
        "Prepared 3 packages in 4s",
        "Installed 3 packages in 1s",
        " + numpy==2",
    ):
        progress.take(line)
        seen.append(progress.fraction)
    assert seen == sorted(seen)
    assert seen[4] == pytest.approx(0.05 + 0.8 * 0.2)
    assert seen[-1] == 1.0


def test_progress_names_the_largest_downloads():
    progress = uv_output.Progress()
    progress.take("Downloading kiwi (512.0KiB)")
    progress.take("Downloading torch (1.5GiB)")
    assert progress.detail.startswith("downloading torch (1536 MiB)")
    progress.take(" Downloaded torch")
    assert "torch" not in progress.detail


@pytest.mark.parametrize(
    ("output", "options", "advice"),
    [
        ("error: No space left on device", {}, "disk space"),
        ("cause: invalid peer certificate: UnknownIssuer", {}, "certificate authority"),
        ("cause: dns error", {}, "Check the network connection"),
        ("cause: dns error", {"own_server": True}, "The PyTorch server"),
        ("error: affine was not found", {"offline": True}, "wheel folder"),
        ("cause: tunnel error: 407 Proxy Authentication Required", {}, "proxy"),
        ("strange", {}, "See the log"),
    ],
)
def test_advice_depends_on_the_error(output, options, advice):
    assert advice in uv_output.remedy([output], **options)


def test_errors_include_the_last_cause():
    lines = ["Resolving", "error: Request failed", "  cause: sending", "  cause: dns error", ""]
    assert uv_output.error_of(lines) == "Request failed; dns error"
    assert uv_output.error_of(["only this", ""]) == "only this"


def test_passwords_are_removed_from_the_log():
    facts = without_credentials("Fetching http://ada:secret@proxy:3128/x and https://host/y")
    assert facts == "Fetching http://proxy:3128/x and https://host/y"


def test_versions_are_compared_numerically():
    assert check.is_older("2.9.1", "2.10")
    assert not check.is_older("2.0.0", "2.0")
    assert not check.is_older("2.1.0rc1", "2.1")


@pytest.mark.parametrize("warning", [None, "Networks run without a GPU: torch cannot be imported."])
def test_the_check_names_a_torch_that_cannot_be_imported(monkeypatch, warning):
    answer = {"kind": "cpu", "name": "x86_64", "cores": 4, "reason": "no GPU", "torch": "2.9.0"}
    monkeypatch.setattr(check, "_query", lambda *_: answer | {"warning": warning})
    device, torch = check._device(Path("python"), None)
    assert device.ok
    assert (torch.ok, torch.detail) == ((False, warning) if warning else (True, "2.9.0"))
