"""The sections of the site panel: each shows its part of the engine's answers."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from lunarsite.lunarsite_plugin.charts import calendar_model, site_model, sky_model, widgets, words
from lunarsite.lunarsite_plugin.site import text as site_text
from lunarsite.lunarsite_plugin.site.parts import Badge, Dates, Section, label

if TYPE_CHECKING:
    from lunarsite.engine.contract import Values

START, STOP = "2027-01-01", "2028-01-01"
MEANING = "score: probability that every criterion holds"
MEANING_WHOLE = (
    "The probability, 0 to 1, that every criterion holds in the cell, given the errors of heights "
    "and horizons, as the scorer estimates it from the cell's terrain and light"
)
WORKING = "Working out the skyline…"

_LARGE = 2.2


class Headline(QWidget):
    """Where the place is, its score and rank, and whether it passes."""

    keep = pyqtSignal()
    copy = pyqtSignal()
    report = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.place, self.cell, self.rank_line = label(), label(), label()
        self.score, self.badge, self.rank = QLabel(self), Badge(self), widgets.RankChart(self)
        font = self.score.font()
        font.setPointSizeF(_LARGE * font.pointSizeF())
        self.score.setFont(font)
        meaning = label(MEANING)
        for part in (self.score, meaning):
            part.setToolTip(MEANING_WHOLE)
        top = QHBoxLayout()
        top.setSpacing(10)
        top.addWidget(self.score)
        top.addWidget(meaning, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addWidget(self.place)
        column.addWidget(self.cell)
        column.addLayout(top)
        column.addWidget(self.badge)
        column.addWidget(self.rank_line)
        column.addWidget(self.rank)
        column.addLayout(self._actions())

    def show_answer(self, result: Values) -> None:
        """Show the answer of ``explain``."""
        self.place.setText(site_text.place_line(result))
        self.cell.setText(site_text.cell_line(result))
        known = result["score"] is not None
        self.score.setText(words.score(result["score"]) if known else "–")
        self.score.setAccessibleName(f"Score {words.score(result['score'])}, 0 to 1")
        held = site_model.margins(result)
        self.badge.set_verdict(held.verdict, passes=held.passes)
        line = site_model.rank_line(result)
        self.rank_line.setText(line.text if line else site_text.NO_SCORE)
        self.rank.setVisible(line is not None)
        if line:
            self.rank.set_data(line)

    def _actions(self) -> QHBoxLayout:
        row = QHBoxLayout()
        for title, signal, told in (
            ("Keep", self.keep, "Add this place to the list of kept places, to compare"),
            ("Copy", self.copy, "Copy all that is shown here to the clipboard"),
            ("Report…", self.report, "Save a page about this place"),
        ):
            button = QToolButton(self)
            button.setText(title)
            button.setToolTip(told)
            button.clicked.connect(signal)
            row.addWidget(button)
        row.addStretch(1)
        return row


class Criteria(Section):
    """Every criterion with its value, limit and margin."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Criteria", parent)
        self.chart = widgets.MarginsChart(self)
        self.inside.addWidget(self.chart)

    def show_answer(self, result: Values) -> None:
        """Show the answer of ``explain``."""
        self.chart.set_data(site_model.margins(result))


class Why(Section):
    """What raises and lowers the score."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Why this score", parent)
        self.chart = widgets.ContributionsChart(self)
        self.inside.addWidget(self.chart)

    def show_answer(self, result: Values) -> None:
        """Show the answer of ``explain``."""
        steps = site_model.waterfall(result)
        if steps:
            self.chart.set_data(steps)
        else:
            self.chart.set_sentence(site_text.NO_SCORE)


class Way(Section):
    """What would make the place pass, and the way to the nearest one that does."""

    go = pyqtSignal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("To make it pass", parent)
        self.sentences = label()
        self.button = QPushButton(self)
        self.button.setAccessibleName("Go to the nearest cell that passes")
        self.button.setToolTip("Go to the nearest cell that passes, and score it")
        self.button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.button.clicked.connect(self._go)
        self._place = (0.0, 0.0)
        self.inside.addWidget(self.sentences)
        self.inside.addWidget(self.button)

    def show_answer(self, result: Values) -> None:
        """Show the answer of ``explain``."""
        self.sentences.setText(site_text.way_text(result, bullet="• "))
        near = result["to_pass"]["nearest_passing"]
        self.button.setVisible(near is not None)
        if near is not None:
            self._place = (near["x_m"], near["y_m"])
            self.button.setText(f"Go there ({words.distance(near['distance_m'])})")

    def _go(self) -> None:
        self.go.emit(*self._place)


class Light(Section):
    """The skyline, the calendar of light and of Earth contact, and their figures."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Light and Earth contact", parent)
        self.sky, self.calendar = widgets.SkylineChart(self), widgets.CalendarChart(self)
        self.dates, self.figures = Dates(START, STOP, self), widgets.FiguresTable(self)
        for part in (self.sky, self.dates, self.calendar, self.figures):
            self.inside.addWidget(part)

    def show_answer(self, result: Values) -> None:
        """Show the answer of ``skyline``."""
        self.sky.set_data(sky_model.skyline(result))
        self.calendar.set_data(calendar_model.calendar(result))
        self.figures.set_data(sky_model.figures(result))

    def wait(self, sentence: str = WORKING) -> None:
        """Show a sentence in the room that the answer for the chosen dates will take."""
        start, stop = (dt.date.fromisoformat(day) for day in self.dates.dates())
        self.sky.set_waiting(sentence)
        self.calendar.set_waiting("", calendar_model.empty_calendar(start, stop))
        self.figures.set_waiting("")


class Coverage(Section):
    """What was known of the cell, the least known first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Data coverage", parent)
        self.sentence, self.names, self.shares = label(), QLabel(self), QLabel(self)
        self.shares.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        row = QHBoxLayout()
        for shown in (self.names, self.shares):
            shown.setTextFormat(Qt.TextFormat.PlainText)
            row.addWidget(shown)
        row.addStretch(1)
        self.inside.addWidget(self.sentence)
        self.inside.addLayout(row)

    def show_answer(self, result: Values) -> None:
        """Show the answer of ``explain``."""
        layers = site_model.coverage(result)
        self.sentence.setText(site_model.coverage_sentence(layers))
        self.names.setText("\n".join(layer.title[:1].upper() + layer.title[1:] for layer in layers))
        self.shares.setText("\n".join(layer.text for layer in layers))


class Notes(Section):
    """What the engine wants the user to know."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Notes", parent)
        self.lines = label()
        self.inside.addWidget(self.lines)

    def show_answers(self, *results: Values | None) -> None:
        """Show the notes of all answers; without any, the section is not there."""
        found = site_text.warnings(*results)
        self.lines.setText("\n".join(found))
        self.setVisible(bool(found))
