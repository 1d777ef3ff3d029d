"""QGIS's Python is given nothing but what it has: the standard library, QGIS, and our own."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QGIS_SIDE = sorted(
    path
    for package in ("lunarsite_plugin", "processing_provider", "qgis_common")
    for path in (ROOT / package).rglob("*.py")
)
SHARED = [
    ROOT / "engine" / f"{name}.py"
    for name in (
        "__init__",
        "_parameter_values",
        "atomic",
        "contract",
        "errors",
        "file_names",
        "input_versions",
        "launch",
        "output_paths",
        "scoring/features/columns",
        "text",
    )
] + sorted((ROOT / "engine" / "stages").glob("*.py"))
OWN = (
    "lunarsite.engine._parameter_values",
    "lunarsite.engine.atomic",
    "lunarsite.lunarsite_plugin",
    "lunarsite.processing_provider",
    "lunarsite.engine.contract",
    "lunarsite.engine.errors",
    "lunarsite.engine.file_names",
    "lunarsite.engine.input_versions",
    "lunarsite.engine.stages",
    "lunarsite.engine.output_paths",
    "lunarsite.engine.scoring.features.columns",
    "lunarsite.engine.text",
    "lunarsite.qgis_common",
)
"""What QGIS's Python may import of the package."""


def imports(source, *, everywhere):
    """Return the modules that are imported with their line, for the checker of types left out.

    ``everywhere`` counts imports inside functions too.
    """
    found, waiting = [], list(ast.parse(source).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
        elif everywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)
    return found


def strangers(source, *, everywhere, also=()):
    """Return what a module imports that QGIS's Python need not have."""
    known = {*sys.stdlib_module_names, *also}
    return [
        f"line {line}: {name}"
        for name, line in imports(source, everywhere=everywhere)
        if name.partition(".")[0] not in known
        and not any(name == own or name.startswith(f"{own}.") for own in OWN)
    ]


@pytest.mark.parametrize("path", QGIS_SIDE, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_qgis_side_imports_only_what_qgis_has(path):
    source = path.read_text("utf-8")
    assert strangers(source, everywhere=True, also={"qgis", "processing"}) == []
    # QGIS's toolbox brings numpy along and is not there at every start.
    assert "processing" not in {
        name.partition(".")[0] for name, _ in imports(source, everywhere=False)
    }


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.stem)
def test_what_both_sides_read_needs_the_standard_library_alone(path):
    assert strangers(path.read_text("utf-8"), everywhere=False) == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import numpy as np", ["line 1: numpy"]),
        ("def f():\n    from torch import nn", ["line 2: torch.nn"]),
        ("from lunarsite.engine import horizon", ["line 1: lunarsite.engine.horizon"]),
        ("from lunarsite.engine.contracts import x", ["line 1: lunarsite.engine.contracts.x"]),
        ("try:\n    import osgeo\nexcept ImportError:\n    pass", ["line 2: osgeo"]),
    ],
)
def test_a_stranger_is_noticed(source, said):
    assert strangers(source, everywhere=True, also={"qgis"}) == said


def test_what_only_types_need_is_nobodys_import():
    source = "if TYPE_CHECKING:\n    import numpy\nfrom lunarsite.engine import stages\nimport json"
    assert strangers(source, everywhere=True) == []
