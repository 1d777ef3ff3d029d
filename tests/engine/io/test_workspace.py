from __future__ import annotations

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from lunarsite.engine.errors import OutputError
from lunarsite.engine.io.workspace import Scratch

MAPPED = """
import sys
from pathlib import Path
import numpy as np
from lunarsite.engine.errors import OutputError
from lunarsite.engine.io.workspace import Scratch
if len(sys.argv) > 3:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    Scratch(Path(sys.argv[1]), 0)((int(sys.argv[2]),), np.uint8)[:] = 1
except OutputError as error:
    print(error)
"""
"""Maps a work array and fills it."""


def test_arrays_within_and_beyond_the_limit_are_zero_and_can_be_written(tmp_path):
    scratch = Scratch(tmp_path, 1000)
    held, mapped, other = (scratch((10, 20), np.float32) for _ in range(3))
    assert not isinstance(held, np.memmap)
    for array in (mapped, other):
        assert isinstance(array, np.memmap)
        assert array.shape == (10, 20)
        assert not array.any()
    mapped[3] = 7.0
    assert not other.any()
    assert sorted(file.stat().st_size for file in tmp_path.iterdir()) == [800, 800]


def test_an_empty_array_can_be_mapped(tmp_path):
    assert Scratch(tmp_path, -1)((1, 1), np.uint8).shape == (1, 1)


def fill(*args):
    command = [sys.executable, "-c", MAPPED, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
@pytest.mark.parametrize("small_disk", ["2m"], indirect=True)
def test_a_full_disk_is_told_before_the_work_and_does_not_end_the_process(small_disk):
    done = fill(small_disk, 16 * 2**20)
    assert done.returncode == 0  # it was SIGBUS
    assert f"The disk that contains {small_disk} is full" in done.stdout
    assert list(small_disk.iterdir()) == []
    assert fill(small_disk, 2**20).stdout == ""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_a_limit_on_the_size_of_files_is_told(tmp_path):
    done = fill(tmp_path, 16 * 2**20, 2**20)
    assert done.returncode == 0
    assert "would be larger than a file in" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="is not of this system")
def test_where_nothing_can_be_reserved_the_free_space_is_looked_up(tmp_path, monkeypatch):
    def unsupported(*_args):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    scratch = Scratch(tmp_path, 0)
    assert scratch((1000,), np.float64).nbytes == 8000
    with pytest.raises(OutputError, match="is full"):
        scratch((2**50,), np.float64)
