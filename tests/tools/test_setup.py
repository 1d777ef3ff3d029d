"""What sets the engine up, and that the files it works from agree."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
GROUPS = ("core", "dev", "ml", "kaggle", "app")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the set-up is a POSIX shell's")


def pins(group):
    """Return the pinned lines of a group by package; one package may differ by Python."""
    found = {}
    text = (ROOT / "requirements" / f"{group}.txt").read_text("utf-8")
    for line in text.replace(" \\\n", " ").splitlines():
        pin, *hashes = re.split(r" +--hash=sha256:", line)
        assert hashes, line
        assert all(re.fullmatch(r"[0-9a-f]{64}", each) for each in hashes), line
        requirement, _, marker = pin.partition(" ; ")
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


@pytest.fixture
def ready(tmp_path, checkout):
    """Return a checkout in its own folder whose pip fetches a uv that only notes its calls."""
    uv = stand_in(
        checkout,
        "uv",
        'case "$*" in\n'
        'venv*) echo venv; mkdir -p .venv/bin; ln -s "$4" .venv/bin/python;'
        " echo made >.venv/pyvenv.cfg ;;\n"
        '*-e*) echo "-e ." ;;\n'
        '*) for word in "$@"; do last=$word; done; basename "$last"; ! grep -q breaks "$last" ;;\n'
        "esac >>.tools/calls",
    )
    stand_in_python(
        checkout,
        f'"-m pip install"*) mkdir -p .tools/uv/bin; cp {uv} .tools/uv/bin/uv; exit 0;;'
        ' "-m pip"*) exit 0',
    )
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("tools", "requirements", "pyproject.toml", "bin"):
        (tmp_path / name).rename(folder / name)
    script = folder / "bin" / "python3"
    script.write_text(script.read_text().replace(str(uv), '"$(dirname "$0")"/uv'))
    return folder


def calls(checkout):
    return (checkout / ".tools" / "calls").read_text().splitlines()


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
    pinned = pins(group) | (pins("torch") if group == "ml" else {})
    for requirement in declared:
        name, bound = re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)", requirement).groups()
        for version, _ in pinned[name]:
            assert numbers(version) >= numbers(bound), requirement


def test_what_builds_the_package_is_pinned_within_the_bound_that_the_project_declares():
    (requirement,) = PROJECT["build-system"]["requires"]
    name, bound = re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)", requirement).groups()
    assert set(pins("build")) == {name}
    assert numbers(pins("build")[name][0][0]) >= numbers(bound)
    for script in ("setup", "check-wheel"):
        assert "--build-constraints requirements/build.txt" in (ROOT / "tools" / script).read_text()


@pytest.mark.parametrize("group", ["dev", "ml", "kaggle", "app"])
def test_the_groups_fit_together(group):
    together = pins(group)
    for name, versions in pins("core").items():
        assert {version for version, _ in together[name]} == {version for version, _ in versions}


@pytest.mark.parametrize("group", [*GROUPS, "docs", "qgis", "torch", "build", "uv"])
def test_requirements_name_no_place_to_fetch_from(group):
    text = (ROOT / "requirements" / f"{group}.txt").read_text("utf-8")
    assert "://" not in text
    assert "--" not in text.replace("--hash=sha256:", "")
    assert pins(group)


def test_licences_and_the_bill_of_materials_are_of_the_pinned_versions():
    pinned = {}
    for group in ("core", "ml", "torch", "kaggle", "app"):
        for name, versions in pins(group).items():
            pinned.setdefault(name, set()).update(version for version, _ in versions)
    content = json.loads((ROOT / "requirements" / "sbom.cdx.json").read_text("utf-8"))
    listed = {}
    for component in content["components"]:
        listed.setdefault(component["name"], set()).add(component["version"])
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
        assert component["licenses"][0]["license"]["name"]
    assert listed == pinned, "run make lock"
    table = (ROOT / "THIRD_PARTY.md").read_text("utf-8")
    for name, versions in pinned.items():
        (row,) = re.findall(rf"^\| \[?{re.escape(name)}\b[\] ].*$", table, re.MULTILINE)
        assert all(version in row for version in versions)


def tampered(folder):
    """Write a wheel of a pinned name and version that is not the pinned file."""
    ((version, _),) = pins("core")["affine"]
    wheel = folder / f"affine-{version}-py3-none-any.whl"
    info = f"affine-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("affine.py", "print('not what was pinned')\n")
        file.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: affine\nVersion: {version}\n"
        )
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", f"affine.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")
    return wheel


def test_a_tampered_wheel_is_refused_by_its_hash(tmp_path):
    folder = tmp_path / "wheels"
    folder.mkdir()
    tampered(folder)
    text = (ROOT / "requirements" / "core.txt").read_text("utf-8")
    own = tmp_path / "affine.txt"
    own.write_text(text[text.index("affine==") : text.index("attrs==")])
    target = tmp_path / "installed"
    command = [ROOT / ".tools" / "uv" / "bin" / "uv", "pip", "install", "--python", sys.executable]
    command += ["--no-deps", "--no-index", "--find-links", folder, "--target", target]
    done = subprocess.run(
        [*command, "--require-hashes", "-r", own],
        env={"PATH": "/usr/bin:/bin", "UV_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Hash mismatch" in done.stderr
    assert not list(target.rglob("affine*"))
    # Without its hash it would be installed: the refusal is the hash's.
    own.write_text(own.read_text().split(" ")[0] + "\n")
    subprocess.run(
        [*command, "-r", own],
        env={"PATH": "/usr/bin:/bin", "UV_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        check=True,
    )
    assert (target / "affine.py").is_file()


def test_the_wheel_holds_every_package_of_the_engine():
    declared = set(PROJECT["tool"]["setuptools"]["packages"])
    for module in (ROOT / "engine").rglob("*.py"):
        package = ".".join(["lunarsite", *module.parent.relative_to(ROOT).parts])
        assert package in declared, module


def test_nothing_happens_where_nothing_changed(ready):
    assert setup(ready, "dev").returncode == 0
    first = calls(ready)
    assert first == ["venv", "core.txt", "-e .", "dev.txt"]
    done = setup(ready, "dev")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert calls(ready) == first


def test_a_change_of_requirements_concerns_its_group_alone(ready):
    setup(ready, "dev")
    before = len(calls(ready))
    with (ready / "requirements" / "dev.txt").open("a") as file:
        file.write("more==1.0\n")
    setup(ready, "dev")
    assert calls(ready)[before:] == ["dev.txt"]


def test_a_moved_checkout_gets_a_new_environment(ready):
    setup(ready)
    before = len(calls(ready))
    moved = ready.rename(ready.with_name("moved"))
    assert setup(moved).returncode == 0
    assert calls(moved)[before:] == ["venv", "core.txt", "-e ."]


def test_another_python_gets_a_new_environment_and_keeps_it(ready):
    setup(ready)
    before = len(calls(ready))
    other = ready / "bin" / "python3.13"
    shutil.copy(ready / "bin" / "python3", other)
    setup(ready, PYTHON=str(other))
    assert calls(ready)[before:] == ["venv", "core.txt", "-e ."]
    setup(ready)
    assert len(calls(ready)) == before + 3


def test_a_group_that_failed_is_tried_again(ready):
    setup(ready)
    (ready / "requirements" / "dev.txt").write_text("breaks==1.0\n")
    done = setup(ready, "dev")
    assert done.returncode == 1
    assert "group dev could not be installed" in done.stderr
    assert not (ready / ".venv" / ".lunarsite-dev").exists()


def test_an_unknown_group_is_refused(checkout):
    done = setup(checkout, "kernel")
    assert done.returncode == 1
    assert "there is no group kernel" in done.stderr
    assert "Choose among: core dev docs ml" in done.stderr


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
