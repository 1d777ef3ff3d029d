"""What QGIS's plugin repository reads, and what a QGIS too old for the plugin is told."""

from __future__ import annotations

import ast
import configparser
import sys
import tomllib
from pathlib import Path

import pytest

import lunarsite

ROOT = Path(__file__).parents[2]
# What the repository refuses a plugin without, and what users look for.
NEEDED = [
    "name",
    "description",
    "about",
    "version",
    "qgisMinimumVersion",
    "qgisMaximumVersion",
    "author",
    "email",
    "homepage",
    "tracker",
    "repository",
    "category",
    "tags",
    "icon",
    "changelog",
    "hasProcessingProvider",
    "server",
    "experimental",
    "deprecated",
]


@pytest.fixture(scope="module")
def metadata():
    # As QGIS reads it: with interpolation, so a lone percent sign is an error here too.
    parser = configparser.ConfigParser()
    parser.read(ROOT / "metadata.txt", encoding="utf-8")
    return parser["general"]


@pytest.mark.parametrize("key", NEEDED)
def test_no_key_is_missing_or_empty(metadata, key):
    assert metadata[key].strip()


def test_the_version_is_the_packages_own(metadata):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert metadata["version"] == project["version"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_range_of_qgis_is_what_the_tests_cover(metadata):
    assert metadata["qgisMinimumVersion"] == "3.34"
    assert metadata["qgisMaximumVersion"] == "4.99"
    assert metadata.getboolean("hasProcessingProvider")
    assert not metadata.getboolean("deprecated")


def test_about_names_what_is_installed_and_when(metadata):
    about = metadata["about"]
    for said in ("External dependencies", "until you click Install", "1.5 GiB", "Python 3.11"):
        assert said in about


def test_the_icon_is_there_and_the_links_agree(metadata):
    assert (ROOT / metadata["icon"]).is_file()
    assert metadata["repository"] == metadata["homepage"]
    assert metadata["tracker"] == metadata["repository"] + "/issues"


@pytest.mark.parametrize(
    "name", ["__init__.py", "lunarsite_plugin/__init__.py", "lunarsite_plugin/too_old.py"]
)
def test_what_an_older_python_loads_is_written_for_it(name):
    tree = ast.parse((ROOT / name).read_text("utf-8"), feature_version=(3, 9))
    newer = {"tomllib", "StrEnum", "Self"}
    assert not newer & {alias.name for node in ast.walk(tree) for alias in names_of(node)}


def test_an_older_python_gets_a_sentence_in_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 5))
    with pytest.raises(RuntimeError, match=r"LunarSite needs Python 3\.11 or newer"):
        lunarsite.classFactory(None).initProcessing()


def names_of(node):
    return node.names if isinstance(node, ast.Import | ast.ImportFrom) else []
