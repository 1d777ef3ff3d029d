from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lunarsite.engine.atomic import (
    make_folder,
    raise_if_full,
    scratch_folder,
    whole_file,
    write_error,
)
from lunarsite.engine.errors import OutputError


def test_a_file_is_written_atomically(tmp_path):
    target = tmp_path / "deep" / "note.txt"
    with whole_file(target) as partial:
        partial.write_text("words")
        assert not target.exists()
        assert partial.parent == target.parent
        assert partial.suffix == ".txt"
    assert target.read_text() == "words"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OutputError])
def test_a_failed_write_leaves_no_file_and_keeps_the_old_one(tmp_path, error):
    target = tmp_path / "note.txt"
    target.write_text("before")
    with pytest.raises(error), whole_file(target) as partial:
        partial.write_text("half")
        raise error("a", "b") if error is OutputError else error
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_scratch_folder_is_removed(tmp_path):
    with pytest.raises(ValueError, match="enough"), scratch_folder(tmp_path) as folder:
        (folder / "array").write_bytes(b"1")
        raise ValueError("enough")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_created_for_failed_work_is_removed(tmp_path):
    with pytest.raises(KeyboardInterrupt), scratch_folder(tmp_path / "new"):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), scratch_folder(tmp_path / "kept") as folder:
        (folder.parent / "result.txt").touch()
        raise KeyboardInterrupt
    with scratch_folder(tmp_path / "used"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "used"]


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_permissions_follow_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with whole_file(tmp_path / "a.bin") as partial:
            partial.touch(mode=0o400)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == mode


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="Linux only")
def test_proc_is_unwritable_for_root_too():
    for folder in (Path("/proc"), Path("/proc/new")):
        with pytest.raises(OutputError, match=f"Cannot write to {folder}"):
            make_folder(folder)
    with (
        pytest.raises(OutputError, match="Choose a folder in which you have write permission"),
        scratch_folder(Path("/proc")),
    ):
        pass


CAUSES = [
    (errno.ENOSPC, r"The disk that contains .* is full\. Free some space"),
    (errno.EDQUOT, r"The quota on the disk that contains .* is used up\. Delete files"),
    (errno.EFBIG, r"would be larger than a file in .* may be\. Choose a folder on another disk"),
    (errno.EIO, r"fails: it reports an input/output error\. Check the disk and its cable"),
    (errno.EROFS, r"can only be read\. Choose a folder on another disk"),
    (errno.ENAMETOOLONG, r"is longer than the file system allows\. Give a shorter name"),
    (errno.EACCES, r"cannot be written: Permission denied\. Choose another folder"),
    (errno.EPERM, r"cannot be written: Operation not permitted\. Choose another folder"),
]
OTHERS = sorted(set(errno.errorcode) - {number for number, _ in CAUSES})


def system_error(number):
    return OSError(number, os.strerror(number))


def hidden(number):
    """Return the error of a library that says what happened, without its number."""
    problem = type("DataSourceError", (Exception,), {"__module__": "pyogrio.errors"})
    return problem(f"failed to write: {os.strerror(number)}")


@pytest.mark.parametrize(("number", "message"), CAUSES)
@pytest.mark.parametrize("raised", [system_error, hidden])
def test_every_cause_of_a_failed_write_is_told(tmp_path, number, message, raised):
    with (
        pytest.raises(OutputError, match=message) as caught,
        whole_file(tmp_path / "a.bin") as partial,
    ):
        partial.write_bytes(b"1")
        raise raised(number)
    assert str(tmp_path) in caught.value.problem
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", OTHERS)
def test_every_other_error_number_is_a_failed_write(tmp_path, number):
    words = r"a\.bin cannot be written"
    with pytest.raises(OutputError, match=words) as caught, whole_file(tmp_path / "a.bin"):
        raise system_error(number)
    assert "is full" not in caught.value.problem
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "message"), CAUSES[:6])
def test_the_cause_that_a_library_hides_is_found_in_the_folder(
    tmp_path, number, message, monkeypatch
):
    def refuse(_descriptor):
        raise system_error(number)

    monkeypatch.setattr("lunarsite.engine.atomic.os.fsync", refuse)
    error = write_error(RuntimeError("Write failed. See previous exception"), tmp_path / "a.tif")
    with pytest.raises(OutputError, match=message):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_told_as_that(tmp_path):
    folder = tmp_path / "run"
    with (
        pytest.raises(OutputError, match=r"The folder .*run is gone.*Leave the folder alone"),
        whole_file(folder / "a.bin") as partial,
    ):
        folder.rename(tmp_path / "moved")
        partial.write_bytes(b"1")


def test_a_missing_input_is_not_told_as_a_failed_write(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "out" / "a.bin"):
        (tmp_path / "input").read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="limits are those of POSIX")
def test_a_limit_on_the_size_of_files_is_told(tmp_path):
    """As ``ulimit -f`` sets it, and a file system that holds small files only."""
    code = (
        "import resource, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from lunarsite.engine.io.cog import write_raster\n"
        "from lunarsite.engine.io.grid import Grid\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))\n"
        "noise = np.random.default_rng(1).normal(size=(900, 900)).astype(np.float32)\n"
        "from lunarsite.engine.errors import LunarSiteError\n"
        "try: write_raster(Path(sys.argv[1]), noise, Grid(0, 0, 5, 900, 900), description='n')\n"
        "except LunarSiteError as error: print(type(error).__name__, error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.tif")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "OutputError" in found.stdout, found.stderr
    assert "would be larger than a file in" in found.stdout
    assert list(tmp_path.iterdir()) == []


def test_other_errors_are_not_reported_as_a_full_disk(tmp_path):
    raise_if_full(ValueError("could not write the word"), tmp_path)
    raise_if_full(OSError(errno.EIO, "write error"), tmp_path / "absent")


def test_a_path_below_a_file_is_unwritable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"Cannot write to .*file.*Choose a folder"):
        make_folder(tmp_path / "file" / "run")
    with pytest.raises(OutputError, match="Cannot write to"):
        make_folder(tmp_path / "file")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root can write anywhere"
)
def test_a_folder_without_permission_is_unwritable(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(OutputError, match="Cannot write to"):
        make_folder(folder)


def test_a_denied_write_is_reported_with_a_remedy(tmp_path):
    with (
        pytest.raises(OutputError, match="Choose another folder"),
        whole_file(tmp_path / "a.bin"),
    ):
        raise PermissionError(errno.EACCES, "Permission denied")
