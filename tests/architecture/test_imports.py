"""The order of imports: nobody above is imported from below, and there are no circles."""

from __future__ import annotations

import pytest
from architecture import import_graph

ORDER = (
    {"engine"},
    {"engine.stages"},
    {"engine.io"},
    {
        "engine.datasets",
        "engine.terrain",
        "engine.illumination",
        "engine.uncertainty",
        "engine.training",
    },
    {"engine.synthetic"},
    {"engine.craters", "engine.segmentation"},
    {"engine.scoring"},
    {"engine.validation"},
    {"engine.report"},
    {"engine.pipelines"},
    {"engine.frontends"},
    {"qgis_common"},
    {"processing_provider"},
    {"lunarsite_plugin"},
)
"""From the bottom to the top; packages of a row may not import one another."""

LAUNCHER = "engine.launch"
"""Starts the command line from a file, and so stands above all."""


def package_of(module):
    """Return the package of a module in `ORDER`; what lies loose in the engine is its bottom."""
    if module == LAUNCHER:
        return "engine.frontends"
    parts = module.split(".")
    if parts[0] != "engine":
        return parts[0]
    inner = import_graph.ROOT / "engine" / (parts[1] if len(parts) > 1 else "")
    return ".".join(parts[:2]) if len(parts) > 1 and inner.is_dir() else "engine"


def folder_of(module):
    path = import_graph.modules()[module]
    folder = path.parent.relative_to(import_graph.ROOT).as_posix().replace("/", ".")
    return "engine.frontends" if module == LAUNCHER else folder


@pytest.fixture(scope="module")
def graph():
    return import_graph.imports()


def test_no_circles_between_modules(graph):
    assert import_graph.cycles(graph) == []


def test_no_circles_between_folders(graph):
    assert import_graph.cycles(import_graph.between(graph, folder_of)) == []


def test_packages_import_only_from_below(graph):
    rank = {package: row for row, packages in enumerate(ORDER) for package in packages}
    against = [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in others
        if package_of(module) != package_of(other)
        and rank[package_of(other)] >= rank[package_of(module)]
    ]
    assert against == []


def test_every_package_has_its_place_in_the_order(graph):
    placed = set().union(*ORDER)
    assert {package_of(module) for module in graph} == placed


def test_private_modules_stay_in_their_folder(graph):
    strays = [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in others
        if other.rpartition(".")[2].startswith("_")
        and not module.startswith(other.rpartition(".")[0])
    ]
    assert strays == []


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({"a": {"b"}, "b": {"a"}, "c": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        (
            {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"e"}, "e": {"d"}},
            [["a", "b", "c"], ["d", "e"]],
        ),
    ],
)
def test_circles_are_found(graph, expected):
    assert import_graph.cycles(graph) == expected
