"""The sections of the site panel, each for one part of the engine's answers."""

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

from lunarsite.lunarsite_plugin.charts import (
    calendar_model,
    formatting,
    site_model,
    sky_model,
    widgets,
)
from lunarsite.lunarsite_plugin.site import text as site_text
from lunarsite.lunarsite_plugin.site.parts import Badge, Dates, Section, label

if TYPE_CHECKING:
    from lunarsite.engine.contract import Values

START, STOP = "2027-01-01", "2028-01-01"
MEANING_TIP = (
    "The suitability ranks places: the geometric mean over the criteria of how well each is met, "
    "0.5 on all limits. The probability is that of all criteria being met, given the errors of "
    "elevations and horizons alone"
)
WORKING = "Computing the skyline…"

_LARGE = 2.2


class Headline(QWidget):
    """The place, its score and rank, and whether it passes."""

    save = pyqtSignal()
    copy = pyqtSignal()
    report = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.place, self.cell, self.rank_line = label(), label(), label()
        self.score, self.badge, self.rank = QLabel(self), Badge(self), widgets.RankChart(self)
        font = self.score.font()
        font.setPointSizeF(_LARGE * font.pointSizeF())
        self.score.setFont(font)
        self.meaning = label(site_text.MEANING)
        for part in (self.score, self.meaning):
            part.setToolTip(MEANING_TIP)
        top = QHBoxLayout()
        top.setSpacing(10)
        top.addWidget(self.score)
        top.addWidget(self.meaning, 1)
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
        self.score.setText(formatting.score(result["score"]) if known else "–")
        self.meaning.setText(site_text.meaning_line(result))
        self.score.setAccessibleName(f"Score {formatting.score(result['score'])}, 0 to 1")
        held = site_model.margins(result)
        self.badge.set_verdict(held.verdict, passes=held.passes)
        line = site_model.rank_line(result)
        self.rank_line.setText(line.text if line else site_text.NO_SCORE)
        self.rank.setVisible(line is not None)
        if line:
            self.rank.set_data(line)

    def _actions(self) -> QHBoxLayout:
        row = QHBoxLayout()
        for title, signal, tip in (
            ("Save", self.save, "Add this place to the saved places, to compare it with others"),
            ("Copy", self.copy, "Copy everything shown here to the clipboard"),
            ("Report…", self.report, "Save a report on this place as PDF or HTML"),
        ):
            button = QToolButton(self)
            button.setText(title)
            button.setToolTip(tip)
            button.clicked.connect(signal)
            row.addWidget(button)
        row.addStretch(1)
        return row


class Criteria(Section):
    """All criteria with their values, limits and margins."""

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


class ToPass(Section):
    """What it would take for the place to pass, and the nearest cell that does."""

    go = pyqtSignal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Required changes", parent)
        self.sentences = label()
        self.button = QPushButton(self)
        self.button.setAccessibleName("Go to the nearest passing cell")
        self.button.setToolTip("Go to the nearest passing cell and score it")
        self.button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.button.clicked.connect(self._go)
        self._place = (0.0, 0.0)
        self.inside.addWidget(self.sentences)
        self.inside.addWidget(self.button)

    def show_answer(self, result: Values) -> None:
        """Show the answer of ``explain``."""
        self.sentences.setText(site_text.to_pass_text(result, bullet="• "))
        near = result["to_pass"]["nearest_passing"]
        self.button.setVisible(near is not None)
        if near is not None:
            self._place = (near["x_m"], near["y_m"])
            self.button.setText(f"Go to Cell ({formatting.distance(near['distance_m'])})")

    def _go(self) -> None:
        self.go.emit(*self._place)


class Light(Section):
    """The skyline, the calendar, and the figures of illumination and Earth visibility."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Sun and Earth here", parent)
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
        """Show a sentence in the space that the answer for the selected dates will take."""
        start, stop = (dt.date.fromisoformat(day) for day in self.dates.dates())
        self.sky.set_waiting(sentence)
        self.calendar.set_waiting("", calendar_model.empty_calendar(start, stop))
        self.figures.set_waiting("")


class Coverage(Section):
    """The data coverage of the cell, lowest first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Data coverage", parent)
        self.sentence, self.names, self.shares = label(), QLabel(self), QLabel(self)
        self.shares.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        row = QHBoxLayout()
        for column in (self.names, self.shares):
            column.setTextFormat(Qt.TextFormat.PlainText)
            row.addWidget(column)
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
    """Warnings from the engine."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Notes", parent)
        self.lines = label()
        self.inside.addWidget(self.lines)

    def show_answers(self, *results: Values | None) -> None:
        """Show the warnings of all answers; the section is hidden if there are none."""
        found = site_text.warnings(*results)
        self.lines.setText("\n".join(found))
        self.setVisible(bool(found))
