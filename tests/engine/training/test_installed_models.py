"""Models by name: listed, verified, installed at once or not at all, and taken by stages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lunarsite.engine import file_names, stages
from lunarsite.engine.craters.model import weights
from lunarsite.engine.errors import InputError, OutputError, ParameterError
from lunarsite.engine.provenance import write_checksums
from lunarsite.engine.segmentation import weights as networks
from lunarsite.engine.training import installed_models

SHIPPED = file_names.SHIPPED_MODELS
TAKERS = [
    (stage.name, parameter.name)
    for stage in stages.load_all()
    for parameter in stage.parameters
    if parameter.model
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder of installed models, which does not exist yet."""
    monkeypatch.setenv(file_names.MODELS_VARIABLE, str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def output(tmp_path):
    """Return the folder of a pulled output: the files of a network that ships, as a kernel's."""
    made = tmp_path / "trained" / "surface_seed_1"
    made.mkdir(parents=True)
    for suffix in (".safetensors", ".json"):
        shutil.copy(SHIPPED / f"segmenter-surface{suffix}", made / f"network{suffix}")
    write_checksums(made / "network.sha256", [made / "network.safetensors", made / "network.json"])
    return made


def fine(_file):
    """Take every model."""


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_models_that_ship_are_listed_and_whole(folder):
    found = installed_models.models()
    assert [each.name for each in found] == sorted(
        path.stem for ending in ("safetensors", "ubj") for path in SHIPPED.glob(f"*.{ending}")
    )
    assert all(each.shipped for each in found)
    for each in found:
        each.verify()
        assert each.card()
    assert not folder.exists()


def test_a_pulled_output_is_installed_under_the_name_of_its_kernel(folder, output):
    made = installed_models.install(output, None, networks.load)
    assert made.name == "surface_seed_1"
    assert files_in(folder) == [
        "surface_seed_1",
        *(f"surface_seed_1/surface_seed_1.{end}" for end in ("json", "safetensors", "sha256")),
    ]
    made.verify()
    assert installed_models.model("surface_seed_1") == made
    assert made.file.read_bytes() == (output / "network.safetensors").read_bytes()


@pytest.mark.parametrize("harm", ["weights", "card", "no card", "no checksums"])
def test_what_is_damaged_is_refused_and_leaves_nothing(folder, output, harm):
    if harm == "weights":
        with (output / "network.safetensors").open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"\xff")
    elif harm == "card":
        (output / "network.json").write_text("{}")
    else:
        (output / ("network.json" if harm == "no card" else "network.sha256")).unlink()
    with pytest.raises(InputError, match="network") as caught:
        installed_models.install(output, None, fine)
    assert "A model is three files that belong together" in str(caught.value)
    assert not folder.exists()


def test_a_model_that_cannot_be_loaded_is_refused_and_leaves_nothing(folder, output):
    card = json.loads((output / "network.json").read_text())
    card["architecture"]["members"][0]["widths"] = [1, 2]
    (output / "network.json").write_text(json.dumps(card))
    write_checksums(
        output / "network.sha256", [output / "network.safetensors", output / "network.json"]
    )
    with pytest.raises(InputError):
        installed_models.install(output, None, networks.load)
    assert not folder.exists()


def test_a_name_is_used_once_unless_it_is_replaced(folder, output):
    installed_models.install(output, "mine", fine)
    with pytest.raises(ParameterError, match="A model of the name mine is installed already"):
        installed_models.install(output, "mine", fine)
    (output / "network.json").write_text('{"seed": 8}')
    write_checksums(
        output / "network.sha256", [output / "network.safetensors", output / "network.json"]
    )
    again = installed_models.install(output, "mine", fine, replace=True)
    assert again.card() == {"seed": 8}
    again.verify()
    assert [path.name for path in folder.iterdir()] == ["mine"]


def test_models_that_ship_are_never_replaced(folder, output):
    with pytest.raises(ParameterError, match="A model of the name craters came with LunarSite"):
        installed_models.install(output, "craters", fine, replace=True)
    assert not folder.exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["é", "a b", "../up", "x.safetensors", "-x", "ü", "n" * 65])
def test_names_are_plain_words(output, name):
    with pytest.raises(ParameterError, match="is no name of a model"):
        installed_models.install(output, name, fine)


@pytest.mark.usefixtures("folder")
def test_sources_without_one_model_are_explained(output, tmp_path):
    with pytest.raises(InputError, match="There is no file or folder"):
        installed_models.install(tmp_path / "nowhere", None, fine)
    with pytest.raises(InputError, match=r"network\.json is no file of weights"):
        installed_models.install(output / "network.json", None, fine)
    with pytest.raises(InputError, match="has no weights"):
        installed_models.install(tmp_path / "trained", None, fine)
    shutil.copy(output / "network.safetensors", output / "network-2.safetensors")
    with pytest.raises(InputError, match="has 2 models") as caught:
        installed_models.install(output, None, fine)
    assert "lunarsite models install" in caught.value.remedy


def test_a_folder_that_cannot_be_written_is_an_output_error(folder, output):
    folder.write_text("a file")
    with pytest.raises(OutputError, match="Cannot write to"):
        installed_models.install(output, "mine", fine)


def test_a_damaged_installed_model_is_found(folder, output):
    made = installed_models.install(output, "mine", fine)
    (folder / "mine" / "mine.json").write_text("{}")
    with pytest.raises(InputError, match=r"mine\.json is not the file that mine\.sha256 names"):
        made.verify()


def test_stages_that_take_models_are_known():
    assert TAKERS == [
        ("score", "scorer"),
        ("screen", "scorer"),
        ("detect-craters", "checkpoint"),
        ("diagnose-craters", "checkpoint"),
        ("train-craters", "start"),
        ("segment-terrain", "checkpoint"),
        ("evaluate-segmentation", "checkpoint"),
        ("calibrate", "checkpoint"),
        ("train-segmenter", "start"),
    ]


@pytest.mark.parametrize(("stage", "parameter"), TAKERS)
def test_stages_take_models_by_name(folder, output, stage, parameter):
    declared = stages.load(stage).parameter(parameter)
    ending = declared.endings[0]
    shipped = min(SHIPPED.glob(f"*{ending}"))
    assert declared.parse(shipped.stem) in (str(shipped), [str(shipped)])
    if ending == ".safetensors":
        made = installed_models.install(output, "mine", fine)
        assert declared.parse("mine") in (str(made.file), [str(made.file)])
        assert folder in made.file.parents
    for path in ("dir/mine", "nobody", str(shipped)):
        assert declared.parse(path) in (path, [path])


def test_a_file_comes_before_a_model_of_its_name_and_a_folder_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "craters").mkdir()
    resolved = str(SHIPPED / "craters.safetensors")
    assert file_names.model_file("craters", (".safetensors",)) == resolved
    (tmp_path / "craters").rmdir()
    (tmp_path / "craters").touch()
    assert file_names.model_file("craters", (".safetensors",)) == "craters"


def test_python_takes_models_by_name_too():
    assert weights.load("craters").path == weights.BUNDLED
    assert networks.load("segmenter-orbital").path == networks.BUNDLED["orbital"]
    with pytest.raises(InputError, match="There is no file cratres") as caught:
        weights.load("cratres")
    assert "List the models with lunarsite models list" in caught.value.remedy


@pytest.mark.parametrize(
    ("platform", "variable", "value", "place"),
    [
        ("linux", "XDG_DATA_HOME", "data", "data/lunarsite/models"),
        ("linux", None, None, "home/.local/share/lunarsite/models"),
        ("win32", "LOCALAPPDATA", "local", "local/lunarsite/models"),
        ("darwin", None, None, "home/Library/Application Support/lunarsite/models"),
    ],
)
def test_installed_models_lie_where_the_system_keeps_data(
    tmp_path, monkeypatch, platform, variable, value, place
):
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA", file_names.MODELS_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(file_names.sys, "platform", platform)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / value))
    assert file_names.installed_models() == tmp_path / place


def test_a_model_that_cannot_be_put_in_place_leaves_the_one_that_is_there(
    folder, output, monkeypatch
):
    before = installed_models.install(output, "mine", fine).file.read_bytes()
    rename = Path.rename

    def failing(path, target):
        if path.parent.name == "before" or (path.name == "mine" and target == folder / "mine"):
            raise PermissionError(13, "in use")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(PermissionError):
        installed_models.install(output, "mine", fine, replace=True)
    assert installed_models.model("mine").file.read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["mine"]
