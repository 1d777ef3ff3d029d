"""Painting of the charts: geometry, colours, tooltips and accessibility."""

from __future__ import annotations

import html

import pytest
from qgis.PyQt.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt
from qgis.PyQt.QtGui import (
    QColor,
    QFont,
    QGuiApplication,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QPainter,
    QPalette,
)
from qgis.PyQt.QtWidgets import QToolTip

from lunarsite.lunarsite_plugin.charts import (
    calendar_model,
    chart_painter,
    colors,
    contributions,
    site_model,
    sky_model,
    widgets,
)

pytestmark = pytest.mark.usefixtures("qgis_app")
LIGHT = ("#efefef", "#000000")
DARK = ("#323232", "#ffffff")
NAMES = ("contributions", "margins", "rank", "skyline", "calendar", "figures")


def palette_of(window, text):
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Window, QColor(window))
    palette.setColor(QPalette.ColorRole.WindowText, QColor(text))
    return palette


@pytest.fixture
def charts(site_answers):
    """Return all charts with data, 300 px wide, in a light palette."""
    explained, sky = site_answers.explain(), site_answers.skyline()
    made = {
        "contributions": (widgets.ContributionsChart(), site_model.waterfall(explained)),
        "margins": (widgets.MarginsChart(), site_model.margins(explained)),
        "rank": (widgets.RankChart(), site_model.rank_line(explained)),
        "skyline": (widgets.SkylineChart(), sky_model.skyline(sky)),
        "calendar": (widgets.CalendarChart(), calendar_model.calendar(sky)),
        "figures": (widgets.FiguresTable(), sky_model.figures(sky)),
    }
    for chart, data in made.values():
        chart.setPalette(palette_of(*LIGHT))
        chart.set_data(data)
        chart.resize(300, chart.sizeHint().height())
    return {name: chart for name, (chart, _) in made.items()}


def picture(chart):
    """Return a chart as an image, without high-DPI scaling."""
    image = QImage(chart.size(), QImage.Format.Format_RGB32)
    chart.render(image)
    return image


def colors_in(image, rect=None):
    area = rect or image.rect()
    columns = range(area.left(), area.right() + 1)
    rows = range(area.top(), area.bottom() + 1)
    return {image.pixelColor(x, y).name() for y in rows for x in columns}


def columns_of(image, color, rect):
    """Return the columns of a rectangle that contain a colour."""
    name = color.name()
    return [
        x
        for x in range(rect.left(), rect.right() + 1)
        if any(image.pixelColor(x, y).name() == name for y in range(rect.top(), rect.bottom() + 1))
    ]


@pytest.mark.parametrize("name", NAMES)
def test_charts_use_the_text_colour_of_the_palette(charts, name):
    for window, text in (LIGHT, DARK):
        charts[name].setPalette(palette_of(window, text))
        image = picture(charts[name])
        found = colors_in(image)
        shades = colors.of_palette(charts[name].palette())
        assert image.pixelColor(0, 0).name() == window
        assert {shades.text.name(), shades.muted.name()} & found


@pytest.mark.parametrize("name", NAMES)
def test_charts_fit_their_widgets(charts, name):
    image = picture(charts[name])
    bottom = QRectF(0, image.height() - 1, image.width(), 1).toRect()
    assert colors_in(image, bottom) == {LIGHT[0]}
    last = QRectF(0, image.height() - 30, image.width(), 29).toRect()
    assert len(colors_in(image, last)) > 1


@pytest.mark.parametrize(("window", "text"), [LIGHT, DARK, ("#ffffff", "#000000")])
def test_text_and_colours_have_enough_contrast(window, text):
    shades = colors.of_palette(palette_of(window, text))
    for color in (shades.text, shades.muted):
        assert colors.contrast(color, shades.background) >= 4.5
    for color in (shades.better, shades.worse, shades.both, shades.earth):
        assert colors.contrast(color, shades.background) >= 3.0
    assert colors.contrast(shades.sun, shades.background) >= 2.2


def test_paper_is_white_in_any_theme():
    assert colors.on_paper().background.name() == "#ffffff"
    assert colors.on_paper().text.name() == "#000000"


def test_contrast_agrees_with_wcag():
    assert colors.contrast(QColor("black"), QColor("white")) == pytest.approx(21.0)
    assert colors.contrast(QColor("#777777"), QColor("white")) == pytest.approx(4.48, abs=0.01)


def test_each_bar_starts_at_the_end_of_the_previous_one(charts):
    image = picture(charts["contributions"])
    shades = colors.of_palette(charts["contributions"].palette())
    em = chart_painter.em_of(charts["contributions"].font())
    strips = [
        QRectF(0, 3 + em * (1.4 + 1.75 * row + 1.05) + 2, 300, 3).toRect() for row in range(1, 4)
    ]
    lowered = columns_of(image, shades.worse, strips[0])
    raised = columns_of(image, shades.better, strips[1])
    assert lowered[0] <= 5
    assert lowered[-1] >= 294
    assert abs(raised[0] - lowered[0]) <= 2
    assert abs(len(raised) / len(lowered) - 0.12 / 0.25) < 0.03


def test_bullets_are_on_the_side_of_their_verdict(charts):
    image = picture(charts["margins"])
    shades = colors.of_palette(charts["margins"].palette())
    em = chart_painter.em_of(charts["margins"].font())
    strips = [QRectF(0, 3 + em * (3.1 * row + 2.2), 300, 3).toRect() for row in range(3)]
    fails = columns_of(image, shades.worse, strips[0])
    holds = columns_of(image, shades.better, strips[1])
    assert max(fails) < 150 < min(holds)
    assert len(fails) / 147 == pytest.approx(0.7, abs=0.03)
    assert len(holds) / 147 == pytest.approx(8.72 / 33.0, abs=0.03)
    unknown = colors_in(image, strips[2])
    assert not {shades.worse.name(), shades.better.name()} & unknown


def test_a_good_rank_is_near_the_left_end(charts):
    image = picture(charts["rank"])
    shades = colors.of_palette(charts["rank"].palette())
    band = columns_of(image, shades.better, QRectF(0, 0, 300, 18).toRect())
    assert band
    assert max(band) < 20


def test_the_hill_is_in_the_east(charts):
    chart = charts["skyline"]
    image = picture(chart)
    em = chart_painter.em_of(chart.font())
    left, wide = 3 + 2.3 * em, 294 - 2.8 * em
    y = round(3 + 5.2 * em)
    west_of_earth = range(round(left) + 2, round(left + 0.5 * wide))
    ground = [x for x in west_of_earth if image.pixelColor(x, y).lightness() < 200]
    azimuth = 360.0 * (sum(ground) / len(ground) - left) / wide
    assert azimuth == pytest.approx(90.0, abs=4.0)


def test_sun_and_earth_have_separate_lines_in_a_month(charts):
    chart = charts["calendar"]
    image = picture(chart)
    shades = colors.of_palette(chart.palette())
    em = chart_painter.em_of(chart.font())
    january = QRectF(0, 3 + 2.4 * em, 300, 1.3 * em - 2).toRect()
    day = (294 - 4.3 * em) / 31
    left = 3 + 4.3 * em
    for color, first, last in ((shades.sun, 0, 30), (shades.earth, 5, 25), (shades.both, 5, 25)):
        found = columns_of(image, color, january)
        assert found[0] == pytest.approx(left + first * day, abs=2.0)
        assert found[-1] == pytest.approx(left + last * day, abs=2.0)
    february = january.translated(0, round(1.3 * em))
    assert not columns_of(image, shades.earth, february)


@pytest.mark.parametrize(
    ("name", "x", "y_em", "text"),
    [
        ("contributions", 100, 2.0, "Base, from training cells: 0.500"),
        ("contributions", 100, 3.6, "Slope, mean (8.5°): lowers the score by 0.250"),
        ("contributions", 100, 20.0, "Score here: 0.415"),
        ("margins", 100, 4.0, "Average illumination: 41.7 %, must be at least 33 %"),
        ("rank", 100, 1.0, "Rank 12 of 3,600"),
        ("skyline", 100, 10.0, "Azimuth"),
        ("calendar", 294, 3.0, "31 Jan 2027: Sun visible 0 h"),
        ("calendar", 10, 3.0, "Jan 2027: Sun visible 20 days"),
        ("figures", 10, 0.5, "The criterion Average illumination is the mean of the entire cell"),
        ("figures", 10, 1.6, "The criterion Earth visibility is the mean of the entire cell"),
        ("figures", 10, 5.0, "1. 5 days from 6 Jan 2027\nThe longest periods with"),
    ],
)
def test_tooltips_describe_the_row_or_direction(charts, name, x, y_em, text):
    chart = charts[name]
    assert text in chart.tip(QPointF(x, 3 + y_em * chart_painter.em_of(chart.font())))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"rank"}))
def test_there_is_no_tooltip_outside_the_rows(charts, name):
    assert charts[name].tip(QPointF(299, 5_000)) == ""


def test_the_tooltip_of_a_body_has_its_time(charts):
    chart = charts["skyline"]
    sky = chart._data
    em = chart_painter.em_of(chart.font())
    wide = 294 - 2.8 * em
    tall = 9.5 * em
    x = 3 + 2.3 * em + sky.earth.azimuth_deg[0] / 360.0 * wide
    share = (sky.earth.elevation_deg[0] - sky.low_deg) / (sky.high_deg - sky.low_deg)
    tip = chart.tip(QPointF(x, 3 + 1.4 * em + (1.0 - share) * tall))
    assert "Earth, 1 Jan 2027, 00:00 UTC: elevation 6.5°" in tip


def test_tooltips_escape_markup(charts):
    chart = charts["contributions"]
    chart._data = site_model.waterfall(
        {
            "score": 0.6,
            "base_value": 0.5,
            "contributions": [
                {"title": "<b>Bold</b> & more", "value": 1, "unit": "m", "contribution": 0.1}
            ],
        }
    )
    chart.show()
    where = QPoint(50, round(3 + 3.6 * chart_painter.em_of(chart.font())))
    event = QHelpEvent(QEvent.Type.ToolTip, where, chart.mapToGlobal(where))
    assert chart.event(event)
    assert html.escape("<b>Bold</b> & more (1 m)") in QToolTip.text()
    QToolTip.hideText()
    chart.hide()


@pytest.mark.parametrize("name", NAMES)
def test_charts_have_text_for_screen_readers_and_the_clipboard(charts, name):
    chart = charts[name]
    assert chart.accessibleName()
    assert chart.accessibleDescription() == chart.text() != ""
    assert chart.focusPolicy() == Qt.FocusPolicy.TabFocus
    copy = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier, "c")
    chart.keyPressEvent(copy)
    assert QGuiApplication.clipboard().text() == chart.text()


def test_the_context_menu_copies_the_text(charts):
    QGuiApplication.clipboard().clear()
    menu = charts["margins"].menu()
    assert [action.text() for action in menu.actions()] == ["Copy as Text"]
    menu.actions()[0].trigger()
    assert QGuiApplication.clipboard().text() == charts["margins"].text()


@pytest.mark.parametrize("name", NAMES)
def test_waiting_takes_the_space_of_the_chart(charts, name):
    chart = charts[name]
    before = chart.sizeHint()
    chart.set_waiting("Working…")
    assert chart.sizeHint() == before
    assert chart.text() == chart.accessibleDescription() == "Working…"
    assert chart.tip(QPointF(100, 40)) == ""


def test_a_larger_font_makes_a_taller_chart(charts):
    chart = charts["contributions"]
    before = chart.sizeHint().height()
    font = QFont(chart.font())
    font.setPointSizeF(2.0 * font.pointSizeF())
    chart.setFont(font)
    assert chart.sizeHint().height() == pytest.approx(2 * before, rel=0.1)


def test_charts_can_be_painted_on_a_page(site_answers):
    data = site_model.waterfall(site_answers.explain())
    page = QImage(QSize(900, 900), QImage.Format.Format_RGB32)
    page.fill(QColor("white"))
    painter = QPainter(page)
    paper = colors.on_paper()
    contributions.paint(painter, QRectF(50, 50, 800, 800), data, paper, QFont())
    painter.end()
    found = colors_in(page)
    assert {"#ffffff", "#000000", paper.better.name(), paper.worse.name()} <= found
    assert colors_in(page, QRectF(0, 0, 900, 50).toRect()) == {"#ffffff"}
    assert colors_in(page, QRectF(851, 0, 49, 900).toRect()) == {"#ffffff"}
