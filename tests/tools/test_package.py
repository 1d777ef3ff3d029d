"""The plugin's zip, what is asked of it, and that each question can be answered with no."""

from __future__ import annotations

import zipfile

import gate
import package
import pytest


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return package.build(tmp_path_factory.mktemp("made"))


def changed(made, folder, drop=(), **files):
    """Return a copy of the zip without some files and with others; ``__`` stands for a slash."""
    target = folder / made.name
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            if entry.filename.removeprefix("lunarsite/") not in drop:
                new.writestr(entry, old.read(entry))
        for name, content in files.items():
            new.writestr(zipfile.ZipInfo(name), content)
    return target


def test_the_package_is_complete_and_small(made):
    assert package.problems(made) == []
    assert made.stat().st_size < 25_000_000


def test_the_same_files_give_the_same_bytes(made, tmp_path):
    assert package.build(tmp_path).read_bytes() == made.read_bytes()


@pytest.mark.parametrize("name", ["LICENSE", "requirements/core.txt", "engine/frontends/worker.py"])
def test_a_missing_file_is_named(made, tmp_path, name):
    assert f"{name} is missing" in package.problems(changed(made, tmp_path, drop=[name]))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("other/file.py", "other/file.py lies outside lunarsite/"),
        ("lunarsite/tests/test_x.py", "tests/test_x.py does not belong there"),
        ("lunarsite/engine/__pycache__/x.py", "engine/__pycache__/x.py does not belong there"),
        ("lunarsite/engine/x.pyc", "engine/x.pyc does not belong there"),
        ("lunarsite/.env.txt", ".env.txt does not belong there"),
    ],
)
def test_a_file_too_many_is_named(made, tmp_path, name, problem):
    assert problem in package.problems(changed(made, tmp_path, **{name: b"1"}))


def test_files_that_contradict_each_other_are_named(made, tmp_path):
    names = ["metadata.txt", "models/scorer-hls.json"]
    strange = changed(
        made,
        tmp_path,
        drop=names,
        **{
            "lunarsite/metadata.txt": b"[general]\nversion=9.9\n",
            "lunarsite/models/scorer-hls.json": b"{}",
        },
    )
    found = package.problems(strange)
    assert "metadata.txt says version 9.9, pyproject.toml " + package.version() in found
    assert "models/scorer-hls.json is not the one of models/SHA256SUMS" in found
    assert "models/scorer-hls.json is not as in the checkout" in found
    assert "its files are not in order, or twice there" in found


def test_a_package_too_large_is_refused(made, tmp_path):
    big = changed(made, tmp_path, **{"lunarsite/resources/zz.png": bytes(package.LIMIT_BYTES)})
    assert any("25000000 or more" in problem for problem in package.problems(big))


def test_the_gate_finds_what_the_repository_would(tmp_path):
    key = "AKIA" + "IOSFODNN7" + "EXAMPLE"
    (tmp_path / "bad.py").write_text(f'import pickle\n\nKEY = "{key}"\n')
    (tmp_path / "fine.py").write_text("import pickle  # nosec B403  # reads our own files\n")
    found = gate.findings(tmp_path)
    assert any(each.startswith("bad.py:1 B403") for each in found)
    assert "bad.py:3 AWS Access Key" in found
    assert not any("fine.py" in each for each in found)


@pytest.mark.parametrize("mark", ["# nosec", "# nosec B403", "# nosec B403 a reason", "#nosec"])
def test_a_mark_without_its_number_or_reason_is_named(tmp_path, mark):
    (tmp_path / "bad.py").write_text(f"import pickle  {mark}\n")
    (found,) = gate.unexplained(tmp_path)
    assert found.startswith("bad.py:1 ")
