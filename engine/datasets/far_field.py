"""The far field that was fetched, in place of the coarser one that ships."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lunarsite.engine import input_versions
from lunarsite.engine.datasets import cache, registry
from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import local_file
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.builtin import BUILTIN, uses_builtin
from lunarsite.engine.io.elevation.dem import dem_grid

if TYPE_CHECKING:
    from pathlib import Path

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid


def with_fetched(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Return the parameters of a stage with a far field that was fetched, where none is given.

    Of those that cover the elevation model the finest is taken that is coarser than the elevation
    model and finer than the built-in one.

    Parameters
    ----------
    values : dict
        Parameters of a stage: ``dem``, ``far_field``, ``builtin_far_field``, ``fetched_far_field``.
    context : Context
        Is told which one is taken.

    Returns
    -------
    dict
        With ``far_field``; the same where there is none to take.
    """
    wanted = values["fetched_far_field"] and values["builtin_far_field"]
    if not wanted or values["far_field"]:
        return values
    there = [cache.path_of(entry.files[0]) for entry in registry.ENTRIES if entry.far_field]
    there = [path for path in there if path.is_file()]
    if not there:
        return values
    around = dem_grid(values["dem"])
    if not uses_builtin(values["dem"], around):
        return values
    coarsest_m = _grid(BUILTIN).pixel_m
    own = local_file(values["dem"])
    found: list[tuple[float, Path]] = []
    for path in there:
        if own is not None and own.resolve() == path.resolve():
            return values  # what surrounds a part of it is read from it in any case
        try:
            grid = _grid(path)
        except InputError as error:
            context.warn(f"The fetched far field {path.name} is left out: {error.problem}.")
            continue
        if around.pixel_m < grid.pixel_m < coarsest_m and _covers(grid, around):
            found.append((grid.pixel_m, path))
    if not found:
        return values
    pixel_m, path = min(found)
    watch = input_versions.watch()
    if watch is not None:
        watch.add([str(path)])
    context.warn(
        f"Surrounded by {path.name}, which was fetched: its pixels of {pixel_m:g} m show horizons "
        f"better than those of {coarsest_m:g} m of the built-in model. --no-fetched-far-field "
        "leaves it out."
    )
    return values | {"far_field": [str(path)]}


def _grid(path: Path) -> Grid:
    with raster.opened(path, "The far field") as source:
        return raster.grid_of(source, "The far field")


def _covers(grid: Grid, around: Grid) -> bool:
    west, south, east, north = grid.bounds
    return (
        west <= around.bounds[0]
        and south <= around.bounds[1]
        and east >= around.bounds[2]
        and north >= around.bounds[3]
    )
