"""A PDF of text, tables and figures on A4 pages, drawn by matplotlib: QGIS is not needed."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING, Any

import matplotlib.image
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.lines import Line2D

from lunarsite.engine.report import drawing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

_WIDTH_IN, _HEIGHT_IN = 8.27, 11.69
_MARGIN_IN, _FOOT_IN = 0.62, 0.75
_INSIDE_IN = _WIDTH_IN - 2 * _MARGIN_IN
_EM = 0.56
"""Mean width of a character of DejaVu Sans in its size, with a little to spare."""

_LEADING = 1.42


class Pages:
    """Pages that fill from the top; call within `drawing.style`.

    Parameters
    ----------
    footer : str
        Stands at the foot of every page, before its number.
    """

    def __init__(self, footer: str) -> None:
        self._footer = footer
        self._pages: list[Figure] = []
        self._at = 0.0
        self._new()

    def title(self, text: str, below: str) -> None:
        """Write the title of the document."""
        self._line(text, 17, weight="bold")
        self._line(below, 9, colour=drawing.FAINT)
        self._at -= 0.08

    def heading(self, text: str, *, needs_in: float = 1.0) -> None:
        """Write a heading; on a new page where less than ``needs_in`` is left for what follows."""
        self._room(0.45 + needs_in)
        self._at -= 0.12
        self._line(text, 12, weight="bold")
        page = self._pages[-1]
        y = (self._at + 0.02) / _HEIGHT_IN
        ends = (_MARGIN_IN / _WIDTH_IN, 1.0 - _MARGIN_IN / _WIDTH_IN)
        page.add_artist(Line2D(ends, (y, y), color=drawing.MISSING, linewidth=1.0))
        self._at -= 0.06

    def text(self, text: str, size: float = 9.0, colour: str = drawing.INK) -> None:
        """Write a paragraph."""
        for line in textwrap.wrap(text, _characters(_INSIDE_IN, size)):
            self._line(line, size, colour=colour)
        self._at -= 0.05

    def table(
        self,
        titles: Sequence[str],
        rows: Sequence[Sequence[str]],
        widths: Sequence[float],
        size: float = 8.0,
    ) -> None:
        """Write a table; ``widths`` are shares of the page, and cells are wrapped."""
        starts = [_MARGIN_IN + _INSIDE_IN * sum(widths[:k]) for k in range(len(widths))]
        step = size * _LEADING / 72.0
        for number, row in enumerate([titles, *rows]):
            cells = [
                textwrap.wrap(text, _characters(_INSIDE_IN * width - 0.08, size)) or [""]
                for text, width in zip(row, widths, strict=True)
            ]
            tall = step * max(map(len, cells)) + 0.03
            self._room(tall)
            for start, lines in zip(starts, cells, strict=True):
                for down, line in enumerate(lines):
                    self._put(start, self._at - down * step, line, size, bold=number == 0)
            self._at -= tall
        self._at -= 0.08

    @staticmethod
    def height_in(png: bytes) -> float:
        """Return the height of a picture over the width of the page."""
        high, wide = matplotlib.image.imread(io.BytesIO(png), format="png").shape[:2]
        return float(_INSIDE_IN * high / wide)

    def picture(self, png: bytes, caption: str = "") -> None:
        """Place a picture over the width of the page, whole on one page."""
        image = matplotlib.image.imread(io.BytesIO(png), format="png")
        high, wide = image.shape[:2]
        width = _INSIDE_IN
        height = width * high / wide
        most = _HEIGHT_IN - _MARGIN_IN - _FOOT_IN - (0.3 if caption else 0.05)
        if height > most:
            width, height = width * most / height, most
        self._room(height + (0.3 if caption else 0.05))
        left, bottom = (_WIDTH_IN - width) / 2, self._at - height
        box = (left / _WIDTH_IN, bottom / _HEIGHT_IN, width / _WIDTH_IN, height / _HEIGHT_IN)
        axes = self._pages[-1].add_axes(box)
        axes.imshow(image, interpolation="none", aspect="auto")
        axes.set_axis_off()
        self._at = bottom - 0.05
        if caption:
            self.text(caption, 7.8, drawing.FAINT)

    def save(self, path: Path, title: str) -> int:
        """Write the PDF without dates, and return the number of its pages."""
        about: dict[str, Any] = {"Title": title, "CreationDate": None, "Producer": None}
        with PdfPages(path, metadata=about | {"Creator": None}) as target:
            for number, page in enumerate(self._pages, 1):
                foot = f"{self._footer} · page {number} of {len(self._pages)}"
                label = page.text(0.5, 0.035, foot, ha="center", fontsize=7.5, parse_math=False)
                label.set_color(drawing.FAINT)
                target.savefig(page, dpi=200)
        return len(self._pages)

    def _new(self) -> None:
        self._pages.append(drawing.figure(_WIDTH_IN, _HEIGHT_IN, constrained=False))
        self._at = _HEIGHT_IN - _MARGIN_IN

    def _room(self, height_in: float) -> None:
        if self._at - height_in < _FOOT_IN:
            self._new()

    def _line(
        self, text: str, size: float, *, weight: str = "normal", colour: str = drawing.INK
    ) -> None:
        step = size * _LEADING / 72.0
        self._room(step)
        self._put(_MARGIN_IN, self._at, text, size, bold=weight == "bold", colour=colour)
        self._at -= step

    def _put(
        self,
        x_in: float,
        y_in: float,
        text: str,
        size: float,
        *,
        bold: bool = False,
        colour: str = drawing.INK,
    ) -> None:
        self._pages[-1].text(
            x_in / _WIDTH_IN,
            y_in / _HEIGHT_IN,
            text,
            fontsize=size,
            weight="bold" if bold else "normal",
            color=colour,
            va="top",
            parse_math=False,  # a dollar sign in the name of a file is no formula
        )


def _characters(width_in: float, size: float) -> int:
    """Return how many characters fit into a width."""
    return max(6, int(width_in * 72.0 / (size * _EM)))
