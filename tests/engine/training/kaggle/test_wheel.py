"""The wheel that is put together from the package that runs."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from lunarsite.engine.training.kaggle import wheel

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return wheel.write(tmp_path_factory.mktemp("wheel"))


def test_the_same_sources_give_the_same_bytes(made, tmp_path):
    assert wheel.write(tmp_path).read_bytes() == made.read_bytes()


def test_every_file_is_recorded_with_its_checksum(made):
    with zipfile.ZipFile(made) as archive:
        names = archive.namelist()
        record = next(name for name in names if name.endswith("/RECORD"))
        rows = list(csv.reader(io.StringIO(archive.read(record).decode())))
        assert [row[0] for row in rows] == names
        own = [name for name in names if name.startswith("lunarsite/")]
        assert own == sorted(own)
        for name, digest, size in rows[:-1]:
            data = archive.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
            assert (digest, size) == (f"sha256={expected.decode()}", str(len(data)))


def test_it_holds_every_package_of_the_engine_and_nothing_of_qgis(made):
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"][
        "packages"
    ]
    with zipfile.ZipFile(made) as archive:
        names = archive.namelist()
    for package in packages:
        folder = package.replace(".", "/")
        assert any(name.startswith(f"{folder}/") for name in names), package
    assert "lunarsite/engine/segmentation/training/recipes/unet-light.yaml" in names
    assert "lunarsite/models/SHA256SUMS" in names
    assert not [n for n in names if "plugin" in n or "__pycache__" in n or n.endswith(".model3")]


def test_an_installed_wheel_knows_the_kernels(made, tmp_path):
    with zipfile.ZipFile(made) as archive:
        archive.extractall(tmp_path)
        described = archive.read(next(n for n in archive.namelist() if n.endswith("METADATA")))
    assert b"Requires-Dist: torch>=" in described
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import lunarsite; "
        "assert lunarsite.__file__.startswith(sys.argv[1]); "
        "from lunarsite.engine.frontends import cli; sys.exit(cli.main(['kaggle', 'list']))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "surface_seed_5" in done.stdout
