"""The standard streams, which may be closed, full or without a reader."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from lunarsite.engine.errors import OutputError


class LostOutputError(OutputError):
    """What a command prints could not be written."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The output of the command cannot be written to stdout: {reason}",
            "Redirect stdout to a disk with space; files of the command are complete",
        )


def open_missing() -> None:
    """Open streams that are closed on the null device.

    Otherwise the next file that is opened gets the number of the stream, and what a library prints
    goes into that file.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                opened = os.open(os.devnull, os.O_RDWR)
                if opened != descriptor:
                    os.dup2(opened, descriptor)
                    os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115  for the process


def write_out(text: str) -> None:
    """Write text to stdout at once.

    Raises
    ------
    BrokenPipeError
        If nobody reads it any more.
    LostOutputError
        If it cannot be written for another reason.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        discard_stdout()
        raise LostOutputError(getattr(error, "strerror", None) or str(error)) from error


def write_err(text: str) -> None:
    """Write text to stderr if it can be written; there is no other place to say that it cannot."""
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def discard_stdout() -> None:
    """Discard what is left to write: at its exit the interpreter would fail with it again."""
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.close(nothing)
