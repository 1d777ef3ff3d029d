"""Images paired with masks, such as the Artificial Lunar Rocky Landscape Dataset.

That data set has ``images/render/render0001.png`` and ``images/clean/clean0001.png``, whose colours
encode the classes (red sky, green small rocks, blue large rocks). Single-band masks hold the class
numbers 0 to 3.
"""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from lunarsite.engine.errors import InputError
from lunarsite.engine.io import image_bands, images, orientation, raster
from lunarsite.engine.segmentation import classes, samples
from lunarsite.engine.segmentation.samples import Sample
from lunarsite.engine.text import counted
from lunarsite.engine.training.task import Data

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import rasterio
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.orientation import Orientation

MASK = "The mask"

VALIDATION_EVERY = 10
"""Every tenth image, in order of names, is in the validation set of every training."""

_MOST_MASKS = 256
"""Masks whose labels are counted before the work."""

_NUMBER = re.compile(r"(\d+)(?!.*\d)")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its mask."""

    image: Path
    mask: Path

    def read(self) -> Sample:
        """Read image and mask.

        Raises
        ------
        InputError
            If one cannot be read, their sizes differ, or the mask is not one of classes.
        """
        image, known = read_image(self.image)
        mask = self._upright_mask(known.shape)
        if mask.shape != known.shape:
            raise InputError(
                f"The mask {self.mask.name} has {mask.shape[1]} × {mask.shape[0]} pixels, its "
                f"image {self.image.name} {known.shape[1]} × {known.shape[0]}",
                "Give masks of the same size as the images",
            )
        mask[~known] = classes.NODATA
        return Sample(image, mask)

    def _upright_mask(self, shape: tuple[int, ...]) -> classes.UInt8:
        """Return the mask, upright like its image.

        A mask without an orientation of its own is either upright already or in the order of the
        image's file: its size tells, unless the image is turned by 180°, mirrored or square.
        """
        turned = orientation_of(self.image, images.WHAT)
        own = orientation_of(self.mask, MASK)
        mask = own.upright(read_mask(self.mask)).copy()
        if turned.number == 1 or own.number != 1:
            return mask
        stored = (turned.height, turned.width)
        if mask.shape == stored and stored == shape:
            raise InputError(
                f"The image {self.image.name} is to be shown turned (its EXIF orientation is "
                f"{turned.number}), and its mask {self.mask.name} does not say whether it is "
                "turned as well",
                "Write the image upright, and check that it fits the mask: "
                f"magick {self.image.name} -auto-orient upright.png",
            )
        return turned.upright(mask).copy() if mask.shape == stored else mask


@dataclass(frozen=True, slots=True)
class Pairs:
    """Samples by number, read from pairs of files."""

    pairs: tuple[Pair, ...]

    def __call__(self, number: int) -> Sample:
        """Return the sample of a number."""
        return self.pairs[number].read()


def pairs_of(image_glob: str, mask_glob: str) -> list[Pair]:
    """Return pairs of images and masks, matched by the order of their names.

    A single image and a single mask are a pair whatever their names are.

    Parameters
    ----------
    image_glob, mask_glob : str
        Glob patterns of paths; ``**`` matches any number of nested folders.

    Returns
    -------
    list of Pair
        In the order of the images' names.

    Raises
    ------
    InputError
        If nothing matches, the numbers of images and masks differ, the last number in a name
        differs from that in its mask's name, or the words in a name are those of another mask.
    """
    files = [matching(pattern) for pattern in (image_glob, mask_glob)]
    for pattern, paths, what in zip((image_glob, mask_glob), files, ("image", "mask"), strict=True):
        if not paths:
            raise InputError(
                f"No {what} matches {pattern!r}", "Check the pattern; put it in quotes"
            )
    if len(files[0]) != len(files[1]):
        raise InputError(
            f"{counted(len(files[0]), 'image')} and {counted(len(files[1]), 'mask')} match",
            "Give patterns that match one mask per image",
        )
    paired = [Pair(*both) for both in zip(*files, strict=True)]
    mismatched = [*_other_numbers(paired), *_swapped(paired)] if len(paired) > 1 else []
    if mismatched:
        wrong = mismatched[0]
        raise InputError(
            f"{wrong.image.name} would be paired with {wrong.mask.name}",
            "Name the files so that images and masks sort in the same order",
        )
    return paired


def read(image_glob: str, mask_glob: str | None, context: Context) -> Data:
    """Return a training set and a validation set of images with masks.

    Parameters
    ----------
    image_glob, mask_glob : str
        As in `pairs_of`.
    context : Context
        May cancel.

    Raises
    ------
    InputError
        As `pairs_of` and `read_mask`; if no pattern of masks is given, there are too few images, or
        the masks seem to mark rocks by the number of nodata.
    """
    if mask_glob is None:
        raise InputError("--images is given without --masks", "Give the pattern of the masks too")
    pairs = pairs_of(image_glob, mask_glob)
    training = tuple(pair for at, pair in enumerate(pairs) if at % VALIDATION_EVERY)
    validation = tuple(pairs[::VALIDATION_EVERY])
    if not training or len(validation) < 2:
        raise InputError(
            f"Only {counted(len(pairs), 'image')}: too few, since one in {VALIDATION_EVERY} is "
            "held out "
            "for validation",
            f"Give at least {2 * VALIDATION_EVERY}",
        )
    labels_of(pairs, context).check_rocks()
    return Data(
        f"{counted(len(pairs), 'image')} of {pairs[0].image.parent.name}",
        Pairs(training),
        len(training),
        Pairs(validation),
        len(validation),
    )


def matching(pattern: str) -> list[Path]:
    """Return the files that match a glob pattern, sorted by name."""
    path = Path(pattern)
    fixed = list(itertools.takewhile(_plain, path.parts))
    if len(fixed) == len(path.parts):
        return [path] if path.is_file() else []
    root = Path(*fixed) if fixed else Path()
    rest = str(Path(*path.parts[len(fixed) :]))
    return sorted(each for each in root.glob(rest) if each.is_file())


def _other_numbers(pairs: list[Pair]) -> list[Pair]:
    """Return the pairs whose names end in different numbers."""

    def number(path: Path) -> str:
        match = _NUMBER.search(path.stem)
        return match.group(1).lstrip("0") if match else ""

    return [pair for pair in pairs if number(pair.image) != number(pair.mask)]


def _swapped(pairs: list[Pair]) -> list[Pair]:
    """Return the pairs whose names suggest that the image belongs to another mask.

    Only words that some but not all images have, and some but not all masks, are compared.
    """
    named = [
        [frozenset(_WORD.findall(path.stem.casefold())) for path in paths]
        for paths in ([pair.image for pair in pairs], [pair.mask for pair in pairs])
    ]
    distinctive = frozenset.intersection(
        *(frozenset.union(*words) - frozenset.intersection(*words) for words in named)
    )
    of_images, of_masks = ([words & distinctive for words in both] for both in named)
    known = set(of_masks)
    return [
        pair
        for pair, image, mask in zip(pairs, of_images, of_masks, strict=True)
        if image and image != mask and image in known
    ]


def _plain(part: str) -> bool:
    return not any(wildcard in part for wildcard in "*?[")


def read_image(path: Path) -> tuple[classes.UInt8, NDArray[np.bool_]]:
    """Return an image as `segment-terrain` reads it, and the mask of its valid pixels.

    Raises
    ------
    InputError
        As `images.opened`.
    """
    with images.opened(path) as opened:
        image, known = opened.read(Window(0, 0, opened.frame.width, opened.frame.height))
    image[~known] = samples.MEAN
    return np.rint(image).astype(np.uint8), known


def orientation_of(path: Path, what: str) -> Orientation:
    """Return the orientation of an image or a mask."""
    with raster.opened(path, what) as source:
        return orientation.of(source)


def read_mask(path: Path) -> classes.UInt8:
    """Return the classes of a mask of colours or of class numbers, in the order of the file.

    A colour table of the classes' colours is a mask of colours; any other is ignored. What the
    file declares as nodata, by a value, a mask or alpha, is `classes.NODATA`.

    Raises
    ------
    InputError
        As `classes.from_colors` and `classes.from_numbers`; or if a class is declared as nodata.
    """
    mask, valid = _read_mask(path)
    mask[~valid] = classes.NODATA
    return mask


def _read_mask(path: Path) -> tuple[classes.UInt8, NDArray[np.bool_]]:
    """Return the numbers of a mask, and where the file declares them as valid."""
    with raster.opened(path, MASK) as source:
        if source.count >= 3:
            mask = classes.from_colors(np.moveaxis(source.read((1, 2, 3)), 0, 2), path.name)
        else:
            mask = _from_one_band(source, path.name)
        valid = source.dataset_mask() > 0
        for band, kind in enumerate(source.colorinterp, start=1):
            if kind == ColorInterp.alpha:
                valid &= source.read(band) > 0
        hidden = np.unique(mask[~valid])
        if source.count < 3 and source.nodata in hidden and source.nodata < len(classes.NAMES):
            number = int(source.nodata)
            raise InputError(
                f"The mask {path.name} declares {number} as nodata, and {number} is the class "
                f"{classes.NAMES[number]}",
                f"If it is the class, run gdal_edit.py -unsetnodata {shlex.quote(str(path))}; "
                f"write {classes.NODATA} where nothing is labelled",
            )
    return mask, valid


def _from_one_band(source: rasterio.DatasetReader, name: str) -> classes.UInt8:
    numbers = source.read(1)
    if source.colorinterp[0] == ColorInterp.palette:
        table = image_bands.of(source).table
        if table is not None:
            colors = table[np.minimum(numbers.astype(np.int64), len(table) - 1), :3]
            if np.isin(colors, (0, 255)).all() and (colors > 0).any():
                return classes.from_colors(colors, name)
    return classes.from_numbers(numbers, name)


@dataclass(frozen=True, slots=True)
class Labels:
    """What masks label.

    Parameters
    ----------
    pixels : ndarray of int64, shape (classes,)
        Pixels of each class.
    unlabelled : int
        Pixels that hold the number `classes.NODATA`, where the file declares no nodata.
    """

    pixels: NDArray[np.int64]
    unlabelled: int

    @property
    def rocks(self) -> int:
        """Pixels of small and large rocks."""
        return int(self.pixels[classes.SMALL] + self.pixels[classes.LARGE])

    @property
    def is_binary(self) -> bool:
        """Whether there is ground and nodata alone, as in masks that mark rocks by 255."""
        ground, *others = self.pixels
        return bool(self.unlabelled and ground) and not any(others)

    def check_rocks(self) -> None:
        """Raise if the masks seem to mark rocks by the number of nodata.

        Raises
        ------
        InputError
            With the remedy.
        """
        if self.is_binary:
            raise InputError(BINARY, WRITE_ROCKS)

    def warn_of_view(self, view: str | None, name: str, context: Context) -> None:
        """Warn of a sky in images for a network that knows none."""
        if view == "orbital" and self.pixels[classes.SKY]:
            context.warn(
                f"The masks hold sky, and the network {name} is for images from orbit, where there "
                "is none: give a network for images from the ground, such as segmenter-surface."
            )


BINARY = (
    f"The masks hold {classes.GROUND} and {classes.NODATA} alone, and {classes.NODATA} is nodata: "
    "no rock is labelled"
)
"""What is said of masks that seem to mark rocks by 255."""

WRITE_ROCKS = (
    f"If {classes.NODATA} marks rocks, write {classes.SMALL} (small) or {classes.LARGE} (large) "
    "there"
)
"""The remedy."""


def labels_of(pairs: Sequence[Pair], context: Context) -> Labels:
    """Return what the masks of images label; of very many, what `_MOST_MASKS` of them do.

    Raises
    ------
    InputError
        As `read_mask`.
    """
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), _MOST_MASKS)).astype(int))
    numbers = np.zeros(256, np.int64)
    for at in chosen:
        context.check()
        mask, valid = _read_mask(pairs[at].mask)
        numbers += np.bincount(mask[valid], minlength=256)
    return Labels(numbers[: len(classes.NAMES)], int(numbers[classes.NODATA]))


def read_samples(pairs: list[Pair]) -> Iterable[Sample]:
    """Yield images with their masks, one by one.

    Raises
    ------
    InputError
        After the last one, if no mask has a labelled pixel.
    """
    labelled = False
    for pair in pairs:
        sample = pair.read()
        labelled = labelled or bool((sample.mask != classes.NODATA).any())
        yield sample
    if not labelled:
        what = "The mask holds" if len(pairs) == 1 else f"The masks of {len(pairs)} images hold"
        raise InputError(
            f"{what} no class where the images have data: everything is {classes.NODATA}, nodata",
            "Give masks with the numbers 0 to 3, or the colours of classes",
        )
