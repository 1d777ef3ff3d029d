"""``lunarsite kaggle dataset``: what kernels attach, uploaded."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.frontends.subcommands import Terminal, Verb, table
from lunarsite.engine.training.kaggle import credentials, datasets, registry

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lunarsite.engine.frontends.arguments import Parser
    from lunarsite.engine.training.kaggle.client import Client


def _list(_options: argparse.Namespace, terminal: Terminal) -> int:
    rows = [("dataset", "on Kaggle", "")]
    rows += [(spec.name, spec.slug, spec.subtitle) for spec in registry.DATASETS.values()]
    document = [
        {"name": spec.name, "slug": spec.slug, "title": spec.title, "licence": spec.licence}
        for spec in registry.DATASETS.values()
    ]
    terminal.result({"datasets": document}, table(rows))
    return 0


def _push(options: argparse.Namespace, terminal: Terminal) -> int:
    if options.dry_run:
        return _write_out(options, terminal)
    client = _client(terminal)
    with _written(options, client.owner) as folder:
        address = client.create_dataset(folder, public=options.public)
    return _told(options, "made", address, terminal)


def _version(options: argparse.Namespace, terminal: Terminal) -> int:
    if options.dry_run:
        return _write_out(options, terminal)
    client = _client(terminal)
    with _written(options, client.owner) as folder:
        address = client.new_version(folder, options.notes)
    return _told(options, "new version", address, terminal)


def _metadata(options: argparse.Namespace, terminal: Terminal) -> int:
    spec = registry.dataset(options.name)
    if options.dry_run:
        owner = credentials.user() or "your-account"
        path = datasets.write_metadata(
            spec, Path(options.out) / spec.slug, owner, public=options.public
        )
        terminal.result({"written": [str(path)]}, [str(path)])
        return 0
    client = _client(terminal)
    with tempfile.TemporaryDirectory(prefix="lunarsite-") as folder:
        datasets.write_metadata(spec, Path(folder), client.owner, public=options.public)
        client.update_metadata(f"{client.owner}/{spec.slug}", Path(folder))
    return _told(options, "metadata updated", "", terminal)


def _write_out(options: argparse.Namespace, terminal: Terminal) -> int:
    """Write the files of a dataset; needs no account."""
    spec = registry.dataset(options.name)
    folder = Path(options.out) / spec.slug
    source = Path(options.source) if options.source else None
    owner = credentials.user() or "your-account"
    written = datasets.write(spec, folder, owner, source, public=options.public)
    terminal.result({"written": [str(path) for path in written]}, map(str, written))
    return 0


@contextmanager
def _written(options: argparse.Namespace, owner: str) -> Iterator[Path]:
    """Yield a temporary folder with the files of a dataset."""
    spec = registry.dataset(options.name)
    source = Path(options.source) if options.source else None
    with tempfile.TemporaryDirectory(prefix="lunarsite-") as folder:
        datasets.write(spec, Path(folder), owner, source, public=options.public)
        yield Path(folder)


def _client(terminal: Terminal) -> Client:
    from lunarsite.engine.frontends import progress  # noqa: PLC0415  not needed for the list
    from lunarsite.engine.training.kaggle.client import Client  # noqa: PLC0415  likewise

    progress.log_to_stderr(quiet=terminal.quiet)
    return Client(terminal.cancelled)


def _told(options: argparse.Namespace, what: str, address: str, terminal: Terminal) -> int:
    slug = registry.dataset(options.name).slug
    document = {"dataset": slug, "done": what, "address": address or None}
    terminal.result(document, [": ".join(filter(None, (f"{slug} {what}", address)))])
    return 0


def _options(parser: Parser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="Dataset, as lunarsite kaggle dataset list names it."
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="Write the files instead; needs neither an account nor the network.",
    )
    parser.add_argument(
        "--out", default="datasets", metavar="FOLDER", help="Where to; by default datasets."
    )
    parser.add_argument(
        "--public",
        action="store_true",
        help="Let everybody see it; by default only its owner does.",
    )


def _content_options(parser: Parser) -> None:
    _options(parser)
    parser.add_argument(
        "--source", metavar="FOLDER", help="Folder with your files, for datasets that hold them."
    )


def _version_options(parser: Parser) -> None:
    _content_options(parser)
    parser.add_argument(
        "--notes", default="New version", help="What is new, on the page of the dataset."
    )


VERBS = {
    "dataset list": Verb(
        summary="List the datasets that kernels attach.",
        words="",
        options=lambda _parser: None,
        run=_list,
    ),
    "dataset push": Verb(
        summary="Make a dataset of the engine's sources, the weights or your files.",
        words="NAME",
        options=_content_options,
        run=_push,
    ),
    "dataset version": Verb(
        summary="Make a new version of it.", words="NAME", options=_version_options, run=_version
    ),
    "dataset metadata": Verb(
        summary="Update its title, description, licence and visibility.",
        words="NAME",
        options=_options,
        run=_metadata,
    ),
}
