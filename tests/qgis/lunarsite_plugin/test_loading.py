"""What loading the plugin imports, and the message for an older Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from qgis.core import Qgis

import lunarsite

# Run in a separate QGIS. QGIS itself imports numpy, so only imports by our modules are recorded,
# first while the plugin is loaded, and then for all modules.
WATCH = """
import builtins, importlib, json, pathlib, pkgutil, sys
import qgis.core, qgis.gui, qgis.utils

app = qgis.core.QgsApplication([], True)
app.initQgis()
imported, started, original = set(), [], builtins.__import__

def recording(name, caller=None, *rest):
    if str((caller or {}).get("__name__", "")).startswith("lunarsite"):
        imported.add(name.partition(".")[0])
    return original(name, caller, *rest)

def audit(event, details):
    if event in {"subprocess.Popen", "os.system", "os.fork", "os.posix_spawn", "os.exec"}:
        started.append([event, str(details)])

builtins.__import__ = recording
sys.addaudithook(audit)
import lunarsite
plugin = lunarsite.classFactory(None)
plugin.initProcessing()
count = len(qgis.core.QgsApplication.processingRegistry().providerById("lunarsite").algorithms())
plugin.unload()
loaded = sorted(imported)
for name in ("lunarsite_plugin", "processing_provider", "qgis_common"):
    package = importlib.import_module("lunarsite." + name)
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(found.name)
children = pathlib.Path("/proc/self/task").glob("*/children")
print(json.dumps({
    "algorithms": count, "imported": sorted(imported), "loaded": loaded, "started": started,
    "torch": "torch" in sys.modules,
    "children": "".join(path.read_text() for path in children),
}))
"""


def test_no_module_imports_numpy_or_torch_or_starts_a_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WATCH],
        env=dict(os.environ, QT_QPA_PLATFORM="offscreen", QGIS_CUSTOM_CONFIG_PATH=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["algorithms"] > 10
    allowed = {*sys.stdlib_module_names, "qgis", "lunarsite"}
    assert set(report["imported"]) <= allowed
    assert "qgis" in report["loaded"]
    assert (report["started"], report["children"], report["torch"]) == ([], "", False)


def test_an_older_python_is_reported_in_the_message_bar(qgis_iface, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 5))
    plugin = lunarsite.classFactory(qgis_iface)
    plugin.initGui()
    message = qgis_iface.messageBar().get_messages(Qgis.MessageLevel.Warning)[-1]
    assert message.startswith("LunarSite:LunarSite needs Python 3.11 or newer, but this QGIS uses ")
    assert message.endswith("for example the current long-term release.")
    plugin.unload()
