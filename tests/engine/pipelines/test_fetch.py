"""The stage ``fetch``: lists, files, what is told of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from support.file_server import serving

from lunarsite.engine import moon, output_paths, run
from lunarsite.engine.datasets import cache
from lunarsite.engine.errors import BusyError, InputError, ParameterError
from lunarsite.engine.frontends.cli import main
from lunarsite.engine.io import raster
from lunarsite.engine.io.cog import write_raster
from lunarsite.engine.io.elevation.builtin import BUILTIN
from lunarsite.engine.scoring.features import source_layers
from lunarsite.engine.stages.fetch import NAMES


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Return a server with a small map of light, under the name of the published one."""
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "cache"))
    served = tmp_path / "served"
    served.mkdir()
    values = np.arange(3600, dtype=np.int16).reshape(60, 60)
    place = {"crs": moon.SOUTH_POLAR, "transform": from_origin(-30e3, 30e3, 1000, 1000)}
    made = {"driver": "GTiff", "width": 60, "height": 60, "count": 1, "dtype": "int16"}
    with rasterio.open(served / "LPSR_85S_060M_201608.TIF", "w", **made, **place) as target:
        target.write(values, 1)
        target.scales = (0.5,)
    with serving(served) as server:
        monkeypatch.setenv(cache.MIRROR, server.address)
        yield server


def test_a_data_set_comes_with_licence_citation_traps_and_what_was_found(mirror, tmp_path):
    found = run("fetch", names=["LPSR_85S_060M_201608"])
    path = tmp_path / "cache" / "LPSR_85S_060M_201608.TIF"
    assert found["outputs"] == {"LPSR_85S_060M_201608": str(path)}
    assert found["folder"] == str(path.parent)
    told = "\n".join(found["summary"])
    assert f"\n  {path}\n" in told
    assert "found: value = stored number × 0.5 + 0, as the label says" in told
    assert "mind: The area in permanent shadow depends on the pixels" in told
    assert "cite: Mazarico et al. (2011)" in told
    assert "licence: " in told
    (warning,) = found["warnings"]
    assert "and had 656,183 when it was listed" in warning
    assert found["data_sets"][0]["paths"] == [str(path)]
    assert len(mirror.requests) == 1


def test_a_part_is_an_elevation_model_or_layer_like_the_publisher_s(mirror, tmp_path):
    with rasterio.open(BUILTIN) as source:
        grid = raster.grid_of(source, "It")
        heights = raster.read_band(source, 1)
    for name, values, what in (
        ("LDEM_80S_80MPP_ADJ", heights, "Height"),
        ("LPSR_80S_20MPP_ADJ", (heights < 0.0).astype(np.float32), "Shadow"),
    ):
        write_raster(mirror.folder / "x.tif", values, grid, description=what)
        (mirror.folder / "x.tif").rename(mirror.folder / f"{name}.TIF")
    area = "-137.3,-89.45,40"
    names = ["LDEM_80S_80MPP_ADJ", "LPSR_80S_20MPP_ADJ"]
    found = run("fetch", names=names, aoi=area)["outputs"]
    dem, psr = (found[name] for name in names)
    assert run("terrain", dem=dem, out=str(tmp_path / "layers"))["outputs"]
    source_layers.check_layer("psr", psr, "The layer")
    narrowed = run("terrain", dem=str(BUILTIN), aoi=area, out=str(tmp_path / "same"))
    with (
        rasterio.open(narrowed["outputs"]["slope_deg"]) as one,
        rasterio.open(tmp_path / "layers" / "slope_deg.tif") as other,
    ):
        assert one.bounds == other.bounds
        assert np.array_equal(one.read(1), other.read(1), equal_nan=True)


@pytest.mark.usefixtures("mirror")
def test_an_area_for_what_has_no_parts_is_refused():
    with pytest.raises(ParameterError, match="robbins-2018 is no cloud-optimised GeoTIFF"):
        run("fetch", names=["robbins-2018"], aoi="0,-90,25")


@pytest.mark.usefixtures("mirror")
def test_the_list_names_all_with_sizes_and_marks_what_is_there():
    run("fetch", names=["LPSR_85S_060M_201608"])
    lines = run("fetch", names=["list"])["summary"]
    assert [line.split()[0] for line in lines[: len(NAMES)]] == list(NAMES)
    marked = [line.split()[0] for line in lines[: len(NAMES)] if " * " in line]
    assert marked == ["LPSR_85S_060M_201608"]
    assert "2.7 GB" in lines[0]


def test_list_stands_for_itself(mirror):
    with pytest.raises(ParameterError, match="list stands for itself"):
        run("fetch", names=["list", "scarps"])
    assert mirror.requests == []


@pytest.mark.usefixtures("mirror")
def test_what_must_be_downloaded_by_hand_says_so():
    with pytest.raises(InputError, match="rocky-landscape cannot be fetched"):
        run("fetch", names=["rocky-landscape"])


def test_two_fetches_do_not_write_the_same_folder(mirror, tmp_path):
    folder = {str(tmp_path / "cache"): [output_paths.EVERYTHING]}
    code = "from lunarsite.engine import run; run('fetch', names=['LPSR_85S_060M_201608'])"
    with output_paths.locked(folder, [], print):
        other = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
        )
    assert BusyError.__name__ in other.stderr
    assert mirror.requests == []


@pytest.mark.usefixtures("mirror")
def test_names_follow_the_command_with_and_without_their_option(capsys):
    assert main(["fetch", "LPSR_85S_060M_201608", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(["fetch", "--names", "LPSR_85S_060M_201608", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"] == first["outputs"]


@pytest.mark.usefixtures("mirror")
def test_the_list_takes_half_a_second_and_no_library_of_rasters():
    code = (
        "import sys; from lunarsite.engine.frontends.cli import main; main(['fetch', 'list']); "
        "print(sorted({'torch', 'rasterio', 'pandas'} & set(sys.modules)))"
    )
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        )
        seconds.append(time.perf_counter() - start)
    assert done.stdout.splitlines()[-1] == "[]"
    assert min(seconds) < 0.5
