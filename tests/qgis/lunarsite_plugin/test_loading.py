"""What loading the plugin brings into QGIS's Python, and what an older Python is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from qgis.core import Qgis

import lunarsite

# Run in a QGIS of its own. QGIS itself brings numpy along, so what is noted is what our own
# modules ask for, first on loading, then all of them.
WATCH = """
import builtins, importlib, json, pathlib, pkgutil, sys
import qgis.core, qgis.gui, qgis.utils

app = qgis.core.QgsApplication([], True)
app.initQgis()
asked, started, plain = set(), [], builtins.__import__

def noting(name, given=None, *rest):
    if str((given or {}).get("__name__", "")).startswith("lunarsite"):
        asked.add(name.partition(".")[0])
    return plain(name, given, *rest)

def audit(event, details):
    if event in {"subprocess.Popen", "os.system", "os.fork", "os.posix_spawn", "os.exec"}:
        started.append([event, str(details)])

builtins.__import__ = noting
sys.addaudithook(audit)
import lunarsite
plugin = lunarsite.classFactory(None)
plugin.initProcessing()
count = len(qgis.core.QgsApplication.processingRegistry().providerById("lunarsite").algorithms())
plugin.unload()
loaded = sorted(asked)
for room in ("lunarsite_plugin", "processing_provider"):
    package = importlib.import_module("lunarsite." + room)
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(found.name)
children = pathlib.Path("/proc/self/task").glob("*/children")
print(json.dumps({
    "algorithms": count, "asked": sorted(asked), "loaded": loaded, "started": started,
    "torch": "torch" in sys.modules,
    "children": "".join(path.read_text() for path in children),
}))
"""


def test_loading_imports_neither_numpy_nor_torch_and_starts_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WATCH],
        env=dict(os.environ, QT_QPA_PLATFORM="offscreen", QGIS_CUSTOM_CONFIG_PATH=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["algorithms"] > 10
    allowed = {*sys.stdlib_module_names, "qgis", "lunarsite"}
    assert set(told["asked"]) <= allowed
    assert "qgis" in told["loaded"]
    assert (told["started"], told["children"], told["torch"]) == ([], "", False)


def test_an_older_python_gets_a_sentence_in_the_message_bar(qgis_iface, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 5))
    plugin = lunarsite.classFactory(qgis_iface)
    plugin.initGui()
    (told,) = qgis_iface.messageBar().get_messages(Qgis.MessageLevel.Warning)
    assert told.startswith("LunarSite:LunarSite needs Python 3.11 or newer, and this QGIS runs on ")
    assert told.endswith("Install a newer QGIS, for example the current long-term release.")
    plugin.unload()
