"""Laws of every stage: one declaration, from which all front ends are derived."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lunarsite.engine import stages
from lunarsite.engine.contract import COMMON, PATH_KINDS, Kind
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.frontends import worker
from lunarsite.engine.frontends.cli import command_parser, facts, parse

ROOT = Path(__file__).parents[3]
SUFFIXES = {
    "m": "_m",
    "km": "_km",
    "m²": "_m2",
    "km²": "_km2",
    "m/px": "_m",
    "°": "_deg",
    "deg": "_deg",
    "%": "_pct",
    "px": "_px",
    "d": "_days",
    "days": "_days",
    "day": "_days",
    "h": "_hours",
    "hours": "_hours",
    "years": "_years",
    "s": "_s",
    "GiB": "_gib",
}


@pytest.fixture(params=stages.NAMES)
def stage(request):
    return stages.load(request.param)


def all_parameters(stage):
    return (*stage.parameters, *COMMON)


def valid_value(parameter):
    """Return a valid value of a parameter."""
    if parameter.kind is Kind.CHOICE:
        return parameter.choices[0]
    if parameter.kind in (Kind.NUMBER, Kind.INTEGER):
        candidates = (parameter.default, parameter.minimum, parameter.maximum, 1)
        number = next(value for value in candidates if isinstance(value, int | float))
        return int(number) if parameter.kind is Kind.INTEGER else float(number)
    if parameter.kind is Kind.BOOLEAN:
        return True
    if parameter.kind is Kind.DATE:
        return "2030-01-01"
    return "x"


def required_arguments(stage):
    required = [parameter for parameter in stage.parameters if parameter.required]
    return [text for p in required for text in (p.flag, str(valid_value(p)))]


def test_every_listed_stage_has_a_declaration_and_a_pipeline(stage):
    name = stage.name.replace("-", "_")
    declaration = importlib.import_module(f"lunarsite.engine.stages.{name}")
    assert declaration.STAGE is stage
    assert not hasattr(declaration, "run")
    pipeline = importlib.import_module(stage.pipeline)
    assert stage.pipeline == f"lunarsite.engine.pipelines.{name}"
    assert callable(pipeline.run)


def test_every_declaration_is_listed():
    folder = ROOT / "engine" / "stages"
    declaring = [path for path in folder.glob("*.py") if "\nSTAGE = " in path.read_text("utf-8")]
    found = {path.stem.replace("_", "-") for path in declaring}
    assert found == set(stages.NAMES)


def test_declarations_are_complete(stage):
    assert re.fullmatch(r"[a-z][a-z-]*", stage.name)
    assert stage.title
    assert stage.group
    assert stage.summary.endswith(".")
    assert stage.help
    json.dumps(stage.as_dict(), allow_nan=False)
    for declared in (*stage.parameters, *stage.outputs):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", declared.name), declared.name
        assert declared.title, declared.name
        assert declared.help.rstrip().endswith("."), declared.name


def test_names_are_unique(stage):
    parameters = [parameter.name for parameter in all_parameters(stage)]
    assert len(parameters) == len(set(parameters))
    assert not {"json", "quiet", "help"} & set(parameters)
    outputs = [output.name for output in stage.outputs]
    assert len(outputs) == len(set(outputs))


def test_names_of_parameters_end_in_their_unit(stage):
    for parameter in all_parameters(stage):
        if parameter.unit:
            assert parameter.unit in SUFFIXES, f"add {parameter.unit!r} to SUFFIXES"
            assert parameter.name.endswith(SUFFIXES[parameter.unit]), parameter.name
        elif parameter.kind in (Kind.NUMBER, Kind.INTEGER):
            endings = [end for end in set(SUFFIXES.values()) if parameter.name.endswith(end)]
            assert not endings, f"{parameter.name} ends in a unit that is not declared"


def test_defaults_are_valid(stage):
    for parameter in all_parameters(stage):
        if parameter.required:
            assert parameter.default is None, parameter.name
        elif parameter.default is not None:
            parsed = parameter.parse(parameter.default)
            default = parameter.default
            assert parsed == (list(default) if parameter.many else default), parameter.name
        if parameter.kind is Kind.CHOICE:
            assert parameter.choices, parameter.name
        if parameter.output:
            assert parameter.kind in PATH_KINDS, parameter.name


def test_the_command_line_shows_every_parameter(stage):
    parser = command_parser(stage.name)
    shown = {option: action for action in parser._actions for option in action.option_strings}
    for parameter in all_parameters(stage):
        action = shown[parameter.flag]
        text = action.help.replace("%%", "%")
        assert action.dest == parameter.name
        assert parameter.help in text
        assert facts(parameter) in text
        assert ("required" in facts(parameter)) == parameter.required
        assert not parameter.unit or parameter.unit in facts(parameter)
        for end in (parameter.minimum, parameter.maximum):
            assert end is None or f"{end:g}" in facts(parameter)
        if parameter.default not in (None, (), []) and parameter.kind is not Kind.BOOLEAN:
            first = parameter.default[0] if parameter.many else parameter.default
            assert f"default {first}" in facts(parameter)
    assert parser.format_help()


def test_the_worker_describes_every_parameter(stage):
    described = worker._describe({"stage": stage.name})
    listed = next(one for one in worker._declarations()["stages"] if one["name"] == stage.name)
    assert {key: described[key] for key in listed} == listed == stage.as_dict()
    for declared, parameter in zip(listed["parameters"], stage.parameters, strict=True):
        for fact in ("default", "unit", "minimum", "maximum", "required", "many"):
            assert declared[fact] == getattr(parameter, fact)


def test_the_command_line_and_the_worker_pass_the_same_values(stage):
    parsed = parse([stage.name, *required_arguments(stage)])
    from_arguments = {key: v for key, v in parsed.items() if key not in ("json", "quiet")}
    required = {p.name: valid_value(p) for p in stage.parameters if p.required}
    assert stage.resolve(from_arguments) == stage.resolve(required)


def test_both_front_ends_reject_values_out_of_range_with_the_same_message(stage):
    for parameter in stage.parameters:
        for end, step in ((parameter.minimum, -1), (parameter.maximum, 1)):
            if end is None:
                continue
            beyond = end + step * (1 + abs(end))
            arguments = [stage.name, *required_arguments(stage), f"{parameter.flag}={beyond}"]
            parsed = parse(arguments)
            given = {key: v for key, v in parsed.items() if key not in ("json", "quiet")}
            required = {p.name: valid_value(p) for p in stage.parameters if p.required}
            remedies = []
            for values in (given, {**required, parameter.name: beyond}):
                with pytest.raises(ParameterError, match="out of range") as caught:
                    stage.resolve(values)
                remedies.append(caught.value.remedy)
            assert remedies[0] == remedies[1]


def test_declarations_import_only_the_standard_library():
    code = (
        "import sys\n"
        "before = {name.split('.')[0] for name in sys.modules}\n"
        "from lunarsite.engine import stages\n"
        "stages.load_all()\n"
        "known = set(sys.stdlib_module_names) | before | {'lunarsite'}\n"
        "others = {name.split('.')[0] for name in sys.modules} - known\n"
        "print(sorted(name for name in others if not name.startswith('_')))\n"
    )
    completed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert completed.stdout.strip() == "[]"


def test_the_engine_does_not_import_qgis():
    for path in (ROOT / "engine").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert not re.match(r"(qgis|PyQt|PySide|lunarsite\.(processing|lunarsite_))", name)


def test_the_command_line_overview_takes_less_than_a_fifth_of_a_second():
    code = "import sys; from lunarsite.engine.frontends.cli import main; sys.exit(main(['--help']))"
    command = [sys.executable, "-c", code]

    def taken(command):
        # Of the processor, not of the clock: other work beside the tests is no fault of ours.
        before = os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])

    empty = [sys.executable, "-c", "pass"]
    assert min(taken(command) - taken(empty) for _ in range(5)) < 0.2
