"""Training tiles of DeepMoon (Silburt et al. 2019, Icarus 317, 27), in its published HDF5 files.

``*_images.hdf5`` holds `input_images` (tiles × 256 × 256, 8 bits, 0 outside the projection) and
`longlat_bounds`; ``*_craters.hdf5`` holds a pandas table for each tile. The pixel size of a tile
follows from its diameters, given in kilometres and in pixels. The published rim masks are not used:
rims are drawn from the tables.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.craters.training import tile_sets
from lunarsite.engine.craters.training.batches import UNLABELLED
from lunarsite.engine.errors import InputError
from lunarsite.engine.training.dependencies import needs_h5py

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.craters.training.batches import Sample
    from lunarsite.engine.craters.training.sectors import Sector
    from lunarsite.engine.craters.training.tile_sets import Split

    Float = NDArray[np.float64]

LEAST_M = 5_000.0
"""Default of the diameter from which its catalogues are complete."""

GREY_M = 78.0
"""Approximate height of one grey level, metres: the Moon's 20 km of relief in 8 bits."""

_KEYS = ("Diameter (km)", "Diameter (pix)", "x", "y")


@dataclass(frozen=True, slots=True, eq=False)
class _DeepMoonTile:
    """A tile in the file of images."""

    path: Path
    number: int
    pixel_m: float
    circles: Float
    least_px: float

    def sample(self) -> Sample:
        with _opened(self.path) as file:
            grey = file["input_images"][self.number]
        height_m = np.where(grey > 0, grey * np.float32(GREY_M), np.float32(np.nan))
        return tile_sets.sample_of(height_m, self.pixel_m, self.circles, self.least_px)


def read(
    images: str | Path,
    craters: str | Path | None,
    sector: Sector,
    context: Context,
    *,
    side_px: int = 256,
    least_m: float = LEAST_M,
) -> Split:
    """Read DeepMoon's tiles with their craters.

    Parameters
    ----------
    images : path
        Such as ``train_images.hdf5``.
    craters : path, optional
        Such as ``train_craters.hdf5``; by default the file beside the images, named accordingly.
    sector : Sector
        Longitudes of the validation set.
    context : Context
        Progress and cancellation.
    side_px : int
        Least side of the tiles, pixels.
    least_m : float
        Diameter from which the catalogue is complete, metres.

    Returns
    -------
    Split
        Training and validation tiles.

    Raises
    ------
    MissingDependencyError
        If h5py is not installed.
    InputError
        If a file is missing, damaged or of another layout, or the training or the validation set
        would be empty.
    """
    needs_h5py("Reading DeepMoon's tiles")
    images_file = Path(images)
    tables_file = tables_of(images_file, craters)
    pieces, spans = [], []
    with _opened(images_file) as image_data, _opened(tables_file) as tables:
        count = _checked(image_data, images_file, side_px)
        names = sorted(name for name in tables if name.startswith("img_"))
        if not names:
            raise _other_layout(tables_file, "tables img_00000 and so on", tables)
        for done, name in enumerate(names):
            if done % 100 == 0:
                context.progress(done / len(names), "Reading the craters of the tiles")
            number = _number(name, count, tables_file, images_file)
            table = _table(tables[name], f"{tables_file.name}, {name}")
            if not table["x"].size or name not in image_data["longlat_bounds"]:
                continue
            pixel_m = float(np.median(1000.0 * table["Diameter (km)"] / table["Diameter (pix)"]))
            circles = np.column_stack(
                # Their origin is the edge of the first pixel, ours its centre.
                [table["x"] - 0.5, table["y"] - 0.5, 0.5 * table["Diameter (pix)"]]
            )[1000.0 * table["Diameter (km)"] >= UNLABELLED * least_m]
            if not len(circles):
                continue
            least_px = 0.5 * least_m / pixel_m
            pieces.append(_DeepMoonTile(images_file, number, pixel_m, circles, least_px))
            west, east = np.asarray(image_data["longlat_bounds"][name], np.float64).ravel()[:2]
            spans.append((float(west), float(east - west)))
    if not pieces:
        raise InputError(
            f"{tables_file.name} lists no crater of {least_m:,.0f} m or more in a tile of "
            f"{images_file.name}",
            "Give the tables that belong to the images, or lower --min-diameter-m",
        )
    return tile_sets.split(pieces, spans, sector)


def tables_of(images: Path, craters: str | Path | None) -> Path:
    """Return the file of craters: the one given, or the one beside the images.

    Raises
    ------
    InputError
        If none is given and the file of images is not named as DeepMoon's are.
    """
    if craters:
        return Path(craters)
    if "images" not in images.name:
        raise InputError(
            f"The file with the craters of {images.name} is not known",
            "Give it with --deepmoon-craters",
        )
    return images.with_name(images.name.replace("images", "craters"))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import h5py  # noqa: PLC0415  optional dependency

    if not path.is_file():
        raise InputError(f"There is no file {path}", "Check the path")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"{path.name} is not an HDF5 file, or damaged: {error}", "Fetch it again"
        ) from error
    with file:
        yield file


def _checked(held: Any, path: Path, side_px: int) -> int:
    """Return how many tiles there are in a file of images."""
    for key in ("input_images", "longlat_bounds"):
        if key not in held:
            raise _other_layout(path, key, held)
    shape, kind = held["input_images"].shape, held["input_images"].dtype
    if len(shape) != 3 or shape[1] != shape[2] or kind != np.uint8:
        raise InputError(
            f"{path.name}: input_images is {shape} of {kind}, not tiles × side × side of uint8",
            "Give DeepMoon's file as it was published",
        )
    if shape[1] < side_px:
        raise InputError(
            f"{path.name} has tiles of {shape[1]} pixels, smaller than the recipe's crop of "
            f"{side_px} pixels",
            "Give a recipe with a smaller crop_px",
        )
    return int(shape[0])


def _number(name: str, count: int, tables: Path, images: Path) -> int:
    digits = name.removeprefix("img_")
    if not digits.isdecimal() or int(digits) >= count:
        raise InputError(
            f"{tables.name} has a table {name}, and {images.name} has {count} tiles",
            "Give the two files of one set",
        )
    return int(digits)


def _table(group: Any, what: str) -> dict[str, Float]:
    """Return the columns of a table as pandas stores it: in blocks of columns of equal dtype."""
    columns: dict[str, Float] = {}
    for block in (key.removesuffix("_items") for key in group if key.endswith("_items")):
        values = group.get(f"{block}_values")
        if values is None:
            continue
        names = [
            n.decode() if isinstance(n, bytes) else str(n) for n in group[f"{block}_items"][()]
        ]
        if "shape" in values.attrs:
            # Tables without rows are stored as a single meaningless value.
            columns |= {name: np.zeros(0) for name in names}
        elif values.ndim == 2 and values.shape[1] == len(names) and values.dtype.kind in "iuf":
            columns |= dict(zip(names, np.asarray(values, np.float64).T, strict=True))
    absent = [key for key in _KEYS if key not in columns]
    if absent:
        raise InputError(
            f"{what} has no numbers {', '.join(absent)} (it has {', '.join(columns) or 'none'})",
            "Give DeepMoon's file as it was published",
        )
    numbers = np.stack([columns[key] for key in _KEYS])
    if not np.isfinite(numbers).all() or (numbers[:2] <= 0.0).any():
        raise InputError(
            f"{what} has diameters that are not positive or positions that are not numbers",
            "Fetch the file again",
        )
    return columns


def _other_layout(path: Path, missing: str, held: Any) -> InputError:
    return InputError(
        f"{path.name} has no {missing} (it has {', '.join(sorted(held)[:8]) or 'nothing'})",
        "Give DeepMoon's files: images with --deepmoon, their tables with --deepmoon-craters",
    )
