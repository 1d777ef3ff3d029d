"""``lunarsite models``: trained models, which stages take by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import atomic, device
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError, ParameterError
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
    rows = [*described.items(), *_of_card(card)]
    for number, each in enumerate(card.get("members", []), 1):
        rows.append((f"network {number}", each.get("recipe", {}).get("name")))
        rows += [(f"- {name}", value) for name, value in _of_card(each)]
    lines = table([(name, str(value)) for name, value in rows])
    terminal.result({**described, "card": card}, lines)
    return 0


def _of_card(card: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, card[name]) for name in _SHOWN if card.get(name) is not None]


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


def _combine(options: argparse.Namespace, terminal: Terminal) -> int:
    # They compile kernels, which the other verbs do without.
    from lunarsite.engine.frontends import progress  # noqa: PLC0415
    from lunarsite.engine.segmentation import weights  # noqa: PLC0415
    from lunarsite.engine.segmentation.training import combined  # noqa: PLC0415

    path = Path(options.out)
    if path.suffix != ".safetensors":
        raise ParameterError(
            f"--out: {path.name} does not end in .safetensors", "Name it like ensemble.safetensors"
        )
    for file in (path.with_suffix(suffix) for suffix in (".safetensors", ".json", ".sha256")):
        if file.exists():
            raise ParameterError(f"--out: {file.name} exists already", "Give another name")
    loaded = [weights.load(each) for each in options.networks]
    folder = Path(options.scenes_folder) if options.scenes_folder else None
    shown = not (terminal.quiet or terminal.as_json)
    progress.log_to_stderr(quiet=terminal.quiet)
    with progress.terminal_bar("models combine", shown=shown) as report:
        context = Context(cancelled=terminal.cancelled, report=report)
        where = device.for_networks(context)
        atomic.make_folder(path.parent)
        card = combined.combine(loaded, path, where, context, folder=folder, bits=int(options.bits))
    found = card["metrics"]
    error = found["calibration"]["ece_called_rocks"]
    lines = [
        f"{path.name} averages {len(loaded)} networks",
        f"mIoU {found['miou']}, any rock {found['any_rock']}",
        f"Calibration error of what is predicted as rock {error}",
        f"On {found['images']} held-out scenes",
    ]
    warnings = list(context.warnings)
    terminal.result({"file": str(path), "metrics": found, "warnings": warnings}, lines)
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


def _combine_options(parser: Parser) -> None:
    parser.add_argument("networks", nargs="+", metavar="NAME", help="Names or files of networks.")
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="Checkpoint to write (.safetensors)."
    )
    parser.add_argument(
        "--bits", choices=("16", "8"), default="16", help="Bits of a weight in the file."
    )
    parser.add_argument(
        "--scenes-folder", metavar="FOLDER", help="Folder in which generated scenes are kept."
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
    "combine": Verb(
        summary="Write several networks for rocks into one file, whose predictions are averaged.",
        words="NAME NAME...",
        options=_combine_options,
        run=_combine,
    ),
}
