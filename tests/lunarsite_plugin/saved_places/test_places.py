"""Kept places: compared, sorted, written and read again."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from lunarsite.lunarsite_plugin.charts import site_model
from lunarsite.lunarsite_plugin.saved_places import places as kept


@pytest.fixture
def places(site_answers):
    """Return three places; the second has no score, the third a skyline and the best rank."""
    answers = [site_answers.explain(), site_answers.explain(), site_answers.explain()]
    for k, answer in enumerate(answers):
        answer["cell"] = answer["cell"] | {"cell_id": k}
    for key in ("score", "rank", "percentile", "interval"):
        answers[1][key] = None
    answers[2].update(score=0.9, rank=3, interval=[1, 7])
    lights = [None, None, site_answers.skyline()]
    return [
        kept.of_answer(answer, light, name=f"P{k}", run="work/run")
        for k, (answer, light) in enumerate(zip(answers, lights, strict=True))
    ]


def line(places, title):
    return next(each for each in kept.lines(places) if each.title == title)


def test_places_stand_side_by_side(places):
    assert line(places, "Score").cells == ("0.415", "–", "0.900")
    assert line(places, "Rank, 5–95 %").cells == ("9–18", "–", "1–7")
    assert line(places, "Passes").cells == ("✗ no",) * 3
    assert line(places, "Slope, mean").cells == ("✗ 8.5°",) * 3
    assert line(places, "Better than").cells == ("99.7 %", "–", "99.9 %")
    assert line(places, "Relief").cells == ("–",) * 3
    assert line(places, "Sun in view").cells == ("–", "–", "47.4 %")
    assert "over the dates chosen" in line(places, "Sun in view").help
    assert line(places, "Latitude").cells[0] == "89.462° S"
    assert line(places, "Longitude").cells[0] == "137.386° W"


@pytest.mark.parametrize(("rank", "cells"), [(1, 3600), (2, 315_034), (3355, 3600), (9, 9)])
def test_a_kept_place_stands_as_its_own_page_says(site_answers, rank, cells):
    answer = site_answers.explain(rank=rank, cells=cells)
    place = kept.of_answer(answer, None, name="P", run="r")
    shown = line([place], "Better than").cells[0]
    standing = site_model.rank_line(answer).standing
    assert standing in (f"better than {shown} of cells", "the best of all cells")
    assert (shown == "all others") == (rank == 1)


def test_a_place_with_an_unknown_criterion_and_no_failed_one_is_not_known_to_pass(site_answers):
    answer = site_answers.explain()
    answer["margins"] = [m for m in answer["margins"] if m["holds"] is not False]
    place = kept.of_answer(answer, None, name="P", run="r")
    assert place.passes is None
    assert line([place], "Passes").cells == ("? not known",)


def test_what_is_not_known_is_sorted_to_the_end_either_way(places):
    score = line(places, "Score")
    names = [[p.name for p in kept.ordered(places, score, descending=d)] for d in (True, False)]
    assert names == [["P2", "P0", "P1"], ["P0", "P2", "P1"]]


def test_keeping_a_place_again_takes_its_values_and_leaves_its_name(places, site_answers):
    answer = site_answers.explain()
    answer["cell"] = answer["cell"] | {"cell_id": 0}
    again = kept.of_answer(answer, site_answers.skyline(), name="Other", run="work/run")
    found = kept.with_place(places, again)
    assert [place.name for place in found] == ["P0", "P1", "P2"]
    assert found[0].skyline_illumination_pct == 47.446


def test_names_are_not_given_twice(places):
    assert kept.free_name([]) == "Place 1"
    named = [replace(places[0], name="Place 1"), replace(places[1], name="Place 3")]
    assert kept.free_name(named) == "Place 2"


def test_places_survive_json(places):
    assert kept.from_json(json.loads(json.dumps(kept.as_json(places)))) == places


@pytest.mark.parametrize("content", [None, 3, {"a": 1}, [None], [{"name": "x"}], [{"values": 1}]])
def test_what_is_not_a_kept_place_is_left_out(content):
    assert kept.from_json(content) == []


def test_a_damaged_place_does_not_take_the_others_with_it(places):
    content = kept.as_json(places)
    content[1]["rank"] = "first"
    assert [place.name for place in kept.from_json(content)] == ["P0", "P2"]


def test_csv_has_a_row_a_place_with_units_in_the_names(places):
    rows = list(csv.DictReader(io.StringIO(kept.csv_text(places))))
    assert [row["name"] for row in rows] == ["P0", "P1", "P2"]
    assert rows[0]["rank"] == "12"
    assert rows[1]["score"] == ""
    assert float(rows[2]["skyline_illumination_pct"]) == 47.446
    assert float(rows[0]["c0"]) == 8.5
    assert rows[0]["c2"] == ""


def test_a_spreadsheet_gets_no_formula_from_a_name(places):
    named = replace(places[0], name="=1+1")
    (row,) = csv.DictReader(io.StringIO(kept.csv_text([named])))
    assert row["name"] == "'=1+1"


def test_the_text_table_has_a_column_a_place(places):
    rows = [row.split("\t") for row in kept.text_table(places).splitlines()]
    assert rows[0] == ["", "P0", "P1", "P2"]
    assert ["Rank", "12", "–", "3"] in rows
    assert {len(row) for row in rows} == {4}
