"""Tables of text: CSV with commas, semicolons or tabs, in any common encoding."""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd

from lunarsite.engine.errors import InputError
from lunarsite.engine.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ENDINGS = (".csv", ".tsv", ".tab", ".txt")
_MAPINFO = b"!table"
"""Start of a layer of MapInfo, whose extension is ``.tab`` as well."""

_SEPARATORS = (",", ";", "\t", "|")
_DECLARATION = re.compile(
    r"(?P<quote>\"?)sep=(?P<separator>.)(?P=quote)[ ,;\t]*(?=[\r\n])", re.IGNORECASE
)
"""The first line by which Excel is told the separator."""

_SAMPLE_LINES = 50
_SAMPLE_CHARACTERS = 100_000
_NAMES = ("name", "region", "label", "title")
"""Columns that are text whatever they hold."""

_HEADER_FIRST = "Let the names of the columns be the first line, and remove what stands above"
_SEPARATED = (
    "Write decimals with a point, or separate the columns by semicolons; put texts that contain "
    "the separator in double quotes"
)

_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f]")


def is_text(file: Path) -> bool:
    """Return whether a file is a table of text, by its extension and its start."""
    if file.suffix.lower() not in _ENDINGS:
        return False
    with file.open("rb") as start:
        return start.read(len(_MAPINFO)).lower() != _MAPINFO


def read_csv(file: Path, what: str) -> pd.DataFrame:
    """Read a table of text with a header line.

    The separator is the one that divides header and rows into equally many columns. Text is UTF-8
    or UTF-16 if it is valid as such, and else Windows-1252, the superset of Latin-1.

    Parameters
    ----------
    file : Path
        The table.
    what : str
        Its name in messages.

    Returns
    -------
    DataFrame
        Numbers with decimal points as numbers, all else as text, as are names such as ``007``
        and ``NA``. Rows without a value are left out.

    Raises
    ------
    InputError
        If it is not a table, or a row has more values than the header has columns.
    """
    text, declared = _without_declaration(_text(file, what))
    separator = declared or _separator(text)
    options: dict[str, Any] = {"sep": separator, "index_col": False, "skipinitialspace": True}
    header = _first(csv.reader(text.splitlines(), delimiter=separator, skipinitialspace=True))
    named = [name for name in header if name.strip().lower() in _NAMES]
    try:
        with warnings.catch_warnings():
            # pandas would drop the surplus values of rows, and only warn of it.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table: pd.DataFrame = pd.read_csv(io.StringIO(text), low_memory=False, **options)
            texts = pd.read_csv(
                io.StringIO(text), usecols=named, dtype=str, keep_default_na=False, **options
            )
    except pd.errors.EmptyDataError as error:
        raise InputError(
            f"{what} {file.name} is not a CSV table: it is empty",
            "Give a CSV file with a header line",
        ) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise _uneven(text, separator, file, what) from error
    for name in dict.fromkeys(named):
        table[name] = texts[name].str.strip().replace("", None)
    table = table.dropna(how="all", ignore_index=True)
    table.columns = [str(name).strip() for name in table.columns]
    _check_header(text, separator, file, what)
    return table


def _text(file: Path, what: str) -> str:
    content = file.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252", "latin-1"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _NO_TEXT.search(text):
            return text
        break
    raise InputError(
        f"{what} {file.name} is not a CSV table: it does not contain text",
        "Give a CSV file with a header line, or a vector layer with its own extension",
    )


def _without_declaration(text: str) -> tuple[str, str]:
    """Return a table without its first line where that is Excel's ``sep=;``, and what it says.

    The line stays as an empty one, so that the lines of messages are those of the file.
    """
    match = _DECLARATION.match(text)
    return (text, "") if match is None else (text[match.end() :], match["separator"])


def _separator(text: str) -> str:
    """Return the separator of a table; a comma for a single column."""
    sample = text[:_SAMPLE_CHARACTERS].splitlines()
    lines = [line for line in sample if line.strip()][:_SAMPLE_LINES]
    best, most = ",", (0, 1)
    for separator in _SEPARATORS:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator)]
        if not widths or widths[0] < 2:
            continue
        even = sum(width == widths[0] for width in widths)
        if (even, widths[0]) > most:
            best, most = separator, (even, widths[0])
    return best


def _check_header(text: str, separator: str, file: Path, what: str) -> None:
    """Raise if two columns have one name: which is meant would be a guess."""
    names = [name.strip() for name in _first(csv.reader(text.splitlines(), delimiter=separator))]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"{what} {file.name} has the column {twice} twice", "Rename or remove one of them"
        )


def _uneven(text: str, separator: str, file: Path, what: str) -> InputError:
    """Return the error for a table whose rows have more values than its header has columns."""
    rows = csv.reader(text.splitlines(), delimiter=separator)
    header = len(_first(rows))
    for row in rows:
        if len(row) > header:
            return InputError(
                f"{what} {file.name} is not a CSV table: line {rows.line_num} has {len(row)} "
                f"values for {counted(header, 'column')}",
                _HEADER_FIRST if header == 1 else _SEPARATED,
            )
    return InputError(
        f"{what} {file.name} is not a CSV table: a quoted text does not end",
        "Close the double quotes, or remove them",
    )


def _first(rows: Iterator[list[str]]) -> list[str]:
    """Return the first row that is not an empty line."""
    return next((row for row in rows if row), [])
