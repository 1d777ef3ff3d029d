"""Values and sentences of the charts, without Qt or QGIS."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import pytest

from lunarsite.lunarsite_plugin.charts import calendar_model, formatting, site_model, sky_model
from lunarsite.lunarsite_plugin.site import text as site_text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
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
        (None, "m", "unknown"),
        (float("nan"), "m", "unknown"),
    ],
)
def test_quantities_have_three_significant_digits_and_a_unit(value, unit, text):
    assert formatting.quantity(value, unit) == text


def test_scores_and_percentages_never_round_to_a_limit():
    assert [formatting.score(value) for value in (0.0, 1e-7, 0.59896, 0.99999, 1.0, None)] == [
        "0.000",
        "<0.001",
        "0.599",
        ">0.999",
        "1.000",
        "no score",
    ]
    assert [formatting.percent(value) for value in (0.0, 0.01, 34.67, 99.99, 100.0)] == [
        "0 %",
        "<0.1 %",
        "34.7 %",
        ">99.9 %",
        "100 %",
    ]


def test_contributions_have_a_sign():
    text = [formatting.points(value) for value in (0.2861, -0.00339, 0.00001)]
    assert text == ["+0.286", "−0.0034", "±0"]


@pytest.mark.parametrize(
    ("lon", "lat", "text"),
    [
        (-137.386, -89.4623, "89.462° S, 137.386° W"),
        (222.614, -89.4623, "89.462° S, 137.386° W"),
        (0.0, 12.5, "12.500° N, 0.000° E"),
    ],
)
def test_coordinates_have_hemispheres(lon, lat, text):
    assert formatting.place(lon, lat) == text


def test_the_bars_add_up_from_the_base_value_to_the_score(site_answers):
    steps = site_model.waterfall(site_answers.explain())
    assert steps.bars[0].start == steps.base
    assert steps.bars[-1].end == pytest.approx(steps.score, abs=1e-12)
    joints = zip(steps.bars, steps.bars[1:], strict=False)
    assert all(one.end == other.start for one, other in joints)


def test_the_largest_bars_come_first_and_the_rest_are_summed(site_answers):
    answer = site_answers.explain()
    steps = site_model.waterfall(answer, shown=3)
    assert [bar.title for bar in steps.bars[:2]] == ["Slope, mean", "Average illumination"]
    assert steps.bars[-1].title == "9 others"
    shown = {bar.title for bar in steps.bars}
    rest = [c["contribution"] for c in answer["contributions"] if c["title"] not in shown]
    assert steps.bars[-1].contribution == pytest.approx(sum(rest))


def test_all_intermediate_scores_are_within_the_chart(site_answers):
    steps = site_model.waterfall(site_answers.explain())
    places = [steps.position(end) for bar in steps.bars for end in (bar.start, bar.end)]
    assert min(places) == 0.0
    assert max(places) == 1.0


def test_a_score_without_contributions_has_a_position(site_answers):
    steps = site_model.waterfall(site_answers.explain(contributions=[], score=0.5))
    assert steps.position(0.5) == 0.5


def test_margins_tell_which_criteria_pass_fail_or_are_unknown(site_answers):
    rows = site_model.margins(site_answers.explain()).rows
    assert [row.sentence for row in rows] == [
        "Slope, mean: 8.5°, must be at most 5°: fails by 3.5°",
        "Average illumination: 41.7 %, must be at least 33 %: passes by 8.72 %",
        "Relief: unknown, must be at most 100 m: unknown here",
    ]


def test_margins_are_plotted_relative_to_the_limit(site_answers):
    answer = site_answers.explain()
    places = [row.position for row in site_model.margins(answer).rows]
    assert places == pytest.approx([-3.5 / 5.0, 8.72 / 33.0, 0.0])
    answer["margins"][0] |= {"threshold": 0.0, "margin": -0.5}
    answer["margins"][1] |= {"margin": 400.0}
    assert [row.position for row in site_model.margins(answer).rows] == [-0.5, 1.0, 0.0]


@pytest.mark.parametrize(
    ("holds", "verdict", "passes"),
    [
        ((True, True, True), "Passes all criteria", True),
        ((True, True, None), "1 of 3 criteria unknown", None),
        ((False, True, True), "Fails 1 of 3 criteria", False),
        ((False, False, None), "Fails 2 of 3, 1 unknown", False),
    ],
)
def test_the_verdict_counts_the_criteria(site_answers, holds, verdict, passes):
    answer = site_answers.explain()
    for row, held in zip(answer["margins"], holds, strict=True):
        row["holds"] = held
    found = site_model.margins(answer)
    assert (found.verdict, found.passes) == (verdict, passes)


def test_the_rank_has_its_interval(site_answers):
    line = site_model.rank_line(site_answers.explain())
    assert line.text == "Rank 12 of 3,600 (5–95 %: 9–18), better than 99.7 % of cells"
    assert [line.position(rank) for rank in (1, 3600)] == [0.0, 1.0]


def test_only_the_first_of_many_cells_is_better_than_all(site_answers):
    best = site_answers.explain(rank=1, cells=315_034, interval=[1, 2])
    second = best | {"rank": 2}
    assert site_model.rank_line(best).standing == "the best of all cells"
    assert site_model.rank_line(second).standing == "better than 99.9 % of cells"
    assert site_model.rank_line(best | {"cells": 1}).position(1) == 0.5


def test_coverage_is_sorted_lowest_first(site_answers):
    layers = site_model.coverage(site_answers.explain())
    assert [(layer.title, layer.text) for layer in layers[:2]] == [
        ("craters", "no data"),
        ("permanent shadow", "45 %"),
    ]
    assert site_model.coverage_sentence(layers) == (
        "No data here: craters. Data for part of the cell only: permanent shadow."
    )
    assert site_model.coverage_sentence(layers[2:]) == "All layers cover the entire cell."


def test_required_changes_are_sentences(site_answers):
    answer = site_answers.explain()
    assert site_model.changes(answer) == (
        "Slope, mean must decrease by 3.5°, from 8.5° to 5°.",
        "Relief is unknown here; it must be at most 100 m.",
    )
    assert site_model.nearest_passing(answer) == (
        "The nearest passing cell is 25.6 km away, at 89.300° S, 52.352° W."
    )


def test_both_limits_on_an_unknown_feature_are_named_once(site_answers):
    answer = site_answers.explain()
    margins, asked = answer["margins"], answer["to_pass"]
    (relief,) = (found for found in margins if found["value"] is None)
    margins.append(relief | {"sense": "at_least", "threshold": 10.0})
    asked["changes"].append(asked["changes"][-1])
    assert site_model.changes(answer)[1:] == (
        "Relief is unknown here; it must be at most 100 m and at least 10 m.",
    )


def test_a_passing_cell_and_an_area_without_any_are_described(site_answers):
    passing = {"passes": True, "changes": [], "nearest_passing": None}
    assert (
        site_text.to_pass_text(site_answers.explain(to_pass=passing))
        == "This cell already passes all criteria."
    )
    none_passes = site_answers.explain()
    none_passes["to_pass"]["nearest_passing"] = None
    text = site_text.to_pass_text(none_passes)
    assert text.endswith("No cell in the area passes all criteria.")


def test_a_skyline_includes_terrain_and_bodies(site_answers):
    sky = sky_model.skyline(site_answers.skyline())
    assert sky.low_deg < 0.0
    assert sky.high_deg > 6.5
    assert sky.describe(90.2) == "Azimuth 90° (E): horizon 6°, terrain 1.5 km away"
    assert sky.describe(359.9).startswith("Azimuth 0° (N)")


def test_an_unknown_horizon_is_described_as_unknown(site_answers):
    answer = site_answers.skyline()
    answer["horizon_deg"] = [None] * 720
    answer["horizon_distance_m"] = [None] * 720
    sky = sky_model.skyline(answer)
    assert sky.describe(90.0) == "Azimuth 90° (E): horizon unknown"
    assert "Highest" not in sky.text


def test_a_body_is_only_found_within_reach(site_answers):
    earth = sky_model.skyline(site_answers.skyline()).earth
    assert earth.nearest(200.0, 6.5, (2.0, 0.5)) == (
        "Earth, 1 Jan 2027, 00:00 UTC: elevation 6.5°, 50 % of its disc visible"
    )
    assert earth.nearest(20.0, 6.5, (2.0, 0.5)) == ""


def test_the_calendar_has_one_row_per_month(site_answers):
    found = calendar_model.calendar(site_answers.skyline())
    assert [row.label for row in found.rows] == ["Jan 2027", *formatting.MONTHS[1:]]
    assert found.rows[0].sentence == (
        "Jan 2027: Sun visible 20 days, Earth visible 20 days, both 10 days"
    )
    assert found.rows[5].sentence.endswith("Earth visible 0 days, both 0 days")


def test_the_rows_of_the_calendar_add_up(site_answers):
    answer = site_answers.skyline()
    found = calendar_model.calendar(answer)
    light = sum(calendar_model.total_days(row.light) for row in found.rows)
    assert light == pytest.approx(sum(span["days"] for span in answer["sun_up"]))
    assert sum(row.covered.days for row in found.rows) == 365.0


def test_a_day_of_the_calendar_is_described_in_hours(site_answers):
    found = calendar_model.calendar(site_answers.skyline())
    assert found.describe(0, 5.5) == "6 Jan 2027: Sun visible 24 h, Earth visible 24 h, both 24 h"
    assert found.describe(0, 12.0) == "13 Jan 2027: Sun visible 0 h, Earth visible 24 h, both 0 h"
    assert found.describe(1, 30.0) == ""


def test_a_period_of_many_years_has_one_row_per_year():
    found = calendar_model.empty_calendar(dt.date(2027, 3, 1), dt.date(2037, 3, 1))
    assert [row.label for row in found.rows] == [str(year) for year in range(2027, 2038)]
    assert found.by_year


def test_the_calendar_covers_the_entire_period_even_if_the_tracks_do_not(site_answers):
    answer = site_answers.skyline()
    answer["sun"]["time"] = answer["sun"]["time"][:-30]
    rows = calendar_model.calendar(answer).rows
    assert rows[-1].covered.end == dt.datetime(2028, 1, 1, tzinfo=dt.UTC)


def test_the_intersection_of_periods():
    day = [dt.datetime(2027, 1, k, tzinfo=dt.UTC) for k in range(1, 10)]
    span = calendar_model.Span
    one = (span(day[0], day[3]), span(day[4], day[8]))
    other = (span(day[2], day[5]), span(day[6], day[7]))
    both = calendar_model.common(one, other)
    assert both == (span(day[2], day[3]), span(day[4], day[5]), span(day[6], day[7]))
    assert both == calendar_model.common(other, one)


def test_the_figures_have_a_fixed_number_of_rows(site_answers):
    found = sky_model.figures(site_answers.skyline())
    assert found.text.splitlines() == [
        "Sun visible: 47.4 % of the time",
        "Earth visible: <0.1 % of the time",
        "Longest continuous darkness: 10 days from 11 Jan 2027",
        "Longest windows with Sun and Earth:",
        "1. 5 days from 6 Jan 2027",
        "2. 5 days from 21 Jan 2027",
    ]
    assert len(found.rows) == len(sky_model.NO_FIGURES.rows)


def test_a_place_where_the_sun_never_sets_has_no_darkness(site_answers):
    found = sky_model.figures(site_answers.skyline(longest_night=None))
    assert found.rows[2] == ("Longest continuous darkness", "none")


def test_the_text_contains_all_sections(site_answers):
    answer = site_answers.explain(warnings=["The layers are of an older run"])
    text = site_text.explanation_text(answer, site_answers.skyline())
    for part in (
        "89.459° S, 137.392° W",
        "of the cell around it, 960 m wide, centred at 89.462° S, 137.386° W; criteria profile",
        "Score: 0.415 (suitability, 0 to 1)",
        "Rank 12 of 3,600",
        "Fails 1 of 3, 1 unknown",
        "Slope, mean (8.5°): lowers the score by 0.250",
        "Longest continuous darkness: 10 days",
        "Azimuth 90° (E)",
        "Jan 2027: Sun visible 20 days",
        "craters: no data",
        "The layers are of an older run",
    ):
        assert part in text, part
    assert "Jan 2027" not in site_text.explanation_text(answer)


def test_a_place_without_a_score_is_described(site_answers):
    unknown = {"score": None, "rank": None, "interval": None, "contributions": []}
    answer = site_answers.explain(**unknown)
    assert site_model.waterfall(answer) is None
    assert site_model.rank_line(answer) is None
    text = site_text.explanation_text(answer)
    assert "Score: no score" in text
    assert "There is no score: the layer of at least one criterion has no data here." in text


def test_the_models_need_only_the_standard_library():
    code = (
        "import sys; import lunarsite.lunarsite_plugin.site.text; "
        "sys.exit(bool({'qgis', 'numpy', 'PyQt5', 'PyQt6'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
