"""What is known of data sets: complete, consistent, and the same names as in the declaration."""

from __future__ import annotations

import re

import pytest

from lunarsite.engine import stages
from lunarsite.engine.datasets import registry
from lunarsite.engine.datasets.entries import Content
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.stages.fetch import NAMES


@pytest.fixture(params=registry.ENTRIES, ids=lambda entry: entry.name)
def entry(request):
    return request.param


def test_the_names_are_those_of_the_declaration():
    assert tuple(entry.name for entry in registry.ENTRIES) == NAMES


def test_every_data_set_says_what_it_is_for_where_it_is_and_its_terms(entry):
    for text in (entry.title, entry.use, entry.licence, entry.citation):
        assert text
        assert not text.endswith(".")
    assert entry.page.startswith("https://")
    assert bool(entry.files) != bool(entry.by_hand)
    for file in entry.files:
        assert file.url.startswith("https://")
        assert re.fullmatch(r"[\w.-]+\.(TIF|tif|zip|hdf5)", file.name)
    assert not entry.windows or len(entry.files) == 1
    assert not entry.far_field or entry.content is Content.HEIGHTS


def test_files_have_different_names_so_that_a_mirror_is_one_folder():
    names = [file.name for entry in registry.ENTRIES for file in entry.files]
    assert len(names) == len(set(names))


def test_options_that_uses_name_exist(entry):
    known = {parameter.flag for stage in stages.load_all() for parameter in stage.parameters}
    assert set(re.findall(r"--[a-z-]+", entry.use)) <= known


def test_checksums_are_of_files_that_are_listed():
    names = {file.name for entry in registry.ENTRIES for file in entry.files}
    sums = registry.checksums()
    assert set(sums) <= names
    assert all(re.fullmatch(r"md5:[0-9a-f]{32}", value) for value in sums.values())


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(ParameterError, match="The nearest is 'LDEM_80S_80MPP_ADJ'"):
        registry.find("LDEM_80S_80MPP")
