"""The plugin's metadata, and the message if QGIS is too old."""

from __future__ import annotations

import ast
import configparser
import sys
import tomllib
from pathlib import Path

import pytest

import lunarsite

ROOT = Path(__file__).parents[2]
# Keys that the plugin repository requires, and keys that users look for.
REQUIRED = [
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
    # With interpolation, like QGIS, so that a single percent sign is an error.
    parser = configparser.ConfigParser()
    parser.read(ROOT / "metadata.txt", encoding="utf-8")
    return parser["general"]


@pytest.mark.parametrize("key", REQUIRED)
def test_no_key_is_missing_or_empty(metadata, key):
    assert metadata[key].strip()


def test_the_version_is_that_of_the_package(metadata):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert metadata["version"] == project["version"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_range_of_qgis_versions(metadata):
    assert metadata["qgisMinimumVersion"] == "3.34"
    assert metadata["qgisMaximumVersion"] == "4.99"
    assert metadata.getboolean("hasProcessingProvider")
    assert not metadata.getboolean("deprecated")


def test_the_description_names_the_dependencies(metadata):
    about = metadata["about"]
    for phrase in ("External dependencies", "until you click Install", "1.5 GiB", "Python 3.11"):
        assert phrase in about


def test_the_icon_exists_and_the_links_agree(metadata):
    assert (ROOT / metadata["icon"]).is_file()
    assert metadata["repository"] == metadata["homepage"]
    assert metadata["tracker"] == metadata["repository"] + "/issues"


@pytest.mark.parametrize(
    "name", ["__init__.py", "lunarsite_plugin/__init__.py", "lunarsite_plugin/too_old.py"]
)
def test_modules_for_older_python_use_its_syntax(name):
    tree = ast.parse((ROOT / name).read_text("utf-8"), feature_version=(3, 9))
    newer = {"tomllib", "StrEnum", "Self"}
    assert not newer & {alias.name for node in ast.walk(tree) for alias in names_of(node)}


def test_an_older_python_is_reported_in_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 5))
    with pytest.raises(RuntimeError, match=r"LunarSite needs Python 3\.11 or newer"):
        lunarsite.classFactory(None).initProcessing()


def names_of(node):
    return node.names if isinstance(node, ast.Import | ast.ImportFrom) else []
