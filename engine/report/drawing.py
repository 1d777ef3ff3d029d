"""Common style of all figures: no global state, and reproducible files."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INK = "#1b1f24"
FAINT = "#6a737d"
PAPER = "#ffffff"
# Colours of Okabe and Ito, distinguishable with all types of colour vision.
SUN = "#e69f00"
EARTH = "#0072b2"
GOOD = "#009e73"
BAD = "#d55e00"
TERRAIN = "#4a4e54"
MISSING = "#d9dce0"

DPI = 150

_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": 9.0,
    "text.usetex": False,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "hatch.color": "#a9afb6",
    "hatch.linewidth": 0.6,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "savefig.bbox": None,
    "path.simplify": True,
    "svg.fonttype": "path",
    "svg.hashsalt": "lunarsite",
    "timezone": "UTC",
}


@contextmanager
def style() -> Iterator[None]:
    """Apply the style of the report, regardless of the user's matplotlib settings."""
    with mpl.rc_context():
        settings: Any = mpl.rcParams  # its keys are typed one by one
        settings.update(_STYLE)
        yield


def figure(width_in: float, height_in: float, *, constrained: bool = True) -> Figure:
    """Return an empty figure for Agg, with constrained layout unless switched off."""
    empty = Figure(figsize=(width_in, height_in), layout="constrained" if constrained else None)
    FigureCanvasAgg(empty)
    return empty


def halo(width: float = 2.5, colour: str = PAPER) -> list[withStroke]:
    """Return the outline that keeps text legible on any background."""
    return [withStroke(linewidth=width, foreground=colour)]


def as_png(picture: Figure) -> bytes:
    """Return a figure as PNG, without date and software metadata."""
    target = io.BytesIO()
    picture.savefig(target, format="png", dpi=DPI, metadata={"Software": None})
    return target.getvalue()


def save(picture: Figure, path: Path, kind: str) -> None:
    """Write a figure as ``png`` or ``svg``, without date and software metadata."""
    empty = ("Software",) if kind == "png" else ("Date", "Creator")
    picture.savefig(path, format=kind, dpi=DPI, metadata=dict.fromkeys(empty))
