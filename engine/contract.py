"""What a stage declares, once, for all its faces.

Standard library only: QGIS's own interpreter imports this module and the declarations in
``engine/stages``. The command line, the worker and the QGIS toolbox are derived from them.
"""

from __future__ import annotations

import datetime as dt
import difflib
import importlib
import math
import os
import reprlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import output_paths
from lunarsite.engine.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lunarsite.engine.context import Context

Values = dict[str, Any]


class Kind(StrEnum):
    """What a parameter or an output is, in terms that every face can show."""

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


PATH_KINDS = frozenset({Kind.RASTER, Kind.VECTOR, Kind.TABLE, Kind.FILE, Kind.FOLDER, Kind.PICTURE})


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a stage.

    Parameters
    ----------
    name : str
        Name in Python and in JSON, with its unit at the end: ``mast_height_m``. The command
        line writes it ``--mast-height-m``.
    kind : Kind
        What is expected.
    title : str
        Short label for a dialog.
    help : str
        One or two sentences.
    default : object
        Value where none is given; None means "not given".
    required : bool
        Whether the stage cannot start without it.
    unit : str
        Unit symbol, empty for none.
    minimum, maximum : float or None
        Closed range of a number.
    choices : tuple of str
        What a CHOICE may be.
    many : bool
        Whether it takes a list.
    advanced : bool
        Whether dialogs fold it away.
    output : bool
        Whether the path is written (an output folder or file), not read.
    geometry : str
        What the features of a VECTOR must be: ``point`` or ``polygon``. Empty for any.
    endings : tuple of str
        What such a file's name ends with: ``.csv``. Dialogs filter by it, and what is written
        must end so. Empty for any.
    files : tuple of str
        Of a FOLDER that is read: patterns of the files in it that are, such as ``*.tif``. They
        are not written over.
    """

    name: str
    kind: Kind
    title: str
    help: str
    default: Any = None
    required: bool = False
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    many: bool = False
    advanced: bool = False
    output: bool = False
    geometry: str = ""
    endings: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """The option's name on the command line."""
        return "--" + self.name.replace("_", "-")

    def parse(self, value: Any) -> Any:
        """Return ``value`` in the parameter's own type, or raise what is wrong with it.

        Raises
        ------
        ParameterError
            If the value is of another kind, out of range or not among the choices.
        """
        if self.many:
            items = list(value) if isinstance(value, list | tuple) else [value]
            return [self._parse_one(item) for item in items]
        if isinstance(value, list | tuple):
            raise self._error(value, "takes one value, not a list", "Give a single value")
        return self._parse_one(value)

    def as_dict(self) -> Values:
        """Return the declaration as JSON."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "title": self.title,
            "help": self.help,
            "default": self.default,
            "required": self.required,
            "unit": self.unit,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "choices": list(self.choices),
            "many": self.many,
            "advanced": self.advanced,
            "output": self.output,
            "geometry": self.geometry,
            "endings": list(self.endings),
            "files": list(self.files),
        }

    def _parse_one(self, value: Any) -> Any:
        if self.kind in PATH_KINDS:
            return self._parse_path(value)
        if self.kind in (Kind.NUMBER, Kind.INTEGER):
            return self._parse_number(value)
        if self.kind is Kind.BOOLEAN:
            return self._parse_boolean(value)
        if self.kind is Kind.CHOICE:
            if value not in self.choices:
                listed = ", ".join(self.choices)
                raise self._error(value, "is not one of the choices", f"Choose one of: {listed}")
            return value
        if self.kind is Kind.DATE:
            return self._parse_date(value)
        if not isinstance(value, str):
            raise self._error(value, "is not text", "Give a text")
        return value

    def _parse_path(self, value: Any) -> str:
        if not isinstance(value, str | Path) or not str(value):
            raise self._error(value, "is not a path", f"Give the path of a {self.kind.value}")
        try:
            fit = b"\0" not in os.fsencode(value)
        except UnicodeEncodeError:
            fit = False
        if not fit:
            raise self._error(value, "is not a path", "Use characters that a file name may have")
        return str(value)

    def _parse_number(self, value: Any) -> float | int:
        kind = "a whole number" if self.kind is Kind.INTEGER else "a number"
        if isinstance(value, bool):
            raise self._error(value, f"is not {kind}", f"Give {kind}")
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise self._error(value, f"is not {kind}", f"Give {kind}") from None
        if not math.isfinite(number):
            raise self._error(value, "is not finite", f"Give {kind}")
        low, high = self.minimum, self.maximum
        if (low is not None and number < low) or (high is not None and number > high):
            unit = f" {self.unit}" if self.unit else ""
            ends = [
                f"at least {low:g}{unit}" if low is not None else "",
                f"at most {high:g}{unit}" if high is not None else "",
            ]
            limit = " and ".join(end for end in ends if end)
            raise self._error(value, f"is out of range: it must be {limit}", f"Give {kind} {limit}")
        if self.kind is Kind.INTEGER:
            if number != int(number):
                raise self._error(value, "is not a whole number", "Give a whole number")
            return int(number)
        return number

    def _parse_boolean(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        raise self._error(value, "is neither true nor false", "Give true or false")

    def _parse_date(self, value: Any) -> str:
        if isinstance(value, dt.date):
            return value.isoformat()[:10]
        try:
            return dt.date.fromisoformat(str(value)).isoformat()
        except ValueError:
            raise self._error(value, "is not a date", "Write it as YYYY-MM-DD") from None

    def _error(self, value: Any, problem: str, remedy: str) -> ParameterError:
        return ParameterError(f"{self.flag}: {reprlib.repr(value)} {problem}", remedy)


@dataclass(frozen=True, kw_only=True)
class Output:
    """One thing a stage leaves behind.

    ``path`` is relative to the stage's ``out`` folder, or empty where the ``out`` parameter is the
    file itself. ``style`` names a QML file in ``resources/styles``. An ``optional`` output is
    there only if the inputs allow it.
    """

    name: str
    kind: Kind
    title: str
    help: str
    path: str = ""
    unit: str = ""
    style: str = ""
    optional: bool = False

    def as_dict(self) -> Values:
        """Return the declaration as JSON."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "title": self.title,
            "help": self.help,
            "path": self.path,
            "unit": self.unit,
            "style": self.style,
            "optional": self.optional,
        }


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The declaration of a stage.

    Its pipeline, the module of the same name in ``engine/pipelines`` unless ``module`` names
    another, holds a function ``run(values, context)`` that returns a JSON-able result. It is
    imported by :meth:`run` only, so that declarations can be read without the engine's libraries.
    """

    name: str
    title: str
    group: str
    summary: str
    help: str
    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...] = ()
    tags: tuple[str, ...] = ()
    module: str = ""

    @property
    def pipeline(self) -> str:
        """The module that does the stage's work."""
        return self.module or f"lunarsite.engine.pipelines.{self.name.replace('-', '_')}"

    def parameter(self, name: str) -> Parameter:
        """Return the parameter of that name."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise unknown_name("parameter", name, [p.name for p in self.parameters])

    def resolve(self, given: Mapping[str, Any]) -> Values:
        """Return all parameters with their values: those given, checked, and the defaults.

        Raises
        ------
        ParameterError
            For an unknown name, a missing required value, or a value that does not fit.
        """
        for name in given:
            self.parameter(name)
        absent = [p for p in self.parameters if p.required and given.get(p.name) is None]
        if absent:
            raise ParameterError(
                f"{self.name} needs " + " and ".join(f"{p.flag} ({p.title})" for p in absent),
                "Add " + " ".join(f"{p.flag} VALUE" for p in absent),
            )
        values: Values = {}
        for parameter in self.parameters:
            value = given.get(parameter.name)
            if value is None:
                default = parameter.default
                values[parameter.name] = list(default) if isinstance(default, tuple) else default
            else:
                values[parameter.name] = parameter.parse(value)
        return values

    def run(self, given: Mapping[str, Any], context: Context) -> Values:
        """Check the parameters and do the stage's work."""
        values = self.resolve(given)
        self._check_files(values)
        pipeline = importlib.import_module(self.pipeline)
        result: Values = pipeline.run(values, context)
        return result

    def _check_files(self, values: Values) -> None:
        """Raise if a file to write is a folder or one that is read, or could not be written."""
        to_write: dict[str, str] = {}
        read: dict[str, list[str]] = {}
        folders: list[Path] = []
        for parameter in self.parameters:
            value = values[parameter.name]
            if parameter.kind not in PATH_KINDS or not value:
                continue
            whole = parameter.kind is Kind.FOLDER
            if not parameter.output:
                read[parameter.flag] = value if parameter.many else [value]
                if whole:
                    found = (Path(value).glob(pattern) for pattern in parameter.files)
                    read[parameter.flag] = [str(path) for paths in found for path in paths]
            elif whole:
                folders.append(Path(value))
                if parameter.name == "out":
                    to_write |= self._inside(value)
            else:
                folders.append(Path(value).parent)
                to_write[parameter.flag] = value
        output_paths.check(to_write, read)
        for parameter in self.parameters:
            if parameter.flag in to_write and parameter.endings:
                output_paths.check_ending(parameter.flag, values[parameter.name], parameter.endings)
        for folder in folders:
            output_paths.check_folder(folder)

    def _inside(self, folder: str) -> dict[str, str]:
        """Return the files that are written into the output folder, by what messages call them."""
        return {
            f"{output.path} in --out": str(Path(folder) / output.path)
            for output in self.outputs
            if output.path and output.kind is not Kind.FOLDER
        }

    def as_dict(self) -> Values:
        """Return the declaration as JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "group": self.group,
            "summary": self.summary,
            "help": self.help,
            "parameters": [parameter.as_dict() for parameter in self.parameters],
            "outputs": [output.as_dict() for output in self.outputs],
            "tags": list(self.tags),
        }


COMMON: tuple[Parameter, ...] = (
    Parameter(
        name="threads",
        kind=Kind.INTEGER,
        title="Threads",
        help="How many cores to work on; all of them where it is not given.",
        minimum=1,
        maximum=1024,
        advanced=True,
    ),
    Parameter(
        name="memory_limit_gib",
        kind=Kind.NUMBER,
        title="Memory limit",
        help="What may be held in memory; larger work arrays go to files beside the output.",
        default=4.0,
        unit="GiB",
        minimum=0.25,
        maximum=4096,
        advanced=True,
    ),
    Parameter(
        name="device",
        kind=Kind.CHOICE,
        title="Device",
        help="Where networks run: the GPU if a tensor operation works on it, or as told.",
        default="auto",
        choices=("auto", "cpu", "cuda"),
        advanced=True,
    ),
)
"""Options that every stage takes, whatever it does."""


def unknown_name(what: str, name: str, known: list[str]) -> ParameterError:
    """Return the error for a name nobody declared, with the nearest known one."""
    name = name[:80]  # a program may send anything
    near = difflib.get_close_matches(name, known, n=1)
    remedy = f"The nearest is {near[0]!r}" if near else "Choose one of: " + ", ".join(sorted(known))
    return ParameterError(f"There is no {what} {name!r}", remedy)
