"""``lunarsite models``: trained models, which stages take by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.errors import InputError
from lunarsite.engine.frontends.subcommands import Terminal, Verb, table
from lunarsite.engine.training import installed_models

if TYPE_CHECKING:
    import argparse

    from lunarsite.engine.frontends.arguments import Parser
    from lunarsite.engine.training.installed_models import Model

DAMAGED = 2
"""Exit code of a verification that finds a damaged model: that of every error of the user's."""

_SHOWN = ("data", "seed", "steps", "minutes", "licence", "calibrated_on", "training_cells")
"""Entries of a card that are shown; --json has all of them."""


def _list(_options: argparse.Namespace, terminal: Terminal) -> int:
    described = [_described(each) for each in installed_models.models()]
    rows = [("model", "kind", "recipe", "MB", "")]
    rows += [
        (each["name"], each["kind"], each["recipe"] or "-", f"{each['mb']:.1f}", each["from"])
        for each in described
    ]
    terminal.result({"models": described}, table(rows))
    return 0


def _show(options: argparse.Namespace, terminal: Terminal) -> int:
    model = installed_models.model(options.name)
    card = model.card()
    described = _described(model)
    shown = {**described, **{name: card[name] for name in _SHOWN if card.get(name) is not None}}
    lines = table([(name, str(value)) for name, value in shown.items()])
    terminal.result({**described, "card": card}, lines)
    return 0


def _verify(options: argparse.Namespace, terminal: Terminal) -> int:
    chosen = [installed_models.model(name) for name in options.names] or installed_models.models()
    problems = {}
    for each in chosen:
        try:
            each.verify()
        except InputError as error:
            problems[each.name] = str(error)
    rows = [(each.name, problems.get(each.name, "as listed")) for each in chosen]
    document = {"models": [{"name": n, "problem": problems.get(n)} for n, _ in rows]}
    terminal.result(document, table(rows))
    return DAMAGED if problems else 0


def _install(options: argparse.Namespace, terminal: Terminal) -> int:
    model = installed_models.install(
        Path(options.source), options.name, _check, replace=options.replace
    )
    card = model.card()
    kind = installed_models.kind_of(card, model.file)
    option = {
        "scorer": f"lunarsite score --scorer {model.name}",
        "craters": f"lunarsite detect-craters --checkpoint {model.name}",
    }.get(kind, f"lunarsite segment-terrain --view {kind} --checkpoint {model.name}")
    lines = [f"{model.name} is installed in {model.file.parent}", f"Use it by name: {option} ..."]
    terminal.result(_described(model), lines)
    return 0


def _check(file: Path) -> None:
    """Load a model as the stages do that use it, and raise if they could not."""
    card = installed_models.Model(file.stem, file, shipped=False).card()
    kind = installed_models.kind_of(card, file)
    if kind == "scorer":
        if not {"features", "profile"} <= set(card):
            raise InputError(
                f"The card of {file.name} does not describe a scorer",
                "Give the output of lunarsite train-scorer",
            )
    elif kind == "craters":
        from lunarsite.engine.craters.model import weights  # noqa: PLC0415  reads with numpy

        weights.load(file)
    else:
        from lunarsite.engine.segmentation import weights as networks  # noqa: PLC0415  likewise

        networks.load(file)


def _described(model: Model) -> dict[str, Any]:
    card = model.card()
    recipe = card.get("recipe")
    profile = card.get("profile")
    named = recipe if isinstance(recipe, dict) else profile if isinstance(profile, dict) else {}
    return {
        "name": model.name,
        "kind": installed_models.kind_of(card, model.file),
        "recipe": named.get("name"),
        "mb": round(model.file.stat().st_size / 1e6, 2),
        "from": "ships with LunarSite" if model.shipped else "installed",
        "file": str(model.file),
    }


def _name(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="As lunarsite models list names it.")


def _names(parser: Parser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="Models; by default all of them.")


def _install_options(parser: Parser) -> None:
    parser.add_argument(
        "source",
        metavar="PATH",
        help="Folder of a pulled output, or weights with their card and checksums beside them.",
    )
    parser.add_argument("--name", help="Its name; by default that of the weights or the output.")
    parser.add_argument(
        "--replace", action="store_true", help="Take the place of an installed model of that name."
    )


VERBS = {
    "list": Verb(summary="List the models.", words="", options=lambda _parser: None, run=_list),
    "show": Verb(
        summary="Show a model's card; with --json all of it.",
        words="NAME",
        options=_name,
        run=_show,
    ),
    "verify": Verb(
        summary="Compare models with their checksums.",
        words="[NAME...]",
        options=_names,
        run=_verify,
    ),
    "install": Verb(
        summary="Install a trained model under a name.",
        words="PATH",
        options=_install_options,
        run=_install,
    ),
}
