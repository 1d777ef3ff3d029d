"""What the pages that are generated from code share: escaping, and writing only what changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def escaped(text: str) -> str:
    """Return plain text as Markdown that shows the same characters."""
    return re.sub(r"([\\`*_{}\[\]<>|$#~])", r"\\\1", text)


def write(path: Path, text: str) -> None:
    """Write a page unless it is there with the same text, so that Sphinx need not read it again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")
