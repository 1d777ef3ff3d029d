"""Time, memory and disk that a stage needs, estimated from the size of its inputs.

The rates were measured by ``benchmarks/bench_estimates.py`` on two cores of an AMD EPYC; they hold
within a factor of two there, and are worth less on other machines. Times count core seconds, which
threads share.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.context import GIB, available_cores, log
from lunarsite.engine.file_names import display_name
from lunarsite.engine.io import raster

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lunarsite.engine.context import Context

WORTH_SAYING_S = 60.0
"""Estimates of longer work are reported before it begins."""

BASE_BYTES = int(0.25 * GIB)
"""Memory of the interpreter with the libraries."""

COMPRESSED = 0.75
"""Size of a compressed floating-point layer relative to its uncompressed size."""

OVERVIEWS = 4.0 / 3.0
"""Size of a layer with overviews relative to the layer."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a stage needs.

    Parameters
    ----------
    count : int
        Number of pixels that are processed, or of cells.
    seconds : float
        Duration.
    memory_bytes : int
        Peak memory.
    disk_bytes : int
        Peak of what is written in the output folder, work files included.
    unit : str
        What is counted, in the plural.
    """

    count: int
    seconds: float
    memory_bytes: int
    disk_bytes: int
    unit: str = "pixels"

    def sentence(self) -> str:
        """Return the estimate as a sentence."""
        return (
            f"Estimate for {_count(self.count)} {self.unit}: {_duration(self.seconds)}, about "
            f"{size(self.memory_bytes)} of memory and {size(self.disk_bytes)} of disk"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the estimate as JSON."""
        return {
            "count": self.count,
            "unit": self.unit,
            "minutes": round(self.seconds / 60.0, 2),
            "memory_gib": round(self.memory_bytes / GIB, 2),
            "disk_gib": round(self.disk_bytes / GIB, 2),
        }


def estimate(
    count: int,
    context: Context,
    *,
    core_s: float,
    serial_s: float = 0.0,
    memory_bytes: float = 0.0,
    disk_bytes: float = 0.0,
    unit: str = "pixels",
) -> Estimate:
    """Return an estimate.

    Parameters
    ----------
    count : int
        Number of pixels or cells.
    context : Context
        Threads.
    core_s : float
        Work that threads share, in seconds of one core.
    serial_s : float, optional
        Work of one thread, seconds.
    memory_bytes, disk_bytes : float, optional
        Beyond the memory of the interpreter; and on disk.
    unit : str, optional
        What is counted, in the plural.
    """
    threads = max(1, min(context.threads, available_cores()))
    memory = BASE_BYTES + int(memory_bytes)
    return Estimate(count, serial_s + core_s / threads, memory, int(disk_bytes), unit)


def together(parts: Iterable[Estimate], count: int, disk_bytes: int | None = None) -> Estimate:
    """Return the estimate of steps that follow each other, and keep what they write."""
    steps = list(parts)
    return Estimate(
        count,
        sum(step.seconds for step in steps),
        max(step.memory_bytes for step in steps),
        sum(step.disk_bytes for step in steps) if disk_bytes is None else disk_bytes,
    )


def layers_disk_bytes(pixels: int, pixel_bytes: int, *, at_once: bool) -> float:
    """Return the peak size on disk of layers, written uncompressed and then compressed.

    Parameters
    ----------
    pixels : int
        Pixels of a layer.
    pixel_bytes : int
        Bytes per pixel of all layers.
    at_once : bool
        Whether all layers are uncompressed at the same time, rather than one after another.
    """
    whole = pixels * pixel_bytes * OVERVIEWS
    return whole * (1.0 + COMPRESSED) if at_once else whole * COMPRESSED + pixels * 4 * OVERVIEWS


def check_far_fields(paths: Iterable[str]) -> None:
    """Open each far field, and raise unless it lies on the Moon.

    Raises
    ------
    InputError
        If one cannot be read.
    CrsError
        If one has no coordinate system, or one of another body.
    """
    for path in paths:
        what = f"The far field {display_name(path)}"
        with raster.opened(path, what) as source:
            raster.crs_of(source, what)


def work_arrays(needed_bytes: float, limit_bytes: float) -> tuple[float, float]:
    """Return how much of work arrays is in memory, and how much in files beside the output."""
    inside = min(needed_bytes, limit_bytes)
    return inside, needed_bytes - inside


def announce(needed: Estimate, folder: str | Path, context: Context) -> None:
    """Report an estimate before work of more than a minute, and warn of a full disk.

    The estimate goes to the log, to the progress and into the result. That of a step of a longer
    run does not: the run has reported that of all its steps.
    """
    if not context.announces:
        return
    existing = Path(folder).absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed.disk_bytes:
        context.warn(
            f"About {size(needed.disk_bytes)} of disk are needed, and {size(free)} are free in "
            f"{existing}: choose an output folder on another disk."
        )
    if needed.seconds > WORTH_SAYING_S:
        log.info("%s", needed.sentence())
        context.report(0.0, needed.sentence())
        context.notes.setdefault("estimate", needed.as_dict())


def _count(number: int) -> str:
    return f"{number / 1e6:.3g} million" if number >= 1e6 else f"{number:,}"


def _duration(seconds: float) -> str:
    if seconds < WORTH_SAYING_S:
        return "less than a minute"
    minutes = seconds / 60.0
    if minutes < 90.0:
        return f"about {float(f'{minutes:.2g}'):g} min"
    return f"about {float(f'{minutes / 60.0:.2g}'):,g} h"


def size(size_bytes: float) -> str:
    """Return a number of bytes in words."""
    gib = size_bytes / GIB
    if gib >= 1.0:
        return f"{float(f'{gib:.2g}'):,.10g} GiB"
    return f"{max(1, round(1024.0 * gib)):,} MiB"
