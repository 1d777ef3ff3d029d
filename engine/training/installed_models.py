"""Trained models by name: those that ship, and those that the user has installed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lunarsite.engine.atomic import scratch_folder
from lunarsite.engine.contract import unknown_name
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.file_names import SHIPPED_MODELS, installed_models
from lunarsite.engine.provenance import read_verified, write_checksums
from lunarsite.engine.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENDINGS = (".safetensors", ".ubj")
"""Of networks and of scorers."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

_AGAIN = (
    "A model is three files that belong together: the weights, .json and .sha256. Fetch all again"
)
_PLAIN = "network"
"""Name of the weights in the output of a kernel: the folder's name says more."""


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model.

    Parameters
    ----------
    name : str
        By which stages take it.
    file : Path
        Its weights; the card lies beside them.
    shipped : bool
        Whether it came with LunarSite.
    """

    name: str
    file: Path
    shipped: bool

    def card(self) -> dict[str, Any]:
        """Return the card, empty if it cannot be read."""
        try:
            card = json.loads(self.file.with_suffix(".json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return card if isinstance(card, dict) else {}

    def verify(self) -> None:
        """Raise unless weights and card have their checksums.

        Raises
        ------
        InputError
            Names the file.
        """
        remedy = (
            "Install LunarSite again" if self.shipped else f"Install the model {self.name} again"
        )
        for file in (self.file, self.file.with_suffix(".json")):
            read_verified(file, remedy)


def kind_of(card: dict[str, Any], file: Path) -> str:
    """Return what a model is: ``scorer``, ``craters``, ``surface`` or ``orbital``."""
    if file.suffix == ".ubj":
        return "scorer"
    if "classes" in card:
        recipe = card.get("recipe")
        return str(recipe.get("view", "surface")) if isinstance(recipe, dict) else "surface"
    return "craters"


def models() -> list[Model]:
    """Return all models: those that ship, then those installed, each by name."""
    shipped = [Model(file.stem, file, shipped=True) for file in _weights(SHIPPED_MODELS)]
    folder = installed_models()
    own = [
        Model(file.stem, file, shipped=False)
        for each in (sorted(folder.iterdir()) if folder.is_dir() else ())
        for file in _weights(each)
        if file.stem == each.name
    ]
    return [*shipped, *own]


def model(name: str) -> Model:
    """Return the model with a name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    found = {each.name: each for each in models()}
    if name not in found:
        raise unknown_name("model", name, list(found))
    return found[name]


def install(
    source: Path, name: str | None, check: Callable[[Path], None], *, replace: bool = False
) -> Model:
    """Install a model under a name, at once or not at all.

    Parameters
    ----------
    source : Path
        Its weights, with card and checksums beside them, or the folder in which they lie alone, as
        a kernel's output does.
    name : str or None
        By default that of the weights, and for a kernel's output that of its folder.
    check : callable
        Loads the installed weights, and raises if they are of no use.
    replace : bool
        Whether it takes the place of an installed model of that name.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    ParameterError
        If the name is taken or cannot be one.
    """
    file = _weights_of(source)
    chosen = name or (file.parent.resolve().name if file.stem == _PLAIN else file.stem)
    if not NAME.fullmatch(chosen):
        raise ParameterError(
            f"{chosen!r} is no name of a model",
            "Use up to 64 ASCII letters, digits, dashes and underscores: --name NAME",
        )
    taken = {each.name: each for each in models()}.get(chosen)
    if taken is not None and (taken.shipped or not replace):
        what = "came with LunarSite" if taken.shipped else "is installed already"
        also = "" if taken.shipped else ", or replace it: --replace"
        raise ParameterError(
            f"A model of the name {chosen} {what}", f"Give another name with --name{also}"
        )
    content = {
        suffix: read_verified(file.with_suffix(suffix), _AGAIN) for suffix in (file.suffix, ".json")
    }
    folder = installed_models()
    target = folder / chosen
    with scratch_folder(folder) as scratch:
        fresh = scratch / chosen
        fresh.mkdir()
        written = [fresh / f"{chosen}{suffix}" for suffix in content]
        for path, data in zip(written, content.values(), strict=True):
            path.write_bytes(data)
        write_checksums(fresh / f"{chosen}.sha256", written)
        check(written[0])
        before = scratch / "before"
        if target.exists():
            target.rename(before)
        try:
            fresh.rename(target)
        except OSError:
            # The scratch folder is removed, and with it what it holds.
            if before.exists():
                before.rename(target)
            raise
    return Model(chosen, target / written[0].name, shipped=False)


def _weights(folder: Path) -> list[Path]:
    """Return the files of weights in a folder, by the names of their models."""
    found = (file for file in folder.glob("*") if file.suffix in ENDINGS and file.is_file())
    return sorted(found, key=lambda file: (file.stem, file.suffix))


def _weights_of(source: Path) -> Path:
    """Return the file of weights that a path names."""
    if not source.exists():
        raise InputError(f"There is no file or folder {source}", "Check the path")
    if not source.is_dir():
        if source.suffix not in ENDINGS:
            raise InputError(
                f"{source.name} is no file of weights: it does not end in {' or '.join(ENDINGS)}",
                "Give the weights, or the folder with them",
            )
        return source
    found = _weights(source)
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(f"The folder {source} has no weights", "Give the output of a training")
    raise InputError(
        f"The folder {source} has {len(found)} models",
        f"Name one of them, such as: lunarsite models install {quoted(str(found[0]))}",
    )
