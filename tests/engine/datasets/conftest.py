"""A server of data sets, and a cache of each test's own."""

from __future__ import annotations

import numpy as np
import pytest
from support.file_server import serving

from lunarsite.engine.datasets import cache
from lunarsite.engine.datasets.entries import Entry, RemoteFile

CONTENT = np.random.default_rng(5).bytes(300_000)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Return the folder of fetched files."""
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "cache"))
    monkeypatch.delenv(cache.MIRROR, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def server(tmp_path):
    """Return a server of ``a.bin``."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "a.bin").write_bytes(CONTENT)
    with serving(tmp_path / "served") as running:
        yield running


@pytest.fixture
def made():
    """Return a maker of entries."""

    def make(server, name="a.bin", size=300_000, **more):
        address = server if isinstance(server, str) else server.address
        files = (RemoteFile(f"{address}/data/{name}", size, member=more.pop("member", "")),)
        told = {"title": "A", "use": "u", "page": "https://page", "licence": "l", "citation": "c"}
        return Entry(name="A", files=files, **told | more)

    return make
