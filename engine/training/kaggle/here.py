"""A kernel on this machine: where its inputs lie, and the commands with their paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.errors import InputError
from lunarsite.engine.text import quoted
from lunarsite.engine.training.kaggle import registry
from lunarsite.engine.training.kaggle.specs import PLACE

if TYPE_CHECKING:
    from lunarsite.engine.training.kaggle.specs import Command, KernelSpec

MODELS = Path(__file__).parents[3] / "models"
"""The models that ship, which are the content of the dataset of weights."""

_DEEP = ("{}", "*/{}", "*/*/{}")
"""Where below Kaggle's folder of inputs an attached source may lie, by its slug."""


def commands(spec: KernelSpec, out: Path, inputs: Path | None, folder: Path) -> list[Command]:
    """Return the commands of a kernel with the paths of this machine.

    Parameters
    ----------
    spec : KernelSpec
        The kernel.
    out : Path
        Its output folder.
    inputs : Path or None
        Folder with a folder for each attached dataset and kernel, named by its slug, as Kaggle
        mounts them.
    folder : Path
        Where outputs of kernels are pulled to: those that this one attaches are looked for there
        too.

    Raises
    ------
    InputError
        If an attached dataset or output is not there.
    """
    places = {"out": str(out)}
    wanted = {place for each in spec.commands for word in each for place in PLACE.findall(word)}
    for slug in spec.datasets:
        name = slug.rpartition("/")[2]
        if name in wanted:
            places[name] = str(_dataset(spec, slug, inputs))
    for name in spec.kernels:
        places[name] = str(_output(spec, registry.kernel(name), inputs, folder))
    return [
        tuple(PLACE.sub(lambda match: places[match[1]], word) for word in each)
        for each in spec.commands
    ]


def _dataset(spec: KernelSpec, slug: str, inputs: Path | None) -> Path:
    name = slug.rpartition("/")[2]
    found = _below(inputs, name)
    if found is None and slug == registry.WEIGHTS:
        found = MODELS
    if found is not None:
        return found
    ours = next((each for each in registry.DATASETS.values() if each.slug == slug), None)
    what = " and ".join(ours.files) if ours and ours.files else "the files of that dataset"
    base = inputs or Path("inputs")
    raise InputError(
        f"{spec.name} reads the dataset {slug}, and there is no folder {name}"
        + (f" in {inputs}" if inputs else ": no folder of inputs is given"),
        f"Put {what} into {base / name} and run: lunarsite train {spec.name} --here "
        f"--inputs {quoted(str(base))}",
    )


def _output(spec: KernelSpec, source: KernelSpec, inputs: Path | None, folder: Path) -> Path:
    found = _below(inputs, source.slug)
    pulled = folder / source.output
    if found is None and all((pulled / name).is_file() for name in source.outputs):
        found = pulled
    if found is not None:
        return found
    raise InputError(
        f"{spec.name} reads the output of {source.name}, which is not in {pulled}",
        f"Make it first: lunarsite train {source.name} --here, or: lunarsite kaggle run "
        f"{source.name}",
    )


def _below(inputs: Path | None, name: str) -> Path | None:
    """Return the folder of an attached source, wherever Kaggle mounts it."""
    if inputs is None:
        return None
    found = (path for pattern in _DEEP for path in sorted(inputs.glob(pattern.format(name))))
    return next((path for path in found if path.is_dir()), None)
