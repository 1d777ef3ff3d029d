"""Recipes: YAML files that say what a network is trained on and how, checked."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from lunarsite.engine.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Trained(Protocol):
    """What all recipes say of a training's length."""

    @property
    def steps(self) -> int:
        """Steps, unless `epochs` says them."""
        ...

    @property
    def epochs(self) -> int | None:
        """Times that every sample is learned from."""
        ...

    @property
    def batch(self) -> int:
        """Samples that the network sees at once."""
        ...

    @property
    def accumulate(self) -> int:
        """Batches of a step."""
        ...

    @property
    def validate_every(self) -> int:
        """Steps between two looks at unseen samples."""
        ...


def names(folder: Path) -> list[str]:
    """Return the recipes of a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read(kind: type[DataclassInstance], folder: Path, name_or_path: str) -> dict[str, Any]:
    """Return what a recipe says, by its name in a folder, or from a YAML file.

    Parameters
    ----------
    kind : type
        A dataclass whose fields are what a recipe may say, with ``name`` among them.
    folder : Path
        Of the recipes that have a name.
    name_or_path : str
        Which.

    Raises
    ------
    InputError
        If there is none, it is not YAML, a value is of the wrong kind or out of range, or both
        steps and epochs are given.
    """
    known = names(folder)
    path = folder / f"{name_or_path}.yaml" if name_or_path in known else Path(name_or_path)
    if not path.is_file():
        raise InputError(
            f"There is no recipe {name_or_path!r}",
            f"Choose one of {', '.join(known)}, or give the path of a YAML file",
        )
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"The recipe {path.name} is not YAML: {error}", "Mend the file") from error
    if not isinstance(given, dict):
        raise InputError(f"The recipe {path.name} holds no values", "Write name: value lines")
    if {"steps", "epochs"} <= set(given):
        raise InputError(
            f"The recipe {path.name} gives both steps and epochs", "Leave one of the two out"
        )
    return _checked({"name": path.stem, **given}, kind, path.name)


def settled(recipe: Trained, count: int, steps: int | None) -> tuple[int, int]:
    """Return how many steps a recipe takes, and after how many it is measured.

    Parameters
    ----------
    recipe : Trained
        Of any network.
    count : int
        How many samples there are to learn from.
    steps : int, optional
        Steps that go before the recipe's own.
    """
    wanted = recipe.steps
    if recipe.epochs is not None:
        wanted = -(-recipe.epochs * count // (recipe.batch * recipe.accumulate))
    wanted = wanted if steps is None else steps
    return wanted, min(recipe.validate_every, wanted)


def check_sides(what: str, *, multiple: int = 32, least: int = 64, **sides: int) -> None:
    """Raise unless sides in pixels are ones that networks can take.

    Raises
    ------
    InputError
        With the first that is not.
    """
    for name, side in sides.items():
        if side % multiple or side < least:
            raise InputError(
                f"The recipe {what}: {name} is {side}",
                f"Give a multiple of {multiple}, at least {least}",
            )


def _checked(given: dict[str, Any], kind: type[DataclassInstance], what: str) -> dict[str, Any]:
    known = {field.name: field for field in fields(kind)}
    for name, value in given.items():
        if name not in known:
            raise InputError(
                f"The recipe {what} has a value {name!r} that nothing reads",
                f"Known are: {', '.join(known)}",
            )
        if not _fits(value, str(known[name].type)):
            raise InputError(
                f"The recipe {what}: {name} is {value!r}",
                "Give a whole number above 0, for rates a number from 0 to below 1, for ranges two "
                "rising numbers above 0, true or false for needs_start",
            )
    return {n: tuple(v) if isinstance(v, list) else v for n, v in given.items()}


def _fits(value: Any, kind: str) -> bool:
    """Return whether a value is of the kind that a field declares, and in its range."""
    if kind == "str":
        return isinstance(value, str)
    if kind == "bool" or isinstance(value, bool):
        return kind == "bool" and isinstance(value, bool)
    if kind.startswith("int"):
        return isinstance(value, int) and value > 0
    if kind == "float":
        return isinstance(value, int | float) and 0 <= value < 1
    if kind == "tuple[float, float]":
        numbers = isinstance(value, list) and all(type(each) in (int, float) for each in value)
        return numbers and len(value) == 2 and 0 < value[0] <= value[1]
    return isinstance(value, list) and all(_fits(each, "int") for each in value)
