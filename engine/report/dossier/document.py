"""The files of a dossier: page, PDF, figures, numbers and tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.report import drawing, embedding
from lunarsite.engine.report.dossier import numbers
from lunarsite.engine.report.dossier.pages import Pages
from lunarsite.engine.report.dossier.sections import Section, sections

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Float = NDArray[np.float64]


def write(
    out: Path,
    document: dict[str, Any],
    pictures: Mapping[str, bytes],
    along: Mapping[str, tuple[Float, Float]],
) -> dict[str, str]:
    """Write a dossier into a folder, each file atomically.

    Parameters
    ----------
    out : Path
        The folder.
    document : dict
        The numbers, in types of JSON.
    pictures : mapping of str to bytes
        Its figures as PNG, by name.
    along : mapping
        The profiles, as from `ground.profiles`.

    Returns
    -------
    dict of str to str
        Paths by the names of the outputs.
    """
    (out / "figures").mkdir(parents=True, exist_ok=True)
    for name, png in pictures.items():
        with whole_file(out / "figures" / f"{name}.png") as partial:
            partial.write_bytes(png)
    for name, text in numbers.tables(document, along).items():
        _write(out / name, text)
    _write(out / "site.json", json.dumps(document, indent=1, allow_nan=False) + "\n")
    parts = sections(document)
    _write(out / "index.html", _page(document, parts))
    with drawing.style(), whole_file(out / "dossier.pdf") as partial:
        _pdf(document, parts, pictures, partial)
    return {
        "page": str(out / "index.html"),
        "pdf": str(out / "dossier.pdf"),
        "numbers": str(out / "site.json"),
    }


def _write(path: Path, text: str) -> None:
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def _page(document: dict[str, Any], parts: list[Section]) -> str:
    return embedding.template("dossier/dossier.html").render(
        css=embedding.css(), document=document, sections=parts
    )


def _pdf(
    document: dict[str, Any], parts: list[Section], pictures: Mapping[str, bytes], path: Path
) -> None:
    pages = Pages(f"{document['title']} · {document['subtitle']}")
    pages.title(document["title"], document["subtitle"])
    for part in parts:
        tall = pages.height_in(pictures[part.picture]) if part.picture else 0.4
        pages.heading(part.title, needs_in=tall + 0.35 * (1 + len(part.texts)))
        for text in part.texts:
            pages.text(text)
        if part.picture:
            pages.picture(pictures[part.picture], part.caption)
        if part.rows:
            pages.table(part.columns, part.rows, part.widths, part.size)
    pages.save(path, document["title"])
