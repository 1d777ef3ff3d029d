"""Credentials: found, missing, and never in a message."""

from __future__ import annotations

import json

import pytest

from lunarsite.engine.training.kaggle import client, credentials


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return an empty home folder, without variables of Kaggle."""
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / ".kaggle").mkdir()
    return tmp_path


@pytest.mark.usefixtures("home")
def test_missing_credentials_are_one_sentence_with_the_remedy():
    with pytest.raises(credentials.CredentialsError) as caught:
        credentials.require()
    assert str(caught.value) == (
        "There are no credentials of a Kaggle account. Make a token at "
        "https://www.kaggle.com/settings (API, Generate New Token) and save it as "
        "~/.kaggle/access_token, or set the variable KAGGLE_API_TOKEN."
    )
    assert credentials.user() == ""


@pytest.mark.usefixtures("home")
def test_half_a_pair_is_none(monkeypatch):
    monkeypatch.setenv("KAGGLE_USERNAME", "selene")
    with pytest.raises(credentials.CredentialsError):
        credentials.require()


@pytest.mark.parametrize(
    ("where", "name"),
    [(".kaggle", "kaggle.json"), ("config/kaggle", "kaggle.json"), ("own", "kaggle.json")],
)
def test_a_key_in_a_file_is_found_and_struck_out(home, monkeypatch, where, name):
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(home / "own"))
    (home / where).mkdir(parents=True, exist_ok=True)
    (home / where / name).write_text(json.dumps({"username": "selene", "key": "k-4711-k"}))
    credentials.require()
    assert credentials.user() == "selene"
    assert credentials.redacted("selene sent k-4711-k") == "selene sent [credentials]"


def test_tokens_are_found_and_struck_out(home, monkeypatch):
    (home / ".kaggle" / "access_token").write_text("KGAT_in_a_file\n")
    credentials.require()
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_in_a_file_and_more")
    text = credentials.redacted("of KGAT_in_a_file and KGAT_in_a_file_and_more")
    assert text == "of [credentials] and [credentials]"


@pytest.mark.usefixtures("home")
def test_long_messages_are_cut_behind_what_is_struck_out(monkeypatch):
    secret = "KGAT_" + "0123456789" * 6
    monkeypatch.setenv("KAGGLE_API_TOKEN", secret)
    for before in (150, 170, 195):
        told = client._problem(ValueError("x" * before + secret + "y" * 300))
        assert "KGAT" not in told
        assert len(told) <= 200


def test_files_that_are_no_json_are_left_alone(home):
    (home / ".kaggle" / "kaggle.json").write_bytes(b"\xff{")
    assert credentials.user() == ""
    assert credentials.redacted("nothing") == "nothing"
