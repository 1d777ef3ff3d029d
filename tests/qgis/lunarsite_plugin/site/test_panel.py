"""The panel of one place: what it says, in which order answers may come, and whether it fits."""

from __future__ import annotations

import pytest
from qgis.PyQt.QtCore import QDate, QPoint, QPointF, Qt
from qgis.PyQt.QtGui import QWheelEvent
from qgis.PyQt.QtWidgets import QLabel, QToolButton, QWidget

from lunarsite.lunarsite_plugin.site.panel import HINT, SitePanel
from lunarsite.lunarsite_plugin.site.sections import WORKING

pytestmark = pytest.mark.usefixtures("qgis_app")


@pytest.fixture
def panel():
    made = SitePanel()
    made.resize(320, 600)
    made.show()
    yield made
    made.hide()
    made.deleteLater()


def emitted(signal):
    """Return a list that fills with what a signal carries."""
    found = []
    signal.connect(lambda *values: found.append(values))
    return found


def button(panel, text):
    return next(b for b in panel.findChildren(QToolButton) if b.text() == text)


def test_before_any_click_there_is_a_hint(panel):
    assert panel.text() == HINT
    assert panel.message.isVisible()
    assert not panel.site.isVisible()


def test_the_headline_says_place_score_rank_and_verdict(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    top = panel.headline
    assert top.place.text() == "89.462° S, 137.386° W"
    assert top.cell.text() == "Centre of the cell, 960 m across; criteria profile cassa"
    assert top.score.text() == "0.415"
    assert top.rank_line.text().startswith("Rank 12 of 3,600 (5–95 %: 9–18)")
    assert top.badge.text() == "Fails 1 of 3, 1 not known"


def test_all_sections_show_their_part(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    assert "fails by 3.5°" in panel.criteria.chart.text()
    assert "Slope, mean (8.5°)" in panel.why.chart.text()
    assert "must fall from 8.5° to 5°" in panel.way.sentences.text()
    assert panel.coverage.names.text().splitlines()[0] == "Craters"
    assert panel.coverage.shares.text().splitlines()[:2] == ["no data", "45 %"]
    assert not panel.notes.isVisible()


def test_the_skyline_comes_later_and_nothing_moves(panel, site_answers, qgis_app):
    panel.show_explanation(site_answers.explain())
    qgis_app.processEvents()
    assert panel.light.sky.text() == WORKING
    before = [part.geometry() for part in panel.site.findChildren(QWidget)]
    panel.show_skyline(site_answers.skyline())
    qgis_app.processEvents()
    assert [part.geometry() for part in panel.site.findChildren(QWidget)] == before
    assert "Azimuth 90° (E)" in panel.light.sky.text()
    assert "Jan 2027: light 20 days" in panel.light.calendar.text()
    assert "Longest night: 10 days" in panel.light.figures.text()


def test_the_next_place_waits_for_its_own_skyline(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    panel.show_skyline(site_answers.skyline())
    panel.show_explanation(site_answers.explain())
    assert panel.light.sky.text() == WORKING
    assert panel.light.figures.text() == ""
    assert "Azimuth" not in panel.text()


def test_without_a_skyline_the_score_stays(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    panel.show_skyline_message("The elevation model is gone", "Choose the run again")
    assert panel.light.sky.text() == "The elevation model is gone. Choose the run again."
    assert panel.headline.score.text() == "0.415"


def test_waiting_keeps_the_last_answer_but_greys_it(panel, site_answers):
    panel.show_waiting("Scoring…")
    assert panel.text() == "Scoring…"
    panel.show_explanation(site_answers.explain())
    panel.show_waiting("Scoring 89.1° S…")
    assert panel.headline.place.text() == "Scoring 89.1° S…"
    assert not panel.site.isEnabled()
    panel.show_explanation(site_answers.explain())
    assert panel.site.isEnabled()


def test_a_message_is_two_sentences_and_replaces_the_place(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    panel.show_message("There is no cell here", "Choose a place inside the area")
    assert panel.text() == "There is no cell here. Choose a place inside the area."
    assert panel.message.isVisible()
    panel.clear()
    assert panel.text() == HINT


def test_a_place_without_a_score_says_so(panel, site_answers):
    unknown = {"score": None, "rank": None, "interval": None, "contributions": []}
    panel.show_explanation(site_answers.explain(**unknown))
    assert panel.headline.score.text() == "–"
    assert "no score" in panel.headline.rank_line.text()
    assert "no score" in panel.why.chart.text()
    assert not panel.headline.rank.isVisible()


def test_sections_take_the_room_they_need_at_once(panel, site_answers, qgis_app):
    unknown = {"score": None, "rank": None, "interval": None, "contributions": []}
    heights = []
    for answer in (site_answers.explain(), site_answers.explain(**unknown)):
        panel.show_explanation(answer)
        qgis_app.processEvents()
        heights.append(panel.why.height())
        assert panel.headline.rank.isVisible() == (answer["rank"] is not None)
        assert panel.why.height() == panel.why.sizeHint().height()
        assert panel.site.height() == panel.site.heightForWidth(panel.site.width())
    assert heights[0] > 3 * heights[1]


def test_going_to_the_nearest_cell_carries_its_map_metres(panel, site_answers):
    asked = emitted(panel.goToNearestPassing)
    panel.show_explanation(site_answers.explain())
    assert panel.way.button.text() == "Go there (25.6 km)"
    panel.way.button.click()
    assert asked == [(-16800.0, 12960.0)]


def test_there_is_nowhere_to_go_where_the_place_passes_or_none_does(panel, site_answers):
    passing = {"passes": True, "changes": [], "nearest_passing": None}
    panel.show_explanation(site_answers.explain(to_pass=passing))
    assert not panel.way.button.isVisible()
    assert panel.way.sentences.text() == "This cell passes every criterion already."
    panel.show_explanation(site_answers.explain())
    assert panel.way.button.isVisible()


def test_the_three_actions_ask(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    asked = {
        "Keep": emitted(panel.keepRequested),
        "Copy": emitted(panel.copyRequested),
        "Report…": emitted(panel.reportRequested),
    }
    for name in asked:
        button(panel, name).click()
    assert [len(found) for found in asked.values()] == [1, 1, 1]


def test_dates_are_asked_for_once_applied(panel, site_answers):
    asked = emitted(panel.datesChanged)
    panel.show_explanation(site_answers.explain())
    panel.show_skyline(site_answers.skyline())
    assert panel.dates() == ("2027-01-01", "2028-01-01")
    panel.light.dates.stop.setDate(QDate(2027, 4, 1))
    assert asked == []
    panel.light.dates.apply.click()
    assert asked == [("2027-01-01", "2027-04-01")]
    assert panel.light.sky.text() == WORKING
    assert panel.skyline is None


def test_dates_out_of_order_cannot_be_applied(panel):
    panel.set_dates("2028-01-01", "2027-01-01")
    assert not panel.light.dates.apply.isEnabled()
    assert "after the first" in panel.light.dates.apply.toolTip()
    panel.set_dates("2027-01-01", "2027-01-02")
    assert panel.light.dates.apply.isEnabled()


def test_scrolling_over_the_dates_leaves_them(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    edit = panel.light.dates.start
    place = QPointF(edit.rect().center())
    turn = QWheelEvent(
        place,
        QPointF(edit.mapToGlobal(place.toPoint())),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    edit.wheelEvent(turn)
    assert panel.dates()[0] == "2027-01-01"
    assert not turn.isAccepted()


def test_notes_of_both_answers_are_shown_once(panel, site_answers):
    panel.show_explanation(site_answers.explain(warnings=["Old layers"]))
    panel.show_skyline(site_answers.skyline(warnings=["Old layers", "No far field"]))
    assert panel.notes.lines.text() == "Old layers\nNo far field"
    assert panel.notes.isVisible()


def test_a_section_folds(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    panel.criteria.heading.click()
    assert not panel.criteria.chart.isVisible()
    panel.criteria.heading.click()
    assert panel.criteria.chart.isVisible()


def test_what_is_copied_holds_all(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    panel.show_skyline(site_answers.skyline())
    for part in ("Rank 12", "fails by 3.5°", "Azimuth 90°", "craters: no data"):
        assert part in panel.text()


@pytest.mark.parametrize("points", [9.0, 12.0, 14.0])
def test_nothing_overlaps_and_nothing_is_cut_at_320_px(panel, site_answers, qgis_app, points):
    font = panel.font()
    font.setPointSizeF(points)
    panel.setFont(font)
    long = site_answers.explain(warnings=["A sentence that is longer than the dock is wide " * 3])
    panel.show_explanation(long)
    panel.show_skyline(site_answers.skyline())
    qgis_app.processEvents()
    assert panel.scroll.horizontalScrollBar().maximum() == 0
    for parent in (panel.site, panel.headline, panel.light.body, panel.coverage.body):
        parts = [
            child
            for child in parent.findChildren(QWidget)
            if child.parentWidget() is parent and child.isVisible()
        ]
        for k, one in enumerate(parts):
            assert parent.rect().contains(one.geometry())
            for other in parts[k + 1 :]:
                assert not one.geometry().intersects(other.geometry())
    for shown in panel.site.findChildren(QLabel):
        if shown.isVisible() and shown.hasHeightForWidth():
            assert shown.height() >= shown.heightForWidth(shown.width())


def test_file_names_in_notes_are_plain_text(panel, site_answers, qgis_app):
    panel.show_explanation(site_answers.explain(warnings=["<h1>huge</h1>"]))
    qgis_app.processEvents()
    assert panel.notes.lines.text() == "<h1>huge</h1>"
    line = panel.notes.lines.fontMetrics().height()
    assert panel.notes.lines.height() < 2 * line


def test_the_light_section_stands_below_the_score(panel, site_answers, qgis_app):
    panel.show_explanation(site_answers.explain())
    qgis_app.processEvents()
    order = [panel.headline, panel.criteria, panel.why, panel.way, panel.light, panel.coverage]
    tops = [part.mapTo(panel.site, QPoint(0, 0)).y() for part in order]
    assert tops == sorted(set(tops))
