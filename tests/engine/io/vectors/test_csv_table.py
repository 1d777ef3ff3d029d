"""Tables of text as spreadsheets and other programs write them."""

from __future__ import annotations

import codecs
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.errors import CrsError, InputError
from lunarsite.engine.io.vectors import positions, vector

A = moon.lonlat_to_xy(-137.3, -89.45)


def points(tmp_path, content, name="p.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return vector.read_points(path, "The points", Context())


@pytest.mark.parametrize(
    "text",
    [
        "name,lon_deg,lat_deg\nA,-137.3,-89.45\n",
        "name;lon_deg;lat_deg\nA;-137,3;-89,45\n",
        "name;lon_deg;lat_deg\nA;-137.3;-89.45\n",
        "name\tlon_deg\tlat_deg\nA\t-137,3\t-89,45\n",
        "name|lon|lat\nA|-137.3|-89.45\n",
        'name,lon_deg,lat_deg\nA,"-137,3","-89,45"\n',
        "name, lon_deg, lat_deg\r\nA, -137.3, -89.45\r\n",
        "lat,lon,name\n-89.45,222.7,A\n",
        "name,lon,lat,\nA,-137.3,-89.45,\n",
        "\nname,lon,lat\n\nA,-137.3,-89.45\n\n",
        "name,lat,lon\nA,\u221289.45,\u2212137.3\n",
        "name,Latitude,Longitude\nA,89°27'S,137°18'W\n",
        'name,lat,lon\nA,"89°27\'00"" S","137° 18\' 00"" W"\n',
        "name,lat,lon\nA,-89:27:00,-137:18:00\n",
        "name,lat,lon\nA,-89 27,-137 18 0\n",
        "name,lat,lon\nA,S 89.45,W 137.3\n",
        "name,lat,lon\nA,89d27m00s S,222d42m E\n",
        "name,lat,lon\nA,-89.45°,222.7°\n",
        f"name,x_m,y_m\nA,{A[0]:.3f},{A[1]:.3f}\n",
        f"name,x_km,y_km\nA,{A[0] / 1000:.6f},{A[1] / 1000:.6f}\n",
    ],
)
@pytest.mark.parametrize("name", ["p.csv", "p.txt"])
def test_a_place_is_the_same_in_any_notation(tmp_path, text, name):
    found = points(tmp_path, text, name)
    assert found["name"].tolist() == ["A"]
    assert (found.geometry.x[0], found.geometry.y[0]) == pytest.approx(A, abs=0.01)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_names_keep_their_letters_in_any_encoding(tmp_path, encoding):
    found = points(tmp_path, "name,lon_deg,lat_deg\nKönig,-137.3,-89.45\n".encode(encoding))
    assert found["name"].tolist() == ["König"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,lon_deg,lat_deg\nA,-137,3,-89,45\n", "line 2 has 5 values for 3 columns"),
        ("name,lon_deg,lat_deg\nA,1,-89\nB,2,-89,7\n", "line 3 has 4 values for 3 columns"),
        ('name,lon_deg,lat_deg\n"A,1,-89\n', "a quoted text does not end"),
        ("", "it is empty"),
        ("name,place\nA,B\n", r"no coordinates \(it has the columns name, place\)"),
        ("name,lon_deg,lat_deg\nA,east,-89\nB,1,-89\n", "1 point, the first is number 1"),
        ("lon,lat\nTrue,-89\n", "without coordinates"),
        ("# of 2026\nlon,lat\n1,-89\n", "line 2 has 2 values for 1 column$"),
        ("x_m,y_m\n1000,9e9\n", "lies in the north"),
        ("lon,lat\n1,-89\n1e400,-89\n", "without coordinates: 1 point, the first is number 2"),
        ("lon,lat\n12' E,-89\n", "without coordinates"),
        ("lon,lat\n10 S,-89\n", "without coordinates"),
        ("lon,lat\n-10 W,-89\n", "without coordinates"),
        ("lon,lat\n10°61' W,-89\n", "without coordinates"),
        ("lon,longitude,lat\n1,2,-89\n", "several columns for the longitude: lon, longitude"),
        ("lon_w,lat\n1,-89\n", "no coordinates"),
        ("lon,lat,lat\n1,-89,-88\n", "has the column lat twice"),
        ("lon,lat,x_m,y_m\n0,-89,0,50000\n", "its x_m and y_m lie 20 km from"),
    ],
)
def test_tables_that_are_unclear_are_refused_in_one_sentence(tmp_path, text, words):
    with pytest.raises(InputError) as caught:
        points(tmp_path, text)
    assert re.search(words, caught.value.problem)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_separator_that_excel_is_told_is_that_of_the_table(tmp_path, first, end):
    rows = [first, "name;lon_deg;lat_deg", "A, B, C;-137,3;-89,45", "D;1;-89"]
    found = points(tmp_path, end.join(rows))
    assert found["name"].tolist() == ["A, B, C", "D"]
    expected = moon.lonlat_to_xy([-137.3, 1.0], [-89.45, -89.0])
    assert np.allclose([found.geometry.x, found.geometry.y], expected)
    with pytest.raises(InputError, match="line 4 has 4 values for 3 columns"):
        points(tmp_path, end.join([*rows[:-1], "D;1;-89;7"]))


def test_names_are_text_and_empty_rows_are_left_out(tmp_path):
    found = points(tmp_path, "Name,lon,lat\n007,1,-89\nNA,2,-89\n,,\n,3,-89\n,,\n")
    assert found["name"].tolist() == ["007", "NA", "point 3"]


def test_a_forgotten_sign_is_warned_of(tmp_path):
    (tmp_path / "p.csv").write_text("lon,lat\n1,-89\n2,88\n")
    context = Context()
    vector.read_points(tmp_path / "p.csv", "The points", context)
    (warning,) = context.warnings
    assert "1 point in the north of the Moon, the first is number 2" in warning


def test_other_files_called_csv_are_refused(tmp_path):
    for content in (b"PK\x03\x04\x00\x00\x08", b"PAR1\x15\x00", codecs.BOM_UTF16_LE + b"\x00"):
        with pytest.raises(InputError, match="does not contain text"):
            points(tmp_path, content)


@pytest.mark.parametrize(
    ("lon", "lat", "words"),
    [
        (-4400.0, -8010.0, "lon_deg lies between -4,400.00"),
        (10.0, -137.3, "lat_deg lies between -137.30"),
        (-89.45, 10.0, "has longitude and latitude swapped"),
        (-89.45, 190.0, "has longitude and latitude swapped"),
        (1e300, -89.45, "lon_deg lies between 1e\\+300 and 1e\\+300"),
        (-137.3, 89.45, "lies in the north"),
        (-80.0, 75.0, "lies in the north"),
    ],
)
def test_degrees_that_cannot_be_right_are_refused(tmp_path, lon, lat, words):
    with pytest.raises(CrsError, match=words):
        points(tmp_path, f"lon_deg,lat_deg\n{lon},{lat}\n")


def test_longitudes_near_minus_85_are_no_latitudes():
    remedies = dict.fromkeys(("remedy", "exchange", "convert"), "")
    positions.check_degrees([-85.0, -84.0], [-88.0, -89.0], "It", **remedies)
    positions.check_degrees([-85.0, 20.0], [-88.0, 1.0], "It", **remedies)


@settings(deadline=None)
@given(st.integers(0, 89), st.integers(0, 59), st.integers(0, 5999), st.sampled_from("NS"))
def test_degrees_minutes_and_seconds_survive_the_text(degrees, minutes, hundredths, letter):
    seconds = hundredths / 100.0
    wanted = (degrees + minutes / 60 + seconds / 3600) * (-1 if letter == "S" else 1)
    for text in (
        f"{degrees}°{minutes}'{seconds:.2f}\" {letter}",
        f"{letter} {degrees}:{minutes:02d}:{seconds:05.2f}",
        f"{degrees} {minutes} {seconds:.2f}{letter}",
    ):
        np.testing.assert_allclose(positions._angle(text, "NS"), wanted, atol=1e-9)
