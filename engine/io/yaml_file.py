"""Reading of YAML in which no key stands twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml
from yaml import YAMLError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["AmbiguousNumberError", "DuplicateKeyError", "YAMLError", "read"]

_AMBIGUOUS = re.compile(r"[-+]?0[0-9_]+|.*:.*")
"""What YAML 1.1 takes for octal and for sexagesimal numbers."""


class DuplicateKeyError(Exception):
    """A key stands twice in a mapping.

    Parameters
    ----------
    key : str
        The key.
    lines : tuple of int
        Where, from 1.
    """

    def __init__(self, key: str, lines: tuple[int, int]) -> None:
        first, second = lines
        where = f"line {first}" if first == second else f"lines {first} and {second}"
        super().__init__(f"has the key {key} twice, on {where}")
        self.remedy = f"Keep one {key}"


class AmbiguousNumberError(Exception):
    """A number that YAML reads as another one: 010 as 8, and 1:30 as 90.

    Parameters
    ----------
    text : str
        The number as it is written.
    value : int or float
        What YAML reads.
    line : int
        Where, from 1.
    """

    def __init__(self, text: str, value: float, line: int) -> None:
        super().__init__(f"has the number {text} on line {line}, which YAML reads as {value:g}")
        self.remedy = f"Write it without a leading zero or a colon, or put {text} in quotes"


class _UniqueKeyLoader(yaml.SafeLoader):
    """The safe loader, which would keep the last of two equal keys without a word."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  as in PyYAML
        value = super().construct_object(node, deep)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and _AMBIGUOUS.fullmatch(str(node.value)):
            raise AmbiguousNumberError(str(node.value), value, node.start_mark.line + 1)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  as in PyYAML
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise DuplicateKeyError(key.value, (seen[key.value], line))
                seen[key.value] = line
        return super().construct_mapping(node, deep)


def read(path: Path) -> Any:
    """Return the content of a YAML file in UTF-8.

    Raises
    ------
    DuplicateKeyError
        If a key stands twice in one mapping.
    AmbiguousNumberError
        If YAML reads another number than is written.
    YAMLError, UnicodeDecodeError, ValueError
        If it is not YAML in UTF-8.
    """
    loader = _UniqueKeyLoader(path.read_text(encoding="utf-8-sig"))
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
