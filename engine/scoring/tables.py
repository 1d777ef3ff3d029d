"""Reading and writing of feature and score tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from lunarsite.engine.atomic import whole_file
from lunarsite.engine.errors import InputError
from lunarsite.engine.scoring.features import columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    import geopandas as gpd
    import pandas as pd


def write_features(
    path: Path, table: gpd.GeoDataFrame, tags: Mapping[str, str] | None = None
) -> None:
    """Write a feature table as GeoParquet, with metadata such as the provenance."""
    with whole_file(path) as partial:
        table.to_parquet(partial, index=False)
        # geopandas does not accept metadata: the table is written again with them.
        _write(partial, pq.read_table(partial), tags)


def write_table(path: Path, table: pd.DataFrame, tags: Mapping[str, str] | None = None) -> None:
    """Write a table as Parquet, with metadata such as the provenance."""
    with whole_file(path) as partial:
        _write(partial, pa.Table.from_pandas(table, preserve_index=False), tags)


def read_features(path: str | Path) -> pd.DataFrame:
    """Read a feature table without its geometry.

    Raises
    ------
    InputError
        If the file is missing, damaged or not a feature table.
    """
    table = read_table(path, "The feature table", without="geometry")
    missing = [name for name in columns.table_columns() if name not in table.columns]
    if missing:
        raise InputError(
            f"The feature table {path} lacks the columns {', '.join(missing[:5])}"
            + (f" and {len(missing) - 5} more" if len(missing) > 5 else ""),
            "Make it with this version: lunarsite features",
        )
    if table.empty:
        raise InputError(f"The feature table {path} has no rows", "Make it from a larger DEM")
    return table


def landing_profile(path: str | Path) -> str | None:
    """Return the criteria by which the landing discs of a feature table were chosen.

    None if cells are evaluated, or the table says nothing.
    """
    metadata = pq.read_schema(path).metadata or {}
    found = metadata.get(columns.LANDING_PROFILE.encode())
    return found.decode() or None if found else None


def read_table(path: str | Path, what: str, *, without: str | None = None) -> pd.DataFrame:
    """Read a Parquet table, optionally without a column.

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    if not Path(path).is_file():
        raise InputError(f"{what}: there is no file {path}", "Check the path")
    try:
        names = [name for name in pq.read_schema(path).names if name != without]
        table: pd.DataFrame = pq.read_table(path, columns=names).to_pandas(ignore_metadata=True)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{what} {path} cannot be read: {str(error).splitlines()[0][:200]}",
            "Make it again",
        ) from error
    return table


def _write(path: Path, table: pa.Table, tags: Mapping[str, str] | None) -> None:
    metadata = {**(table.schema.metadata or {}), **(tags or {})}
    pq.write_table(table.replace_schema_metadata(metadata), path, compression="zstd")
