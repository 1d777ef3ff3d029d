"""What a crater network is to learn from, as the parameters of ``train-craters`` say it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine import provenance
from lunarsite.engine.craters.training import deepmoon, dem_tiles, sectors
from lunarsite.engine.errors import ParameterError

if TYPE_CHECKING:
    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.training.recipe import Recipe
    from lunarsite.engine.craters.training.tile_sets import Split


@dataclass(frozen=True, slots=True)
class Real:
    """Tiles of real ground, and what the card says of them."""

    tiles: Split
    told: str
    source: dict[str, Any]


def real(values: dict[str, Any], recipe: Recipe, context: Context) -> Real | None:
    """Return the tiles that the parameters name, or None where tiles are to be generated.

    Parameters
    ----------
    values : dict
        As the stage takes them.
    recipe : Recipe
        Says how large the tiles are.
    context : Context
        Is told the progress and may cancel.

    Raises
    ------
    ParameterError
        If parameters that belong together are not given together.
    MissingDependencyError, CrsError, InputError
        As `dem_tiles.cut` and `deepmoon.read`.
    """
    _check(values)
    if not (values["dem"] or values["deepmoon"]):
        return None
    sector = sectors.read_sector(values["sector"], values["gap_deg"])
    least_m = values["min_diameter_m"]
    said: dict[str, Any] = {"sector_deg": [sector.west_deg, sector.east_deg]}
    said["gap_deg"] = sector.gap_deg
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
        told = f"tiles of {files[0].name} with the craters of {files[1].name}"
        said |= {"pixel_m": values["pixel_m"], "overlap": values["overlap"]}
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
        told = f"DeepMoon's tiles of {files[0].name} (Silburt et al. 2019)"
        said["metres_of_a_grey_level"] = deepmoon.GREY_M
    said |= {
        # By content: a state of other files by the same names is not gone on with.
        "inputs": [{"name": file.name, "sha256": provenance.sha256(file)} for file in files],
        "min_diameter_m": least_m,
        "tiles": len(tiles.learn),
        "validation_tiles": len(tiles.unseen),
    }
    return Real(tiles, told, said)


def _check(values: dict[str, Any]) -> None:
    """Raise unless what belongs together is given together."""
    if values["dem"] and values["deepmoon"]:
        raise ParameterError(
            "--dem and --deepmoon are both given", "Learn from one of them, then go on with --start"
        )
    if bool(values["dem"]) != bool(values["catalogue"]):
        raise ParameterError(
            "Of --dem and --catalogue only one is given",
            "Give both: the ground, and the craters on it",
        )
    if values["deepmoon_craters"] and not values["deepmoon"]:
        raise ParameterError(
            "--deepmoon-craters is given without --deepmoon", "Give the file of images too"
        )
    if (values["dem"] or values["deepmoon"]) and not values["sector"]:
        raise ParameterError(
            "--sector is not given: nothing says which tiles the network is measured on",
            "Give the longitudes that it is not to learn from, such as --sector 0,60",
        )
    if values["sector"] and not (values["dem"] or values["deepmoon"]):
        raise ParameterError(
            "--sector is given, and generated tiles have no longitude",
            "Give --dem with --catalogue, or --deepmoon",
        )
