"""The layout of the package: few modules in a folder, and one for each stage where stages are."""

from __future__ import annotations

from pathlib import Path

import pytest

from lunarsite.engine import stages

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(
    {
        path.parent
        for package in ("engine", "qgis_common", "processing_provider", "lunarsite_plugin")
        for path in (ROOT / package).rglob("*.py")
    }
)
BY_STAGE = {ROOT / "engine" / "stages", ROOT / "engine" / "pipelines"}
MOST = 16
"""Modules of a folder."""

MOST_LOOSE = 13
"""Modules directly in ``engine/``."""


def modules(folder):
    return [path for path in folder.glob("*.py") if path.name != "__init__.py"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_a_folder_holds_few_modules(folder):
    most = MOST_LOOSE if folder == ROOT / "engine" else MOST
    if folder in BY_STAGE:
        of_stages = {name.replace("-", "_") for name in stages.NAMES}
        rest = [path.stem for path in modules(folder) if path.stem not in of_stages]
        assert of_stages <= {path.stem for path in modules(folder)}
        assert len(rest) <= 4, rest
    else:
        assert len(modules(folder)) <= most, sorted(path.name for path in modules(folder))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_every_package_says_what_it_holds(folder):
    text = (folder / "__init__.py").read_text("utf-8")
    assert text.startswith('"""'), folder
    assert len(text.split('"""')[1].split()) >= 3, folder
