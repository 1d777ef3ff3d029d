"""The help panel of an algorithm, derived from the stage's declaration."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.processing_provider.definitions import help_text, label

if TYPE_CHECKING:
    from lunarsite.engine.contract import Stage

PICTURES = Path(__file__).resolve().parents[1] / "resources" / "help"


def short_help(stage: Stage) -> str:
    """Return the help as HTML: summary, picture, description, parameters and outputs."""
    picture = PICTURES / f"{stage.name}.png"
    parts = [f"<p><b>{escape(stage.summary)}</b></p>"]
    if picture.is_file():
        parts.append(f'<p><img src="{picture.as_uri()}"></p>')
    parts.append(f"<p>{escape(stage.help)}</p>")
    for title, advanced in (("Parameters", False), ("Advanced parameters", True)):
        listed = [p for p in stage.parameters if p.advanced is advanced]
        if listed:
            parts.append(f"<h3>{title}</h3>")
            parts += [_entry(label(each), help_text(each)) for each in listed]
    if stage.outputs:
        parts.append("<h3>Outputs</h3>")
        parts += [_entry(output.title, output.help) for output in stage.outputs]
    return "".join(parts)


def _entry(name: str, text: str) -> str:
    return f"<p><b>{escape(name)}</b><br>{escape(text)}</p>"
