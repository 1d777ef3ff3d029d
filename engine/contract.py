"""Declarations of stages: parameters, outputs and help, from which all front ends are derived.

Standard library only: the interpreter of QGIS imports this module and the declarations in
``engine/stages``. The command line, the worker and the QGIS toolbox are generated from them.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import file_names, input_versions, output_paths
from lunarsite.engine._parameter_values import (
    PATH_KINDS,
    Kind,
    parse_value,
    value_error,
)
from lunarsite.engine.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lunarsite.engine.context import Context

__all__ = [
    "COMMON",
    "DRY_RUN",
    "PATH_KINDS",
    "Kind",
    "Output",
    "Parameter",
    "Stage",
    "Values",
    "unknown_name",
]

Values = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a stage.

    Parameters
    ----------
    name : str
        Name in Python and in JSON, with the unit as its suffix: ``mast_height_m``. On the command
        line it is ``--mast-height-m``.
    kind : Kind
        Type of the value.
    title : str
        Short label for a dialog.
    help : str
        One or two sentences.
    default : object
        Default value; None for no value.
    required : bool
        Whether a value must be given.
    unit : str
        Unit symbol, empty for none.
    minimum, maximum : float or None
        Closed range of a number.
    choices : tuple of str
        Valid values of a CHOICE.
    many : bool
        Whether the value is a list.
    advanced : bool
        Whether dialogs show it in the advanced section.
    output : bool
        Whether the path is an output (a folder or a file) rather than an input.
    geometry : str
        Geometry type of a VECTOR: ``point`` or ``polygon``. Empty for any.
    endings : tuple of str
        File name extensions, such as ``.csv``: the filter of dialogs, and required of outputs.
        Empty for any.
    files : tuple of str
        For an input FOLDER: patterns of the files that are read from it, such as ``*.tif``.
        Outputs must not overwrite them.
    model : str
        For an input FILE that is a trained model, which may be given by its name: ``craters``,
        ``rocks`` or ``scorer``.
    positional : bool
        Whether its value may follow the command on the command line, without the option.
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
    model: str = ""
    positional: bool = False

    @property
    def suggestions(self) -> list[str]:
        """Names of the models that may be given; none for other parameters."""
        return file_names.model_names(self.endings, self.model) if self.model else []

    @property
    def flag(self) -> str:
        """Name of the option on the command line."""
        return "--" + self.name.replace("_", "-")

    def parse(self, value: Any) -> Any:
        """Return a value in the type of the parameter.

        Parameters
        ----------
        value : object
            From the command line, JSON or Python; a list if ``many``.

        Returns
        -------
        object
            str, float, int or bool, or a list of them; paths and dates as str.

        Raises
        ------
        ParameterError
            If the value is of the wrong type, out of range or not among the choices.
        """
        if self.many:
            items = list(value) if isinstance(value, list | tuple) else [value]
            return [self._parse_one(item) for item in items]
        if isinstance(value, list | tuple):
            raise value_error(self, value, "takes one value, not a list", "Give a single value")
        return self._parse_one(value)

    def _parse_one(self, value: Any) -> Any:
        parsed = parse_value(self, value)
        return file_names.model_file(parsed, self.endings) if self.model else parsed

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
            "model": self.model,
            "positional": self.positional,
        }


@dataclass(frozen=True, kw_only=True)
class Output:
    """One output file of a stage.

    ``path`` is relative to the output folder ``out``, or empty if ``out`` is the file itself.
    ``style`` is the name of a QML file in ``resources/styles``. An ``optional`` output is only
    written if the inputs allow it.
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

    The pipeline, by default the module of the same name in ``engine/pipelines``, defines a function
    ``run(values, context)`` that returns a JSON-serialisable result. It is imported by :meth:`run`
    only, so that declarations can be read without the libraries of the engine. That of a stage that
    ``estimates`` also defines ``estimate(values, context)``, which validates the inputs and returns
    what the stage needs: the option `DRY_RUN`.
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
    estimates: bool = False

    @property
    def pipeline(self) -> str:
        """Name of the module that implements the stage."""
        return self.module or f"lunarsite.engine.pipelines.{self.name.replace('-', '_')}"

    def parameter(self, name: str) -> Parameter:
        """Return the parameter with a name, or raise `ParameterError`."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise unknown_name(
            f"parameter of {self.name} called", name, [p.name for p in self.parameters]
        )

    def resolve(self, arguments: Mapping[str, Any]) -> Values:
        """Return the values of all parameters: validated arguments and defaults.

        Parameters
        ----------
        arguments : mapping
            Values by parameter name; None for the default.

        Returns
        -------
        dict
            A value for every parameter, as returned by `Parameter.parse`.

        Raises
        ------
        ParameterError
            For an unknown name, a missing required value or an invalid value.
        """
        for name in arguments:
            self.parameter(name)
        missing = [p for p in self.parameters if p.required and arguments.get(p.name) is None]
        if missing:
            raise ParameterError(
                f"{self.name} needs " + " and ".join(f"{p.flag} ({p.title})" for p in missing),
                "Add " + " ".join(f"{p.flag} VALUE" for p in missing),
            )
        values: Values = {}
        for parameter in self.parameters:
            value = arguments.get(parameter.name)
            if value is None:
                default = parameter.default
                values[parameter.name] = list(default) if isinstance(default, tuple) else default
            else:
                values[parameter.name] = parameter.parse(value)
        return values

    def run(self, arguments: Mapping[str, Any], context: Context) -> Values:
        """Validate the arguments, validate and lock the output paths, and run the pipeline.

        Raises
        ------
        BusyError
            If another run has locked an output.
        ChangedInputError
            If an input changes during the run.
        LunarSiteError
            For any other user-correctable error.
        """
        values = self.resolve(arguments)
        self.check_files(values)
        pipeline = importlib.import_module(self.pipeline)
        folders, files = self._locks(values)
        inputs = [name for names in self.inputs(values).values() for name in names]
        with output_paths.locked(folders, files, context.warn), input_versions.watched(inputs):
            result: Values = pipeline.run(values, context)
        return result

    def estimate(self, arguments: Mapping[str, Any], context: Context) -> Any:
        """Validate the arguments, the output paths and the inputs; return what `run` would need."""
        values = self.resolve(arguments)
        self.check_files(values)
        return importlib.import_module(self.pipeline).estimate(values, context)

    def _locks(self, values: Values) -> tuple[dict[str, list[str]], list[str]]:
        """Return the output folders with the names of their files, and the other output files."""
        folders: dict[str, list[str]] = {}
        files: list[str] = []
        for parameter in self.parameters:
            value = values[parameter.name]
            if not parameter.output or not value:
                continue
            if parameter.kind is not Kind.FOLDER:
                files.append(value)
                continue
            whole = parameter.name != "out" or any(o.kind is Kind.FOLDER for o in self.outputs)
            names = [output.path for output in self.outputs if output.path]
            folders[value] = [output_paths.EVERYTHING] if whole or not names else names
            if parameter.name == "out":
                folders |= {
                    str(Path(value) / output.path): [output_paths.EVERYTHING]
                    for output in self.outputs
                    if output.kind is Kind.FOLDER and output.path
                }
        return folders, files

    def check_files(self, values: Values) -> None:
        """Raise if an output path is a folder, an input or not writable."""
        outputs: dict[str, str] = {}
        output_folders: list[Path] = []
        for parameter in self.parameters:
            value = values[parameter.name]
            if parameter.kind not in PATH_KINDS or not value or not parameter.output:
                continue
            if parameter.kind is Kind.FOLDER:
                output_folders.append(Path(value))
                if parameter.name == "out":
                    outputs |= self._outputs_in(value)
            else:
                output_folders.append(Path(value).parent)
                outputs[parameter.flag] = value
        output_paths.check(outputs, self.inputs(values))
        for parameter in self.parameters:
            if parameter.flag in outputs and parameter.endings:
                output_paths.check_ending(parameter.flag, values[parameter.name], parameter.endings)
        for folder in output_folders:
            output_paths.check_folder(folder)

    def inputs(self, values: Values) -> dict[str, list[str]]:
        """Return the input files by the option that names them; of folders those that are read."""
        inputs: dict[str, list[str]] = {}
        for parameter in self.parameters:
            value = values[parameter.name]
            if parameter.kind not in PATH_KINDS or not value or parameter.output:
                continue
            inputs[parameter.flag] = list(value) if parameter.many else [value]
            if parameter.kind is Kind.FOLDER:
                folders = inputs[parameter.flag]
                matches = (Path(f).glob(pattern) for f in folders for pattern in parameter.files)
                inputs[parameter.flag] = [str(path) for paths in matches for path in paths]
        return inputs

    def _outputs_in(self, folder: str) -> dict[str, str]:
        """Return the paths of the outputs in the output folder, by their names in messages."""
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
            "estimates": self.estimates,
        }


DRY_RUN = Parameter(
    name="dry_run",
    kind=Kind.BOOLEAN,
    title="Dry run",
    help="Validate the inputs and print the estimated time, memory and disk; write nothing.",
    default=False,
)
"""Option of the stages that estimate what they need."""

COMMON: tuple[Parameter, ...] = (
    Parameter(
        name="threads",
        kind=Kind.INTEGER,
        title="Threads",
        help="Number of CPU cores to use; all cores by default.",
        minimum=1,
        maximum=1024,
        advanced=True,
    ),
    Parameter(
        name="memory_limit_gib",
        kind=Kind.NUMBER,
        title="Memory limit",
        help="Limit for work arrays in memory; larger ones become files beside the output.",
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
        help="Where networks run; auto uses the GPU if it works and is faster.",
        default="auto",
        choices=("auto", "cpu", "cuda"),
        advanced=True,
    ),
    Parameter(
        name="allow_network",
        kind=Kind.BOOLEAN,
        title="Allow network",
        help="Let input files read from servers that they name, as virtual rasters may; names such "
        "as /vsicurl/https://host/dem.tif are fetched in any case.",
        default=False,
        advanced=True,
    ),
)
"""Options of every stage."""


def unknown_name(what: str, name: str, known: list[str]) -> ParameterError:
    """Return the error for an undeclared name, with the closest declared one."""
    name = name[:80]  # a program may send any length
    closest = difflib.get_close_matches(name, known, n=1)
    remedy = (
        f"The nearest is {closest[0]!r}"
        if closest
        else "Choose one of: " + ", ".join(sorted(known))
    )
    return ParameterError(f"There is no {what} {name!r}", remedy)
