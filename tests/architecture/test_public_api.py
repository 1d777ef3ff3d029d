"""The public API: lazy, typed, documented, and with examples that run."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
import inspect
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpydoc import validate

from lunarsite import engine

ROOT = Path(__file__).parents[2]
NAMES = sorted(name for name in engine.__all__ if name != "__version__")
DOCUMENTED = sorted(name for name in NAMES if not name.endswith("Error"))
FUNCTIONS = sorted(name for name in DOCUMENTED if not inspect.isclass(getattr(engine, name)))
MODULES = sorted(
    ".".join(("lunarsite", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for path in (ROOT / "engine").rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)
CHECKS = {
    "GL01", "GL02", "GL03", "GL05", "GL06", "GL07", "GL08", "GL10",
    "SS01", "SS02", "SS03", "SS05",
    "PR01", "PR02", "PR03", "PR04", "PR05", "PR06", "PR07", "PR10",
    "RT01", "RT03", "YD01", "SA02", "SA03",
}  # fmt: skip
"""numpydoc's checks, without those on punctuation that this project does not follow."""


def public(name):
    return getattr(engine, name)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstrings_are_complete(name):
    thing = public(name)
    path = f"{thing.__module__}.{thing.__qualname__}"
    problems = [
        f"{code}: {text}" for code, text in validate.validate(path)["errors"] if code in CHECKS
    ]
    assert problems == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_have_all_sections_and_an_example(name):
    text = inspect.getdoc(public(name))
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in text, section


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_are_given_by_name(name):
    kinds = [
        p.kind
        for p in inspect.signature(public(name)).parameters.values()
        if p.default is not p.empty
    ]
    positional = [kind for kind in kinds if kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert len(positional) <= 2  # at most the dates of a span


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    if name.endswith(("uncertainty.prediction",)) and importlib.util.find_spec("torch") is None:
        pytest.skip("needs torch")
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for example in finder.find(module, name, module=module):
        report = []
        runner.run(example, out=report.append)
        assert runner.failures == 0, "".join(report)


def test_the_stub_says_what_is_loaded_lazily():
    tree = ast.parse((ROOT / "engine" / "__init__.pyi").read_text("utf-8"))
    declared = {
        alias.name: node.module.removeprefix("lunarsite.engine.")
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert declared == engine._PUBLIC


def test_importing_the_engine_costs_next_to_nothing():
    code = (
        "import sys, time; import importlib; began = time.perf_counter()\n"
        "import lunarsite.engine\n"
        "print(time.perf_counter() - began, 'numpy' in sys.modules)"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        ).stdout.split()
        for _ in range(3)
    ]
    assert min(float(answer[0]) for answer in answers) < 0.05
    assert all(answer[1] == "False" for answer in answers)


def test_the_function_is_not_hidden_by_the_package_of_its_name():
    package = importlib.import_module("lunarsite.engine.illumination")
    assert inspect.ismodule(package)
    assert inspect.isfunction(engine.illumination)
    from lunarsite.engine.illumination import darkness  # noqa: PLC0415  as all code does

    assert darkness.__name__ == "lunarsite.engine.illumination.darkness"


def test_modules_of_the_package_are_found_by_their_dotted_names():
    import lunarsite.engine.illumination.lighting as lighting  # noqa: PLC0415, PLR0402

    assert inspect.isclass(lighting.Light)
    assert engine.illumination.lighting is lighting
    with pytest.raises(TypeError, match="cannot be replaced"):
        engine.illumination = None


def test_without_torch_everything_can_be_listed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert set(dir(engine)) >= set(NAMES)
    with pytest.raises(engine.MissingDependencyError, match="needs torch"):
        engine.mc_predict(None, None)


def test_unknown_names_are_unknown():
    with pytest.raises(AttributeError, match="no attribute 'terain'"):
        _ = engine.terain
    assert set(engine.__all__) <= set(dir(engine))
    assert engine.__version__.count(".") == 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros(9), "not rows and columns"),
        (np.zeros((3, 3, 3)), "not rows and columns"),
        ([["a"]], "not an array of numbers"),
        (np.zeros((2, 9)), "at least 3"),
        (np.full((5, 5), np.nan), "no data"),
        (np.full((5, 5), 1_737_400.0), "radii"),
        (np.full((5, 5), 65_535.0), "heights on the Moon lie within"),
    ],
)
def test_arrays_that_are_no_heights_are_refused(values, said):
    with pytest.raises(engine.LunarSiteError, match=said):
        engine.Dem.from_array(values, pixel_m=20.0)


@pytest.mark.parametrize(
    "place", [{"pixel_m": 0.0}, {"pixel_m": "20"}, {"pixel_m": 20.0, "x_min_m": np.nan}]
)
def test_places_that_are_none_are_refused(place):
    with pytest.raises(engine.ParameterError, match="finite number of metres"):
        engine.Dem.from_array(np.zeros((5, 5)), **place)


def test_masked_and_infinite_heights_are_missing():
    heights = np.ma.masked_less(np.arange(25.0).reshape(5, 5), 3.0)
    heights[4, 4] = np.inf
    found = engine.Dem.from_array(heights, pixel_m=20.0).height_m
    assert np.isnan(found[0, :3]).all()
    assert np.isnan(found[4, 4])
    assert np.isfinite(found).sum() == 21


def test_the_array_that_was_given_is_not_shared():
    heights = np.zeros((5, 5), np.float32)
    dem = engine.Dem.from_array(heights, pixel_m=20.0)
    heights[:] = 7.0
    assert (dem.height_m == 0.0).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda dem: engine.terrain_attributes(dem.height_m),
        lambda dem: engine.horizon(dem.height_m, 0.0),
        lambda _: engine.illumination("dem.tif"),
        lambda dem: engine.illumination(dem, far_field=dem),
        lambda dem: engine.illumination(dem, far_field=["wide.tif"]),
        lambda dem: engine.illumination(dem, "next year"),
        lambda dem: engine.illumination(dem, earth_part="half"),
        lambda _: engine.light_at_places("dem.tif", [0.0], [0.0]),
        lambda dem: engine.light_at_places(dem, [0.0, 1.0], [0.0]),
        lambda dem: engine.light_at_places(dem, 0.0, 0.0),
        lambda dem: engine.light_at_places(dem, ["east"], [0.0]),
        lambda dem: engine.light_at_places(dem, [0.0], [0.0], azimuths=36.5),
        lambda dem: engine.light_at_places(dem, [0.0], [0.0], earth_part="half"),
        lambda dem: engine.light_at_places(dem, [0.0], [0.0], mast_height_m=-1.0),
        lambda dem: engine.light_at_places(dem, [0.0], [0.0], far_field=dem),
        lambda dem: engine.skyline(dem, "0", -89.9),
        lambda dem: engine.skyline(dem, 0.0, -91.0),
        lambda dem: engine.skyline(dem, 0.0, -45.0),
        lambda dem: engine.detect_craters(dem, method="eye"),
        lambda dem: engine.detect_craters(dem, min_confidence=75),
        lambda _: engine.segment(np.zeros((64, 64, 7))),
        lambda _: engine.segment(np.full((64, 64), np.nan)),
        lambda _: engine.segment(np.zeros((64, 64)), view="oblique"),
        lambda _: engine.ephemeris("2027-13-01"),
        lambda _: engine.ephemeris("2027-01-01", step_hours=0),
        lambda _: engine.lonlat_to_xy("east", -89.0),
        lambda _: engine.xy_to_lonlat([0.0, 1.0], [0.0, 1.0, 2.0]),
        lambda _: engine.read_dem("nowhere.tif"),
        lambda _: engine.read_catalogue("nowhere.csv"),
        lambda dem: engine.terrain_attributes(dem, windows=(3, 9, 27)),
        lambda dem: engine.horizon(dem, "east"),
        lambda dem: engine.horizon(dem, float("nan")),
        lambda dem: engine.horizon(dem, 0.0, lines_per_pixel=0),
        lambda dem: engine.horizon(dem, 0.0, mast_height_m=-1.0),
        lambda dem: engine.horizon(engine.Dem(dem.grid, dem.height_m[:5]), 0.0),
        lambda dem: engine.terrain_attributes(engine.Dem(dem.grid, dem.height_m.astype(int))),
        lambda dem: engine.illumination(dem, azimuths=36.5),
        lambda dem: engine.illumination(dem, mast_height_m="2"),
        lambda dem: engine.illumination(dem, "2027-01-01", "2026-01-01"),
        lambda dem: engine.illumination(dem, context="fast"),
        lambda dem: engine.detect_craters(dem, min_confidence="high"),
        lambda dem: engine.detect_craters(dem, checkpoint=3),
        lambda _: engine.segment(np.full((64, 64), 0.5)),
        lambda _: engine.segment(np.zeros((64, 64), complex)),
        lambda _: engine.ephemeris("9999-12-31"),
        lambda _: engine.ephemeris("2027-01-01", 0),
        lambda _: engine.read_dem(3),
        lambda _: engine.read_catalogue(None),
        lambda _: engine.Context(threads=0),
        lambda _: engine.run(3),
        lambda _: engine.run("levitate"),
        lambda _: engine.run("terrain", dem="dem.tif"),
        lambda _: engine.explain("nowhere", 0.0, -89.0),
    ],
)
def test_wrong_input_gets_an_error_with_a_remedy(call):
    dem = engine.Dem.from_array(np.zeros((40, 40)), pixel_m=100.0, x_min_m=-2e3, y_max_m=2e3)
    with pytest.raises(engine.LunarSiteError) as caught:
        call(dem)
    assert caught.value.remedy


def test_a_context_reports_progress_and_cancels():
    dem = engine.Dem.from_array(np.zeros((40, 40)), pixel_m=100.0, x_min_m=-2e3, y_max_m=2e3)
    context = engine.Context(threads=1)
    began = time.perf_counter()
    context.cancelled.set()
    with pytest.raises(engine.LunarSiteError, match="cancelled"):
        engine.illumination(dem, "2027-01-01", "2027-02-01", context=context)
    assert time.perf_counter() - began < 20.0


def test_nodata_of_other_programs_is_missing():
    heights = np.zeros((5, 5))
    heights[2, 2] = -1.7976931348623157e308
    assert np.isnan(engine.Dem.from_array(heights, pixel_m=20.0).height_m[2, 2])


def test_warnings_of_one_run_stay_out_of_the_next(tmp_path):
    context = engine.Context(threads=1)
    for name in ("a", "b"):
        engine.run("synthesize", context=context, out=str(tmp_path / f"{name}.tif"), size_px=64)
    parameters = {"out": str(tmp_path / "light"), "stop": "2027-02-01", "azimuths": 36}
    first = engine.run("lighting", context=context, dem=str(tmp_path / "a.tif"), **parameters)
    second = engine.run(
        "terrain", context=context, dem=str(tmp_path / "b.tif"), out=str(tmp_path / "t")
    )
    assert any("Terrain is not known" in warning for warning in first["warnings"])
    assert second["warnings"] == []
