"""Slugs: how Kaggle names a kernel or a dataset in its address.

Kaggle makes the slug from the title, whatever the metadata say: lower case, with a dash for every
run of other characters than letters and digits. If the two disagree, Kaggle answers a second push
with "409 Conflict", or makes another kernel. Titles here have no characters with special rules.
"""

from __future__ import annotations

import re

TITLE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 -]*[A-Za-z0-9])?")
"""Titles whose slug is beyond doubt."""

KERNEL_LENGTHS = (5, 50)
DATASET_LENGTHS = (6, 50)
"""Fewest and most characters of title and slug that Kaggle takes."""


def slug_of(title: str) -> str:
    """Return the slug that Kaggle makes from a title.

    Examples
    --------
    >>> slug_of("LunarSite surface seed 1")
    'lunarsite-surface-seed-1'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def problem(slug: str, title: str, lengths: tuple[int, int]) -> str:
    """Return what is wrong with a slug and its title, in words that follow their name; or ''.

    Examples
    --------
    >>> problem("eval_v1", "Eval v1", KERNEL_LENGTHS)
    "has the slug 'eval_v1', but Kaggle makes 'eval-v1' of the title 'Eval v1'"
    """
    least, most = lengths
    if not TITLE.fullmatch(title):
        return f"has the title {title!r}: use ASCII letters, digits, spaces and dashes only"
    if slug != slug_of(title):
        return f"has the slug {slug!r}, but Kaggle makes {slug_of(title)!r} of the title {title!r}"
    if not (least <= len(title) <= most and least <= len(slug)):
        return f"has the title {title!r} of {len(title)} characters; Kaggle takes {least} to {most}"
    return ""
