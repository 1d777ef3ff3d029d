"""Training sets that mix generated tiles with tiles of real ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunarsite.engine.craters.training import batches, region_tiles
from lunarsite.engine.synthetic.crater_tiles import tiles
from lunarsite.engine.training.task import Data

if TYPE_CHECKING:
    from pathlib import Path

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.training.batches import Sample, Source
    from lunarsite.engine.craters.training.recipe import Recipe
    from lunarsite.engine.craters.training.region import Region

_WHOLE = 100


def mixed(
    recipe: Recipe,
    seed: int,
    training: Region,
    validation: Region,
    name: str,
    folder: Path | None,
    context: Context,
) -> Data:
    """Return a training set and a validation set of generated and real tiles.

    Parameters
    ----------
    recipe : Recipe
        Numbers and sides of tiles, and the share of real ones, `Recipe.real_percent`.
    seed : int
        Seed of the training.
    training, validation : Region
        Ground of the two sets, without a height in common.
    name : str
        Name of the real ground; an interrupted training resumes only with data of its name.
    folder : Path or None
        Folder that caches generated tiles.
    context : Context
        Memory limit.
    """
    percent, capacity = recipe.real_percent, context.memory_limit_bytes // 2
    first = seed * 10_000_000 % batches.VALIDATION_SEED

    def both(ground: Region, first_seed: int, side_px: int, capacity_bytes: int) -> Source:
        real_bytes = capacity_bytes * percent // _WHOLE
        return _mixture(
            batches.generated_tiles(first_seed, side_px, folder, capacity_bytes - real_bytes),
            region_tiles.source(ground, side_px, recipe.pixel_scale, first_seed, real_bytes),
            percent,
        )

    return Data(
        f"{name}; {percent} % of it, the rest generated tiles, version {tiles.VERSION}",
        both(training, first, recipe.tile_px, capacity),
        _WHOLE * recipe.tiles,
        _spread(both(validation, batches.VALIDATION_SEED + seed, recipe.crop_px, capacity // 8)),
        recipe.validation_tiles,
    )


def _spread(source: Source) -> Source:
    """Return a source whose first numbers alternate between the kinds as all of them do."""
    return lambda number: source(_WHOLE * number + 37 * number % _WHOLE)


def _mixture(generated: Source, real: Source, percent: int) -> Source:
    """Return a source of a hundred numbers a tile, a share of which are that tile of real ground.

    The others are the generated tile of the same number, so that both kinds have equally many.
    """

    def load(number: int) -> Sample:
        tile, kind = divmod(number, _WHOLE)
        return real(tile) if kind < percent else generated(tile)

    return load
