"""What a kernel and a dataset on Kaggle are made of, and the checks of their registry."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from lunarsite.engine.errors import LunarSiteError
from lunarsite.engine.training.kaggle import slugs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Command = tuple[str, ...]
"""A command of ``lunarsite``: the stage, and its options with the places of `PLACE`."""

PLACE = re.compile(r"\{([a-z0-9_-]+)\}")
"""``{out}``, the slug of a dataset in braces, or the name of a kernel whose output is attached."""

_SUBTITLE = (20, 80)
"""Characters of a subtitle that Kaggle takes."""


class RegistryError(LunarSiteError):
    """The registry contradicts itself or Kaggle's rules; found when it is loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """A dataset that kernels attach.

    Parameters
    ----------
    name : str
        On the command line.
    title, slug, subtitle : str
        On Kaggle; the slug is that of the title.
    description : str
        On its page.
    licence : str
        As Kaggle names it.
    content : str
        ``wheel``: the engine's sources; ``models``: the models that ship; ``folder``: files of the
        user's.
    files : tuple of str
        Names of the user's files.
    """

    name: str
    title: str
    slug: str
    subtitle: str
    description: str
    licence: str
    content: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSpec:
    """A kernel: a notebook that runs commands of ``lunarsite`` on Kaggle.

    Parameters
    ----------
    name : str
        On the command line.
    title, slug : str
        On Kaggle; the slug is that of the title.
    summary : str
        One sentence.
    commands : tuple of tuple of str
        What it runs, see `Command`.
    outputs : tuple of str
        Files that it leaves in the output folder.
    output : str
        Name of the folder that they are pulled to; no two kernels share one.
    recipe : str
        Training recipe that the commands name, empty for kernels that train nothing.
    datasets : tuple of str
        What it attaches: slugs of our datasets, ``owner/slug`` for those of others.
    kernels : tuple of str
        Names of kernels whose outputs it attaches: they run before it.
    gpu : bool
        Whether it has a GPU.
    accelerator : str
        Which one, as Kaggle names it.
    internet : bool
        Whether it reaches the network, from which the engine's libraries are installed.
    private : bool
        Whether only its owner sees it.
    """

    name: str
    title: str
    slug: str
    summary: str
    commands: tuple[Command, ...]
    outputs: tuple[str, ...]
    output: str
    recipe: str = ""
    datasets: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    gpu: bool = True
    accelerator: str = "NvidiaTeslaT4"
    internet: bool = True
    private: bool = True


def datasets_by_name(listed: Iterable[DatasetSpec]) -> dict[str, DatasetSpec]:
    """Return checked datasets by name.

    Raises
    ------
    RegistryError
        For a misnamed dataset, and for one that is listed twice.
    """
    specs = tuple(listed)
    least, most = _SUBTITLE
    for spec in specs:
        _check_named("dataset", spec, slugs.DATASET_LENGTHS)
        if not least <= len(spec.subtitle) <= most:
            raise RegistryError(
                f"The dataset {spec.name} has a subtitle of {len(spec.subtitle)} characters",
                f"Write {least} to {most}: Kaggle takes no others",
            )
    _check_unique("dataset", "name", [spec.name for spec in specs])
    _check_unique("dataset", "slug", [spec.slug for spec in specs])
    return {spec.name: spec for spec in specs}


def kernels_by_name(
    listed: Iterable[KernelSpec], datasets: Mapping[str, DatasetSpec]
) -> dict[str, KernelSpec]:
    """Return checked kernels by name.

    Parameters
    ----------
    listed : iterable of KernelSpec
        The kernels.
    datasets : mapping of str to DatasetSpec
        Our datasets.

    Raises
    ------
    RegistryError
        For a slug that is not the title's, names, slugs or output folders that are used twice,
        datasets and kernels that do not exist, and commands that do not fit what is declared.
    """
    specs = tuple(listed)
    for spec in specs:
        _check_named("kernel", spec, slugs.KERNEL_LENGTHS)
    _check_unique("kernel", "name", [spec.name for spec in specs])
    _check_unique("kernel", "slug", [spec.slug for spec in specs])
    _check_unique("kernel", "output folder", [spec.output for spec in specs])
    known = {spec.slug for spec in datasets.values()}
    earlier: set[str] = set()
    for spec in specs:
        _check_sources(spec, known, earlier)
        _check_commands(spec)
        earlier.add(spec.name)
    return {spec.name: spec for spec in specs}


def _check_named(what: str, spec: DatasetSpec | KernelSpec, lengths: tuple[int, int]) -> None:
    wrong = slugs.problem(spec.slug, spec.title, lengths)
    if wrong:
        raise RegistryError(f"The {what} {spec.name} {wrong}", "Change the title or the slug")


def _check_unique(what: str, field: str, values: Sequence[str]) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise RegistryError(
            f"Two {what}s have the {field} {twice[0]!r}", "Give each of them its own"
        )


def _check_sources(spec: KernelSpec, known: set[str], earlier: set[str]) -> None:
    for slug in spec.datasets:
        owner, slash, rest = slug.partition("/")
        if not (owner and rest if slash else slug in known):
            raise RegistryError(
                f"The kernel {spec.name} attaches the dataset {slug!r}, which does not exist",
                f"Name one of {', '.join(sorted(known))}, or that of another owner as owner/slug",
            )
    for name in spec.kernels:
        if name not in earlier:
            raise RegistryError(
                f"The kernel {spec.name} attaches the output of {name!r}, which is not a kernel "
                "listed before it",
                "List the kernel first",
            )


def _check_commands(spec: KernelSpec) -> None:
    """Raise unless the commands read what is attached, and write each output once."""
    places = {"out", *(slug.rpartition("/")[2] for slug in spec.datasets), *spec.kernels}
    words = [word for command in spec.commands for word in command]
    for place in PLACE.findall(" ".join(words)):
        if place not in places:
            raise RegistryError(
                f"A command of the kernel {spec.name} reads {{{place}}}, which is not attached",
                f"Attach it, or read from one of {', '.join(sorted(places))}",
            )
    own = [path.removeprefix("{out}/") for path in _values(words, "--out")]
    twice = [name for name, count in Counter(own).items() if count > 1]
    if twice:
        raise RegistryError(
            f"Two commands of the kernel {spec.name} write the output {twice[0]}",
            "Give each output its own name",
        )
    unlisted = [name for name in own if name not in spec.outputs]
    if unlisted or not spec.outputs:
        raise RegistryError(
            f"The kernel {spec.name} writes {', '.join(unlisted)}, which its outputs leave out",
            "List it in outputs",
        )
    if _values(words, "--recipe") != ([spec.recipe] if spec.recipe else []):
        raise RegistryError(
            f"The kernel {spec.name} is of the recipe {spec.recipe!r}, and its commands train "
            f"{', '.join(_values(words, '--recipe')) or 'none'}",
            "Name the same recipe in both",
        )


def _values(words: Sequence[str], option: str) -> list[str]:
    """Return what follows an option, wherever it stands."""
    return [word for before, word in pairwise(words) if before == option]
