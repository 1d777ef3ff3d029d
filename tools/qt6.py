"""Checks that code for QGIS is compatible with both Qt 5 and Qt 6.

    .venv/bin/python tools/qt6.py

This is a static check, so neither version is needed. The rules are taken from QGIS's
``pyqt5_to_pyqt6.py`` and from the modules in ``qgis.PyQt``.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("lunarsite_plugin", "processing_provider", "qgis_common", "tools", "tests/qgis")
BINDINGS = frozenset({"PyQt4", "PyQt5", "PyQt6", "PySide2", "PySide6", "sip"})
MODULES = frozenset({"QtCore", "QtGui", "QtWidgets", "QtNetwork", "QtXml", "QtSvg", "QtTest"})
MOVED = frozenset({"QAction", "QActionGroup", "QShortcut"})
REMOVED = {
    "QRegExp": "use QRegularExpression",
    "QDesktopWidget": "use QScreen",
    "QTextCodec": "Python reads and writes text",
    "QGLWidget": "use QOpenGLWidget",
    "QStringRef": "use str",
    "QSignalMapper": "connect to a function of the caller's",
    "QtWebKit": "there is no web engine to rely on",
    "QtWebKitWidgets": "there is no web engine to rely on",
    "qApp": "use QApplication.instance()",
}
"""Names that do not exist in Qt 6 or PyQt6."""
METHODS = {
    "exec_": "use exec",
    "toTime_t": "use toSecsSinceEpoch",
    "setTime_t": "use setSecsSinceEpoch",
    "fromTime_t": "use fromSecsSinceEpoch",
    "setTabStopWidth": "use setTabStopDistance",
    "setResizeMode": "use setSectionResizeMode",
    "globalX": "use globalPos of what both have",
    "globalY": "use globalPos of what both have",
    "localPos": "use pos",
    "windowPos": "use pos",
    "screenPos": "use pos",
    "AA_EnableHighDpiScaling": "Qt 6 always scales",
    "AA_UseHighDpiPixmaps": "Qt 6 always scales",
    "MidButton": "use MiddleButton",
}
"""Members that do not exist in Qt 6 or PyQt6."""
ENDINGS = ("Type", "Flag", "ColorRole")
"""Suffixes of the names of enumerations, but hardly ever of their members."""


def problems(source: str) -> list[tuple[int, str]]:
    """Return the problems in a module: line numbers and messages."""
    tree = ast.parse(source)
    above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    types = _in_annotations(tree)
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += [(node.lineno, text) for text in _imports(node)]
        elif isinstance(node, ast.Attribute):
            found += [(node.lineno, text) for text in _attribute(node, above, types)]
        elif isinstance(node, ast.Call):
            found += [(node.lineno, text) for text in _call(node)]
        elif isinstance(node, ast.FunctionDef) and node.name == "exec_":
            found.append((node.lineno, "exec_ is gone: use exec"))
    return sorted(found)


def scoped(source: str) -> Iterator[list[str]]:
    """Yield the fully scoped enumeration members, like Qt, AlignmentFlag, AlignLeft."""
    for node in ast.walk(ast.parse(source)):
        names = _chain(node) if isinstance(node, ast.Attribute) else []
        if len(names) == 3 and _is_class(names[0]) and all(_is_name(name) for name in names[1:]):
            yield names


def modules() -> list[Path]:
    """Return the modules that run in QGIS."""
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
    for name in [module, *(alias.name for alias in node.names)]:
        top = name.partition(".")[0]
        if top in BINDINGS and module != "qgis.PyQt":
            yield f"{name} is one binding's own: import from qgis.PyQt"
        last = name.rpartition(".")[2]
        if last.endswith("_rc"):
            yield f"{name} is a compiled resource: load the file by its path"
        if last in REMOVED:
            yield f"{last} is gone: {REMOVED[last]}"
        if module == "qgis.PyQt.QtGui" and name in MOVED:
            yield f"{name} is in QtGui from QGIS 3.34.3 on only: import it from qgis.PyQt.QtWidgets"
    if module == "qgis.PyQt.Qt":
        yield "qgis.PyQt.Qt is gone: import from qgis.PyQt.QtCore"


def _attribute(
    node: ast.Attribute, above: dict[ast.AST, ast.AST], types: set[ast.AST]
) -> Iterator[str]:
    if node.attr in METHODS:
        yield f"{node.attr} is gone: {METHODS[node.attr]}"
        return
    names = _chain(node)
    if not names or not _is_class(names[0]) or isinstance(above.get(node), ast.Attribute):
        return
    if names[0] == "QVariant":
        yield f"{'.'.join(names)} is gone: use QMetaType.Type, or a Python value"
    elif len(names) == 2 and names[1] == "desktop":
        yield f"{'.'.join(names)} is gone: use QScreen"
    elif (
        len(names) == 2
        and _is_name(names[1])
        and not names[1].endswith(ENDINGS)
        and not _is_type(node, above, types)
    ):
        yield f"{'.'.join(names)} is not scoped: name the enumeration between the two"


def _call(node: ast.Call) -> Iterator[str]:
    """Yield problems of calls that only work in Qt 5."""
    called = node.func
    if isinstance(called, ast.Name) and called.id == "QVariant":
        yield "QVariant() is not a type in PyQt6: use qgis.core.NULL, or a Python value"
    if isinstance(called, ast.Name) and called.id == "QDateTime" and len(node.args) >= 6:
        yield "QDateTime takes a date and a time: QDateTime(QDate(…), QTime(…))"
    if isinstance(called, ast.Attribute) and called.attr == "width":
        of = called.value
        inner = of.func if isinstance(of, ast.Call) else None
        name = getattr(inner, "attr", getattr(inner, "id", ""))
        if name in {"fontMetrics", "QFontMetrics", "QFontMetricsF"}:
            yield "QFontMetrics.width is gone: use horizontalAdvance"


def _chain(node: ast.Attribute) -> list[str]:
    """Return the names in a dotted expression without Qt modules; empty for other expressions."""
    names: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute):
        names.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name):
        return []
    names.append(inner.id)
    names.reverse()
    return names[1:] if names[0] in MODULES else names


def _is_class(name: str) -> bool:
    """Return whether a name is a class or namespace of Qt or QGIS."""
    return name in {"Qt", "Qgis"} or (name[:1] == "Q" and name[1:2].isupper()) or name[:3] == "Qgs"


def _is_name(name: str) -> bool:
    """Return whether a name looks like an enumeration or one of its members."""
    return name[:1].isupper() and (not name.isupper() or len(name) == 1)


def _is_type(node: ast.Attribute, above: dict[ast.AST, ast.AST], types: set[ast.AST]) -> bool:
    """Return whether the enumeration itself is used, in a call or as a type."""
    user = above.get(node)
    if isinstance(user, ast.Call):
        name = getattr(user.func, "attr", getattr(user.func, "id", ""))
        return user.func is node or name in {"pyqtSignal", "pyqtSlot", "isinstance"}
    return node in types or isinstance(user, ast.For | ast.comprehension)


def _in_annotations(tree: ast.AST) -> set[ast.AST]:
    annotations = [
        part
        for node in ast.walk(tree)
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if isinstance(part, ast.AST)
    ]
    return {node for part in annotations for node in ast.walk(part)}


def main() -> int:
    """Check all modules, and look for compiled resources."""
    found = [
        f"{path.relative_to(ROOT)}:{line} {text}"
        for path in modules()
        for line, text in problems(path.read_text("utf-8"))
    ]
    for folder in (*FOLDERS, "resources"):
        found += [
            f"{path.relative_to(ROOT)} is or makes a compiled resource"
            for path in (ROOT / folder).rglob("*")
            if path.suffix == ".qrc" or path.name.endswith("_rc.py")
        ]
    for each in found:
        sys.stderr.write(f"qt6: {each}\n")
    sys.stdout.write(f"qt6: {len(modules())} modules, {len(found)} problems\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
