"""Recipes: YAML files with the data and hyperparameters of a training, validated when read."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lunarsite.engine.errors import InputError
from lunarsite.engine.io import yaml_file

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


_SHARES = {"shifts": 1, "encoder_rate": 1, "start_share": 1, "real_percent": 0}
"""Values at the end of the range of a share, which rates and counts do not have."""

PRECISIONS = ("float32", "bfloat16")
"""Arithmetic of the forward passes of training steps."""


class Schedule(Protocol):
    """The part of every recipe that sets the length of training."""

    @property
    def steps(self) -> int:
        """Optimiser steps, unless `epochs` is set."""
        ...

    @property
    def epochs(self) -> int | None:
        """Passes over the training set, in place of `steps`."""
        ...

    @property
    def batch(self) -> int:
        """Samples per forward pass."""
        ...

    @property
    def accumulate(self) -> int:
        """Forward passes per optimiser step."""
        ...

    @property
    def validate_every(self) -> int:
        """Steps between validations."""
        ...


def names(folder: Path) -> list[str]:
    """Return the names of the recipes in a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read(kind: type[DataclassInstance], folder: Path, name_or_path: str) -> dict[str, Any]:
    """Read a recipe, by its name in a folder or from a YAML file.

    Parameters
    ----------
    kind : type
        Dataclass whose fields are the keys that a recipe may have; ``name`` is one of them.
    folder : Path
        Folder of the named recipes.
    name_or_path : str
        Name of a recipe, or path of a YAML file.

    Returns
    -------
    dict
        Values by field; those that the recipe leaves out are not included.

    Raises
    ------
    InputError
        If there is no such recipe, it is not YAML, a value is of the wrong type or out of range,
        or both steps and epochs are given.
    """
    known = names(folder)
    path = folder / f"{name_or_path}.yaml" if name_or_path in known else Path(name_or_path)
    if not path.is_file():
        raise InputError(
            f"There is no recipe {name_or_path!r}",
            f"Choose one of {', '.join(known)}, or give the path of a YAML file",
        )
    try:
        given = yaml_file.read(path)
    except yaml_file.ContentError as error:
        raise InputError(f"The recipe {path.name} {error}", error.remedy) from error
    except (UnicodeDecodeError, yaml_file.YAMLError) as error:
        raise InputError(f"The recipe {path.name} is not YAML: {error}", "Fix the file") from error
    if not isinstance(given, dict):
        raise InputError(f"The recipe {path.name} holds no values", "Write name: value lines")
    if {"steps", "epochs"} <= set(given):
        raise InputError(
            f"The recipe {path.name} gives both steps and epochs", "Leave one of the two out"
        )
    return _checked({"name": path.stem, **given}, kind, path.name)


def schedule(recipe: Schedule, count: int, steps: int | None) -> tuple[int, int]:
    """Return the number of steps of a training, and the steps between validations.

    Parameters
    ----------
    recipe : Schedule
        Recipe of any network.
    count : int
        Size of the training set.
    steps : int, optional
        Overrides the steps of the recipe.
    """
    total = recipe.steps
    if recipe.epochs is not None:
        total = -(-recipe.epochs * count // (recipe.batch * recipe.accumulate))
    total = total if steps is None else steps
    return total, min(recipe.validate_every, total)


def check_sides(what: str, *, multiple: int = 32, least: int = 64, **sides: int) -> None:
    """Raise unless sides in pixels are multiples that the networks can take.

    Raises
    ------
    InputError
        Names the first side that is not.
    """
    for name, side in sides.items():
        if side % multiple or side < least:
            raise InputError(
                f"The recipe {what}: {name} is {side}",
                f"Give a multiple of {multiple}, at least {least}",
            )


def check_precision(what: str, precision: str) -> None:
    """Raise `InputError` unless a precision is one that training steps can have."""
    if precision not in PRECISIONS:
        raise InputError(
            f"The recipe {what}: precision is {precision!r}", f"Give one of {', '.join(PRECISIONS)}"
        )


def without_former_precision(values: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe as JSON without a precision of bfloat16.

    Earlier versions always trained with it: their cards and training states remain equal.
    """
    return {n: v for n, v in values.items() if (n, v) != ("precision", "bfloat16")}


def _checked(given: dict[str, Any], kind: type[DataclassInstance], what: str) -> dict[str, Any]:
    known = {field.name: field for field in fields(kind)}
    for name, value in given.items():
        if name not in known:
            raise InputError(
                f"The recipe {what} has an unknown key {name!r}",
                f"Known keys are: {', '.join(known)}",
            )
        end = type(value) is int and name in _SHARES and value == _SHARES[name]
        if not end and not _fits(value, str(known[name].type)):
            raise InputError(
                f"The recipe {what}: {name} is {value!r}",
                "Give a whole number above 0; for rates a number from 0 to below 1, for shares 1 "
                "too; for ranges two increasing numbers above 0; for needs_start and "
                "shared_scenes true or false",
            )
    return {n: tuple(v) if isinstance(v, list) else v for n, v in given.items()}


def _fits(value: Any, kind: str) -> bool:
    """Return whether a value is of the type that a field declares, and in its range."""
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
