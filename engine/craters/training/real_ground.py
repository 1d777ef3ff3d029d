"""Real training tiles, as selected by the parameters of ``train-craters``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.craters.training import deepmoon, dem_tiles, sectors
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.provenance import sha256

if TYPE_CHECKING:
    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.training.recipe import Recipe
    from lunarsite.engine.craters.training.tile_sets import Split


@dataclass(frozen=True, slots=True)
class RealTiles:
    """Tiles of real ground, with their description and metadata for the card.

    Parameters
    ----------
    tiles : Split
        Training and validation tiles.
    description : str
        Name of the data.
    source : dict
        Input files, sector and other parameters, JSON-able.
    """

    tiles: Split
    description: str
    source: dict[str, Any]


def real_tiles(values: dict[str, Any], recipe: Recipe, context: Context) -> RealTiles | None:
    """Return the tiles that the parameters select, or None if tiles are to be generated.

    Parameters
    ----------
    values : dict
        Parameters of the stage.
    recipe : Recipe
        Sides of tiles and crops.
    context : Context
        Progress and cancellation.

    Raises
    ------
    ParameterError
        If parameters contradict one another, or one is given without another that it needs.
    MissingDependencyError, CrsError, InputError
        As `dem_tiles.cut` and `deepmoon.read`.
    """
    _check(values)
    if not (values["dem"] or values["deepmoon"]):
        return None
    sector = sectors.read_sector(values["sector"], values["gap_deg"])
    least_m = values["min_diameter_m"]
    source: dict[str, Any] = {"sector_deg": [sector.west_deg, sector.east_deg]}
    source["gap_deg"] = sector.gap_deg
    if values["dem"]:
        least_m = least_m or dem_tiles.LEAST_M
        tiles = dem_tiles.cut(
            values["dem"],
            values["catalogue"],
            sector,
            context,
            pixel_m=values["pixel_m"],
            side_px=recipe.tile_px,
            overlap=values["overlap"],
            least_m=least_m,
        )
        files = [Path(values["dem"]), Path(values["catalogue"])]
        description = f"tiles of {files[0].name} with the craters of {files[1].name}"
        source |= {"pixel_m": values["pixel_m"], "overlap": values["overlap"]}
    else:
        least_m = least_m or deepmoon.LEAST_M
        tiles = deepmoon.read(
            values["deepmoon"],
            values["deepmoon_craters"],
            sector,
            context,
            side_px=recipe.crop_px,
            least_m=least_m,
        )
        files = [Path(values["deepmoon"])]
        files.append(deepmoon.tables_of(files[0], values["deepmoon_craters"]))
        description = f"DeepMoon's tiles of {files[0].name} (Silburt et al. 2019)"
        source["metres_of_a_grey_level"] = deepmoon.GREY_M
    source |= {
        # By content: a training does not resume with other files of the same names.
        "inputs": [{"name": file.name, "sha256": sha256(file)} for file in files],
        "min_diameter_m": least_m,
        "tiles": len(tiles.training),
        "validation_tiles": len(tiles.validation),
    }
    return RealTiles(tiles, description, source)


def _check(values: dict[str, Any]) -> None:
    """Raise if parameters contradict or lack one another."""
    if values["dem"] and values["deepmoon"]:
        raise ParameterError(
            "--dem and --deepmoon are both given",
            "Train on one of them, then fine-tune with --start",
        )
    if bool(values["dem"]) != bool(values["catalogue"]):
        raise ParameterError(
            "Of --dem and --catalogue only one is given",
            "Give both, the elevation model and the catalogue of its craters",
        )
    if values["deepmoon_craters"] and not values["deepmoon"]:
        raise ParameterError(
            "--deepmoon-craters is given without --deepmoon", "Give the file of images too"
        )
    if (values["dem"] or values["deepmoon"]) and not values["sector"]:
        raise ParameterError(
            "--sector is not given: it selects the tiles of the validation set",
            "Give the longitudes to hold out from training, such as --sector 0,60",
        )
    if values["sector"] and not (values["dem"] or values["deepmoon"]):
        raise ParameterError(
            "--sector is given, but generated tiles have no longitude",
            "Give --dem with --catalogue, or --deepmoon",
        )
