"""Output paths: validated before a stage starts, and locked while it runs. Standard library only.

A run locks the files and folders that it writes, so that a second one on the same output is
refused. The locks are the operating system's: they end with their process, however it ends.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.atomic import check_writable, make_folder, unwritable
from lunarsite.engine.errors import BusyError, OutputError, ParameterError
from lunarsite.engine.file_names import file_of, local_file

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

LOCK = ".lunarsite.lock"
"""Lock file in an output folder; that of a file has the file's name before it."""

EVERYTHING = "*"
"""Stands for all files of a folder."""

_held: ContextVar[frozenset[Path]] = ContextVar("_held", default=frozenset())
"""Locks of this run, which its own steps pass."""

_BEYOND = 2**30
"""Byte that is locked on Windows, where locked bytes cannot be read."""

_ATTEMPTS = 20
_CONTENDED = (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK)
_WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL)


def check(outputs: Mapping[str, str], inputs: Mapping[str, Iterable[str]]) -> None:
    """Raise if an output path is a folder, an input of the same run, or used for two outputs.

    Parameters
    ----------
    outputs : mapping of str to str
        Output paths by their names in messages, such as ``--out``.
    inputs : mapping of str to iterable of str
        Input paths, likewise, or names that GDAL opens: the archive or the file that holds an input
        is not overwritten either.

    Raises
    ------
    ParameterError
        With the names of both.
    """
    input_names = {
        _real(str(local_file(path) or file_of(path))): name
        for name, paths in inputs.items()
        for path in paths
    }
    output_names: dict[Path, str] = {}
    for name, path in outputs.items():
        real = _real(path)
        if real.is_dir():
            raise ParameterError(f"{name}: {path} is a folder", "Give the path of a file to write")
        if real in input_names:
            raise ParameterError(
                f"{name}: {path} would overwrite an input of {input_names[real]}",
                "Give the output another name",
            )
        if real in output_names:
            raise ParameterError(
                f"{name}: {path} is already the output of {output_names[real]}",
                "Give one of them another name",
            )
        output_names[real] = name


def check_ending(name: str, path: str, endings: tuple[str, ...]) -> None:
    """Raise if the name of an output file does not have one of the supported extensions.

    Raises
    ------
    ParameterError
        With a valid name.
    """
    file = Path(path)
    if file.suffix.lower() not in endings:
        listed = " or ".join(endings)
        raise ParameterError(
            f"{name}: {file.name} does not end in {listed}",
            f"Name it like {file.stem or 'out'}{endings[0]}",
        )


def check_folder(folder: Path) -> None:
    """Raise if an output folder is not writable, or cannot be created.

    Raises
    ------
    OutputError
        If its nearest existing parent is not a writable folder.
    """
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise unwritable(folder)
    check_writable(existing)


@contextmanager
def locked(
    folders: Mapping[str, Iterable[str]], files: Iterable[str], warn: Callable[[str], None]
) -> Iterator[None]:
    """Lock the outputs of a run for the duration of the block.

    Folders that do not exist are created, and removed again if they are empty at the end.

    Parameters
    ----------
    folders : mapping of str to iterable of str
        Output folders, and the names of the files that are written in them: `EVERYTHING` for all.
    files : iterable of str
        Other output files.
    warn : callable
        Takes the warning that a file system has no locks.

    Raises
    ------
    BusyError
        If another run has locked one of them.
    OutputError
        If a folder cannot be created or is not writable.
    """
    wanted = {_real(folder) / LOCK: tuple(names) for folder, names in folders.items()}
    alone = {_of_file(_real(file)): _real(file) for file in files}
    with ExitStack() as stack:
        for folder in sorted({path.parent for path in (*wanted, *alone)}):
            stack.enter_context(_existing(folder))
        for path, names in wanted.items():
            if path in _held.get():
                continue
            stack.enter_context(_lock(path, "\n".join(names), _works_in(path.parent), warn))
            for name in names:
                if _is_locked(_of_file(path.parent / name)):
                    raise _writes(path.parent / name)
        for path, file in alone.items():
            folder = path.parent / LOCK
            if path in _held.get() or folder in _held.get():
                continue
            stack.enter_context(_lock(path, "", _writes(file), warn))
            if _is_locked(folder):
                written = folder.read_text("utf-8").split("\n")
                if EVERYTHING in written or file.name in written:
                    raise _works_in(folder.parent)
        token = _held.set(_held.get() | set(wanted) | set(alone))
        try:
            yield
        finally:
            _held.reset(token)


@contextmanager
def _existing(folder: Path) -> Iterator[None]:
    """Create a folder with its parents; remove those that were created and are empty at the end."""
    created = []
    missing = folder
    while not missing.exists():
        created.append(missing)
        missing = missing.parent
    make_folder(folder)
    try:
        yield
    finally:
        with suppress(OSError):  # one is not empty
            for each in created:
                each.rmdir()


@contextmanager
def _lock(path: Path, text: str, busy: BusyError, warn: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock file with a text, and remove it afterwards."""
    try:
        descriptor = _acquired(path)
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise OutputError(
                f"Cannot write to {path.parent}: {error.strerror or error}",
                "Choose another folder, or a shorter name",
            ) from error
        warn(f"{path.parent} is on a disk without locks: let no other run write there.")
        path.unlink(missing_ok=True)
        yield
        return
    if descriptor is None:
        raise busy
    try:
        with suppress(OSError):  # left by another user's run that was killed
            os.ftruncate(descriptor, 0)
            os.write(descriptor, text.encode())
        yield
    finally:
        _release(path, descriptor)


def _acquired(path: Path) -> int | None:
    """Return the descriptor of a lock file that this call has locked, None if another run has."""
    for _ in range(_ATTEMPTS):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except PermissionError:
            descriptor = os.open(path, os.O_RDONLY)  # of another user
        try:
            if not _try(descriptor):
                os.close(descriptor)
                return None
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        # The other run removed the file between opening and locking it.
        os.close(descriptor)
    return None


def _try(descriptor: int) -> bool:
    """Return whether an open lock file could be locked at once."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _BEYOND, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _CONTENDED:
            return False
        raise
    return True


def _release(path: Path, descriptor: int) -> None:
    """Unlock and remove a lock file: on Windows it can be removed only when it is closed."""
    if sys.platform != "win32":
        path.unlink(missing_ok=True)
    os.close(descriptor)
    if sys.platform == "win32":
        with suppress(OSError):  # the next run has it open
            path.unlink(missing_ok=True)


def _is_locked(path: Path) -> bool:
    """Return whether another run holds a lock, without keeping it."""
    if path in _held.get() or not path.exists():
        return False
    try:
        descriptor = _acquired(path)
    except OSError:
        return False
    if descriptor is None:
        return True
    _release(path, descriptor)
    return False


def _of_file(file: Path) -> Path:
    return file.with_name(f".{file.name}{LOCK}")


def _works_in(folder: Path) -> BusyError:
    return BusyError(
        f"Another run works in {folder}", "Wait until it ends, or choose another folder"
    )


def _writes(file: Path) -> BusyError:
    return BusyError(f"Another run writes {file}", "Wait until it ends, or choose another name")


def _real(path: str) -> Path:
    """Return the path with symbolic links resolved, or the absolute path if that fails."""
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError):
        return Path(path).absolute()
