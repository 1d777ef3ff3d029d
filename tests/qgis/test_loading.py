"""What loading the plugin brings into QGIS's Python, and what an older Python is told."""

from __future__ import annotations

import sys

from qgis.core import Qgis

import lunarsite


def test_an_older_python_gets_a_sentence_in_the_message_bar(qgis_iface, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 5))
    plugin = lunarsite.classFactory(qgis_iface)
    plugin.initGui()
    (told,) = qgis_iface.messageBar().get_messages(Qgis.MessageLevel.Warning)
    assert told.startswith("LunarSite:LunarSite needs Python 3.11 or newer, and this QGIS runs on ")
    assert told.endswith("Install a newer QGIS, for example the current long-term release.")
    plugin.unload()
