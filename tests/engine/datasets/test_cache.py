"""Where fetched files lie."""

from __future__ import annotations

from pathlib import Path

import pooch

from lunarsite.engine.datasets import cache


def test_the_folder_is_pooch_s_unless_a_variable_names_another(monkeypatch, tmp_path):
    assert cache.folder() == tmp_path / "cache"
    monkeypatch.setenv(cache.FOLDER, "~/moon")
    assert cache.folder() == Path.home() / "moon"
    monkeypatch.delenv(cache.FOLDER)
    assert cache.folder() == Path(pooch.os_cache("lunarsite"))
