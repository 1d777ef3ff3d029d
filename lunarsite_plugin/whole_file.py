"""Files that appear whole: written beside, then renamed. Standard library only."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lunarsite.engine.errors import LunarSiteError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to, which becomes ``path`` at the end; nothing is left if that fails.

    Raises
    ------
    OutputError
        If the file cannot be written, with the system's reason.
    """
    partial = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)  # noqa: PTH105  Path.replace says less when it fails
    except OSError as error:
        raise _cannot(path, error.strerror or str(error)) from error
    finally:
        for leftover in path.parent.glob(f"{partial.name}*"):
            leftover.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def _cannot(path: Path, reason: str) -> LunarSiteError:
    return OutputError(
        f"{path} cannot be written: {reason}",
        "Choose another folder, or close the program that holds the file",
    )
