"""Text from files, shown as it is where Qt would take it for HTML."""

from __future__ import annotations

import html


def shown(text: str) -> str:
    """Return a text for a tooltip or the message bar, which guess whether a text is HTML.

    Names of layers, folders and columns come from files: tags in them are shown, not obeyed.
    """
    return f'<p style="white-space: pre-wrap">{html.escape(text)}</p>' if "<" in text else text
