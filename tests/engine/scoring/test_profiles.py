from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.provenance import sha256
from lunarsite.engine.scoring import bundle, profiles

GOOD = "criteria: [{feature: slope_mean_deg, at_most: 5, softness: 1}]"


def written(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_bundled_profiles():
    cassa, hls = profiles.load("cassa"), profiles.load("hls")
    assert [(c.feature, c.sense, c.threshold) for c in cassa.criteria] == [
        ("slope_mean_deg", "at_most", 5.0),
        ("avg_illumination_pct", "at_least", 33.0),
        ("earth_visibility_pct", "at_least", 50.0),
    ]
    assert {c.feature: c.threshold for c in hls.criteria}["clearance_8deg_m"] == 100.0
    assert cassa.criteria[0].title == "Slope, mean at most 5 deg"


def test_a_custom_profile_survives_the_round_trip(tmp_path):
    mine = profiles.load(written(tmp_path, "name: mine\n" + GOOD))
    assert mine.name == "mine"
    assert profiles.Profile.from_dict(mine.as_dict()) == mine
    assert profiles.load(written(tmp_path, GOOD)).title == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not YAML"),
        ("[" * 5000, "nested more than 20 deep"),
        ("name: null\ncriteria: [1]", "has None as its name"),
        ("name: ' '\ncriteria: [1]", "has ' ' as its name"),
        ("name: [a]\ncriteria: [1]", r"has \['a'\] as its name"),
        ("just text", "has no list of criteria"),
        ("criteria: {a: 1}", "has no list of criteria"),
        ("criteria: []", "empty list"),
        ("criteria: [3]", "without a feature"),
        (GOOD.replace("at_most: 5, ", ""), "one of at_most and at_least"),
        (GOOD.replace("at_most: 5", "at_most: 5, at_least: 2"), "one of at_most and at_least"),
        (GOOD.replace("at_most: 5", "at_most: five"), "a number as at_most"),
        (GOOD.replace("at_most: 5", "at_most: true"), "a number as at_most"),
        (GOOD.replace("at_most: 5", "at_most: .nan"), "no number of a finite size"),
        (GOOD.replace(", softness: 1", ""), "a number as softness"),
        (GOOD.replace("softness: 1", "softness: 0"), "positive softness"),
        (GOOD.replace("at_most", "at_least"), "in the wrong direction"),
        (GOOD.replace("softness", "weight: 2, softness"), "unknown keys"),
    ],
)
def test_invalid_profiles_are_refused_with_the_problem(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        profiles.load(written(tmp_path, text))
    assert "mine.yaml" in caught.value.problem
    assert caught.value.remedy


def limited(tmp_path, *criteria):
    """Load a profile with criteria from their YAML without the softness."""
    lines = "".join(f"  - {{{each}, softness: 1}}\n" for each in criteria)
    return profiles.load(written(tmp_path, f"criteria:\n{lines}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("at_most: 5", "at_most: 6, at_most: 20"), "key at_most twice, on line 1"),
        (f"name: a\n{GOOD}\nname: b\n", "key name twice, on lines 1 and 3"),
        (f"{GOOD}\n{GOOD}\n", "key criteria twice, on lines 1 and 2"),
        (
            'criteria: [{"feature": "slope_mean_deg", feature: crater_count, at_most: 5}]',
            "key feature twice, on line 1",
        ),
        (
            "criteria:\n  - feature: relief_mean_m\n    softness: 1\n    softness: 2\n",
            "lines 3 and 4",
        ),
    ],
)
def test_a_key_that_stands_twice_is_named_with_its_lines(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        profiles.load(written(tmp_path, text))
    assert caught.value.remedy.startswith("Keep one ")


def test_aliases_are_refused(tmp_path):
    text = """
criteria:
  - &soft {feature: slope_mean_deg, at_most: 5, softness: 1}
  - {<<: *soft, feature: roughness_mean_m}
"""
    with pytest.raises(InputError, match=r"has an alias \(\*\) on line 4\. Write out"):
        profiles.load(written(tmp_path, text))


@pytest.mark.parametrize(
    ("feature", "sense", "limit", "question"),
    [
        ("avg_illumination_pct", "at_least", "0.33", "did you mean 33 %"),
        ("earth_visibility_pct", "at_least", "0.5", "did you mean 50 %"),
        ("rock_coverage_pct", "at_most", "0.05", "did you mean 5 %"),
        ("psr_fraction", "at_most", "5", "did you mean 0.05"),
        ("segmentation_confidence", "at_least", "90", "did you mean 0.9"),
    ],
)
def test_fractions_and_percentages_are_asked_about(tmp_path, feature, sense, limit, question):
    with pytest.raises(InputError, match=question) as caught:
        limited(tmp_path, f"feature: {feature}, {sense}: {limit}")
    # Either reading in the remedy is accepted as it stands there.
    readings = caught.value.remedy.removeprefix("Write ").removesuffix(" if that is meant")
    meant = question.split()[3]
    thresholds = [
        limited(tmp_path, f"feature: {feature}, {reading}").criteria[0].threshold
        for reading in readings.split(", or ")
    ]
    assert thresholds[0] == float(meant)
    assert thresholds[1] == (float(limit) if feature.endswith("_pct") else float(meant))


@pytest.mark.parametrize(
    ("feature", "limit", "threshold"),
    [
        ("avg_illumination_pct", "at_least: 33 %", 33.0),
        ("avg_illumination_pct", "at_least: 0", 0.0),
        ("avg_illumination_pct", "at_least: 1", 1.0),
        ("psr_fraction", "at_most: 5 %", 0.05),
        ("psr_fraction", "at_most: 0.05", 0.05),
        ("slope_mean_deg", "at_most: 0.5", 0.5),
        ("slope_mean_deg", "at_most: 5°", 5.0),
        ("psr_distance_m", "at_most: 2e3 m", 2000.0),
        ("psr_area_2km_km2", "at_least: 2 km2", 2.0),
    ],
)
def test_limits_may_be_written_with_their_unit(tmp_path, feature, limit, threshold):
    assert limited(tmp_path, f"feature: {feature}, {limit}").criteria[0].threshold == threshold


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        ("feature: psr_distance_m, at_most: 2 km", "'2 km' as at_most of psr_distance_m, .* in m"),
        ("feature: crater_count, at_most: 2 %", "which is in no unit"),
        ("feature: slope_mean_deg, at_most: 1.2.3 deg", "needs a number"),
        ("feature: avg_illumination_pct, at_least: 330", "between 0 and 100 %"),
        ("feature: avg_illumination_pct, at_least: -1", "between 0 and 100 %"),
        ("feature: slope_mean_deg, at_most: -6", "which is never negative"),
        ("feature: slope_mean_deg, at_most: 600", "which is at most 90 deg"),
    ],
)
def test_limits_in_another_unit_or_out_of_range_are_refused(tmp_path, criterion, message):
    with pytest.raises(InputError, match=message):
        limited(tmp_path, criterion)


def test_a_profile_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(GOOD.encode("utf-16"))
    with pytest.raises(InputError, match="is not text in UTF-8"):
        profiles.load(str(path))


def test_contradictory_and_repeated_limits_are_named(tmp_path):
    least, most = "feature: psr_distance_m, at_least: 500", "feature: psr_distance_m, at_most: 200"
    for order in ((least, most), (most, least)):
        with pytest.raises(InputError, match="psr_distance_m at least 500 and at most 200"):
            limited(tmp_path, *order)
    with pytest.raises(InputError, match="psr_distance_m at least 500 and at most 200"):
        limited(tmp_path, f"{least}, at_most: 200")
    assert len(limited(tmp_path, most, most.replace("at_most", "at_least")).criteria) == 2
    with pytest.raises(InputError, match="two criteria on psr_distance_m at_most: 200 and 300"):
        limited(tmp_path, most, most.replace("200", "300"))


def test_the_nearest_name_is_suggested(tmp_path):
    with pytest.raises(ParameterError, match=r"no feature .*slope_man_deg.*slope_mean_deg"):
        profiles.load(written(tmp_path, GOOD.replace("slope_mean", "slope_man")))
    with pytest.raises(ParameterError, match=r"no criteria profile 'casa'.*'cassa'"):
        profiles.load("casa")


def test_margins_and_passing_cells():
    cassa = profiles.load("cassa")
    table = pd.DataFrame(
        {
            "slope_mean_deg": [5.0, 5.1, 1.0, 1.0, np.nan],
            "avg_illumination_pct": [33.0, 40.0, 32.9, np.nan, 40.0],
            "earth_visibility_pct": [50.0, 60.0, 60.0, 60.0, 60.0],
        }
    )
    assert cassa.passes(table).tolist() == [True, False, False, False, False]
    assert cassa.known(table).tolist() == [True, True, True, False, False]
    slope, light, _ = cassa.criteria
    assert slope.margin(3.0) == 2.0
    assert light.margin(30.0) == -3.0
    assert np.isnan(slope.margin(np.nan))


def test_a_bundled_scorer_is_found_by_its_criteria_not_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "FOLDER", tmp_path)
    cassa = profiles.load("cassa")
    assert bundle.bundled(cassa) is None
    (tmp_path / "scorer-cassa.json").write_text(json.dumps({"profile": cassa.as_dict()}))
    (tmp_path / "scorer-cassa.ubj").write_bytes(b"trees")
    sums = [f"{sha256(path)}  {path.name}\n" for path in tmp_path.glob("scorer-*")]
    (tmp_path / "SHA256SUMS").write_text("".join(sums))
    assert bundle.bundled(cassa) == tmp_path / "scorer-cassa.ubj"
    mine = profiles.load(written(tmp_path, "name: cassa\n" + GOOD))
    assert bundle.bundled(mine) is None


@pytest.mark.parametrize(("text", "read"), [("010", "8"), ("1:30", "90"), ("-012", "-10")])
def test_numbers_that_yaml_reads_as_others_are_refused(tmp_path, text, read):
    path = tmp_path / "own.yaml"
    path.write_text(
        f"name: own\ncriteria:\n  - {{feature: slope_mean_deg, at_most: {text}, softness: 1}}\n"
    )
    with pytest.raises(InputError, match=f"has the number {text} on line 3, .* as {read}"):
        profiles.load(str(path))


def test_unknown_keys_of_a_profile_are_refused(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(
        "name: own\nweights: 3\ncriteria:\n  - {feature: slope_mean_deg, at_most: 5, softness: 1}\n"
    )
    with pytest.raises(InputError, match="has unknown keys: weights"):
        profiles.load(str(path))
