"""The sites of the run in the dock."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from qgis.core import QgsVectorLayer
from qgis.PyQt.QtCore import Qt

from lunarsite.lunarsite_plugin.dock.dock import NO_TOOLBOX
from lunarsite.lunarsite_plugin.sites import view
from lunarsite.qgis_common import map_place

SLOPE = "Slope, greatest"


def column(table, title):
    titles = [table.horizontalHeaderItem(k).text() for k in range(table.columnCount())]
    index = titles.index(title)
    return index, [table.item(row, index).text() for row in range(table.rowCount())]


def test_the_sites_of_the_run_are_listed_as_in_its_layer(dock, run_folder):
    table = dock.sites.table
    layer = QgsVectorLayer(f"{run_folder / 'sites.gpkg'}|layername=sites")
    wanted = sorted(layer.getFeatures(), key=lambda feature: feature["site"])
    assert column(table, "Site")[1] == [str(feature["site"]) for feature in wanted]
    assert column(table, "Rank")[1] == [f"{feature['rank']:,}" for feature in wanted]
    slopes = column(table, SLOPE)[1]
    for text, feature in zip(slopes, wanted, strict=True):
        assert text[0] == ("✓" if feature["margin_slope_max_deg"] >= 0 else "✗")
        assert text.endswith("°")
        assert abs(float(text[1:-1]) - feature["slope_max_deg"]) < 0.06
    place = column(table, "Place")[1][0]
    assert place.endswith(("W", "E"))


def test_a_click_on_a_title_sorts_by_number(dock):
    table = dock.sites.table
    index, _ = column(table, SLOPE)
    table.sortItems(index, Qt.SortOrder.DescendingOrder)
    _, texts = column(table, SLOPE)
    slopes = [float(text[1:-1]) for text in texts]
    assert slopes == sorted(slopes)  # the largest margin is the least slope
    index, _ = column(table, "Rank")
    table.sortItems(index, Qt.SortOrder.AscendingOrder)
    ranks = [int(text.replace(",", "")) for text in column(table, "Rank")[1]]
    assert ranks == sorted(ranks)


def test_a_click_on_a_site_zooms_and_explains(dock, wait_until):
    table = dock.sites.table
    index, _ = column(table, SLOPE)
    table.sortItems(index, Qt.SortOrder.DescendingOrder)
    site = int(table.item(0, 0).text())
    row = next(each for each in dock.sites.rows if each.site == site)
    dock.tabs.setCurrentWidget(dock.sites)
    table.cellClicked.emit(0, 2)
    wait_until(lambda: dock.panel.explanation is not None)
    place = dock.panel.explanation["place"]
    assert (place["lon_deg"], place["lat_deg"]) == (row.lon_deg, row.lat_deg)
    assert f"{dock.panel.explanation['rank']:,}" == table.item(0, 1).text()
    assert dock.tabs.currentWidget() is dock.panel
    there = map_place.place_of(row.lon_deg, row.lat_deg)
    centre = dock.canvas.extent().center()
    assert abs(centre.x() - there.x_m) < 100.0
    assert dock.canvas.extent().height() < 30_000.0


def test_sites_that_cannot_be_read_are_told(qgis_app, dock, run_folder, tmp_path):
    class Run:
        path = tmp_path

    shown = view.SitesView()
    shown.set_run(Run())
    assert "The sites of" in shown.hint.text()
    assert "Run Screen a region again" in shown.hint.text()
    with closing(sqlite3.connect(tmp_path / "sites.gpkg")) as base:
        base.execute("CREATE TABLE sites (site INTEGER)")
    shown.set_run(Run())
    assert shown.hint.text() == view.NO_SITES
    shown.set_run(None)
    assert shown.hint.text() == view.HINT
    assert shown.rows == ()


def test_the_dossier_of_the_selected_site_is_asked_for_in_a_filled_in_dialog(
    dock, processing, monkeypatch
):
    opened = []

    class Dialog:
        def show(self):
            opened.append("shown")

    def create(name, values):
        opened.append((name, values))
        return Dialog()

    monkeypatch.setattr(processing, "createAlgorithmDialog", create)
    table = dock.sites.table
    table.clearSelection()
    assert not dock.sites.dossier.isEnabled()
    index, _ = column(table, SLOPE)
    table.sortItems(index, Qt.SortOrder.DescendingOrder)
    table.selectRow(1)
    assert dock.sites.dossier.isEnabled()
    dock.sites.dossier.click()
    site = int(table.item(1, 0).text())
    values = {"run": str(dock.run.path), "site": site}
    assert opened == [("lunarsite:dossier", values), "shown"]
    made = processing.run("lunarsite:dossier", values | {"out": "TEMPORARY_OUTPUT"})
    assert Path(made["pdf"]).read_bytes().startswith(b"%PDF")
    monkeypatch.setitem(sys.modules, "processing", None)
    dock.sites.dossier.click()
    assert dock.status.text() == NO_TOOLBOX
