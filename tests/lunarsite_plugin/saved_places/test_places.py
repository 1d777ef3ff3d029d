"""Saved places: comparison, sorting, export and storage."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from lunarsite.lunarsite_plugin.charts import site_model
from lunarsite.lunarsite_plugin.saved_places import places as saved_places


@pytest.fixture
def places(site_answers):
    """Return three places; the second has no score, the third has a skyline and the best rank."""
    answers = [site_answers.explain(), site_answers.explain(), site_answers.explain()]
    for k, answer in enumerate(answers):
        answer["place"] = answer["place"] | {"x_m": 10.0 * k}
    for key in ("score", "rank", "percentile", "interval"):
        answers[1][key] = None
    answers[2].update(score=0.9, rank=3, interval=[1, 7])
    lights = [None, None, site_answers.skyline()]
    return [
        saved_places.of_answer(answer, light, name=f"P{k}", run="work/run")
        for k, (answer, light) in enumerate(zip(answers, lights, strict=True))
    ]


def line(places, title):
    return next(each for each in saved_places.lines(places) if each.title == title)


def test_places_are_compared(places):
    assert line(places, "Score").cells == ("0.415", "–", "0.900")
    assert line(places, "Rank, 5–95 %").cells == ("9–18", "–", "1–7")
    assert line(places, "Passes").cells == ("✗ no",) * 3
    assert line(places, "Slope, mean").cells == ("✗ 8.5°",) * 3
    assert line(places, "Better than").cells == ("99.7 %", "–", "99.9 %")
    assert line(places, "Relief").cells == ("–",) * 3
    assert line(places, "Sun visible").cells == ("–", "–", "47.4 %")
    assert "over the selected dates" in line(places, "Sun visible").help
    assert line(places, "Latitude").cells[0] == "89.459° S"
    assert line(places, "Longitude").cells[0] == "137.392° W"


@pytest.mark.parametrize(("rank", "cells"), [(1, 3600), (2, 315_034), (3355, 3600), (9, 9)])
def test_the_comparison_agrees_with_the_panel(site_answers, rank, cells):
    answer = site_answers.explain(rank=rank, cells=cells)
    place = saved_places.of_answer(answer, None, name="P", run="r")
    shown = line([place], "Better than").cells[0]
    standing = site_model.rank_line(answer).standing
    assert standing in (f"better than {shown} of cells", "the best of all cells")
    assert (shown == "all others") == (rank == 1)


def test_whether_a_place_passes_is_unknown_if_a_criterion_is(site_answers):
    answer = site_answers.explain()
    answer["margins"] = [m for m in answer["margins"] if m["holds"] is not False]
    place = saved_places.of_answer(answer, None, name="P", run="r")
    assert place.passes is None
    assert line([place], "Passes").cells == ("? unknown",)


def test_unknown_values_are_sorted_last(places):
    score = line(places, "Score")
    names = [
        [p.name for p in saved_places.ordered(places, score, descending=d)] for d in (True, False)
    ]
    assert names == [["P2", "P0", "P1"], ["P0", "P2", "P1"]]


def test_saving_a_place_again_updates_its_values_but_not_its_name(places, site_answers):
    answer = site_answers.explain()
    answer["place"] = answer["place"] | {"x_m": 0.0}
    again = saved_places.of_answer(answer, site_answers.skyline(), name="Other", run="work/run")
    found = saved_places.with_place(places, again)
    assert [place.name for place in found] == ["P0", "P1", "P2"]
    assert found[0].skyline_illumination_pct == 47.446


def test_two_points_of_one_cell_are_two_places(places, site_answers):
    # Their skylines differ: in one cell of the real ridge by 1.8 degrees.
    answer = site_answers.explain()
    answer["place"] = answer["place"] | {"x_m": 30.0}
    other = saved_places.of_answer(answer, None, name="P3", run="work/run")
    assert other.cell_id == places[0].cell_id
    assert len(saved_places.with_place(places, other)) == 4
    (row,) = list(csv.DictReader(io.StringIO(saved_places.csv_text([other]))))
    assert (float(row["x_m"]), float(row["lon_deg"])) == (30.0, -137.3915)
    assert (float(row["cell_lon_deg"]), float(row["cell_lat_deg"])) == (-137.386, -89.4623)


def test_places_of_earlier_versions_are_read(places):
    content = saved_places.as_json(places)
    for each in content:
        del each["cell_lon_deg"], each["cell_lat_deg"]
    assert [place.name for place in saved_places.from_json(content)] == ["P0", "P1", "P2"]


def test_new_names_are_unique(places):
    assert saved_places.free_name([]) == "Place 1"
    named = [replace(places[0], name="Place 1"), replace(places[1], name="Place 3")]
    assert saved_places.free_name(named) == "Place 2"


def test_json_round_trip(places):
    assert saved_places.from_json(json.loads(json.dumps(saved_places.as_json(places)))) == places


@pytest.mark.parametrize("content", [None, 3, {"a": 1}, [None], [{"name": "x"}], [{"values": 1}]])
def test_invalid_entries_are_skipped(content):
    assert saved_places.from_json(content) == []


def test_a_damaged_entry_does_not_affect_the_others(places):
    content = saved_places.as_json(places)
    content[1]["rank"] = "first"
    assert [place.name for place in saved_places.from_json(content)] == ["P0", "P2"]


def test_csv_has_one_row_per_place_and_units_in_the_header(places):
    rows = list(csv.DictReader(io.StringIO(saved_places.csv_text(places))))
    assert [row["name"] for row in rows] == ["P0", "P1", "P2"]
    assert rows[0]["rank"] == "12"
    assert rows[1]["score"] == ""
    assert float(rows[2]["skyline_illumination_pct"]) == 47.446
    assert float(rows[0]["c0"]) == 8.5
    assert rows[0]["c2"] == ""


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", "\n=1", " =1", "a\t=1"]
)
def test_names_are_not_formulas_in_a_spreadsheet(places, name):
    text = saved_places.csv_text([replace(places[0], name=name)])
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["name"].lstrip("'") == " ".join(name.split())
    assert (row["name"][0] == "'") is (name[0] != "a")


def test_the_text_table_has_one_column_per_place(places):
    rows = [row.split("\t") for row in saved_places.text_table(places).splitlines()]
    assert rows[0] == ["", "P0", "P1", "P2"]
    assert ["Rank", "12", "–", "3"] in rows
    assert {len(row) for row in rows} == {4}
