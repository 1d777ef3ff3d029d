"""Names from files are shown as they are, never obeyed as HTML."""

from __future__ import annotations

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QTextDocument

from lunarsite.lunarsite_plugin.runs.chooser import RunChooser
from lunarsite.lunarsite_plugin.site.parts import Badge
from lunarsite.lunarsite_plugin.sites import listing, view
from lunarsite.qgis_common import plain_text

HOSTILE = '<img src="file:///etc/passwd"><b>bold</b> & a<b'


def displayed(text):
    """Return what Qt shows for a text that may be HTML."""
    if not Qt.mightBeRichText(text):
        return text
    document = QTextDocument()
    document.setHtml(text)
    return document.toPlainText()


def test_tags_are_shown_literally(qgis_app):
    for text in (HOSTILE, "plain & simple", "a < b", "two\nlines <i>", ""):
        assert displayed(plain_text.shown(text)) == text


def test_tooltips_of_names_from_files_are_plain(qgis_app, tmp_path):
    folder = tmp_path / "<b>run</b>"
    chooser = RunChooser()
    chooser.set_runs([folder], folder)
    badge = Badge()
    badge.set_verdict(HOSTILE, passes=False)
    item = view._Item(listing.Cell("1", 1.0, HOSTILE), 0)
    for widget, text in ((chooser.combo, str(folder)), (badge, HOSTILE), (item, HOSTILE)):
        assert displayed(widget.toolTip()) == text
    tip = chooser.combo.itemData(0, Qt.ItemDataRole.ToolTipRole)
    assert displayed(tip) == str(folder)
