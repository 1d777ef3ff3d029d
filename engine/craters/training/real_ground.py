"""Real training tiles, as selected by the parameters of ``train-craters``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.craters.training import deepmoon, dem_tiles, region, sectors
from lunarsite.engine.craters.training.calibration import Ground
from lunarsite.engine.errors import InputError, ParameterError
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


@dataclass(frozen=True, slots=True)
class MixedGround:
    """Real ground of a mixed training, with its description and metadata for the card.

    Parameters
    ----------
    ground : Ground
        Ground and sectors of the calibration.
    training, validation : Region
        Ground of the two sets; they have no height in common.
    description : str
        Name of the data.
    source : dict
        Input files, sectors and other parameters, JSON-able.
    """

    ground: Ground
    training: region.Region
    validation: region.Region
    description: str
    source: dict[str, Any]


def mixed_ground(values: dict[str, Any], context: Context) -> MixedGround:
    """Return the real ground that the parameters select for a mixed training.

    Raises
    ------
    ParameterError
        If a parameter is missing, or sectors overlap.
    CrsError, InputError
        As `region.read`; if a sector holds no crater that can be seen.
    """
    if values["deepmoon"] or not values["dem"]:
        raise ParameterError(
            "A mixed training needs an elevation model with a catalogue"
            + (", and --deepmoon is given" if values["deepmoon"] else ""),
            "Give --dem, --catalogue and --sector, or another recipe",
        )
    _check(values)
    gap_deg = values["gap_deg"]
    sector = sectors.read_sector(values["sector"], gap_deg)
    test = None
    if values["test_sector"]:
        test = sectors.read_sector(values["test_sector"], gap_deg, "--test-sector")
        sectors.check_apart(sector, test)
    held_out = [each for each in (sector, test) if each is not None]
    files = [Path(values["dem"]), Path(values["catalogue"])]
    whole = region.read(files[0], files[1], context, least_m=values["min_diameter_m"])
    parts = {"beyond the gaps of --sector": whole.outside(*held_out)}
    parts["inside --sector"] = whole.within(sector)
    if test is not None:
        parts["inside --test-sector"] = whole.within(test)
    for name, part in parts.items():
        if not part.visible():
            raise InputError(
                f"No crater of {files[1].name} of {2 * region.LEAST_SEEN_PX:.0f} pixels and more "
                f"lies on the DEM {name}",
                "Choose other sectors, or give a finer or larger DEM",
            )
    source = {
        "sector_deg": [sector.west_deg, sector.east_deg],
        "test_sector_deg": None if test is None else [test.west_deg, test.east_deg],
        "gap_deg": gap_deg,
        "inputs": [{"name": file.name, "sha256": sha256(file)} for file in files],
        "min_diameter_m": round(whole.least_m, 1),
        "pole": "north" if whole.north else "south",
    }
    return MixedGround(
        Ground(whole, sector, test),
        parts["beyond the gaps of --sector"],
        parts["inside --sector"],
        f"tiles of {files[0].name} with the craters of {files[1].name}",
        source,
    )


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
    if values["test_sector"]:
        raise ParameterError(
            f"--test-sector is given, but the recipe {recipe.name} evaluates on no real ground",
            "Give --recipe mixed, or leave it out",
        )
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
