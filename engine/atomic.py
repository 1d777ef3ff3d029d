"""Outputs appear whole or not at all: written beside, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lunarsite.engine.errors import LunarSiteError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it becomes ``path`` if the block succeeds.

    The file may be read by whom the system's mask says, whatever its writer thinks of it.

    Raises
    ------
    OutputError
        If the folder cannot be written, the disk is full, or ``path`` is a folder. Nothing is
        left behind.
    """
    mode = make_folder(path.parent)
    if path.is_dir():
        raise OutputError(f"{path} is a folder, a file is to be written", "Choose another name")
    partial = path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")
    try:
        yield partial
        partial.chmod(mode)
        partial.replace(path)
    except LunarSiteError:
        raise
    except Exception as error:
        raise_if_full(error, path.parent)
        if isinstance(error, PermissionError):
            raise unwritable(path.parent) from error
        raise
    finally:
        for leftover in (partial, partial.with_name(partial.name + ".aux.xml")):
            leftover.unlink(missing_ok=True)


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Yield a hidden folder in ``parent`` that is gone afterwards.

    If the block fails, so is ``parent`` where it was made for it.
    """
    made = not parent.exists()
    make_folder(parent)
    folder = parent / f".scratch-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if made:
            with suppress(OSError):  # something else has been put there
                parent.rmdir()
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_folder(folder: Path) -> int:
    """Make a folder and its parents, and check that it can be written.

    Returns
    -------
    int
        The mode that new files have in it.

    Raises
    ------
    OutputError
        If not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise_if_full(error, folder)
        raise unwritable(folder) from error
    return check_writable(folder)


def check_writable(folder: Path) -> int:
    """Check that files can be made in a folder that is there, and return the mode they have.

    What the system says of permissions is not enough: to root it grants folders that take none.

    Raises
    ------
    OutputError
        If not.
    """
    if not os.access(folder, os.W_OK | os.X_OK):
        raise unwritable(folder)
    name = folder / f".tried-{uuid.uuid4().hex}"
    try:
        with name.open("xb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        name.unlink()
    except OSError as error:
        raise_if_full(error, folder)
        raise unwritable(folder) from error
    return mode


def unwritable(folder: Path) -> OutputError:
    """Return the error for a folder that cannot be written."""
    return OutputError(f"Cannot write in {folder}", "Choose a folder that you may write in")


def raise_if_full(error: Exception, folder: Path, *, needed_bytes: int = 0) -> None:
    """Raise an `OutputError` if an error, or the disk itself, says that no space is left.

    Libraries hide the system's word for it. Where the error is known to be a writer's,
    ``needed_bytes`` is what it was about to write: a disk with less than that is full.
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
            f"The disk of {folder} is full",
            "Free some space or choose a folder on another disk; nothing was left half-written",
        ) from error
