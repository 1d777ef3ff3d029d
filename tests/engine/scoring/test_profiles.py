from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.file_names import sha256
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
        ("just text", "has no list of criteria"),
        ("criteria: {a: 1}", "has no list of criteria"),
        ("criteria: []", "empty list"),
        ("criteria: [3]", "without a feature"),
        (GOOD.replace("at_most: 5, ", ""), "one of at_most and at_least"),
        (GOOD.replace("at_most: 5", "at_most: 5, at_least: 2"), "one of at_most and at_least"),
        (GOOD.replace("at_most: 5", "at_most: five"), "a number as at_most"),
        (GOOD.replace("at_most: 5", "at_most: true"), "a number as at_most"),
        (GOOD.replace("at_most: 5", "at_most: .nan"), "finite limit"),
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
    assert "cassa.yaml" in caught.value.remedy


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
