"""Notebooks and metadata of kernels."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lunarsite.engine.training.kaggle import notebook, registry

SLUGS = {name: spec.slug for name, spec in registry.KERNELS.items()}


def code(spec):
    cells = json.loads(notebook.notebook(spec))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("spec", registry.KERNELS.values(), ids=lambda spec: spec.name)
def test_notebooks_are_valid_and_deterministic(spec, tmp_path):
    nbformat = pytest.importorskip("nbformat")
    for folder in ("a", "b"):
        notebook.write(spec, tmp_path / folder, "selene", SLUGS)
    for name in (f"{spec.slug}.ipynb", "kernel-metadata.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    nbformat.validate(nbformat.read(tmp_path / "a" / f"{spec.slug}.ipynb", 4))
    # Without a kernel's name, Kaggle refuses to run it.
    assert json.loads(notebook.notebook(spec))["metadata"]["kernelspec"]["name"] == "python3"
    for text in code(spec):
        compile(text, "cell", "exec")


def test_a_notebook_runs_the_command_that_runs_locally():
    assert notebook.command(registry.KERNELS["orbital"])[:4] == [
        "lunarsite", "train", "orbital", "--here",
    ]  # fmt: skip
    assert (
        json.dumps(notebook.command(registry.KERNELS["orbital"]))
        in code(registry.KERNELS["orbital"])[1]
    )


def test_the_metadata_name_what_is_attached_by_its_owner():
    found = notebook.metadata(registry.KERNELS["eval_v1_vs_v2"], "selene", SLUGS)
    assert found["id"] == "selene/lunarsite-eval-v1-vs-v2"
    assert found["dataset_sources"] == ["selene/lunarsite-engine", registry.ROCKS]
    assert found["kernel_sources"] == [
        "selene/lunarsite-surface-v1-resnet34",
        "selene/lunarsite-surface-v2-resnet50",
    ]
    assert (found["enable_gpu"], found["enable_internet"], found["is_private"]) == (True,) * 3
    assert found["machine_shape"] == "NvidiaTeslaT4"


def test_a_notebook_without_the_wheel_says_what_to_push(tmp_path):
    text = code(registry.KERNELS["starter"])[0].replace(notebook.INPUT, str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "No wheel is attached: lunarsite kaggle dataset push engine" in done.stderr


def test_the_wheel_is_found_wherever_kaggle_mounts_it(tmp_path):
    wheel = (
        tmp_path / "datasets" / "selene" / "lunarsite-engine" / "lunarsite-0.1.0-py3-none-any.whl"
    )
    wheel.parent.mkdir(parents=True)
    wheel.touch()
    text = code(registry.KERNELS["orbital"])[0].replace(notebook.INPUT, str(tmp_path))
    text = text.replace("subprocess.run(pip, check=True)", "print(pip)")
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=60
    )
    assert f"{wheel}[ml]" in done.stdout
