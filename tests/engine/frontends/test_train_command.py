"""``lunarsite train NAME --here``: the commands of a kernel on this machine, with its files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lunarsite.engine.errors import InputError
from lunarsite.engine.frontends import cli
from lunarsite.engine.training.kaggle import here, registry

RECIPE = """
architecture: unet-light
widths: [6, 6, 8, 8, 8, 8]
view: orbital
scenes: 6
validation_scenes: 2
crop_px: 64
batch: 2
steps: 4
validate_every: 2
test_time: none
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Register a kernel that trains in a second, and return its declaration."""
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE)
    command = ("train-segmenter", "--recipe", str(path), "--out", "{out}/network.safetensors")
    spec = replace(
        registry.KERNELS["orbital"], name="tiny", output="tiny", recipe="", commands=(command,)
    )
    monkeypatch.setitem(registry.KERNELS, "tiny", spec)
    monkeypatch.chdir(tmp_path)
    return spec


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """Register a kernel that generates terrain, and return its declaration."""
    command = ("synthesize", "--out", "{out}/dem.tif", "--size-px", "32")
    spec = replace(registry.KERNELS["starter"], name="quick", output="quick", commands=(command,))
    spec = replace(spec, outputs=("dem.tif", "dem.craters.csv"))
    monkeypatch.setitem(registry.KERNELS, "quick", spec)
    monkeypatch.chdir(tmp_path)
    return spec


def test_the_files_are_those_that_a_pull_would_leave(quick, tmp_path, capsys):
    assert cli.main(["train", "quick", "--here", "--threads", "1"]) == 0
    trained = tmp_path / "trained" / "quick"
    assert {path.name for path in trained.iterdir()} == set(quick.outputs)
    assert str(Path("trained", "quick", "dem.tif")) in capsys.readouterr().out
    # What Kaggle runs: the same, with the folders that it mounts.
    words = ["--inputs", "input", "--out", "working", "--quiet"]
    assert cli.main(["train", "quick", "--here", *words]) == 0
    for name in quick.outputs:
        assert (tmp_path / "working" / name).read_bytes() == (trained / name).read_bytes()
    assert capsys.readouterr().out == ""


def test_json_is_one_document_of_all_commands(quick, tmp_path, capsys):
    assert cli.main(["train", "quick", "--here", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "quick"
    assert [Path(file).name for file in found["files"]] == list(quick.outputs)
    assert all((tmp_path / file).is_file() for file in found["files"])


@pytest.mark.slow
def test_a_network_is_trained_with_its_card(tiny, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr("lunarsite.engine.segmentation.training.held_out.SCENES", 4)
    assert cli.main(["train", "tiny", "--here", "--threads", "1", "--device", "cpu"]) == 0
    files = {path.name for path in (tmp_path / "trained" / "tiny").iterdir()}
    assert files == set(tiny.outputs)
    card = json.loads((tmp_path / "trained" / "tiny" / "network.json").read_text())
    assert card["recipe"]["name"] == "tiny"


@pytest.mark.usefixtures("tiny")
def test_where_must_be_said(capsys):
    assert cli.main(["train", "tiny"]) == 2
    assert "Add --here for this machine, or train on Kaggle: lunarsite kaggle run tiny" in (
        capsys.readouterr().err
    )


def test_a_failing_stage_ends_it(tiny, monkeypatch, tmp_path, capsys):
    broken = replace(tiny, commands=(("synthesize", "--out", "{out}/x.txt"), *tiny.commands))
    monkeypatch.setitem(registry.KERNELS, "tiny", broken)
    assert cli.main(["train", "tiny", "--here"]) == 2
    assert "x.txt does not end in .tif" in capsys.readouterr().err
    assert not (tmp_path / "trained").exists()


def test_attached_datasets_are_found_where_kaggle_mounts_them(tmp_path):
    spec = registry.KERNELS["crater_mixed"]
    for place in ("", "datasets/selene"):
        ground = tmp_path / place / registry.GROUND
        ground.mkdir(parents=True)
        (command,) = here.commands(spec, tmp_path / "out", tmp_path, tmp_path)
        assert command[command.index("--dem") + 1] == str(ground / "dem.tif")
        ground.rmdir()
    assert command[command.index("--out") + 1] == str(tmp_path / "out" / "network.safetensors")
    # The weights are those that ship, unless other ones are attached.
    assert command[command.index("--start") + 1] == str(here.MODELS / "craters.safetensors")


def test_outputs_of_kernels_are_found_where_they_are_pulled_to(tmp_path):
    spec, source = registry.KERNELS["surface_mc_dropout"], registry.KERNELS["surface_v1_resnet34"]
    with pytest.raises(
        InputError, match="lunarsite train surface_v1_resnet34 --here, or: lunarsite"
    ):
        here.commands(spec, tmp_path / "out", None, tmp_path)
    pulled = tmp_path / source.output
    pulled.mkdir()
    for name in source.outputs:
        (pulled / name).touch()
    (command,) = here.commands(spec, tmp_path / "out", None, tmp_path)
    assert command[command.index("--start") + 1] == str(pulled / "network.safetensors")
    (tmp_path / "input" / source.slug).mkdir(parents=True)
    (command,) = here.commands(spec, tmp_path / "out", tmp_path / "input", tmp_path)
    assert source.slug in command[command.index("--start") + 1]


def test_missing_datasets_are_named_with_their_folder(tmp_path):
    spec = registry.KERNELS["crater_v2_finetune"]
    with pytest.raises(InputError) as caught:
        here.commands(spec, tmp_path, None, tmp_path)
    assert str(caught.value) == (
        "crater_v2_finetune reads the dataset lunarsite-crater-ground, and there is no folder "
        "lunarsite-crater-ground: no folder of inputs is given. Put dem.tif and craters.csv into "
        "inputs/lunarsite-crater-ground and run: lunarsite train crater_v2_finetune --here "
        "--inputs inputs."
    )
