from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lunarsite.engine import file_names, stages
from lunarsite.engine.context import Context
from lunarsite.engine.contract import COMMON, Kind, Output, Parameter, Stage, unknown_name
from lunarsite.engine.errors import CancelledError, LunarSiteError, OutputError, ParameterError

MAST = Parameter(
    name="mast_height_m",
    kind=Kind.NUMBER,
    title="Mast height",
    help="Height of the antenna.",
    default=2.0,
    unit="m",
    minimum=0,
    maximum=100,
)
OUT = Parameter(
    name="out", kind=Kind.FOLDER, title="Folder", help="Where.", required=True, output=True
)
FAR = Parameter(
    name="far_field", kind=Kind.RASTER, title="Far", help="Coarser.", default=(), many=True
)
STAGE = Stage(
    name="light",
    title="Light",
    group="Tests",
    summary="Light.",
    help="More light.",
    parameters=(OUT, MAST, FAR),
    outputs=(Output(name="map", kind=Kind.RASTER, title="Map", help="A map.", path="map.tif"),),
)


def of(kind, **options):
    return Parameter(name="thing", kind=kind, title="Thing", help="A thing.", **options)


@pytest.mark.parametrize(
    ("parameter", "argument", "parsed"),
    [
        (of(Kind.NUMBER), "2.5", 2.5),
        (of(Kind.NUMBER), 3, 3.0),
        (of(Kind.INTEGER), 4.0, 4),
        (of(Kind.INTEGER), "4", 4),
        (of(Kind.BOOLEAN), False, False),
        (of(Kind.CHOICE, choices=("a", "b")), "b", "b"),
        (of(Kind.DATE), "2030-02-28", "2030-02-28"),
        (of(Kind.DATE), dt.date(2030, 2, 28), "2030-02-28"),
        (of(Kind.DATE), dt.datetime(2030, 2, 28, 12, tzinfo=dt.UTC), "2030-02-28"),
        (of(Kind.TEXT), "words", "words"),
        (of(Kind.RASTER), Path("a/b.tif"), str(Path("a/b.tif"))),
        (of(Kind.NUMBER, many=True), (1, "2"), [1.0, 2.0]),
        (of(Kind.NUMBER, many=True), 1, [1.0]),
    ],
)
def test_values_are_parsed_to_the_type_of_the_parameter(parameter, argument, parsed):
    value = parameter.parse(argument)
    assert value == parsed
    assert type(value) is type(parsed)


@pytest.mark.parametrize(
    ("parameter", "value", "problem", "remedy"),
    [
        (of(Kind.NUMBER), True, "is not a number", "Give a number"),
        (of(Kind.NUMBER), "two", "is not a number", "Give a number"),
        (of(Kind.NUMBER), 10**400, "is not a number", "Give a number"),
        (of(Kind.NUMBER), float("inf"), "is not finite", "Give a number"),
        (of(Kind.INTEGER), 1.5, "is not a whole number", "Give a whole number"),
        (of(Kind.BOOLEAN), 1, "neither true nor false", "Give true or false"),
        (of(Kind.CHOICE, choices=("a", "b")), "c", "not one of the choices", "Choose one of: a, b"),
        (of(Kind.DATE), "30 February", "is not a date", "Write it as YYYY-MM-DD"),
        (of(Kind.TEXT), 5, "is not text", "Give a text"),
        (of(Kind.RASTER), "", "is not a path", "Give the path of a raster"),
        (of(Kind.RASTER), "a\0b", "is not a path", "that are allowed in file names"),
        (of(Kind.RASTER), ["a"], "takes one value, not a list", "Give a single value"),
        (MAST, 101, "at least 0 m and at most 100 m", "at most 100 m"),
        (of(Kind.NUMBER, minimum=5), 4, "it must be at least 5", "at least 5"),
        (of(Kind.NUMBER, maximum=5), 6, "it must be at most 5", "at most 5"),
        (FAR, ["a", 3], "3 is not a path", "Give the path of a raster"),
    ],
)
def test_invalid_values_are_refused_with_a_remedy(parameter, value, problem, remedy):
    with pytest.raises(ParameterError) as caught:
        parameter.parse(value)
    assert problem in caught.value.problem
    assert parameter.flag in caught.value.problem
    assert remedy in caught.value.remedy


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    kind=st.sampled_from(list(Kind)),
    many=st.booleans(),
    value=json_values.filter(lambda v: v is not None),
)
def test_any_json_is_parsed_or_refused_and_parsing_is_idempotent(kind, many, value):
    parameter = of(kind, many=many, choices=("a", "b"), minimum=-10, maximum=10)
    try:
        once = parameter.parse(value)
    except ParameterError:
        return
    assert parameter.parse(once) == once


def test_resolve_returns_a_value_for_every_parameter():
    assert STAGE.resolve({"out": "run"}) == {"out": "run", "mast_height_m": 2.0, "far_field": []}
    resolved = STAGE.resolve({"out": "run", "mast_height_m": None, "far_field": ["a"]})
    assert resolved == {"out": "run", "mast_height_m": 2.0, "far_field": ["a"]}


def test_a_default_list_is_not_shared():
    STAGE.resolve({"out": "run"})["far_field"].append("x")
    assert STAGE.resolve({"out": "run"})["far_field"] == []


def test_missing_and_unknown_parameters_are_refused():
    with pytest.raises(ParameterError, match=r"light needs --out \(Folder\)\. Add --out VALUE\."):
        STAGE.resolve({})
    with pytest.raises(ParameterError, match=r"There is no parameter of [a-z-]+ called 'mast_m'"):
        STAGE.resolve({"out": "run", "mast_m": 3})


def test_declarations_are_json_and_complete():
    declared = STAGE.as_dict()
    assert declared["parameters"][1] == {
        "name": "mast_height_m",
        "kind": "number",
        "title": "Mast height",
        "help": "Height of the antenna.",
        "default": 2.0,
        "required": False,
        "unit": "m",
        "minimum": 0,
        "maximum": 100,
        "choices": [],
        "many": False,
        "advanced": False,
        "output": False,
        "geometry": "",
        "endings": [],
        "files": [],
        "model": "",
        "positional": False,
    }
    assert declared["outputs"][0]["path"] == "map.tif"
    assert MAST.flag == "--mast-height-m"


def test_the_nearest_name_is_suggested_or_all_are_listed():
    assert unknown_name("stage", "lite", ["light", "night"]).remedy == "The nearest is 'light'"
    assert unknown_name("stage", "zzz", ["b", "a"]).remedy == "Choose one of: a, b"
    assert len(str(unknown_name("stage", "z" * 10**7, ["a"]))) < 200


def test_common_options_are_unique_and_have_help():
    assert len({parameter.name for parameter in COMMON}) == len(COMMON)
    assert all(parameter.help and parameter.title for parameter in COMMON)


def test_an_error_reads_as_two_sentences_and_is_json():
    error = ParameterError("It is blue.", "Paint it")
    assert str(error) == "It is blue. Paint it."
    assert error.as_dict() == {
        "type": "ParameterError",
        "problem": "It is blue",
        "remedy": "Paint it",
    }


def test_progress_is_clipped_and_parts_are_mapped_to_the_whole():
    reports = []
    context = Context(
        threads=1, report=lambda fraction, message: reports.append((fraction, message))
    )
    context.progress(-1, "start")
    part = context.part(0.5, 0.75, "second")
    part.progress(0.0, "a")
    part.progress(2.0, "b")
    assert reports == [(0.0, "start"), (0.5, "second: a"), (0.75, "second: b")]
    part.warn("careful")
    part.warn("careful")
    assert context.warnings == ["careful"]
    context.pool().shutdown()


def test_cancellation_applies_to_parts_too():
    context = Context(threads=1)
    part = context.part(0, 1)
    context.cancelled.set()
    for one in (context, part):
        with pytest.raises(CancelledError):
            one.progress(0.5, "on and on")
    assert issubclass(CancelledError, LunarSiteError)
    context.pool().shutdown()


FILE = Parameter(name="out", kind=Kind.VECTOR, title="File", help="What.", output=True)
PAGE = Parameter(name="page", kind=Kind.FILE, title="Page", help="What.", output=True)
WRITING = Stage(
    name="write",
    title="Write",
    group="Tests",
    summary="Write.",
    help="Write more.",
    parameters=(of(Kind.RASTER), FAR, FILE, PAGE),
    module="tests.fake_stage",
)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"thing": "a.tif", "out": "a.tif"}, "--out: .* overwrite an input of --thing"),
        ({"thing": "a.tif", "out": "folder/../a.tif"}, "overwrite an input of --thing"),
        ({"thing": "a.tif", "out": "link.tif"}, "overwrite an input of --thing"),
        ({"far_field": ["b.tif", "a.tif"], "page": "a.tif"}, "overwrite an input of --far-field"),
        ({"out": "folder"}, "--out: folder is a folder"),
        ({"out": "c.gpkg", "page": "c.gpkg"}, "--page: c.gpkg is already the output of --out"),
    ],
)
def test_outputs_must_not_be_inputs_folders_or_other_outputs(tmp_path, monkeypatch, values, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.tif").write_bytes(b"heights")
    (tmp_path / "link.tif").symlink_to("a.tif")
    with pytest.raises(ParameterError, match=words):
        WRITING.run(values, Context())
    assert (tmp_path / "a.tif").read_bytes() == b"heights"


LAYERS = Parameter(
    name="layers", kind=Kind.FOLDER, title="Layers", help="Which.", files=("*.tif", "run.json")
)
INTO = Stage(
    name="into",
    title="Into",
    group="Tests",
    summary="Write.",
    help="Write more.",
    parameters=(of(Kind.TABLE), LAYERS, replace(FILE, kind=Kind.FOLDER), PAGE),
    outputs=(Output(name="table", kind=Kind.TABLE, title="T", help="T.", path="table.csv"),),
    module="tests.fake_stage",
)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"layers": "folder", "page": "folder/a.tif"}, "--page: .* overwrite an input of --layers"),
        ({"layers": "link", "page": "folder/run.json"}, "overwrite an input of --layers"),
        (
            {"thing": "folder/table.csv", "out": "folder"},
            "table.csv in --out: .* an input of --thing",
        ),
        (
            {"page": "folder/table.csv", "out": "link"},
            "output of table.csv in --out|output of --page",
        ),
    ],
)
def test_files_in_input_folders_are_not_overwritten(tmp_path, monkeypatch, values, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    names = ("a.tif", "run.json", "table.csv", "other.txt")
    for name in names:
        (tmp_path / "folder" / name).write_text(name)
    with pytest.raises(ParameterError, match=words):
        INTO.run(values, Context())
    # Files in the folder that are not read may be overwritten, such as earlier outputs.
    stage = replace(INTO, module=__name__)
    stage.run({"layers": "folder", "page": "folder/other.txt", "out": "folder"}, Context())
    assert [(tmp_path / "folder" / name).read_text() for name in names] == list(names)


def run(_values, _context):
    """Pipeline of a stage that does nothing after its paths are validated."""
    return {}


def test_no_stage_overwrites_its_input_in_the_output_folder(tmp_path):
    for name in ("slope_deg.tif", "diagnosis.csv", "manifest.json", "dem.tif"):
        (tmp_path / name).write_text(name)
    here, dem = str(tmp_path), str(tmp_path / "dem.tif")
    for stage, arguments, words in (
        ("terrain", {"dem": str(tmp_path / "slope_deg.tif"), "out": here}, "slope_deg.tif in"),
        (
            "diagnose-craters",
            {"dem": dem, "catalogue": str(tmp_path / "diagnosis.csv"), "out": here},
            "diagnosis.csv in --out: .* overwrite an input of --catalogue",
        ),
    ):
        with pytest.raises(ParameterError, match=words):
            stages.load(stage).run(arguments, Context())
    for path in tmp_path.iterdir():
        assert path.read_text() == path.name


@pytest.mark.parametrize("name", ["found.shp", "found", "found.gpkg.csv"])
def test_outputs_must_have_a_supported_extension(tmp_path, name):
    stage = replace(WRITING, parameters=(replace(FILE, endings=(".gpkg",)),))
    with pytest.raises(ParameterError, match=rf"--out: {name} does not end in \.gpkg") as caught:
        stage.run({"out": str(tmp_path / name)}, Context())
    assert caught.value.remedy.endswith(".gpkg")
    assert list(tmp_path.iterdir()) == []
    named = replace(stage, module=__name__)
    assert named.run({"out": str(tmp_path / "new" / "FOUND.GPKG")}, Context()) == {}
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_output_folder_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("words")
    closed = [tmp_path / "file", tmp_path / "file" / "deeper"]
    # os.access reports this folder as writable to root, but no file can be created in it.
    closed += [Path("/proc"), Path("/proc/new")] if Path("/proc/self").exists() else []
    for folder in closed:
        for stage, arguments in (
            (WRITING, {"page": str(folder / "page.md")}),
            (INTO, {"out": str(folder)}),
        ):
            with pytest.raises(OutputError, match=r"Cannot write to .* Choose a folder"):
                stage.run(arguments, Context())


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0,9", 0.9),
        (" -12,5 ", -12.5),
        ("−3", -3.0),
        ("٠٫٩", 0.9),
        ("0,125", 0.125),
        ("1e-9", 1e-9),
    ],
)
def test_numbers_may_have_a_decimal_comma(text, number):
    assert Parameter(name="x", kind=Kind.NUMBER, title="", help="").parse(text) == number


@pytest.mark.parametrize("text", ["1,234", "1,2,3", "1.234,5", "12,345"])
def test_commas_that_may_separate_thousands_are_refused(text):
    with pytest.raises(ParameterError, match="separators of thousands"):
        Parameter(name="x", kind=Kind.NUMBER, title="", help="").parse(text)


def test_addresses_of_local_files_and_home_folders_are_paths(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    path = Parameter(name="x", kind=Kind.RASTER, title="", help="")
    assert path.parse("file:///data/a%20b.tif") == "/data/a b.tif"
    assert path.parse("file://localhost/data/b.tif") == "/data/b.tif"
    assert path.parse("~/run") == str(tmp_path / "run")
    assert path.parse("~nobody-of-this-name/run") == "~nobody-of-this-name/run"
    assert path.parse("https://host/dem.tif") == "https://host/dem.tif"
    (tmp_path / "~").mkdir()
    assert path.parse("~") == "~"


def test_models_are_suggested_by_their_kind(monkeypatch, tmp_path):
    installed = tmp_path / "mine"
    installed.mkdir()
    for name, card in {"mine": '{"classes": []}', "odd": "{"}.items():
        (installed / f"{name}.json").write_text(card)
        (installed / f"{name}.safetensors").touch()
    (installed / "bare.json").write_text('{"classes": []}')  # a card without weights
    monkeypatch.setenv(file_names.MODELS_VARIABLE, str(tmp_path))
    network = stages.load("calibrate").parameter("checkpoint")
    assert network.suggestions == [
        "mine",
        "segmenter-orbital",
        "segmenter-surface",
        "segmenter-surface-light",
    ]
    assert stages.load("detect-craters").parameter("checkpoint").suggestions == ["craters"]
    assert stages.load("score").parameter("scorer").suggestions == ["scorer-cassa", "scorer-hls"]
    assert stages.load("screen").parameter("dem").suggestions == []
