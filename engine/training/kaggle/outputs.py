"""The output of a kernel: verified, and put into its folder at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.atomic import scratch_folder, whole_file
from lunarsite.engine.errors import InputError
from lunarsite.engine.provenance import read_verified

if TYPE_CHECKING:
    from lunarsite.engine.training.kaggle.client import Client
    from lunarsite.engine.training.kaggle.specs import KernelSpec


def pull(spec: KernelSpec, client: Client, folder: Path) -> Path:
    """Fetch the output of a kernel, verify it and put it into its folder.

    Files of other names are left on Kaggle. What is in the folder already and differs is kept
    beside it, under the next free number.

    Parameters
    ----------
    spec : KernelSpec
        The kernel, which is complete.
    client : Client
        Kaggle.
    folder : Path
        The folder of all outputs.

    Returns
    -------
    Path
        Where the output lies.

    Raises
    ------
    InputError
        If a file is missing or its checksum differs.
    """
    target = folder / spec.output
    pattern = f"^(?:{'|'.join(map(re.escape, spec.outputs))})$"
    with scratch_folder(folder) as scratch:
        fetched = scratch / spec.output
        client.pull(spec.slug, fetched, pattern)
        log = fetched / f"{spec.slug}.log"
        log.unlink(missing_ok=True)  # it is kept in words, beside the folder
        verify(spec, fetched)
        if _same(spec, fetched, target):
            return target
        if target.exists():
            target.rename(_free(target))
        fetched.rename(target)
    return target


def keep_log(spec: KernelSpec, client: Client, folder: Path) -> list[str]:
    """Write the log of a kernel beside its folder, and return its lines."""
    lines = client.log(spec.slug)
    with whole_file(folder / f"{spec.output}.log") as partial:
        partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return lines


def verify(spec: KernelSpec, folder: Path) -> None:
    """Raise unless all outputs of a kernel lie in a folder, with the checksums that lie there too.

    Raises
    ------
    InputError
        Names the file.
    """
    again = f"Run it again: lunarsite kaggle run {spec.name} --again"
    for name in spec.outputs:
        if not (folder / name).is_file():
            raise InputError(f"The output of {spec.name} has no file {name}", again)
    for listing in (name for name in spec.outputs if name.endswith(".sha256")):
        text = (folder / listing).read_text(encoding="utf-8", errors="replace")
        for line in filter(str.strip, text.splitlines()):
            read_verified(folder / Path(line.split()[-1]).name, again)


def _same(spec: KernelSpec, one: Path, other: Path) -> bool:
    return all(
        (other / name).is_file() and (one / name).read_bytes() == (other / name).read_bytes()
        for name in spec.outputs
    )


def _free(target: Path) -> Path:
    number = 1
    while (free := target.with_name(f"{target.name}-{number}")).exists():
        number += 1
    return free
