"""Shows CONTRIBUTING.md and CHANGELOG.md of the repository's root as pages, with links that fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PAGES = {"contributing": "CONTRIBUTING.md", "changelog": "CHANGELOG.md"}
SOURCE = "https://github.com/lunarsite/lunarsite/blob/main/"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("source-read", read)
    app.connect("env-before-read-docs", reread)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def read(app: Sphinx, name: str, source: list[str]) -> None:
    """Give a page the text of its file in the root."""
    if name in PAGES:
        text = (Path(app.srcdir).parent / PAGES[name]).read_text("utf-8")
        source[0] = re.sub(r"\]\(([\w./-]+\.(?:md|cff))([#)])", moved, text)


def reread(_app: Sphinx, _env: object, names: list[str]) -> None:
    """Read these pages at every build: their own files never change."""
    names[:] = sorted({*names, *PAGES})


def moved(link: re.Match[str]) -> str:
    """Return a link of the root as the documentation reaches it."""
    target, end = link.groups()
    pages = {file: f"{name}.md" for name, file in PAGES.items()}
    if target.startswith("docs/"):
        return f"]({target.removeprefix('docs/')}{end}"
    return f"]({pages.get(target, SOURCE + target)}{end}"
