"""The site panel: its contents, the order of answers, and its layout."""

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
    """Return a list that collects the arguments of a signal."""
    found = []
    signal.connect(lambda *values: found.append(values))
    return found


def button(panel, text):
    return next(b for b in panel.findChildren(QToolButton) if b.text() == text)


def test_a_hint_is_shown_at_first(panel):
    assert panel.text() == HINT
    assert panel.message.isVisible()
    assert not panel.site.isVisible()


def test_the_headline_shows_place_score_rank_and_verdict(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    top = panel.headline
    assert top.place.text() == "89.459° S, 137.392° W"
    assert top.cell.text() == (
        "Score and criteria are of the cell around it, 960 m wide, centred at 89.462° S, "
        "137.386° W; criteria profile cassa"
    )
    assert top.score.text() == "0.415"
    assert top.rank_line.text().startswith("Rank 12 of 3,600 (5–95 %: 9–18)")
    assert top.badge.text() == "Fails 1 of 3, 1 unknown"


def test_all_sections_show_the_answer(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    assert "fails by 3.5°" in panel.criteria.chart.text()
    assert "Slope, mean (8.5°)" in panel.why.chart.text()
    assert "must decrease by 3.5°, from 8.5° to 5°" in panel.to_pass.sentences.text()
    assert panel.coverage.names.text().splitlines()[0] == "Craters"
    assert panel.coverage.shares.text().splitlines()[:2] == ["no data", "45 %"]
    assert not panel.notes.isVisible()


def test_nothing_moves_when_the_skyline_arrives(panel, site_answers, qgis_app):
    panel.show_explanation(site_answers.explain())
    qgis_app.processEvents()
    assert panel.light.sky.text() == WORKING
    before = [part.geometry() for part in panel.site.findChildren(QWidget)]
    panel.show_skyline(site_answers.skyline())
    qgis_app.processEvents()
    assert [part.geometry() for part in panel.site.findChildren(QWidget)] == before
    assert "Azimuth 90° (E)" in panel.light.sky.text()
    assert "Jan 2027: Sun visible 20 days" in panel.light.calendar.text()
    assert "Longest continuous darkness: 10 days" in panel.light.figures.text()


def test_a_new_place_has_no_skyline_at_first(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    panel.show_skyline(site_answers.skyline())
    panel.show_explanation(site_answers.explain())
    assert panel.light.sky.text() == WORKING
    assert panel.light.figures.text() == ""
    assert "Azimuth" not in panel.text()


def test_without_a_skyline_the_score_remains(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    panel.show_skyline_message("The elevation model is gone", "Choose the run again")
    assert panel.light.sky.text() == "The elevation model is gone. Choose the run again."
    assert panel.headline.score.text() == "0.415"


def test_the_previous_answer_is_greyed_out_while_waiting(panel, site_answers):
    panel.show_waiting("Scoring…")
    assert panel.text() == "Scoring…"
    panel.show_explanation(site_answers.explain())
    panel.show_waiting("Scoring 89.1° S…")
    assert panel.headline.place.text() == "Scoring 89.1° S…"
    assert not panel.site.isEnabled()
    panel.show_explanation(site_answers.explain())
    assert panel.site.isEnabled()


def test_a_message_replaces_the_answer(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    panel.show_message("There is no cell here", "Choose a place inside the area")
    assert panel.text() == "There is no cell here. Choose a place inside the area."
    assert panel.message.isVisible()
    panel.clear()
    assert panel.text() == HINT


def test_a_place_without_a_score(panel, site_answers):
    unknown = {"score": None, "rank": None, "interval": None, "contributions": []}
    panel.show_explanation(site_answers.explain(**unknown))
    assert panel.headline.score.text() == "–"
    assert "no score" in panel.headline.rank_line.text()
    assert "no score" in panel.why.chart.text()
    assert not panel.headline.rank.isVisible()


def test_sections_are_resized_immediately(panel, site_answers, qgis_app):
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


def test_going_to_the_nearest_cell_emits_its_coordinates(panel, site_answers):
    requested = emitted(panel.goToNearestPassing)
    panel.show_explanation(site_answers.explain())
    assert panel.to_pass.button.text() == "Go to Cell (25.6 km)"
    panel.to_pass.button.click()
    assert requested == [(-16800.0, 12960.0)]


def test_the_button_is_hidden_without_a_nearest_passing_cell(panel, site_answers):
    passing = {"passes": True, "changes": [], "nearest_passing": None}
    panel.show_explanation(site_answers.explain(to_pass=passing))
    assert not panel.to_pass.button.isVisible()
    assert panel.to_pass.sentences.text() == "This cell already passes all criteria."
    panel.show_explanation(site_answers.explain())
    assert panel.to_pass.button.isVisible()


def test_the_three_buttons_emit_signals(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    requested = {
        "Save": emitted(panel.saveRequested),
        "Copy": emitted(panel.copyRequested),
        "Report…": emitted(panel.reportRequested),
    }
    for name in requested:
        button(panel, name).click()
    assert [len(found) for found in requested.values()] == [1, 1, 1]


def test_dates_are_requested_when_applied(panel, site_answers):
    requested = emitted(panel.datesChanged)
    panel.show_explanation(site_answers.explain())
    panel.show_skyline(site_answers.skyline())
    assert panel.dates() == ("2027-01-01", "2028-01-01")
    panel.light.dates.stop.setDate(QDate(2027, 4, 1))
    assert requested == []
    panel.light.dates.apply.click()
    assert requested == [("2027-01-01", "2027-04-01")]
    assert panel.light.sky.text() == WORKING
    assert panel.skyline is None


def test_dates_in_the_wrong_order_cannot_be_applied(panel):
    panel.set_dates("2028-01-01", "2027-01-01")
    assert not panel.light.dates.apply.isEnabled()
    assert "after the start date" in panel.light.dates.apply.toolTip()
    panel.set_dates("2027-01-01", "2027-01-02")
    assert panel.light.dates.apply.isEnabled()


def test_the_mouse_wheel_does_not_change_dates(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    edit = panel.light.dates.start
    place = QPointF(edit.rect().center())
    wheel = QWheelEvent(
        place,
        QPointF(edit.mapToGlobal(place.toPoint())),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    edit.wheelEvent(wheel)
    assert panel.dates()[0] == "2027-01-01"
    assert not wheel.isAccepted()


def test_warnings_of_both_answers_are_shown_once(panel, site_answers):
    panel.show_explanation(site_answers.explain(warnings=["Old layers"]))
    panel.show_skyline(site_answers.skyline(warnings=["Old layers", "No far field"]))
    assert panel.notes.lines.text() == "Old layers\nNo far field"
    assert panel.notes.isVisible()


def test_a_section_can_be_collapsed(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    panel.criteria.heading.click()
    assert not panel.criteria.chart.isVisible()
    panel.criteria.heading.click()
    assert panel.criteria.chart.isVisible()


def test_the_text_contains_all_sections(panel, site_answers):
    panel.show_explanation(site_answers.explain())
    panel.show_skyline(site_answers.skyline())
    for part in ("Rank 12", "fails by 3.5°", "Azimuth 90°", "craters: no data"):
        assert part in panel.text()


@pytest.mark.parametrize("points", [9.0, 12.0, 14.0])
def test_nothing_overlaps_or_is_clipped_at_320_px(panel, site_answers, qgis_app, points):
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


def test_warnings_are_plain_text(panel, site_answers, qgis_app):
    panel.show_explanation(site_answers.explain(warnings=["<h1>huge</h1>"]))
    qgis_app.processEvents()
    assert panel.notes.lines.text() == "<h1>huge</h1>"
    line = panel.notes.lines.fontMetrics().height()
    assert panel.notes.lines.height() < 2 * line


def test_the_order_of_the_sections(panel, site_answers, qgis_app):
    panel.show_explanation(site_answers.explain())
    qgis_app.processEvents()
    order = [panel.headline, panel.criteria, panel.why, panel.to_pass, panel.light, panel.coverage]
    tops = [part.mapTo(panel.site, QPoint(0, 0)).y() for part in order]
    assert tops == sorted(set(tops))
