"""Files that hold the state of an interrupted training, with a checksum. Does not import torch.

A state is a safetensors file whose metadata hold the SHA-256 of the file, in which zeros stand in
the place of the checksum itself: one file, so that it is written at once, and verified before any
library parses it.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from lunarsite.engine.errors import CancelledError, InputError

if TYPE_CHECKING:
    from pathlib import Path

BLANK = {"sha256": "0" * 64}
"""Metadata of a state without its checksum."""

_PLACE = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_MOST_HEADER_BYTES = 100 * 2**20
"""Limit of safetensors itself."""

REMEDY = "Remove it and start training from the beginning"


def state_of(path: Path) -> Path:
    """Return the path of the training state that belongs to a checkpoint."""
    return path.with_suffix(".state.safetensors")


def seal(path: Path) -> None:
    """Write its checksum into a file that was written with the metadata `BLANK`."""
    with path.open("r+b") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        size = int.from_bytes(file.read(8), "little")
        place = _PLACE.search(file.read(size))
        if place is None:
            raise ValueError("the metadata have no place for the checksum")
        file.seek(8 + place.start(1))
        file.write(digest.encode())


def read_sealed(path: Path) -> bytes:
    """Return the content of a training state, if its checksum is right.

    Raises
    ------
    InputError
        If it cannot be read, or differs from what was written.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The training state {path} cannot be read: {error.strerror or error}", "Check the path"
        ) from error
    size = min(int.from_bytes(content[:8], "little"), _MOST_HEADER_BYTES)
    place = _PLACE.search(content, 8, 8 + size)
    if place is None:
        raise InputError(
            f"The training state {path.name} has no checksum: it is damaged, or of an earlier "
            "version",
            REMEDY,
        )
    digest = hashlib.sha256(content[: place.start(1)])
    digest.update(BLANK["sha256"].encode())
    digest.update(memoryview(content)[place.end(1) :])
    if digest.hexdigest() != place[1].decode():
        raise InputError(
            f"The training state {path.name} is damaged: its checksum differs from its content",
            REMEDY,
        )
    return content


def metadata_of(content: bytes) -> dict[str, str]:
    """Return the metadata of a training state that `read_sealed` returned."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return dict(header["__metadata__"])


def cancelled(path: Path) -> CancelledError:
    """Return the error for a cancelled training, which says where the same command resumes."""
    state_file = state_of(path)
    if not state_file.is_file():
        return CancelledError("Nothing was saved yet; the same command starts from the beginning")
    try:
        content = read_sealed(state_file)
    except InputError as error:
        return CancelledError(f"{error.problem}. {error.remedy}")
    step = json.loads(metadata_of(content)["progress"])["step"]
    return CancelledError(
        f"The training state is saved in {state_file.name}; the same command resumes at step "
        f"{step:,}"
    )
