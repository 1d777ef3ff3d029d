"""Reading of YAML that people write: small, without aliases, each key once, numbers as in YAML 1.2.

One reader for criteria profiles and training recipes. What it returns are texts, finite numbers,
truth values, None, lists, and mappings with texts as keys.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, ClassVar

import yaml
from yaml import YAMLError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["AmbiguousNumberError", "ContentError", "DuplicateKeyError", "YAMLError", "read"]

_MOST_BYTES = 2**20
_DEEPEST = 20
_FLOAT = "tag:yaml.org,2002:float"
_FLOAT_1_2 = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)$")
"""Numbers with an exponent: YAML 1.1 takes 1e-9, without point and sign, for text."""

_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "seq", "map")
)

_AMBIGUOUS = re.compile(r"[-+]?0[0-9_]+|.*:.*")
"""What YAML 1.1 takes for octal and for sexagesimal numbers."""


class ContentError(Exception):
    """What a file holds is not read, though it may be YAML.

    Parameters
    ----------
    problem : str
        What it has or is, to follow the name of the file.
    remedy : str
        How to fix it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


class DuplicateKeyError(ContentError):
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
        super().__init__(f"has the key {key} twice, on {where}", f"Keep one {key}")


class AmbiguousNumberError(ContentError):
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
        super().__init__(
            f"has the number {text} on line {line}, which YAML reads as {value:g}",
            f"Write it without a leading zero or a colon, or put {text} in quotes",
        )


class _StrictLoader(yaml.SafeLoader):
    """The safe loader, which would follow aliases, and keep the last of two equal keys."""

    # Dates stay text: none of our files has a key for one.
    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {  # type: ignore[misc]  # one of the class there too
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise ContentError(f"has an alias (*) on line {line}", "Write out what it stands for")
        if self._depth == _DEEPEST:
            raise ContentError(
                f"is nested more than {_DEEPEST} deep on line {line}", "Write it with less nesting"
            )
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and node.tag not in _TAGS and node.tag != _MERGE:
            raise ContentError(
                f"has the tag {node.tag.rpartition(':')[2]} on line {line}",
                "Write texts, numbers, lists and mappings only",
            )
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  as in PyYAML
        line = node.start_mark.line + 1
        try:
            value = super().construct_object(node, deep)
            finite = not _is_number(value) or math.isfinite(value)
        except (OverflowError, ValueError) as error:  # of thousands of digits, or 0x without any
            raise _no_number(str(node.value), line) from error
        if not finite:
            raise _no_number(str(node.value), line)
        if _is_number(value) and _AMBIGUOUS.fullmatch(str(node.value)):
            raise AmbiguousNumberError(str(node.value), value, line)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  as in PyYAML
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or not key.tag.endswith((":str", ":merge")):
                shown = key.value if isinstance(key, yaml.ScalarNode) else "a list or a mapping"
                raise ContentError(
                    f"has {str(shown)[:40]} as a key on line {line}", "Write keys as text"
                )
            if key.value != "<<":
                if key.value in seen:
                    raise DuplicateKeyError(key.value, (seen[key.value], line))
                seen[key.value] = line
        return super().construct_mapping(node, deep)


_MERGE = "tag:yaml.org,2002:merge"
_StrictLoader.add_implicit_resolver(_FLOAT, _FLOAT_1_2, list("-+.0123456789"))


def read(path: Path) -> Any:
    """Return the content of a YAML file in UTF-8.

    Raises
    ------
    ContentError
        If it is larger than 1 MiB or cannot be read, if a key stands twice or is no text, if a
        number is not finite or is read as another one than is written, and for aliases, tags and
        deep nesting.
    YAMLError, UnicodeDecodeError
        If it is not YAML in UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ContentError(
            f"cannot be read: {error.strerror or error}", "Check the path and its permissions"
        ) from error
    if len(content) > _MOST_BYTES:
        raise ContentError(
            f"is larger than {_MOST_BYTES // 2**20} MiB", "Give a file that people can read"
        )
    loader = _StrictLoader(content.decode("utf-8-sig"))
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _no_number(text: str, line: int) -> ContentError:
    return ContentError(
        f"has {text[:40]} on line {line}, which is no number of a finite size",
        "Write a number in range, or put the text in quotes",
    )
