"""Catalogues of craters with the area of their permanent shadow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.errors import InputError
from lunarsite.engine.io.vectors import csv_table, positions

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    Float = NDArray[np.float64]

_NEEDED = "Give a CSV table with the columns name, lon_deg, lat_deg, diameter_km and psr_area_km2"


@dataclass(frozen=True, slots=True, eq=False)
class CataloguedShadow:
    """Craters on the south polar map.

    Parameters
    ----------
    names : tuple of str
        Names.
    x_m, y_m, radius_m : ndarray of float64, shape (craters,)
        Circles on the map.
    area_km2 : ndarray of float64, shape (craters,)
        Catalogued area of permanent shadow.
    """

    names: tuple[str, ...]
    x_m: Float
    y_m: Float
    radius_m: Float
    area_km2: Float

    def rows(self) -> Iterator[tuple[str, float, float, float, float]]:
        """Return name, place, radius and area of each crater."""
        return zip(
            self.names,
            *(a.tolist() for a in (self.x_m, self.y_m, self.radius_m, self.area_km2)),
            strict=True,
        )


def read(path: str | Path) -> CataloguedShadow:
    """Read a table of craters with areas of permanent shadow; those of the north are left out.

    Columns are found by the first words of their names: ``Lat (deg)``, ``Diam (km)``,
    ``PSR Area (km^2)``.

    Raises
    ------
    InputError
        If a column is missing, or no crater is left.
    """
    what = f"The catalogue of shadow {Path(path).name}"
    table = csv_table.read_csv(Path(path), "The catalogue of shadow")
    lon = _column(table, ("lon",), what)
    lat = _column(table, ("lat",), what)
    diameter_km = _column(table, ("diam",), what)
    area = _column(table, ("psr", "area"), what)
    names = [str(name) for name in table[_name_of(table, ("name",), what)]]
    usable = (lat < 0.0) & (diameter_km > 0.0) & (area > 0.0) & np.isfinite(lon)
    if not usable.any():
        raise InputError(f"{what} has no crater of the south with an area of shadow", _NEEDED)
    x, y = moon.lonlat_to_xy(lon[usable], lat[usable])
    x, y, radius = moon.map_circle(x, y, 500.0 * diameter_km[usable])
    kept = tuple(name for name, use in zip(names, usable, strict=True) if use)
    return CataloguedShadow(kept, x, y, radius, area[usable])


def _name_of(table: pd.DataFrame, words: tuple[str, ...], what: str) -> str:
    """Return the first column whose name has words, each the beginning of one of its own."""
    for column in table.columns:
        own = positions.tokens(column)
        begins = own[: len(words)] if words[0] != "name" else own
        if all(any(each.startswith(word) for each in begins) for word in words):
            return str(column)
    raise InputError(f"{what} has no column {'_'.join(words)}", _NEEDED)


def _column(table: pd.DataFrame, words: tuple[str, ...], what: str) -> Float:
    import pandas as pd  # noqa: PLC0415  not needed to import the checks

    values = pd.to_numeric(table[_name_of(table, words, what)], errors="coerce")
    return values.to_numpy(np.float64)
