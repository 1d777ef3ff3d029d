"""What a project remembers about runs."""

from __future__ import annotations

import pytest
from qgis.core import QgsProject

from lunarsite.lunarsite_plugin.runs import project as project_runs


@pytest.fixture
def project(qgis_app):
    made = QgsProject.instance()
    made.clear()
    yield made
    made.clear()


def test_a_project_saved_to_another_folder_finds_its_run(project, tmp_path):
    run = tmp_path / "a" / "run"
    run.mkdir(parents=True)
    (tmp_path / "b").mkdir()
    project.write(str(tmp_path / "a" / "p.qgz"))
    project_runs.choose(run)
    project.write(str(tmp_path / "b" / "p.qgz"))
    assert project_runs.chosen() == run
    project.clear()
    assert project_runs.chosen() is None
    project.read(str(tmp_path / "b" / "p.qgz"))
    assert project_runs.chosen() == run


def test_a_project_moved_with_its_run_finds_it(project, tmp_path):
    here = tmp_path / "Gelände Süd"
    (here / "run").mkdir(parents=True)
    project.write(str(here / "p.qgz"))
    project_runs.choose(here / "run")
    project.write()
    project.clear()
    there = here.rename(tmp_path / "moved")
    project.read(str(there / "p.qgz"))
    assert project_runs.chosen() == there / "run"
