"""The packaged plugin in an empty profile, with and without the desktop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from lunarsite.engine import stages

ROOT = Path(__file__).resolve().parents[3]
ENGINE = ROOT / ".venv" / "bin" / "python"
SMALL = ["size_px=96", "pixel_m=240"]
QUICK = ["azimuths=72", "step_hours=48", "stop=2028-01-01", "draws=20", "profile=hls"]
WITHIN_S = 240

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Xvfb and /proc")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a home folder with the plugin in its QGIS profile, not enabled."""
    folder = tmp_path_factory.mktemp("home")
    subprocess.run([ENGINE, ROOT / "tools" / "package.py", folder], check=True, capture_output=True)
    plugins = profiles(folder) / "profiles" / "default" / "python" / "plugins"
    plugins.mkdir(parents=True)
    with zipfile.ZipFile(next(folder.glob("lunarsite-*.zip"))) as package:
        package.extractall(plugins)
    return folder


def profiles(home):
    """Return the folder of the QGIS profiles."""
    return home / "QGIS" / "QGIS3"


def environment(home, **more):
    """Return a minimal environment with the profile and the engine."""
    base = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}}
    runtime = home / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    return {
        **base,
        "HOME": str(home),
        "XDG_DATA_HOME": str(home),
        "XDG_RUNTIME_DIR": str(runtime),
        "LUNARSITE_ENGINE_PYTHON": str(ENGINE),
        **more,
    }


@pytest.fixture(scope="module")
def headless(home):
    """Return a function that starts qgis_process with the plugin enabled."""

    def start(*arguments):
        return subprocess.Popen(
            ["qgis_process", *map(str, arguments)],
            env=environment(home, QT_QPA_PLATFORM="offscreen"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    output = start("plugins", "enable", "lunarsite").communicate(timeout=WITHIN_S)[0]
    assert "lunarsite" in output.lower()
    assert "error" not in output.lower()
    return start


@pytest.fixture(scope="module")
def dem(headless, tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "dem.tif"
    output = headless("run", "lunarsite:synthesize", "--", f"out={path}", *SMALL)
    assert output.communicate(timeout=WITHIN_S)[0]
    assert path.is_file()
    return path


def test_screening_without_a_desktop(headless, dem, tmp_path):
    process = headless(
        "--json", "run", "lunarsite:screen", "--", f"dem={dem}", *QUICK, f"out={tmp_path / 'run'}"
    )
    output = process.communicate(timeout=WITHIN_S)[0]
    assert process.returncode == 0, output
    results = json.loads(output[output.index("{") :])["results"]
    assert Path(results["report"]).is_file()
    assert (tmp_path / "run" / "sites.gpkg").is_file()


def test_two_simultaneous_runs(headless, dem, tmp_path):
    running = [
        headless("run", "lunarsite:screen", "--", f"dem={dem}", *QUICK, f"out={tmp_path / name}")
        for name in ("first", "second")
    ]
    output = [process.communicate(timeout=WITHIN_S)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], output
    scores = [(tmp_path / name / "scores.parquet").read_bytes() for name in ("first", "second")]
    assert scores[0] == scores[1]


def test_two_simultaneous_runs_in_one_folder(headless, dem, tmp_path):
    out = tmp_path / "run"
    command = ["run", "lunarsite:screen", "--", f"dem={dem}", f"out={out}"]
    first = headless(*command, "azimuths=1440", "step_hours=1")
    limit = time.monotonic() + WITHIN_S
    while not out.exists():
        assert first.poll() is None, first.communicate()[0]
        assert time.monotonic() < limit
        time.sleep(0.02)
    second = headless(*command, *QUICK)
    output = second.communicate(timeout=WITHIN_S)[0]
    assert first.poll() is None, "the first run was too fast"
    assert second.returncode != 0
    assert f"Another run works in {out}. Wait until it ends, or choose another folder." in output
    first.terminate()
    first.communicate(timeout=WITHIN_S)


def test_the_plugin_in_the_desktop(home, tmp_path):
    settings = profiles(home) / "profiles" / "default" / "QGIS" / "QGIS3.ini"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text("[PythonPlugins]\nlunarsite=true\n")
    script = Path(__file__).with_name("in_the_desktop.py")
    desktop = ["qgis", "--nologo", "--noversioncheck", "--profiles-path", profiles(home)]
    process = subprocess.Popen(
        ["xvfb-run", "-a", "-s", "-screen 0 1400x900x24", *desktop, "--code", script],
        env=environment(home, LUNARSITE_TEST_FOLDER=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output = process.communicate(timeout=WITHIN_S)[0]
    finally:
        # Killing xvfb-run does not stop the X server and QGIS.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (tmp_path / "results.json").is_file(), output
    results = json.loads((tmp_path / "results.json").read_text())
    assert "error" not in results, results["error"]

    start = results["start"]
    assert "lunarsite" in start["plugins"]
    assert Path(start["file"]).is_relative_to(home)
    wanted = {f"lunarsite:{name}" for name in stages.NAMES}
    assert wanted < set(start["algorithms"])
    assert len(start["algorithms"]) == len(wanted) + len(list((ROOT / "models").glob("*.model3")))
    assert "LunarSite" in "".join(start["menus"]).replace("&", "")
    assert (start["docks"], start["children"]) == ([], [])

    assert results["one"] is True
    assert results["batch"]["layers"] == 2 * 9
    assert "Traceback" not in results["batch"]["log"]

    end = results["end"]
    assert end["again"] == len(start["algorithms"])
    assert (end["left"], end["provider"], end["children"]) == ([], False, [])
    assert "LunarSite" not in "".join(end["menus"]).replace("&", "")
    assert process.returncode == 0, output
