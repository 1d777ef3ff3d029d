"""Images with masks that others published, as the Artificial Lunar Rocky Landscape Dataset.

That set has ``images/render/render0001.png`` and ``images/clean/clean0001.png``, whose colours are
classes (red sky, green small rocks, blue large rocks). Masks of one band hold the numbers 0 to 3.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window

from lunarsite.engine.errors import InputError
from lunarsite.engine.io import images, raster
from lunarsite.engine.segmentation import classes, samples
from lunarsite.engine.segmentation.samples import Sample
from lunarsite.engine.text import counted
from lunarsite.engine.training.task import Data

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context

UNSEEN_EVERY = 10
"""One of so many images, by its number, is never learned from; the same for every training."""

_NUMBER = re.compile(r"(\d+)(?!.*\d)")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its mask."""

    image: Path
    mask: Path

    def read(self) -> Sample:
        """Return both.

        Raises
        ------
        InputError
            If one cannot be read, they differ in size, or the mask shows what is no class.
        """
        image, known = read_image(self.image)
        mask = read_mask(self.mask)
        if mask.shape != known.shape:
            raise InputError(
                f"The mask {self.mask.name} has {mask.shape[1]} × {mask.shape[0]} pixels, its "
                f"image {self.image.name} {known.shape[1]} × {known.shape[0]}",
                "Give masks of the images' own size",
            )
        mask[~known] = classes.NODATA
        return Sample(image, mask)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Where samples come from: the same number gives the same pair."""

    pairs: tuple[Pair, ...]

    def __call__(self, number: int) -> Sample:
        """Return a sample."""
        return self.pairs[number].read()


def pairs_of(image_glob: str, mask_glob: str) -> list[Pair]:
    """Return images and masks that belong together, by the order of their names.

    One image and one mask belong together whatever their names are.

    Parameters
    ----------
    image_glob, mask_glob : str
        Patterns of paths; ``**`` stands for folders within folders.

    Raises
    ------
    InputError
        If there are none, not as many of the one as of the other, the last number in a name
        is another than in its mask's, or the words in a name are those of another one's mask.
    """
    found = [matching(pattern) for pattern in (image_glob, mask_glob)]
    for pattern, paths, what in zip((image_glob, mask_glob), found, ("image", "mask"), strict=True):
        if not paths:
            raise InputError(
                f"No {what} matches {pattern!r}", "Check the pattern; put it in quotes"
            )
    if len(found[0]) != len(found[1]):
        raise InputError(
            f"{counted(len(found[0]), 'image')} and {counted(len(found[1]), 'mask')} match",
            "Give patterns that match one mask for every image",
        )
    paired = [Pair(*both) for both in zip(*found, strict=True)]
    contradicted = [*_other_numbers(paired), *_swapped(paired)] if len(paired) > 1 else []
    if contradicted:
        wrong = contradicted[0]
        raise InputError(
            f"{wrong.image.name} would be compared with {wrong.mask.name}",
            "Name the files so that images and masks come in the same order",
        )
    return paired


def read(image_glob: str, mask_glob: str | None, context: Context) -> Data:
    """Return published images to learn from, and those that nobody learns from.

    Raises
    ------
    InputError
        As `pairs_of`; or if no pattern of masks is given, or there are too few.
    """
    if mask_glob is None:
        raise InputError("--images is given without --masks", "Give the pattern of the masks too")
    pairs = pairs_of(image_glob, mask_glob)
    learn = tuple(pair for at, pair in enumerate(pairs) if at % UNSEEN_EVERY)
    unseen = tuple(pairs[::UNSEEN_EVERY])
    if not learn or len(unseen) < 2:
        raise InputError(
            f"{counted(len(pairs), 'image')} will not do: one of {UNSEEN_EVERY} is kept to measure "
            "on",
            f"Give at least {2 * UNSEEN_EVERY}",
        )
    context.check()
    return Data(
        f"{counted(len(pairs), 'image')} of {pairs[0].image.parent.name}",
        Pairs(learn),
        len(learn),
        Pairs(unseen),
        len(unseen),
    )


def matching(pattern: str) -> list[Path]:
    """Return the files that match a pattern, by name."""
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
    """Return the pairs whose words say that the image's mask is that of another one.

    Only words tell that some images and some masks have, and others have not.
    """
    named = [
        [frozenset(_WORD.findall(path.stem.casefold())) for path in paths]
        for paths in ([pair.image for pair in pairs], [pair.mask for pair in pairs])
    ]
    telling = frozenset.intersection(
        *(frozenset.union(*words) - frozenset.intersection(*words) for words in named)
    )
    of_images, of_masks = ([words & telling for words in both] for both in named)
    known = set(of_masks)
    return [
        pair
        for pair, image, mask in zip(pairs, of_images, of_masks, strict=True)
        if image and image != mask and image in known
    ]


def _plain(part: str) -> bool:
    return not any(sign in part for sign in "*?[")


def read_image(path: Path) -> tuple[classes.UInt8, NDArray[np.bool_]]:
    """Return all of an image as `segment-terrain` looks at it, and where it has data.

    Raises
    ------
    InputError
        As `images.opened`.
    """
    with images.opened(path) as opened:
        seen, known = opened.read(Window(0, 0, opened.frame.width, opened.frame.height))
    seen[~known] = samples.MEAN
    return np.rint(seen).astype(np.uint8), known


def read_mask(path: Path) -> classes.UInt8:
    """Return the classes of a mask, coloured or numbered.

    Raises
    ------
    InputError
        If it shows what is no class.
    """
    with raster.opened(path, "The mask") as source:
        if source.count >= 3:
            return classes.from_colors(np.moveaxis(source.read((1, 2, 3)), 0, 2), path.name)
        return classes.from_numbers(source.read(1), path.name)


def read_samples(pairs: list[Pair]) -> Iterable[Sample]:
    """Yield images with masks, one by one.

    Raises
    ------
    InputError
        After the last one, if no mask held a class.
    """
    held = False
    for pair in pairs:
        sample = pair.read()
        held = held or bool((sample.mask != classes.NODATA).any())
        yield sample
    if not held:
        what = "The mask holds" if len(pairs) == 1 else f"The masks of {len(pairs)} images hold"
        raise InputError(
            f"{what} no class where the images are known: all of it is {classes.NODATA}, nodata",
            "Give masks with the numbers 0 to 3, or the colours of classes",
        )
