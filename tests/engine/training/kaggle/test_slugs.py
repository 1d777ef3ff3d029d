"""Slugs from titles, as Kaggle makes them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lunarsite.engine.training.kaggle import slugs

WORDS = st.from_regex(slugs.TITLE, fullmatch=True)


@given(WORDS)
@example("a  b - c--d")
def test_the_slug_is_the_one_that_kaggles_client_expects(title):
    slugify = pytest.importorskip("slugify").slugify
    assert slugs.slug_of(title) == slugify(title)


@given(WORDS)
def test_a_slug_is_its_own_slug(title):
    slug = slugs.slug_of(title)
    assert slugs.slug_of(slug) == slug


@pytest.mark.parametrize(
    ("slug", "title", "problem"),
    [
        ("surface-seed-1", "Surface seed 1", ""),
        ("surface_seed_1", "Surface seed 1", "but Kaggle makes 'surface-seed-1' of the title"),
        ("seed", "Seed", "of 4 characters; Kaggle takes 5 to 50"),
        ("a" * 51, "A" * 51, "of 51 characters; Kaggle takes 5 to 50"),
        ("krater-gr-sse", "Krater Größe", "use ASCII letters, digits, spaces and dashes only"),
        ("v0-1-0-run", "v0.1.0 run", "use ASCII letters"),
    ],
)
def test_what_is_wrong_with_a_slug_is_said(slug, title, problem):
    found = slugs.problem(slug, title, slugs.KERNEL_LENGTHS)
    assert problem in found
    assert bool(problem) == bool(found)
