"""Drives the QGIS desktop under Xvfb and writes docs/images/*.png: make screenshots.

A fresh profile gets the plugin's zip, unpacked; ``desktop_walk.py`` then runs inside QGIS, names
the checkout's engine, clicks its way through, and grabs what it sees. Look at the pictures.
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
    """Run the walk in the light and in the dark theme, and return the exit code."""
    # Not in the folder for temporary files, whose layers QGIS marks as such.
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
    """Make a fresh profile with the plugin in it."""
    profile = work / "profiles" / "default"
    plugins = profile / "python" / "plugins"
    plugins.mkdir(parents=True)
    zipfile.ZipFile(newest_zip()).extractall(plugins)
    (profile / "QGIS").mkdir()
    (profile / "QGIS" / "QGIS3.ini").write_text(SETTINGS.format(theme=theme), encoding="utf-8")
    demo = ROOT / "demo"
    if (demo / "run" / "manifest.json").is_file():  # saves making it once more
        shutil.copytree(demo, profile / "lunarsite" / "demo")


def newest_zip() -> Path:
    """Return the plugin's zip that was made last."""
    made = sorted((ROOT / "dist").glob("lunarsite-*.zip"), key=lambda path: path.stat().st_mtime)
    if not made:
        sys.exit("screenshots: there is no zip in dist; run make package first")
    return made[-1]


def start_display() -> tuple[str, subprocess.Popen[bytes]]:
    """Start Xvfb on a free display and return its name and process."""
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1500x950x24", "-nolisten", "tcp"],  # noqa: S607
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader) as said:
        return f":{said.readline().strip()}", server


def walk(work: Path, display: str, theme: str) -> int:
    """Start QGIS with the walk inside and wait for its last word."""
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
    said = done.read_text(encoding="utf-8") if done.is_file() else "QGIS ended before the walk did"
    if said != "ok":
        sys.stderr.write(f"{log.read_text(encoding='utf-8', errors='replace')[-3000:]}\n{said}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
