"""What the HTML pages share: their style, their filters, and figures as data URIs."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np
from markupsafe import Markup

from lunarsite.engine.report import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HERE = Path(__file__).parent
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def embedded(picture: Figure) -> str:
    """Return a picture as a data URI."""
    return "data:image/png;base64," + base64.b64encode(drawing.as_png(picture)).decode("ascii")


def css() -> Markup:
    """Return the style sheet of the pages."""
    text = (_HERE / "report.css").read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704  # nosec B704  # our own file


def script(name: str) -> Markup:
    """Return a script of the pages, to stand in them."""
    text = (_HERE / name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704  # nosec B704  # our own file


def script_hash(text: str) -> str:
    """Return the hash by which a page's policy lets its own script run, and no other."""
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def template(name: str) -> jinja2.Template:
    """Return the template of a page with its filters; ``name`` may be in a folder of this one."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": lambda value: f"{int(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
        "score": _score,
        "signed": lambda value: f"{value:+.2f}".replace("-", "−"),
        "lon": lambda value: f"{abs(value):.3f}°\N{NO-BREAK SPACE}{'E' if value >= 0 else 'W'}",
        "lat": lambda value: f"{abs(value):.3f}°\N{NO-BREAK SPACE}{'S' if value < 0 else 'N'}",
        "share": _share,
        "points": _points,
    }
    return environment.get_template(name)


def _score(value: float) -> str:
    """Return a score as text, with significant digits near 0 and near 1 as well."""
    if 0.0005 <= value <= 0.9995:
        return f"{value:.3f}"
    if value > 0.5:
        return "over 0.9995"
    if value <= 0.0:
        return "0"
    exponent = int(np.floor(np.log10(value)))
    return f"{value / 10.0**exponent:.1f}·10{str(exponent).translate(_SUPERSCRIPTS)}"


def _share(value: float) -> str:
    """Return a percentage as text; only exactly 0 and 100 are shown as such."""
    if value in (0.0, 100.0):
        return f"{value:.0f}\N{NO-BREAK SPACE}%"
    return f"{min(max(value, 0.1), 99.9):.1f}\N{NO-BREAK SPACE}%"


def _points(value: float) -> str:
    """Return signed score points, hundredths, as text; tiny values are not rounded to zero."""
    if 0.0 < abs(value) < 0.0005:
        return "under +0.1" if value > 0.0 else "under −0.1"
    return f"{100.0 * value:+.1f}".replace("-", "−")
