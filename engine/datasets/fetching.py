"""Files of a data set, from pooch's cache or the network, whole and verified."""

from __future__ import annotations

import shutil
import zipfile
from typing import TYPE_CHECKING

import pooch

from lunarsite.engine import provenance
from lunarsite.engine.atomic import whole_file
from lunarsite.engine.datasets import cache, registry, structure
from lunarsite.engine.datasets.download import Downloader, Patience, unreachable
from lunarsite.engine.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from lunarsite.engine.context import Context
    from lunarsite.engine.datasets.entries import Entry, RemoteFile

PATIENCE = Patience()
"""How long is waited for servers."""

_RECORD = "SHA256SUMS"
"""List in the cache of what was fetched, which ``sha256sum --check`` reads."""


def fetch(entry: Entry, context: Context, *, patience: Patience = PATIENCE) -> list[Path]:
    """Return the files of a data set, fetched unless they are in the cache.

    Parameters
    ----------
    entry : Entry
        The data set.
    context : Context
        Progress, cancellation, warnings.
    patience : Patience, optional
        How long is waited for servers.

    Returns
    -------
    list of Path
        Its files; of an archive the file that was unpacked.

    Raises
    ------
    InputError
        If it must be downloaded by hand, a file cannot be fetched, or is not the one that is known.
    OutputError
        If it cannot be stored.
    CancelledError
        What was received is kept.
    """
    if not entry.files:
        raise InputError(
            f"{entry.name} cannot be fetched: no direct address of its files is known",
            f"{entry.by_hand}: {entry.page}",
        )
    paths = []
    for number, file in enumerate(entry.files):
        count = len(entry.files)
        path = _one(entry, file, context.part(number / count, (number + 1) / count), patience)
        paths.append(_unpacked(path, file.member) if file.member else path)
    return paths


def _one(entry: Entry, file: RemoteFile, context: Context, patience: Patience) -> Path:
    """Return a file, fetched unless it is in the cache and what it was."""
    path = cache.path_of(file)
    published = registry.checksums().get(file.name)
    if path.is_file():
        context.progress(0.0, f"verifying {file.name}")
        if not published:
            _check_cached(path, entry, context)
    url = cache.address_of(file)
    pooch.get_logger().setLevel("ERROR")  # the progress says it
    keeper = pooch.Pooch(
        path=path.parent,
        base_url="",
        registry={file.name: published},
        urls={file.name: url},
    )
    try:
        keeper.fetch(file.name, downloader=Downloader(entry, file, context, patience))
    except ValueError as error:  # pooch's, of a checksum
        algorithm, _, known = (published or "").partition(":")
        problem = unreachable(
            entry,
            file,
            url,
            f"what was sent is not the file that is known, whose {algorithm.upper()} is {known}",
        )
        raise problem from error
    if not published:
        _record(path)
    return path


def _check_cached(path: Path, entry: Entry, context: Context) -> None:
    """Remove a file from the cache that is not what was fetched; refuse a damaged one.

    A file that nobody has fetched was put there by hand.
    """
    known = _recorded(path.parent).get(path.name)
    if known is not None and provenance.sha256(path) != known:
        context.warn(f"{path} is not what was fetched any more: it is fetched again.")
        path.unlink()
        return
    wrong = structure.defect(path, path.name) if known is None else None
    if wrong is not None:
        raise InputError(
            f"{path} is not whole: {wrong}",
            f"Delete it, and fetch it again: lunarsite fetch {entry.name}",
        )


def _recorded(folder: Path) -> dict[str, str]:
    """Return the checksums of what was fetched, by the name of the file."""
    listing = folder / _RECORD
    if not listing.is_file():
        return {}
    lines = listing.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("  ") for line in lines)
    return {name: digest for digest, _, name in pairs if name}


def _record(path: Path) -> None:
    """Note the checksum of a file that was fetched, unless it is noted."""
    known = _recorded(path.parent)
    if path.name in known:
        return
    known[path.name] = provenance.sha256(path)
    with whole_file(path.parent / _RECORD) as partial:
        lines = (f"{digest}  {name}\n" for name, digest in sorted(known.items()))
        partial.write_text("".join(lines), encoding="utf-8")


def _unpacked(archive: Path, member: str) -> Path:
    """Return a file of an archive, unpacked beside it unless it is there."""
    target = archive.with_name(member)
    with zipfile.ZipFile(archive) as source:
        inside = [each for each in source.infolist() if each.filename.rpartition("/")[2] == member]
        if len(inside) != 1:
            raise InputError(
                f"{archive} holds {len(inside)} files called {member}",
                f"Unpack it yourself, and use what it holds: {archive}",
            )
        if target.is_file() and target.stat().st_size == inside[0].file_size:
            return target
        try:
            with (
                whole_file(target) as partial,
                source.open(inside[0]) as stream,
                partial.open("wb") as unpacked,
            ):
                shutil.copyfileobj(stream, unpacked)
        except zipfile.BadZipFile as error:
            raise InputError(
                f"{archive} is damaged: {error}", f"Delete it, and fetch it again: {archive}"
            ) from error
    return target
