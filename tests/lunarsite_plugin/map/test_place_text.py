"""Coordinates as people type and paste them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunarsite.engine.errors import ParameterError
from lunarsite.lunarsite_plugin.charts import formatting
from lunarsite.lunarsite_plugin.map import place_text


@pytest.mark.parametrize(
    "text",
    [
        "-137.3 -89.45",
        "-89.45, -137.3",  # −137.3 cannot be a latitude
        "137.3 W 89.45 S",
        "89.45S137.3W",
        "89.45° S, 137.3° W",
        "89°27'S 137°18'W",
        "89° 27' 0\" S 137° 18' W",
        "S 89.45 W 137.3",
        "−137.3; −89.45",
        "-137,3 -89,45",
        "222.7, -89.45",
        "-137,3,-89,45",
        "137,3\u202f° W; 89,45\u202f° S",
        "-١٣٧٫٣، -٨٩٫٤٥",
        "\u200f-١٣٧٫٣\u200f -٨٩٫٤٥",
    ],
)
def test_common_notations_are_parsed(text):
    assert place_text.is_pair(text)
    assert place_text.parse_place(text) == pytest.approx((-137.3, -89.45))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a longitude and a latitude"),
        ("here", "is not a longitude and a latitude"),
        ("1 2 3", "is not a longitude and a latitude"),
        ("10 N 20 S", "contains two latitudes"),
        ("95, 120", "120° is out of range"),
        ("400 -89", "400° is out of range"),
        ("89°61'S 10 E", "is not a longitude and a latitude"),
        ("-89 S 10 E", "is not a longitude and a latitude"),
        ("12,5,3", "can be read as several places"),
    ],
)
def test_errors_give_an_example(text, message):
    with pytest.raises(ParameterError, match=message) as caught:
        place_text.parse_place(text)
    assert "137.3 W" in caught.value.remedy


def test_an_angle_is_only_accepted_in_its_own_field():
    assert place_text.parse_angle("137,3 w", "lon") == -137.3
    assert place_text.parse_angle(" -89.45 ", "lat") == -89.45
    with pytest.raises(ParameterError, match="'89 S' is not a longitude"):
        place_text.parse_angle("89 S", "lon")


@pytest.mark.parametrize("text", ["16,389", "-89,45", "16,389 ", "89,45° S", "١٦٫٣٨٩", "137.3"])
def test_what_can_be_one_angle_is_no_pair(text):
    assert not place_text.is_pair(text)
    axis = "lat" if "89," in text and "16" not in text else "lon"
    assert abs(place_text.parse_angle(text, axis)) in (16.389, 89.45, 137.3)


@settings(deadline=None)
@given(st.floats(-180, 180), st.floats(-90, 90))
def test_formatted_coordinates_are_parsed_again(lon, lat):
    shown = f"{place_text.format_angle(lon)} {place_text.format_angle(lat)}"
    found = place_text.parse_place(shown)
    if abs(lon) <= 90 or abs(lat) <= 90:
        assert found[1] == pytest.approx(lat, abs=1e-4)
        assert abs((found[0] - lon + 180) % 360 - 180) < 1e-4
    found = place_text.parse_place(formatting.place(lon, lat))
    assert found[1] == pytest.approx(lat, abs=1e-3)
    assert abs((found[0] - lon + 180) % 360 - 180) < 1.1e-3
