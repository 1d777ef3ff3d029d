"""Sources of features: rasters, crater catalogue and images."""

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
    """Paths of the sources of features; all but the DEM are optional.

    Parameters
    ----------
    dem : str
        Elevation model.
    rasters : dict of str to str
        Rasters by source of `columns`, or by sensitivity.
    craters : str, optional
        Crater catalogue.
    rocks : str, optional
        Output folder of ``segment-terrain``.
    rock_image : str, optional
        Image.
    landing : tuple of str, optional
        Suitability and probability of the landing discs, as written by ``landing``. Without them,
        cells are evaluated.
    """

    dem: str
    rasters: dict[str, str] = field(default_factory=dict)
    craters: str | None = None
    rocks: str | None = None
    rock_image: str | None = None
    landing: tuple[str, str] | None = None

    def paths(self) -> list[str]:
        """Return the paths of all input files."""
        more = [self.craters, *(rocks.files(self.rocks) if self.rocks else []), self.rock_image]
        return [
            self.dem,
            *self.rasters.values(),
            *(path for path in more if path),
            *(self.landing or ()),
        ]
