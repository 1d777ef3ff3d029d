"""What the site panel says of the landing disc that is evaluated."""

from __future__ import annotations

from lunarsite.lunarsite_plugin.site import text


def test_score_and_criteria_are_of_the_disc(site_answers):
    disc = {"lon_deg": -137.15, "lat_deg": -89.442, "x_m": 0.0, "y_m": 0.0, "radius_m": 100.0}
    answer = site_answers.explain(
        disc=disc,
        surroundings={"landable_pct": 32.3},
        slope_baseline_m=50.0,
        mast_height_m=2.0,
        probability=0.25,
    )
    line = text.cell_line(answer)
    assert "best landing disc of the cell around it (960 m wide): 100 m in radius at" in line
    assert "89.442° S, 137.150° W; 32 % of the cell is landable" in line
    assert line.endswith("criteria profile cassa; slopes over 50 m; light 2 m above the ground")
    assert text.meaning_line(answer) == (
        "suitability, 0 to 1; probability 0.250 that all criteria are met"
    )
    assert "(suitability, 0 to 1; probability 0.250" in text.explanation_text(answer)


def test_without_a_disc_it_is_the_cell(site_answers):
    line = text.cell_line(site_answers.explain(disc=None))
    assert line.startswith("Score and criteria are of the cell around it, 960 m wide, centred at")
    assert text.meaning_line(site_answers.explain(probability=None)) == text.MEANING
