"""What the pages for people state agrees with the code, and their links lead somewhere."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from lunarsite import engine
from lunarsite.engine import stages
from lunarsite.engine.scoring.features import columns

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
WRITTEN = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if not {"_build", "gallery", "generated", "stages"} & set(path.parts)
)
GENERATED = ("docs/gallery/", "docs/reference/stages/", "docs/reference/features.md")
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
CODE_PATH = re.compile(
    r"`((?:engine|qgis_common|processing_provider|lunarsite_plugin|models|tests|tools|benchmarks"
    r"|docs|examples|requirements)/[\w./-]*)`"
)


def test_the_readme_is_short():
    assert len(README.split()) <= 700


def test_the_readme_shows_python_and_the_command_line():
    assert "from lunarsite import engine as ls" in README
    assert re.search(r"^    lunarsite screen --dem ", README, re.MULTILINE)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_resolve(path):
    broken = []
    for target in LINK.findall(path.read_text("utf-8")):
        place, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (path.parent / place).resolve() if place else path
        if not file.is_relative_to(ROOT):
            broken.append(target)
        elif file.relative_to(ROOT).as_posix().startswith(GENERATED):
            continue
        elif not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_code_paths_exist(path):
    text = path.read_text("utf-8")
    named = {name for name in CODE_PATH.findall(text) if "my_stage" not in name}
    written_by_a_build = {"docs/_build/html"}
    assert [n for n in sorted(named - written_by_a_build) if not (ROOT / n).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/howto/own_dem.md"])
def test_pages_linked_into_the_reference_name_stages_that_exist(page):
    linked = re.findall(r"reference/stages/([\w-]+)\.md", (ROOT / page).read_text("utf-8"))
    assert set(linked) <= {*stages.NAMES, "index"}


def test_the_number_of_stages_is_stated_right():
    assert re.findall(r"the (\d+) stages", README) == [str(len(stages.NAMES))]


def test_the_number_of_features_and_columns_is_stated_right(tmp_path):
    made = engine.run("synthesize", out=tmp_path / "dem.tif", size_px=36)
    dem, layers = made["outputs"]["dem"], tmp_path / "layers"
    engine.run("terrain", dem=dem, out=layers)
    engine.run("landing", dem=dem, layers=layers, out=layers)
    table = tmp_path / "features.parquet"
    engine.run("features", dem=dem, layers=layers, out=table)
    names = pq.read_schema(table).names
    stated = re.findall(r"(\d+) features \((\d+) columns\)", README)
    assert stated == [(str(len(columns.FEATURES)), str(len(names)))]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_python_on_the_pages_uses_public_names(path):
    blocks = re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
    used = {name for block in blocks for name in re.findall(r"\bls\.(\w+)", block)}
    assert used <= set(engine.__all__)


def test_the_quick_start_draws_a_picture_in_ten_lines(tmp_path):
    text = (ROOT / "docs" / "quickstart.md").read_text("utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "light.png").stat().st_size > 10_000


def test_every_public_name_is_in_the_reference():
    text = (ROOT / "docs" / "reference" / "api.md").read_text("utf-8")
    listed = set(re.findall(r"^   (\w+)$", text, re.MULTILINE))
    assert listed == set(engine.__all__) - {"__version__"}


def test_the_metadata_has_no_placeholder_address():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "metadata.txt", encoding="utf-8")
    general = parser["general"]
    assert re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", general["email"])
    for key in ("email", "homepage", "repository", "tracker"):
        assert not re.search(r"example\.|localhost|your|todo", general[key], re.IGNORECASE)


def test_the_citation_names_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == engine.__version__
    assert citation["repository-code"] in (ROOT / "metadata.txt").read_text("utf-8")


def test_the_changelog_is_grouped():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[0] == "Unreleased"
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= {
        "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security",
    }  # fmt: skip


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")))
def test_issue_templates_are_valid(path):
    form = yaml.safe_load(path.read_text("utf-8"))
    if path.stem == "config":
        return
    assert {"name", "description", "body"} <= set(form)
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids))


def anchors(file):
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    if file.suffix != ".md":
        return set()
    headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
