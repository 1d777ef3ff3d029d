from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunarsite.engine.craters.training import recipe
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import yaml_file
from lunarsite.engine.scoring import profiles

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
BAD = [
    (BOMB, r"has an alias \(\*\) on line 2"),
    ("a: &a 1\nb: *a\n", r"has an alias \(\*\) on line 2"),
    ("a: &a [*a]\n", "has an alias"),
    ("[" * 100_000, "nested more than 20 deep on line 1"),
    ("{a: " * 100_000, "nested more than 20 deep"),
    ("a: 1\n" * 300_000, "larger than 1 MiB"),
    ("a: 1e999\n", "has 1e999 on line 1, which is no number of a finite size"),
    ("a: .inf\n", r"has \.inf on line 1"),
    ("a: .nan\n", r"has \.nan on line 1"),
    ("a: " + "9" * 5000 + "\n", "has 9999.* no number of a finite size"),
    ("a: " + "9" * 400 + "\n", "no number of a finite size"),
    ("1: a\nb: c\n", "has 1 as a key on line 1"),
    ("b: c\ntrue: a\n", "has true as a key on line 2"),
    ("? [a]\n: b\n", "has a list or a mapping as a key"),
    ("null: a\n", "has null as a key"),
    ("a: 1\na: 2\n", "has the key a twice, on lines 1 and 2"),
    ("a: 010\n", "reads as 8"),
    ("a: !!binary aGVsbG8=\n", "has the tag binary"),
    ("a: !!set {b}\n", "has the tag set"),
    ("a: !!python/object:os.system x\n", "has the tag"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_what_is_not_read_is_told_at_once(tmp_path, text, message):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    begin = time.perf_counter()
    with pytest.raises(yaml_file.ContentError, match=message) as caught:
        yaml_file.read(path)
    assert time.perf_counter() - begin < 2.0
    assert caught.value.remedy
    with pytest.raises(InputError):
        profiles.load(str(path))
    with pytest.raises(InputError):
        recipe.read(str(path))


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-9", 1e-9), ("-1E3", -1000.0), (".5e1", 5.0), ("1.e2", 100.0), ("2.5", 2.5), ("7", 7)],
)
def test_numbers_of_yaml_1_2_are_numbers(tmp_path, text, value):
    path = tmp_path / "a.yaml"
    path.write_text(f"a: {text}\n")
    assert yaml_file.read(path) == {"a": value}


@pytest.mark.parametrize("text", ["2027-01-01", "2027-01-01T10:00:00Z", "1e", "e5", "1-2"])
def test_dates_and_other_words_are_text(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(f"a: {text}\n")
    assert yaml_file.read(path) == {"a": text}


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(yaml_file.ContentError, match="cannot be read: Is a directory"):
        yaml_file.read(tmp_path)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_finite_numbers_are_read_as_they_are_written(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "number.yaml"
    path.write_text(f"a: {value!r}\n")
    found = yaml_file.read(path)["a"]
    assert math.copysign(1.0, found) == math.copysign(1.0, value)
    assert found == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError):
        profiles.load(str(path))
