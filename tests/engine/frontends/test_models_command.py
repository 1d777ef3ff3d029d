"""``lunarsite models``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from lunarsite.engine import file_names
from lunarsite.engine.frontends import cli
from lunarsite.engine.provenance import write_checksums

SHIPPED = file_names.SHIPPED_MODELS


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(file_names.MODELS_VARIABLE, str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "models"


@pytest.fixture(params=["craters", "segmenter-orbital", "scorer-hls"])
def output(request, tmp_path):
    """Return the folder of a training's output of each kind."""
    made = tmp_path / "mine"
    made.mkdir()
    (weights,) = (each for each in SHIPPED.glob(f"{request.param}.*") if each.suffix != ".json")
    for suffix in (weights.suffix, ".json"):
        shutil.copy(weights.with_suffix(suffix), made / f"network{suffix}")
    write_checksums(made / "network.sha256", sorted(made.iterdir()))
    return made


@pytest.mark.usefixtures("output")
def test_an_output_is_installed_listed_shown_and_verified(folder, capsys):
    assert cli.main(["models", "install", "mine"]) == 0
    assert "Use it by name: lunarsite " in capsys.readouterr().out
    assert (folder / "mine" / "mine.json").is_file()
    assert cli.main(["models", "list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].split() == ["model", "kind", "recipe", "MB"]
    assert listed[-1].endswith("installed")
    assert cli.main(["models", "show", "mine", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["card"] == json.loads((folder / "mine" / "mine.json").read_text())
    assert cli.main(["models", "verify"]) == 0
    assert "mine" in capsys.readouterr().out
    with (folder / "mine" / "mine.json").open("a") as card:
        card.write(" ")
    assert cli.main(["models", "verify", "craters"]) == 0
    assert cli.main(["models", "verify"]) == 2
    assert "mine.json is not the file that mine.sha256 names" in capsys.readouterr().out


@pytest.mark.usefixtures("output")
def test_a_model_of_no_use_is_refused(folder, tmp_path, capsys):
    mine = tmp_path / "mine"
    card = json.loads((mine / "network.json").read_text())
    for name in ("architecture", "features"):
        card.pop(name, None)
    (mine / "network.json").write_text(json.dumps(card))
    files = [each for each in mine.iterdir() if each.suffix != ".sha256"]
    write_checksums(mine / "network.sha256", files)
    assert cli.main(["models", "install", "mine"]) == 2
    assert "does not describe a" in capsys.readouterr().err
    assert not folder.exists()


@pytest.mark.usefixtures("folder")
def test_names_that_do_not_exist_get_the_nearest(capsys):
    assert cli.main(["models", "show", "crater"]) == 2
    assert "There is no model 'crater'. The nearest is 'craters'." in capsys.readouterr().err
    assert cli.main(["models", "verify", "x"]) == 2
    assert "There is no model 'x'" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_the_list_imports_no_torch_and_no_rasters():
    script = (
        "import sys; from lunarsite.engine.frontends import cli; cli.main(['models', 'list']);"
        "sys.exit(' '.join(n for n in ('torch', 'rasterio', 'numpy') if n in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""
    assert "segmenter-surface" in done.stdout
