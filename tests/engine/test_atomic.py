from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from lunarsite.engine.atomic import make_folder, raise_if_full, scratch_folder, whole_file
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


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_reported_with_a_remedy(tmp_path, number):
    with (
        pytest.raises(OutputError, match=r"is full. Free some space") as caught,
        whole_file(tmp_path / "a.bin") as partial,
    ):
        partial.write_bytes(b"1")
        raise OSError(number, os.strerror(number))
    assert str(tmp_path) in caught.value.problem
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
