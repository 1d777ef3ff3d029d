"""Colours of the charts: blue and orange, which people with any colour vision can tell apart."""

from __future__ import annotations

from dataclasses import dataclass

from qgis.PyQt.QtGui import QColor, QPalette

_DARK_BELOW = 128
_READABLE = 4.5
"""Minimum contrast of text (WCAG 2.2, success criterion 1.4.3)."""
_MUTED = 0.78
"""Weight of the text colour in secondary text: still 4.5:1 on QGIS's own themes."""


@dataclass(frozen=True)
class Colors:
    """The colours of a chart. Text is only ever drawn on ``background``."""

    background: QColor
    text: QColor
    muted: QColor
    line: QColor
    empty: QColor
    better: QColor
    worse: QColor
    sun: QColor
    earth: QColor
    both: QColor
    ground: QColor


def of_palette(palette: QPalette) -> Colors:
    """Return the colours to go with a widget's palette, light or dark.

    A style sheet may darken the window and leave the palette's text black, as QGIS's Night Mapping
    theme does; unreadable text colours are replaced.
    """
    roles = QPalette.ColorRole
    background = palette.color(roles.Window)
    texts = [palette.color(role) for role in (roles.WindowText, roles.Text)]
    texts.append(QColor("#dddddd" if background.lightness() < _DARK_BELOW else "black"))
    readable = (text for text in texts if contrast(text, background) >= _READABLE)
    return _colors(background, next(readable, texts[-1]))


def on_paper() -> Colors:
    """Return the colours for a white page."""
    return _colors(QColor("white"), QColor("black"))


def contrast(one: QColor, other: QColor) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _colors(background: QColor, text: QColor) -> Colors:
    dark = background.lightness() < _DARK_BELOW
    return Colors(
        background=background,
        text=text,
        muted=_mixed(text, background, _MUTED),
        line=_mixed(text, background, 0.35),
        empty=_mixed(text, background, 0.1),
        better=QColor("#56b4e9" if dark else "#0072b2"),
        worse=QColor("#f28e2b" if dark else "#c24e00"),
        sun=QColor("#f5b82e" if dark else "#d98200"),
        earth=QColor("#56b4e9" if dark else "#0072b2"),
        both=QColor("#3ccfa4" if dark else "#007a5a"),
        ground=_mixed(text, background, 0.45),
    )


def _mixed(one: QColor, other: QColor, share: float) -> QColor:
    return QColor(
        *(
            round(share * a + (1.0 - share) * b)
            for a, b in zip(one.getRgb()[:3], other.getRgb()[:3], strict=True)
        )
    )


def _luminance(color: QColor) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in color.getRgbF()[:3]
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
