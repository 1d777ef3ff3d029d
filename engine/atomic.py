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

_FULL_BYTES = 64 * 1024
"""Less free space than this is a full disk."""

_NO_FILE_LEFT = "no incomplete file is left"
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ENXIO)
_CAUSES = {
    errno.ENOSPC: (
        "The disk that contains {folder} is full",
        f"Free some space, or choose a folder on another disk; {_NO_FILE_LEFT}",
    ),
    errno.EDQUOT: (
        "The quota on the disk that contains {folder} is used up",
        f"Delete files of yours there, or choose a folder on another disk; {_NO_FILE_LEFT}",
    ),
    errno.EFBIG: (
        "{path} would be larger than a file in {folder} may be",
        (
            "Choose a folder on another disk (FAT32 holds files of up to 4 GB), or lift the limit "
            f"of the process with ulimit -f unlimited; {_NO_FILE_LEFT}"
        ),
    ),
    errno.EIO: (
        "The disk that contains {folder} fails: it reports an input/output error",
        "Check the disk and its cable, or choose a folder on another disk",
    ),
    errno.EROFS: (
        "The disk that contains {folder} can only be read",
        "Choose a folder on another disk",
    ),
    errno.ENAMETOOLONG: (
        "The name {path} is longer than the file system allows",
        "Give a shorter name",
    ),
}
_TEXTS = {
    "no space left": errno.ENOSPC,
    "quota exceeded": errno.EDQUOT,
    "file too large": errno.EFBIG,
    "input/output error": errno.EIO,
    "read-only file system": errno.EROFS,
    "file name too long": errno.ENAMETOOLONG,
    "permission denied": errno.EACCES,
    "operation not permitted": errno.EPERM,
}
"""What the messages of libraries say that hide the number of the system's error."""

_WRITERS = ("pyogrio", "pyarrow", "rasterio", "safetensors", "PIL")
"""Libraries whose errors, where only an output is open, come from writing."""


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
        if _of_another_file(error, path):
            raise
        raise_if_full(error, path.parent)
        of_writer = type(error).__module__.split(".")[0] in _WRITERS
        if of_writer or (isinstance(error, OSError) and error.errno is not None):
            raise write_error(error, path) from error
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
        raise _refused(error, folder) from error
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
        raise _refused(error, folder) from error
    return mode


def _refused(error: OSError, folder: Path) -> OutputError:
    number = error.errno
    return _caused(number, folder / "x") if number in _CAUSES else unwritable(folder)


def unwritable(folder: Path) -> OutputError:
    """Return the error for a folder that is not writable."""
    return OutputError(
        f"Cannot write to {folder}", "Choose a folder in which you have write permission"
    )


def raise_if_full(error: Exception, folder: Path) -> None:
    """Raise an `OutputError` if an error was caused by a full disk, for any file in a folder.

    Libraries often hide the system's error number, so the free space is checked too.

    Parameters
    ----------
    error : Exception
        The error that was raised while writing.
    folder : Path
        The output folder.

    Raises
    ------
    OutputError
        If the disk is full.
    """
    number = _number(error)
    if number is None and "writ" in str(error).lower():
        try:
            free_bytes = shutil.disk_usage(folder).free
        except OSError:
            return
        if free_bytes < _FULL_BYTES:
            number = errno.ENOSPC
    if number == errno.ENOSPC:
        raise _caused(errno.ENOSPC, folder / "x") from error


def write_error(error: BaseException, path: Path, *, needed_bytes: int = 0) -> OutputError:
    """Return the error for a file that could not be written, with its cause.

    Libraries often hide the number of the system's error. Then the folder is asked: whether it is
    still there, has space, and takes a file.

    Parameters
    ----------
    error : BaseException
        What was raised while writing.
    path : Path
        The file.
    needed_bytes : int, optional
        Size of the data to be written: with less free space than that, the disk counts as full.

    Returns
    -------
    OutputError
        To be raised from ``error``.
    """
    number = _number(error)
    if number is None or number in _GONE:
        number = _probe(path.parent, needed_bytes) or number
    if number in _GONE and not path.parent.is_dir():
        return OutputError(
            f"The folder {path.parent} is gone: it was removed, renamed or disconnected during "
            "the run",
            "Leave the folder alone until the run ends, and run the same command again",
        )
    if number in _CAUSES:
        return _caused(number, path)
    if number in (errno.EACCES, errno.EPERM):
        reason = os.strerror(number)
    else:
        reason = getattr(error, "strerror", None) or str(error.__cause__ or error).split("\n")[0]
    return OutputError(
        f"{path} cannot be written: {reason[:200]}",
        "Choose another folder, or close the program that holds the file",
    )


def _caused(number: int, path: Path) -> OutputError:
    problem, remedy = _CAUSES[number]
    return OutputError(problem.format(folder=path.parent, path=path), remedy)


def _number(error: BaseException) -> int | None:
    """Return the number of the system's error that caused an error, None if nothing says it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            return cause.errno
        text = str(cause).lower()
        for words, number in _TEXTS.items():
            if words in text:
                return number
        cause = cause.__cause__
    return None


def _of_another_file(error: Exception, path: Path) -> bool:
    """Return whether an error names a file in another folder, as one that was being read."""
    name = getattr(error, "filename", None)
    if not isinstance(name, str | os.PathLike):
        return False
    return os.path.dirname(os.path.abspath(name)) != os.path.abspath(path.parent)  # noqa: PTH100, PTH120  no links followed


def _probe(folder: Path, needed_bytes: int) -> int | None:
    """Return the number of the error with which a folder refuses a small file, None if it is not.

    A limit on the size of files is looked up: a small file does not reach it.
    """
    if not folder.is_dir():
        return errno.ENOENT
    file = folder / f".write-test-{uuid.uuid4().hex}"
    try:
        with file.open("xb") as stream:
            stream.write(bytes(_FULL_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        largest = max((each.stat().st_size for each in folder.glob(".*.partial-*")), default=0)
        if largest >= _most_bytes() - _FULL_BYTES:
            return errno.EFBIG
        full = shutil.disk_usage(folder).free < max(needed_bytes, _FULL_BYTES)
    except OSError as error:
        return error.errno
    else:
        return errno.ENOSPC if full else None
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _most_bytes() -> float:
    """Return how large this process may make a file, infinity for no limit."""
    try:
        import resource  # noqa: PLC0415  not on Windows
    except ImportError:
        return float("inf")
    limit: int = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return float("inf") if limit == resource.RLIM_INFINITY else limit
