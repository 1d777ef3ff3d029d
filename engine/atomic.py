"""Atomic writes: a temporary file in the target folder is renamed when it is complete."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import stat
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lunarsite.engine import input_versions
from lunarsite.engine.errors import LunarSiteError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write a file atomically: yield a temporary path that becomes ``path`` on success.

    The permissions of the file follow the umask of the process, whatever mode the writing library
    sets.

    Parameters
    ----------
    path : Path
        The file to write. An existing file is replaced, or kept if the block fails.

    Yields
    ------
    Path
        A temporary path in the same folder, with the same suffix.

    Raises
    ------
    OutputError
        If the folder is not writable, the disk is full, or ``path`` is a folder. The temporary
        file is removed.
    ChangedInputError
        If an input of the run has changed since it began.
    """
    mode = make_folder(path.parent)
    inputs = input_versions.watch()
    if path.is_dir():
        raise OutputError(f"{path} is a folder, not a file", "Choose another name")
    partial = path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")
    try:
        yield partial
        if inputs is not None:
            inputs.check(ended=False)
        partial.chmod(mode)
        partial.replace(path)
    except LunarSiteError:
        raise
    except Exception as error:
        raise_if_full(error, path.parent)
        if isinstance(error, OSError) and error.errno is not None:
            raise OutputError(
                f"{path} cannot be written: {error.strerror or error}",
                "Choose another folder, or close the program that holds the file",
            ) from error
        raise
    finally:
        # Libraries leave journals and statistics beside what they write.
        for leftover in path.parent.glob(f"{glob.escape(partial.name)}*"):
            leftover.unlink(missing_ok=True)


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Yield a hidden temporary folder in ``parent``, and remove it afterwards.

    If the block fails and ``parent`` was created by this call, ``parent`` is removed as well,
    unless it contains other files.
    """
    created = not parent.exists()
    make_folder(parent)
    folder = parent / f".scratch-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if created:
            with suppress(OSError):  # it is not empty
                parent.rmdir()
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_folder(folder: Path) -> int:
    """Create a folder with its parents, and check that it is writable.

    Returns
    -------
    int
        Permission bits of new files in it.

    Raises
    ------
    OutputError
        If it cannot be created or is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise_if_full(error, folder)
        raise unwritable(folder) from error
    return check_writable(folder)


def check_writable(folder: Path) -> int:
    """Check that files can be created in an existing folder, and return their permission bits.

    A test file is created and removed, because `os.access` is not sufficient: for root it also
    reports folders such as ``/proc`` as writable.

    Raises
    ------
    OutputError
        If no file can be created in it.
    """
    if not os.access(folder, os.W_OK | os.X_OK):
        raise unwritable(folder)
    name = folder / f".permission-test-{uuid.uuid4().hex}"
    try:
        with name.open("xb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        name.unlink()
    except OSError as error:
        raise_if_full(error, folder)
        raise unwritable(folder) from error
    return mode


def unwritable(folder: Path) -> OutputError:
    """Return the error for a folder that is not writable."""
    return OutputError(
        f"Cannot write to {folder}", "Choose a folder in which you have write permission"
    )


def raise_if_full(error: Exception, folder: Path, *, needed_bytes: int = 0) -> None:
    """Raise an `OutputError` if an error was caused by a full disk.

    Libraries often hide the system's error number, so the free space is checked too.

    Parameters
    ----------
    error : Exception
        The error that was raised while writing.
    folder : Path
        The output folder.
    needed_bytes : int, optional
        Size of the data to be written, if the error is known to come from a writer: with less
        free space than that, the disk counts as full.

    Raises
    ------
    OutputError
        If the disk is full.
    """
    text = str(error).lower()
    full = (isinstance(error, OSError) and error.errno in FULL) or "no space left" in text
    if not full:
        try:
            free_bytes = shutil.disk_usage(folder).free
        except OSError:
            return
        full = free_bytes < (needed_bytes or 64 * 1024) and (needed_bytes > 0 or "writ" in text)
    if full:
        raise OutputError(
            f"The disk that contains {folder} is full",
            "Free some space, or choose a folder on another disk; no incomplete file is left",
        ) from error
