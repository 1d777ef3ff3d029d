"""Takes the screenshots in docs/images with QGIS under Xvfb: make screenshots.

The packaged plugin is unpacked into a new profile. ``desktop_walk.py`` then runs in QGIS, with the
engine of the checkout, uses the plugin, and saves screenshots. Check the pictures by eye.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
LIMIT_S = 600
REAL = [
    ROOT.parent / "shared" / "data" / "dem" / name
    for name in (
        "shackleton_ridge_25m.tif",
        "shackleton_ridge_200m.tif",
        "south_pole_80S_cells_4960m.tif",
    )
]
SETTINGS = """
[UI]
UITheme={theme}

[qgis]
checkVersion=false
showTips=false
newsFeed\\disabled=true

[PythonPlugins]
lunarsite=true
processing=true

[core]
NewsFeed\\httpsfeedqgisorg\\disabled=true

[app]
news-feed\\https_feed.qgis.org\\disabled=true
"""


def main() -> int:
    """Take the screenshots in the light and in the dark theme, and return the exit code."""
    # Not in the system's temporary folder, because QGIS marks layers there as temporary.
    place = ROOT / ".cache"
    place.mkdir(exist_ok=True)
    display, server = start_display()
    try:
        for theme in ("default", "Night Mapping"):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True, dir=place) as folder:
                prepare(Path(folder), theme)
                code = walk(Path(folder), display, theme)
            if code:
                return code
    finally:
        server.terminate()
    return 0


def prepare(work: Path, theme: str) -> None:
    """Create a new profile with the plugin."""
    profile = work / "profiles" / "default"
    plugins = profile / "python" / "plugins"
    plugins.mkdir(parents=True)
    zipfile.ZipFile(newest_zip()).extractall(plugins)
    (profile / "QGIS").mkdir()
    (profile / "QGIS" / "QGIS3.ini").write_text(SETTINGS.format(theme=theme), encoding="utf-8")
    demo = ROOT / "demo"
    if (demo / "run" / "manifest.json").is_file():  # saves time
        shutil.copytree(demo, profile / "lunarsite" / "demo")


def newest_zip() -> Path:
    """Return the most recent package of the plugin."""
    packages = sorted((ROOT / "dist").glob("lunarsite-*.zip"), key=lambda p: p.stat().st_mtime)
    if not packages:
        sys.exit("screenshots: there is no package in dist; run make package first")
    return packages[-1]


def start_display() -> tuple[str, subprocess.Popen[bytes]]:
    """Start Xvfb on a free display and return its name and process."""
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1500x950x24", "-nolisten", "tcp"],  # noqa: S607
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader) as output:
        return f":{output.readline().strip()}", server


def walk(work: Path, display: str, theme: str) -> int:
    """Run desktop_walk.py in QGIS, and wait for its result."""
    done, log = work / "done.txt", work / "qgis.log"
    environment = os.environ | {
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "HOME": str(work),
        "GDAL_PAM_ENABLED": "NO",
        "LUNARSITE_WALK_ENGINE": str(ROOT / ".venv" / "bin" / "python"),
        "LUNARSITE_WALK_IMAGES": str(IMAGES),
        "LUNARSITE_WALK_DARK": "" if theme == "default" else theme,
        "LUNARSITE_WALK_REAL": os.pathsep.join(str(path) for path in REAL if path.is_file()),
        "LUNARSITE_WALK_DONE": str(done),
    }
    command = ["qgis", "--profiles-path", str(work), "--noversioncheck", "--nologo"]
    command += ["--code", str(ROOT / "tools" / "desktop_walk.py")]
    with log.open("wb") as stream:
        qgis = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
        limit = time.monotonic() + LIMIT_S
        while not done.is_file() and qgis.poll() is None and time.monotonic() < limit:
            time.sleep(0.2)
        qgis.kill()
        qgis.wait()
    outcome = done.read_text(encoding="utf-8") if done.is_file() else "QGIS exited or timed out"
    if outcome != "ok":
        output = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        sys.stderr.write(f"{output}\n{outcome}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
