"""The charts' values and sentences: no Qt, no QGIS."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import pytest

from lunarsite.lunarsite_plugin.charts import calendar_model, site_model, sky_model, words
from lunarsite.lunarsite_plugin.site import text as site_text


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (8.499, "deg", "8.5°"),
        (-0.9, "deg", "−0.9°"),
        (19.133, "%", "19.1 %"),
        (0.0, "%", "0 %"),
        (1560.45, "m", "1,560 m"),
        (0.71676, "km2", "0.717 km²"),
        (1.0, "days", "1 day"),
        (28.25, "days", "28.2 days"),
        (0.00002, "m", "≈0 m"),
        (0.0069, "", "0.0069"),
        (None, "m", "not known"),
        (float("nan"), "m", "not known"),
    ],
)
def test_quantities_have_three_digits_and_their_unit(value, unit, said):
    assert words.quantity(value, unit) == said


def test_scores_and_shares_round_to_neither_end():
    assert [words.score(value) for value in (0.0, 1e-7, 0.59896, 0.99999, 1.0, None)] == [
        "0.000",
        "<0.001",
        "0.599",
        ">0.999",
        "1.000",
        "no score",
    ]
    assert [words.percent(value) for value in (0.0, 0.01, 34.67, 99.99, 100.0)] == [
        "0 %",
        "<0.1 %",
        "34.7 %",
        ">99.9 %",
        "100 %",
    ]


def test_contributions_carry_their_sign():
    said = [words.points(value) for value in (0.2861, -0.00339, 0.00001)]
    assert said == ["+0.286", "−0.0034", "±0"]


@pytest.mark.parametrize(
    ("lon", "lat", "said"),
    [
        (-137.386, -89.4623, "89.462° S, 137.386° W"),
        (222.614, -89.4623, "89.462° S, 137.386° W"),
        (0.0, 12.5, "12.500° N, 0.000° E"),
    ],
)
def test_places_have_hemispheres(lon, lat, said):
    assert words.place(lon, lat) == said


def test_bars_lead_from_the_base_value_to_the_score(site_answers):
    steps = site_model.waterfall(site_answers.explain())
    assert steps.bars[0].start == steps.base
    assert steps.bars[-1].end == pytest.approx(steps.score, abs=1e-12)
    joints = zip(steps.bars, steps.bars[1:], strict=False)
    assert all(one.end == other.start for one, other in joints)


def test_the_strongest_bars_come_first_and_the_rest_is_one(site_answers):
    answer = site_answers.explain()
    steps = site_model.waterfall(answer, shown=3)
    assert [bar.title for bar in steps.bars[:2]] == ["Slope, mean", "Average illumination"]
    assert steps.bars[-1].title == "9 others"
    shown = {bar.title for bar in steps.bars}
    rest = [c["contribution"] for c in answer["contributions"] if c["title"] not in shown]
    assert steps.bars[-1].contribution == pytest.approx(sum(rest))


def test_every_score_on_the_way_lies_on_the_chart(site_answers):
    steps = site_model.waterfall(site_answers.explain())
    places = [steps.position(end) for bar in steps.bars for end in (bar.start, bar.end)]
    assert min(places) == 0.0
    assert max(places) == 1.0


def test_a_score_without_any_way_to_it_has_a_place(site_answers):
    steps = site_model.waterfall(site_answers.explain(contributions=[], score=0.5))
    assert steps.position(0.5) == 0.5


def test_margins_say_what_holds_what_fails_and_what_is_not_known(site_answers):
    rows = site_model.margins(site_answers.explain()).rows
    assert [row.sentence for row in rows] == [
        "Slope, mean: 8.5°, must be at most 5°: fails by 3.5°",
        "Average illumination: 41.7 %, must be at least 33 %: holds by 8.72 %",
        "Relief: not known, must be at most 100 m: not known here",
    ]


def test_a_margin_is_placed_by_its_share_of_the_limit(site_answers):
    answer = site_answers.explain()
    places = [row.position for row in site_model.margins(answer).rows]
    assert places == pytest.approx([-3.5 / 5.0, 8.72 / 33.0, 0.0])
    answer["margins"][0] |= {"threshold": 0.0, "margin": -0.5}
    answer["margins"][1] |= {"margin": 400.0}
    assert [row.position for row in site_model.margins(answer).rows] == [-0.5, 1.0, 0.0]


@pytest.mark.parametrize(
    ("holds", "verdict", "passes"),
    [
        ((True, True, True), "Passes every criterion", True),
        ((True, True, None), "1 of 3 criteria not known", None),
        ((False, True, True), "Fails 1 of 3 criteria", False),
        ((False, False, None), "Fails 2 of 3, 1 not known", False),
    ],
)
def test_the_verdict_counts(site_answers, holds, verdict, passes):
    answer = site_answers.explain()
    for row, held in zip(answer["margins"], holds, strict=True):
        row["holds"] = held
    found = site_model.margins(answer)
    assert (found.verdict, found.passes) == (verdict, passes)


def test_the_rank_is_said_with_its_range(site_answers):
    line = site_model.rank_line(site_answers.explain())
    assert line.text == "Rank 12 of 3,600 (5–95 %: 9–18), better than 99.7 % of cells"
    assert [line.position(rank) for rank in (1, 3600)] == [0.0, 1.0]


def test_the_first_of_very_many_is_the_best_and_the_second_nearly(site_answers):
    best = site_answers.explain(rank=1, cells=315_034, interval=[1, 2])
    second = best | {"rank": 2}
    assert site_model.rank_line(best).standing == "the best of all cells"
    assert site_model.rank_line(second).standing == "better than 99.9 % of cells"
    assert site_model.rank_line(best | {"cells": 1}).position(1) == 0.5


def test_coverage_names_the_least_known_first(site_answers):
    layers = site_model.coverage(site_answers.explain())
    assert [(layer.title, layer.text) for layer in layers[:2]] == [
        ("craters", "no data"),
        ("permanent shadow", "45 %"),
    ]
    assert site_model.coverage_sentence(layers) == (
        "Not known here: craters. Known for a part of the cell: permanent shadow."
    )
    assert site_model.coverage_sentence(layers[2:]) == "Every layer covers the whole cell."


def test_the_way_to_pass_is_told_in_sentences(site_answers):
    answer = site_answers.explain()
    assert site_model.changes(answer) == (
        "Slope, mean must fall from 8.5° to 5°, by 3.5°.",
        "Relief is not known here; it must be at most 100 m.",
    )
    assert site_model.nearest_passing(answer) == (
        "The nearest cell that passes is 25.6 km away, at 89.300° S, 52.352° W."
    )


def test_a_cell_that_passes_and_an_area_where_none_does_are_told(site_answers):
    passing = {"passes": True, "changes": [], "nearest_passing": None}
    assert (
        site_text.way_text(site_answers.explain(to_pass=passing))
        == "This cell passes every criterion already."
    )
    lost = site_answers.explain()
    lost["to_pass"]["nearest_passing"] = None
    assert site_text.way_text(lost).endswith("No cell of the area passes every criterion.")


def test_a_skyline_holds_terrain_and_bodies(site_answers):
    sky = sky_model.skyline(site_answers.skyline())
    assert sky.low_deg < 0.0
    assert sky.high_deg > 6.5
    assert sky.describe(90.2) == "Azimuth 90° (E): horizon 6°, terrain 1.5 km away"
    assert sky.describe(359.9).startswith("Azimuth 0° (N)")


def test_unknown_terrain_is_said_to_be_so(site_answers):
    answer = site_answers.skyline()
    answer["horizon_deg"] = [None] * 720
    answer["horizon_distance_m"] = [None] * 720
    sky = sky_model.skyline(answer)
    assert sky.describe(90.0) == "Azimuth 90° (E): the horizon is not known"
    assert "Highest" not in sky.text


def test_the_body_under_a_direction_is_found_within_reach_only(site_answers):
    earth = sky_model.skyline(site_answers.skyline()).earth
    assert earth.nearest(200.0, 6.5, (2.0, 0.5)) == (
        "Earth, 1 Jan 2027, 00:00 UTC: 6.5° high, 50 % of its disc in view"
    )
    assert earth.nearest(20.0, 6.5, (2.0, 0.5)) == ""


def test_the_calendar_has_a_row_a_month(site_answers):
    found = calendar_model.calendar(site_answers.skyline())
    assert [row.label for row in found.rows] == ["Jan 2027", *words.MONTHS[1:]]
    assert found.rows[0].sentence == (
        "Jan 2027: light 20 days, Earth in view 20 days, both 10 days"
    )
    assert found.rows[5].sentence.endswith("Earth in view 0 days, both 0 days")


def test_rows_of_the_calendar_add_up_to_its_spans(site_answers):
    answer = site_answers.skyline()
    found = calendar_model.calendar(answer)
    light = sum(calendar_model.total_days(row.light) for row in found.rows)
    assert light == pytest.approx(sum(span["days"] for span in answer["sun_up"]))
    assert sum(row.whole.days for row in found.rows) == 365.0


def test_a_day_of_the_calendar_is_told_in_hours(site_answers):
    found = calendar_model.calendar(site_answers.skyline())
    assert found.describe(0, 5.5) == "6 Jan 2027: light 24 h, Earth in view 24 h, both 24 h"
    assert found.describe(0, 12.0) == "13 Jan 2027: light 0 h, Earth in view 24 h, both 0 h"
    assert found.describe(1, 30.0) == ""


def test_a_span_of_many_years_has_a_row_a_year():
    found = calendar_model.empty_calendar(dt.date(2027, 3, 1), dt.date(2037, 3, 1))
    assert [row.label for row in found.rows] == [str(year) for year in range(2027, 2038)]
    assert found.by_year


def test_a_calendar_ends_where_the_answer_does_though_tracks_are_thinned(site_answers):
    answer = site_answers.skyline()
    answer["sun"]["time"] = answer["sun"]["time"][:-30]
    rows = calendar_model.calendar(answer).rows
    assert rows[-1].whole.end == dt.datetime(2028, 1, 1, tzinfo=dt.UTC)


def test_common_spans_are_those_of_both():
    day = [dt.datetime(2027, 1, k, tzinfo=dt.UTC) for k in range(1, 10)]
    span = calendar_model.Span
    one = (span(day[0], day[3]), span(day[4], day[8]))
    other = (span(day[2], day[5]), span(day[6], day[7]))
    both = calendar_model.common(one, other)
    assert both == (span(day[2], day[3]), span(day[4], day[5]), span(day[6], day[7]))
    assert both == calendar_model.common(other, one)


def test_figures_keep_a_line_for_each_window_there_may_be(site_answers):
    found = sky_model.figures(site_answers.skyline())
    assert found.text.splitlines() == [
        "Sun in view: 47.4 % of the time",
        "Earth in view: <0.1 % of the time",
        "Longest night: 10 days from 11 Jan 2027",
        "Longest light with contact:",
        "1. 5 days from 6 Jan 2027",
        "2. 5 days from 21 Jan 2027",
    ]
    assert len(found.rows) == len(sky_model.NO_FIGURES.rows)


def test_a_place_where_the_sun_never_sets_has_no_night(site_answers):
    found = sky_model.figures(site_answers.skyline(longest_night=None))
    assert found.rows[2] == ("Longest night", "no night")


def test_all_is_told_in_one_text(site_answers):
    answer = site_answers.explain(warnings=["The layers are of an older run"])
    text = site_text.explanation_text(answer, site_answers.skyline())
    for part in (
        "89.462° S, 137.386° W",
        "Centre of the cell, 960 m across; criteria profile cassa",
        "Score: 0.415, 0 to 1",
        "Rank 12 of 3,600",
        "Fails 1 of 3, 1 not known",
        "Slope, mean (8.5°): lowers the score by 0.250",
        "Longest night: 10 days",
        "Azimuth 90° (E)",
        "Jan 2027: light 20 days",
        "craters: no data",
        "The layers are of an older run",
    ):
        assert part in text, part
    assert "Jan 2027" not in site_text.explanation_text(answer)


def test_a_place_without_a_score_is_told_in_words(site_answers):
    unknown = {"score": None, "rank": None, "interval": None, "contributions": []}
    answer = site_answers.explain(**unknown)
    assert site_model.waterfall(answer) is None
    assert site_model.rank_line(answer) is None
    text = site_text.explanation_text(answer)
    assert "Score: no score" in text
    assert "There is no score: the layer of a criterion is not known here." in text


def test_the_models_need_the_standard_library_alone():
    code = (
        "import sys; import lunarsite.lunarsite_plugin.site.text; "
        "sys.exit(bool({'qgis', 'numpy', 'PyQt5', 'PyQt6'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
