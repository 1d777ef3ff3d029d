"""The user's credentials of Kaggle: whether there are any, and that no message contains them.

Kaggle's client reads them itself. They are looked at here only to say in one sentence that there
are none, and to strike them out of what its errors say.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from lunarsite.engine.errors import LunarSiteError

HIDDEN = "[credentials]"
"""What stands in a message in place of a key or token."""

REMEDY = (
    "Make a token at https://www.kaggle.com/settings (API, Generate New Token) and save it as "
    "~/.kaggle/access_token, or set the variable KAGGLE_API_TOKEN"
)

_SHORTEST = 6
"""Characters of a secret; shorter ones would strike out ordinary words."""

_NAMES = ("KAGGLE_API_TOKEN", "KAGGLE_KEY")
_TOKENS = ("access_token", "access_token.txt")
_FILES = ("kaggle.json", "credentials.json")


class CredentialsError(LunarSiteError):
    """Kaggle's credentials are missing, or Kaggle refuses them."""


def require() -> None:
    """Raise unless there are credentials.

    Raises
    ------
    CredentialsError
        Says how to get them.
    """
    pair = os.environ.get("KAGGLE_USERNAME") and os.environ.get("KAGGLE_KEY")
    if not (pair or os.environ.get("KAGGLE_API_TOKEN") or _files()):
        raise CredentialsError("There are no credentials of a Kaggle account", REMEDY)


def user() -> str:
    """Return the name of the account if it stands in the environment or a file, or ''."""
    named = [os.environ.get("KAGGLE_USERNAME", "")]
    named += [str(_parsed(path).get("username", "")) for path in _files()]
    return next(filter(None, named), "")


def redacted(text: str) -> str:
    """Return a message without keys and tokens.

    Examples
    --------
    >>> redacted("Kaggle does not answer")
    'Kaggle does not answer'
    """
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _secrets() -> set[str]:
    found = {os.environ.get(name, "") for name in _NAMES}
    for path in _files():
        if path.name in _TOKENS:
            found.add(_text(path).strip())
        parsed = _parsed(path)
        found |= {str(value) for name, value in parsed.items() if name != "username"}
    return {each for each in found if len(each) >= _SHORTEST}


def _files() -> list[Path]:
    """Return the files from which Kaggle's client reads credentials, those that exist."""
    home = Path("~/.kaggle").expanduser()
    folders = [home]
    if sys.platform.startswith("linux"):
        base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
        folders.append(Path(base).expanduser() / "kaggle")
    if os.environ.get("KAGGLE_CONFIG_DIR"):
        folders.insert(0, Path(os.environ["KAGGLE_CONFIG_DIR"]))
    found = [home / name for name in _TOKENS]
    found += [folder / name for folder in folders for name in _FILES]
    return [path for path in found if path.is_file()]


def _parsed(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(path))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
