"""The zip in an empty profile, as a user installs it: in the desktop, and without one."""

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
    """Return a home folder whose QGIS has the plugin in its profile, switched off."""
    folder = tmp_path_factory.mktemp("home")
    subprocess.run([ENGINE, ROOT / "tools" / "package.py", folder], check=True, capture_output=True)
    plugins = profiles(folder) / "profiles" / "default" / "python" / "plugins"
    plugins.mkdir(parents=True)
    with zipfile.ZipFile(next(folder.glob("lunarsite-*.zip"))) as package:
        package.extractall(plugins)
    return folder


def profiles(home):
    """Return where the desktop and qgis_process both look for profiles."""
    return home / "QGIS" / "QGIS3"


def environment(home, **more):
    """Return an environment in which nothing but the profile and the engine's name is ours."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}}
    runtime = home / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    return {
        **kept,
        "HOME": str(home),
        "XDG_DATA_HOME": str(home),
        "XDG_RUNTIME_DIR": str(runtime),
        "LUNARSITE_ENGINE_PYTHON": str(ENGINE),
        **more,
    }


@pytest.fixture(scope="module")
def headless(home):
    """Return what starts qgis_process in that profile, with the plugin switched on."""

    def start(*words):
        return subprocess.Popen(
            ["qgis_process", *map(str, words)],
            env=environment(home, QT_QPA_PLATFORM="offscreen"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    said = start("plugins", "enable", "lunarsite").communicate(timeout=WITHIN_S)[0]
    assert "lunarsite" in said.lower()
    assert "error" not in said.lower()
    return start


@pytest.fixture(scope="module")
def dem(headless, tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "dem.tif"
    said = headless("run", "lunarsite:synthesize", "--", f"out={path}", *SMALL)
    assert said.communicate(timeout=WITHIN_S)[0]
    assert path.is_file()
    return path


def test_without_a_desktop_a_region_is_screened(headless, dem, tmp_path):
    process = headless(
        "--json", "run", "lunarsite:screen", "--", f"dem={dem}", *QUICK, f"out={tmp_path / 'run'}"
    )
    said = process.communicate(timeout=WITHIN_S)[0]
    assert process.returncode == 0, said
    results = json.loads(said[said.index("{") :])["results"]
    assert Path(results["report"]).is_file()
    assert (tmp_path / "run" / "sites.gpkg").is_file()


def test_two_sessions_work_at_once(headless, dem, tmp_path):
    running = [
        headless("run", "lunarsite:screen", "--", f"dem={dem}", *QUICK, f"out={tmp_path / name}")
        for name in ("first", "second")
    ]
    said = [process.communicate(timeout=WITHIN_S)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    scores = [(tmp_path / name / "scores.parquet").read_bytes() for name in ("first", "second")]
    assert scores[0] == scores[1]


def test_two_sessions_in_one_folder_the_second_is_told(headless, dem, tmp_path):
    out = tmp_path / "run"
    words = ["run", "lunarsite:screen", "--", f"dem={dem}", f"out={out}"]
    first = headless(*words, "azimuths=1440", "step_hours=1")
    limit = time.monotonic() + WITHIN_S
    while not out.exists():
        assert first.poll() is None, first.communicate()[0]
        assert time.monotonic() < limit
        time.sleep(0.02)
    second = headless(*words, *QUICK)
    said = second.communicate(timeout=WITHIN_S)[0]
    assert first.poll() is None, "the first was too quick to be in anyone's way"
    assert second.returncode != 0
    assert f"Another run works in {out}. Wait until it ends, or choose another folder." in said
    first.terminate()
    first.communicate(timeout=WITHIN_S)


def test_in_the_desktop_it_is_found_used_and_gone_again(home, tmp_path):
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
        said = process.communicate(timeout=WITHIN_S)[0]
    finally:
        # The screen and the desktop on it are not xvfb-run's to end when it is killed.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (tmp_path / "told.json").is_file(), said
    told = json.loads((tmp_path / "told.json").read_text())
    assert "error" not in told, told["error"]

    start = told["start"]
    assert "lunarsite" in start["plugins"]
    assert Path(start["file"]).is_relative_to(home)
    wanted = {f"lunarsite:{name}" for name in stages.NAMES}
    assert wanted < set(start["algorithms"])
    assert len(start["algorithms"]) == len(wanted) + len(list((ROOT / "models").glob("*.model3")))
    assert "LunarSite" in "".join(start["menus"]).replace("&", "")
    assert (start["docks"], start["children"]) == ([], [])

    assert told["one"] is True
    assert told["batch"]["layers"] == 2 * 9
    assert "Traceback" not in told["batch"]["log"]

    end = told["end"]
    assert end["again"] == len(start["algorithms"])
    assert (end["left"], end["provider"], end["children"]) == ([], False, [])
    assert "LunarSite" not in "".join(end["menus"]).replace("&", "")
    assert process.returncode == 0, said
