"""The imports of the package, read from its source: which module needs which.

Imports count wherever they stand: at the top, inside functions, and for the type checker alone.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("engine", "qgis_common", "processing_provider", "lunarsite_plugin")


@cache
def modules(root: Path = ROOT) -> dict[str, Path]:
    """Return the modules of the package by dotted name, without the leading ``lunarsite.``."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path = ROOT) -> dict[str, set[str]]:
    """Return, for every module, the modules of the package that it imports."""
    known = modules(root)
    return {name: _imported(path, known) - {name} for name, path in known.items()}


def _imported(path: Path, known: dict[str, Path]) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lunarsite."):
            source = str(node.module).removeprefix("lunarsite.")
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                found.add(inner if inner in known else source)
    return found & set(known)


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one node (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = []
            while not component or component[-1] != node:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for node in graph:
        if node not in index:
            visit(node)
    return sorted(found)


def between(graph: dict[str, set[str]], place) -> dict[str, set[str]]:
    """Return the graph of the groups that ``place`` puts modules into."""
    grouped: dict[str, set[str]] = {}
    for name, others in graph.items():
        mine = place(name)
        grouped.setdefault(mine, set()).update(place(other) for other in others)
        grouped[mine].discard(mine)
    return grouped
