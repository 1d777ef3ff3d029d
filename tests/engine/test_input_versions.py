from __future__ import annotations

import os
import shutil
import zipfile

import pytest

from lunarsite.engine import input_versions
from lunarsite.engine.atomic import whole_file
from lunarsite.engine.input_versions import ChangedInputError, version, watch, watched


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "dem.tif"
    path.write_bytes(b"one")
    return path


def in_place(file):
    file.write_bytes(b"two!")


def by_renaming(file):
    other = file.with_name("other")
    other.write_bytes(b"two")
    other.replace(file)


def of_equal_size_and_time(file):
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    file.write_bytes(b"two")
    os.utime(file, ns=times)


def there_and_back(file):
    kept = file.rename(file.with_name("kept"))
    file.write_bytes(b"two")
    kept.replace(file)


def removed(file):
    file.unlink()


CHANGES = [in_place, by_renaming, of_equal_size_and_time, there_and_back, removed]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_input_ends_the_run(file, change):
    words = r"The input dem\.tif changed"
    with pytest.raises(ChangedInputError, match=words) as caught, watched([str(file)]):
        change(file)
    assert "run the same command again" in caught.value.remedy
    assert watch() is None


@pytest.mark.parametrize("change", CHANGES)
def test_no_output_is_written_after_a_change(file, tmp_path, change):
    out = tmp_path / "out.txt"
    outer = watched([str(file)])
    with pytest.raises(ChangedInputError), outer, watched([]), whole_file(out) as partial:
        partial.write_text("made of the first")
        change(file)
    assert not out.exists()
    assert not list(tmp_path.glob("*partial*"))


def test_unchanged_inputs_and_others_than_files_pass(file, tmp_path):
    shutil.copy(file, tmp_path / "copy")
    names = [str(file), "/vsicurl/http://127.0.0.1:9/a.tif", str(tmp_path), "none.tif"]
    with watched(names) as inputs:
        inputs.add([str(file)])
        with whole_file(tmp_path / "out") as partial:
            partial.write_text("made")
    assert (tmp_path / "out").exists()


def test_the_archive_of_an_input_is_watched(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("s/dem.tif", b"one")
    with pytest.raises(ChangedInputError), watched([f"/vsizip/{tmp_path}/a.zip/s/dem.tif"]):
        by_renaming(tmp_path / "a.zip")


def test_very_many_inputs_are_looked_at_in_the_end(file, tmp_path, monkeypatch):
    monkeypatch.setattr(input_versions, "_MANY", 0)
    with pytest.raises(ChangedInputError), watched([str(file)]):
        by_renaming(file)
        with whole_file(tmp_path / "out") as partial:
            partial.write_text("made")
    assert (tmp_path / "out").exists()


def test_the_version_of_what_is_no_file(tmp_path):
    assert version(tmp_path) is None
    assert version("a\0b") is None
