"""Kinds of parameters, and the parsing of their values. Standard library only."""

from __future__ import annotations

import datetime as dt
import math
import os
import re
import reprlib
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from lunarsite.engine.errors import ParameterError

_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d*,\d+(?:[eE][-+]?\d+)?\s*")
_THOUSANDS = re.compile(r"\s*[-+]?[1-9]\d{0,2},\d{3}\s*")


class Kind(StrEnum):
    """Type of a parameter or an output, which every front end can present."""

    RASTER = "raster"
    VECTOR = "vector"
    TABLE = "table"
    FILE = "file"
    FOLDER = "folder"
    PICTURE = "picture"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    DATE = "date"
    TEXT = "text"
    AREA = "area"
    """A layer with polygons, edges on the map, or a centre and a radius."""


PATH_KINDS = frozenset({Kind.RASTER, Kind.VECTOR, Kind.TABLE, Kind.FILE, Kind.FOLDER, Kind.PICTURE})


class Constraints(Protocol):
    """The part of a parameter's declaration that constrains its values."""

    @property
    def flag(self) -> str:
        """Name in messages."""
        ...

    @property
    def kind(self) -> Kind:
        """Type of the value."""
        ...

    @property
    def unit(self) -> str:
        """Unit of a number, empty for none."""
        ...

    @property
    def minimum(self) -> float | None:
        """Least value of a number, inclusive."""
        ...

    @property
    def maximum(self) -> float | None:
        """Greatest value of a number, inclusive."""
        ...

    @property
    def choices(self) -> tuple[str, ...]:
        """Valid values of a CHOICE."""
        ...


def parse_value(parameter: Constraints, value: Any) -> Any:
    """Return a single value in the type of its parameter.

    Parameters
    ----------
    parameter : Constraints
        Kind, range and choices.
    value : object
        From the command line, JSON or Python.

    Returns
    -------
    str, float, int or bool
        Paths and dates as text.

    Raises
    ------
    ParameterError
        If the value is of the wrong type, out of range or not among the choices.
    """
    if parameter.kind in PATH_KINDS:
        return _parse_path(parameter, value)
    if parameter.kind in (Kind.NUMBER, Kind.INTEGER):
        return _parse_number(parameter, value)
    if parameter.kind is Kind.BOOLEAN:
        return _parse_boolean(parameter, value)
    if parameter.kind is Kind.CHOICE:
        return _parse_choice(parameter, value)
    if parameter.kind is Kind.DATE:
        return _parse_date(parameter, value)
    if not isinstance(value, str):
        raise value_error(parameter, value, "is not text", "Give a text")
    return value


def value_error(parameter: Constraints, value: Any, problem: str, remedy: str) -> ParameterError:
    """Return the error for an invalid value."""
    return ParameterError(f"{parameter.flag}: {reprlib.repr(value)} {problem}", remedy)


def _parse_path(parameter: Constraints, value: Any) -> str:
    if not isinstance(value, str | Path) or not str(value):
        remedy = f"Give the path of a {parameter.kind.value}"
        raise value_error(parameter, value, "is not a path", remedy)
    try:
        valid = b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        valid = False
    if not valid:
        remedy = "Use characters that are allowed in file names"
        raise value_error(parameter, value, "is not a path", remedy)
    try:
        str(value).encode()
    except UnicodeEncodeError:
        remedy = "Rename the file or the folder: GDAL opens names in UTF-8 only"
        raise value_error(parameter, value, "is a name that is not UTF-8", remedy) from None
    return _local(str(value))


def _local(text: str) -> str:
    """Return a path for the address of a local file, and with the home folder for ``~``."""
    if text.lower().startswith("file://"):
        address = urlsplit(text)
        if address.netloc in ("", "localhost"):
            path = unquote(address.path)
            return path.lstrip("/") if os.name == "nt" else path
    if text.startswith("~") and not Path(text).exists():
        return os.path.expanduser(text)  # noqa: PTH111  pathlib raises for unknown users
    return text


def _parse_number(parameter: Constraints, value: Any) -> float | int:
    integer = parameter.kind is Kind.INTEGER
    expected = "a whole number" if integer else "a number"
    if isinstance(value, bool):
        raise value_error(parameter, value, f"is not {expected}", f"Give {expected}")
    try:
        number = float(_with_point(value) if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        remedy = f"Give {expected}"
        if isinstance(value, str) and "," in value:
            remedy += ", with a decimal point and without separators of thousands"
        raise value_error(parameter, value, f"is not {expected}", remedy) from None
    if not math.isfinite(number):
        raise value_error(parameter, value, "is not finite", f"Give {expected}")
    low, high = parameter.minimum, parameter.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        unit = f" {parameter.unit}" if parameter.unit else ""
        ends = [
            f"at least {low:g}{unit}" if low is not None else "",
            f"at most {high:g}{unit}" if high is not None else "",
        ]
        limits = " and ".join(end for end in ends if end)
        problem = f"is out of range: it must be {limits}"
        raise value_error(parameter, value, problem, f"Give {expected} {limits}")
    if not integer:
        return number
    if number != int(number):
        raise value_error(parameter, value, "is not a whole number", "Give a whole number")
    return int(number)


def _with_point(text: str) -> str:
    """Return a number as text with a decimal point; 1,234 may be either number and stays."""
    plain = text.replace("−", "-").replace("\u066b", ".")
    if _DECIMAL_COMMA.fullmatch(plain) and not _THOUSANDS.fullmatch(plain):
        return plain.replace(",", ".")
    return plain


def _parse_boolean(parameter: Constraints, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise value_error(parameter, value, "is neither true nor false", "Give true or false")


def _parse_choice(parameter: Constraints, value: Any) -> Any:
    if value not in parameter.choices:
        listed = ", ".join(parameter.choices)
        raise value_error(parameter, value, "is not one of the choices", f"Choose one of: {listed}")
    return value


def _parse_date(parameter: Constraints, value: Any) -> str:
    if isinstance(value, dt.date):
        return value.isoformat()[:10]
    try:
        return dt.date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise value_error(parameter, value, "is not a date", "Write it as YYYY-MM-DD") from None
