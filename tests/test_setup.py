"""What sets the engine up, and that the files it works from agree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
GROUPS = ("core", "dev", "ml")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the set-up is a POSIX shell's")


def pins(group):
    """Return the pinned lines of a group by package; one package may differ by Python."""
    found = {}
    for line in (ROOT / "requirements" / f"{group}.txt").read_text("utf-8").splitlines():
        requirement, _, marker = line.partition(" ; ")
        name, pinned, version = requirement.partition("==")
        assert pinned, line
        assert re.fullmatch(r"[a-z0-9.-]+", name), line
        assert re.fullmatch(r"[0-9][0-9a-z.+]*", version), line
        found.setdefault(name, []).append((version, marker))
    return found


def numbers(version):
    return [int(part) for part in re.findall(r"\d+", version)]


@pytest.fixture
def checkout(tmp_path):
    """Return a copy of what the set-up needs, and stand-ins for what it calls."""
    for name in ("tools", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "bin").mkdir()
    return tmp_path


def stand_in(checkout, name, script):
    file = checkout / "bin" / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def stand_in_python(checkout, cases):
    """Put a python3 in place that does what the cases say and is otherwise this interpreter."""
    itself = 'case "$*" in *sys.executable*) echo "$0"; exit;; esac'
    script = f'{itself}\ncase "$*" in {cases};; esac\nexec {sys.executable} "$@"'
    return stand_in(checkout, "python3", script)


def python_without_pip(checkout):
    return stand_in_python(checkout, "-m\\ *) exit 1")


def setup(checkout, *groups, **env):
    return subprocess.run(
        [checkout / "tools" / "setup", *groups],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": f"{checkout / 'bin'}:/usr/bin:/bin", "HOME": str(checkout), **env},
    )


@pytest.mark.parametrize("group", GROUPS)
def test_every_package_is_pinned_above_the_bound_that_the_project_declares(group):
    extras = PROJECT["project"]["optional-dependencies"]
    declared = PROJECT["project"]["dependencies"] + extras.get(group, [])
    pinned = pins(group)
    for requirement in declared:
        name, bound = re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)", requirement).groups()
        for version, _ in pinned[name]:
            assert numbers(version) >= numbers(bound), requirement


@pytest.mark.parametrize("group", ["dev", "ml"])
def test_the_groups_fit_together(group):
    together = pins(group)
    for name, versions in pins("core").items():
        assert {version for version, _ in together[name]} == {version for version, _ in versions}


@pytest.mark.parametrize("group", [*GROUPS, "uv"])
def test_requirements_name_no_place_to_fetch_from(group):
    text = (ROOT / "requirements" / f"{group}.txt").read_text("utf-8")
    assert "://" not in text
    assert "--" not in text


def test_the_wheel_holds_every_package_of_the_engine():
    declared = set(PROJECT["tool"]["setuptools"]["packages"])
    for module in (ROOT / "engine").rglob("*.py"):
        package = ".".join(["lunarsite", *module.parent.relative_to(ROOT).parts])
        assert package in declared, module


def test_nothing_happens_where_nothing_changed():
    if not all((ROOT / ".venv" / f".lunarsite-{group}").exists() for group in ("core", "dev")):
        pytest.skip("this environment was not made by the set-up")
    stamps = {file: file.stat().st_mtime_ns for file in (ROOT / ".venv").glob(".lunarsite-*")}
    done = subprocess.run(
        [ROOT / "tools" / "setup", "core", "dev"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={key: value for key, value in os.environ.items() if key != "PYTHON"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stamps == {file: file.stat().st_mtime_ns for file in stamps}


def test_an_unknown_group_is_refused(checkout):
    done = setup(checkout, "kernel")
    assert done.returncode == 1
    assert "there is no group kernel" in done.stderr
    assert "Choose among: core dev ml" in done.stderr


def test_an_old_python_is_refused_with_a_remedy(checkout):
    old = stand_in(checkout, "python2", "exit 1")
    done = setup(checkout, PYTHON=str(old))
    assert done.returncode == 1
    assert f"there is no Python 3.11 or newer (looked for: {old})" in done.stderr
    assert "apt-get install python3" in done.stderr
    assert not (checkout / ".venv").exists()


def test_without_pip_a_user_is_told_the_one_command(checkout):
    python_without_pip(checkout)
    stand_in(checkout, "id", "echo 1000")
    done = setup(checkout)
    assert done.returncode == 1
    assert "Run: sudo apt-get install python3-pip" in done.stderr


def test_without_pip_root_has_it_installed(checkout):
    python_without_pip(checkout)
    stand_in(checkout, "id", "echo 0")
    stand_in(checkout, "apt-get", 'echo "$@" >>asked')
    done = setup(checkout)
    assert done.returncode == 1
    asked = (checkout / "asked").read_text().splitlines()
    assert asked == ["update", "install -y --no-install-recommends python3-pip"]
    assert "has no pip" in done.stderr


def test_a_network_that_fails_is_told_with_a_remedy(checkout):
    stand_in_python(checkout, "-m\\ pip\\ install*) exit 1;; -m\\ pip*) exit 0")
    done = setup(checkout)
    assert done.returncode == 1
    assert "uv could not be fetched" in done.stderr
    assert "proxy and certificate settings" in done.stderr
    assert not (checkout / ".tools" / "uv.stamp").exists()
