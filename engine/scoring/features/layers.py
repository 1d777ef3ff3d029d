"""The rasters, catalogue and images that features are taken from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lunarsite.engine.scoring.features import rocks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layers:
    """The rasters that features are taken from; any but the elevation may be missing.

    ``rasters`` maps a source of `columns` (or a sensitivity) to a path, ``craters`` is a catalogue,
    ``rocks`` a folder that ``segment-terrain`` wrote, ``rock_image`` an image.
    """

    dem: str
    rasters: dict[str, str] = field(default_factory=dict)
    craters: str | None = None
    rocks: str | None = None
    rock_image: str | None = None

    def paths(self) -> list[str]:
        """Return all files that are read."""
        more = [self.craters, *(rocks.files(self.rocks) if self.rocks else []), self.rock_image]
        return [self.dem, *self.rasters.values(), *(path for path in more if path)]
