"""What holds for every stage, whoever wrote it: one declaration, three faces."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lunarsite.engine import stages
from lunarsite.engine.contract import COMMON, PATH_KINDS, Kind
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.frontends import worker
from lunarsite.engine.frontends.cli import facts, parse, verb_parser

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


def some_value(parameter):
    """Return a value that fits a parameter."""
    if parameter.kind is Kind.CHOICE:
        return parameter.choices[0]
    if parameter.kind in (Kind.NUMBER, Kind.INTEGER):
        within = (parameter.default, parameter.minimum, parameter.maximum, 1)
        number = next(end for end in within if isinstance(end, int | float))
        return int(number) if parameter.kind is Kind.INTEGER else float(number)
    if parameter.kind is Kind.BOOLEAN:
        return True
    if parameter.kind is Kind.DATE:
        return "2030-01-01"
    return "x"


def required_words(stage):
    needed = [parameter for parameter in stage.parameters if parameter.required]
    return [word for parameter in needed for word in (parameter.flag, str(some_value(parameter)))]


def test_the_list_and_the_modules_agree(stage):
    name = stage.name.replace("-", "_")
    declaration = importlib.import_module(f"lunarsite.engine.stages.{name}")
    assert declaration.STAGE is stage
    assert not hasattr(declaration, "run")
    pipeline = importlib.import_module(stage.pipeline)
    assert stage.pipeline == f"lunarsite.engine.pipelines.{name}"
    assert callable(pipeline.run)


def test_no_stage_is_left_off_the_list():
    folder = ROOT / "engine" / "stages"
    declaring = [path for path in folder.glob("*.py") if "\nSTAGE = " in path.read_text("utf-8")]
    found = {path.stem.replace("_", "-") for path in declaring}
    assert found == set(stages.NAMES)


def test_a_declaration_is_whole(stage):
    assert re.fullmatch(r"[a-z][a-z-]*", stage.name)
    assert stage.title
    assert stage.group
    assert stage.summary.endswith(".")
    assert stage.help
    json.dumps(stage.as_dict(), allow_nan=False)
    for thing in (*stage.parameters, *stage.outputs):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", thing.name), thing.name
        assert thing.title, thing.name
        assert thing.help.rstrip().endswith((".", "?")), thing.name


def test_names_are_unique(stage):
    parameters = [parameter.name for parameter in all_parameters(stage)]
    assert len(parameters) == len(set(parameters))
    assert not {"json", "quiet", "help"} & set(parameters)
    outputs = [output.name for output in stage.outputs]
    assert len(outputs) == len(set(outputs))


def test_no_unit_without_a_name(stage):
    for parameter in all_parameters(stage):
        if parameter.unit:
            assert parameter.unit in SUFFIXES, f"{parameter.name}: teach the law {parameter.unit!r}"
            assert parameter.name.endswith(SUFFIXES[parameter.unit]), parameter.name
        elif parameter.kind in (Kind.NUMBER, Kind.INTEGER):
            endings = [end for end in set(SUFFIXES.values()) if parameter.name.endswith(end)]
            assert not endings, f"{parameter.name} names a unit that it does not declare"


def test_defaults_fit_their_own_parameters(stage):
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
    parser = verb_parser(stage.name)
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


def test_the_worker_and_the_list_show_every_parameter(stage):
    described = worker._describe({"stage": stage.name})
    listed = next(one for one in worker._declarations()["stages"] if one["name"] == stage.name)
    assert {key: described[key] for key in listed} == listed == stage.as_dict()
    for declared, parameter in zip(listed["parameters"], stage.parameters, strict=True):
        for fact in ("default", "unit", "minimum", "maximum", "required", "many"):
            assert declared[fact] == getattr(parameter, fact)


def test_the_command_line_and_the_worker_give_a_stage_the_same_values(stage):
    words = required_words(stage)
    from_words = parse([stage.name, *words])
    from_words = {key: value for key, value in from_words.items() if key not in ("json", "quiet")}
    needed = {p.name: some_value(p) for p in stage.parameters if p.required}
    assert stage.resolve(from_words) == stage.resolve(needed)


def test_both_faces_refuse_the_same_values_with_the_same_words(stage):
    for parameter in stage.parameters:
        for end, step in ((parameter.minimum, -1), (parameter.maximum, 1)):
            if end is None:
                continue
            beyond = end + step * (1 + abs(end))
            words = [stage.name, *required_words(stage), f"{parameter.flag}={beyond}"]
            given = {key: v for key, v in parse(words).items() if key not in ("json", "quiet")}
            needed = {p.name: some_value(p) for p in stage.parameters if p.required}
            problems = []
            for values in (given, {**needed, parameter.name: beyond}):
                with pytest.raises(ParameterError, match="out of range") as caught:
                    stage.resolve(values)
                problems.append(caught.value.remedy)
            assert problems[0] == problems[1]


def test_declarations_cost_nothing_but_the_standard_library():
    code = (
        "import sys\n"
        "before = {name.split('.')[0] for name in sys.modules}\n"
        "from lunarsite.engine import stages\n"
        "stages.load_all()\n"
        "known = set(sys.stdlib_module_names) | before | {'lunarsite'}\n"
        "others = {name.split('.')[0] for name in sys.modules} - known\n"
        "print(sorted(name for name in others if not name.startswith('_')))\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.strip() == "[]"


def test_the_engine_knows_nothing_of_qgis():
    for path in (ROOT / "engine").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert not re.match(r"(qgis|PyQt|PySide|lunarsite\.(processing|lunarsite_))", name)


def test_the_overview_comes_at_once():
    code = "import sys; from lunarsite.engine.frontends.cli import main; sys.exit(main(['--help']))"
    command = [sys.executable, "-c", code]
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
        with_it = time.perf_counter() - start
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True, timeout=60)
        spent.append(with_it - (time.perf_counter() - start))
    assert min(spent) < 0.2
