"""Cloud-optimised GeoTIFF output, window by window, with an atomic write."""

from __future__ import annotations

import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np
import rasterio
import rasterio.errors
import rasterio.shutil
from rasterio.enums import Resampling

from lunarsite.engine.atomic import whole_file, write_error
from lunarsite.engine.io.writing import compression
from lunarsite.engine.io.writing.compression import Overviews

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from affine import Affine
    from numpy.typing import NDArray
    from rasterio.windows import Window

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid, Place

_BLOCK = 512
_BLOCK_STEP = 16
"""Sides of the blocks of a TIFF are multiples of it."""

_LEAST_OVERVIEW_BLOCK = 64
"""What GDAL makes the blocks of overviews at least."""

_AMPLE_BYTES = 16 * 1024**2
_COG = {"driver": "COG", "blocksize": _BLOCK, "compress": "ZSTD", "level": 1, "bigtiff": "IF_SAFER"}


class IncompleteFileError(Exception):
    """GDAL has written a file, and it lacks something."""


def write_raster(
    path: Path,
    values: NDArray[Any],
    grid: Grid,
    *,
    description: str,
    unit: str = "",
    nodata: float | None = None,
    tags: Mapping[str, str] | None = None,
    context: Context | None = None,
) -> None:
    """Write one layer as a cloud-optimised GeoTIFF, atomically.

    Parameters
    ----------
    path : Path
        Output file.
    values : ndarray, shape of the grid
        float32 with NaN for nodata, or an integer type with ``nodata``.
    grid : Grid
        Grid of the layer.
    description : str
        Name of the band.
    unit : str
        Unit of the values.
    nodata : float, optional
        Nodata value of integer layers; it is NaN for float32.
    tags : mapping, optional
        Metadata tags of the file, such as the provenance.
    context : Context, optional
        Cancellation.
    """
    names = (description, unit, nodata, tags, context)
    with RasterSink(path, grid, values.dtype, *names) as sink:
        sink.write(values)


class RasterSink:
    """A layer that is written window by window, and renamed to its path when it is complete.

    It is a context manager; `write` may be called from one thread at a time.

    Parameters
    ----------
    path : Path
        Output file.
    grid : Place
        Size, transform and coordinate system.
    dtype : dtype
        Type of the values.
    description : str or tuple of str
        Name of the band, or the names of several bands.
    unit : str, optional
        Unit of the values.
    nodata : float, optional
        Nodata value of integer layers; it is NaN for floating-point layers.
    tags : mapping, optional
        Metadata tags of the file.
    context : Context, optional
        Cancellation of the compression; `sinks_together` sets it.
    """

    def __init__(
        self,
        path: Path,
        grid: Place,
        dtype: np.dtype[Any] | str,
        description: str | tuple[str, ...],
        unit: str = "",
        nodata: float | None = None,
        tags: Mapping[str, str] | None = None,
        context: Context | None = None,
    ) -> None:
        self.path = path
        self.context = context
        self._compressed = False
        self._grid = grid
        self._dtype = np.dtype(dtype)
        self._names = (description,) if isinstance(description, str) else description
        self._unit = unit
        floating = self._dtype.kind == "f"
        self._nodata = float("nan") if floating else nodata
        self._tags = dict(tags or {})
        # Blocks that stick out of a thin layer are held and written whole.
        self._down, self._across = _block_side(grid.height), _block_side(grid.width)
        blocks = (-(-grid.height // self._down), -(-grid.width // self._across))
        self._stored = np.zeros(blocks, np.bool_)
        self._options = {
            **_COG,
            "predictor": "FLOATING_POINT" if floating else "NO",
            "overviews": "FORCE_USE_EXISTING",
            "num_threads": "ALL_CPUS",
        }

    def __enter__(self) -> Self:
        self._whole = whole_file(self.path)
        self._partial = self._whole.__enter__()
        self._plain = self._partial.with_name(self._partial.stem + ".plain.tif")
        try:
            self._target = _created(
                self._plain,
                driver="GTiff",
                width=self._grid.width,
                height=self._grid.height,
                count=len(self._names),
                dtype=self._dtype,
                crs=self._grid.crs,
                transform=self._transform(),
                nodata=self._nodata,
                tiled=True,
                blockxsize=self._across,
                blockysize=self._down,
                bigtiff="IF_SAFER",
                # Otherwise a cancelled layer would be filled to its full size when it is closed.
                sparse_ok=True,
            )
        except Exception as error:
            self._finish(error)
            raise write_error(error, self.path) from error
        for band, name in enumerate(self._names, start=1):
            self._target.set_band_description(band, name)
            self._target.set_band_unit(band, self._unit)
        self._target.update_tags(**self._tags)
        return self

    def _transform(self) -> Affine | None:
        """Return the transform, None for an image without a place.

        GDAL would store even the identity, with which QGIS shows an image upside down.
        """
        transform = self._grid.transform
        return None if self._grid.crs is None and transform.is_identity else transform

    def write(self, values: NDArray[Any], window: Window | None = None) -> None:
        """Write a window or the whole layer, shape (rows, columns) or (bands, rows, columns)."""
        bands = 1 if values.ndim == 2 else None
        try:
            self._target.write(values, bands, window=window)
        except Exception as error:  # noqa: BLE001  errors of GDAL have no common base class
            # Told here: further out it would look like an error of the raster that is read.
            self._raise_write_error(error)
        self._note_blocks(values, window)

    def tag(self, tags: Mapping[str, str]) -> None:
        """Set further metadata tags, before the layer is complete."""
        self._target.update_tags(**tags)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if error is not None:
            self._finish(error)
            return
        try:
            self.compress()
        except BaseException as problem:
            self._finish(problem)
            raise
        self._finish(None)

    def compress(self) -> None:
        """Compress the layer, all of which is written. It becomes its path when the block ends."""
        if not self._compressed:
            with no_georeferencing_warning():
                self._complete()
            self._compressed = True

    def _finish(self, error: BaseException | None) -> None:
        """Exit `whole_file`, which renames or removes its file, and remove the uncompressed file.

        The cause of an error is looked for before the uncompressed file is removed.
        """
        try:
            if error is not None and hasattr(self, "_target"):
                with suppress(Exception):  # errors of GDAL have no common base class
                    self._target.close()
        finally:
            self._plain.unlink(missing_ok=True)
        self._whole.__exit__(type(error) if error else None, error, None)

    def _raise_write_error(self, error: Exception) -> NoReturn:
        """Raise the error for a file that GDAL could not write, with its cause.

        Errors of GDAL have no common base class.
        """
        of_gdal = type(error).__module__.startswith("rasterio")
        if not (of_gdal or isinstance(error, IncompleteFileError | OSError)):
            raise error
        needed_bytes = _stored_bytes(self._grid, self._dtype) * len(self._names)
        raise write_error(error, self.path, needed_bytes=needed_bytes) from error

    def _complete(self) -> None:
        """Compress the layer into the file that is renamed."""
        pixels_bytes = _stored_bytes(self._grid, self._dtype) * len(self._names)
        apart = pixels_bytes > compression.APART_BYTES
        try:
            self._check()
            if not apart:
                compression.add_overviews(self._target, self._overviews())
            self._target.close()
            self._check_blocks()
            if apart:
                compression.compress_apart(
                    self._plain, self._partial, self._overviews(), self._options, self._check
                )
            else:
                rasterio.shutil.copy(self._plain, self._partial, **self._options)
            _check_compressed(self._partial, self._plain)
        except Exception as error:  # noqa: BLE001  likewise
            self._raise_write_error(error)

    def _check(self) -> None:
        """Raise if the work was cancelled."""
        if self.context is not None:
            self.context.check()

    def _note_blocks(self, values: NDArray[Any], window: Window | None) -> None:
        """Remember which blocks must be in the file: those of nodata only are not stored."""
        top, left = (0, 0) if window is None else (int(window.row_off), int(window.col_off))
        rows, columns = values.shape[-2:]
        down, across = self._down, self._across
        for row in range(top // down, -(-(top + rows) // down)):
            for column in range(left // across, -(-(left + columns) // across)):
                if self._stored[row, column]:
                    continue
                part = values[
                    ...,
                    max(row * down - top, 0) : (row + 1) * down - top,
                    max(column * across - left, 0) : (column + 1) * across - left,
                ]
                self._stored[row, column] = not self._is_empty(part)

    def _is_empty(self, part: NDArray[Any]) -> bool:
        if self._dtype.kind == "f":
            return bool(np.isnan(part).all())
        return bool((part == (0 if self._nodata is None else self._nodata)).all())

    def _check_blocks(self) -> None:
        """Raise if a block is missing in the uncompressed file, which GDAL does not report."""
        size = self._plain.stat().st_size
        with no_georeferencing_warning(), rasterio.open(self._plain) as written:
            for row, column in np.argwhere(self._stored):
                name = f"{column}_{row}"
                at = written.get_tag_item(f"BLOCK_OFFSET_{name}", "TIFF", bidx=1)
                length = written.get_tag_item(f"BLOCK_SIZE_{name}", "TIFF", bidx=1)
                if at is None or length is None or int(at) + int(length) > size:
                    raise IncompleteFileError(f"{self._plain.name} could not be written whole")

    def _overviews(self) -> Overviews:
        """Return the overviews to build here: the COG driver would compress them twice."""
        longest = max(self._grid.width, self._grid.height)
        levels: list[int] = []
        while longest > _BLOCK * 2 ** len(levels):
            levels.append(2 ** (len(levels) + 1))
        resampling = Resampling.average if self._dtype.kind == "f" else Resampling.mode
        # A power of two.
        side = max(_LEAST_OVERVIEW_BLOCK, 1 << (min(self._down, self._across) - 1).bit_length())
        return Overviews(levels, resampling, side)


@contextmanager
def sinks_together(sinks: Sequence[RasterSink], context: Context) -> Iterator[Sequence[RasterSink]]:
    """Open several layers, and compress them in parallel if the block succeeds.

    Building overviews is single-threaded, so parallel layers finish sooner than consecutive ones.

    Parameters
    ----------
    sinks : sequence of RasterSink
        The layers.
    context : Context
        Threads, and progress of the compression.

    Yields
    ------
    sequence of RasterSink
        The open layers.
    """
    with ExitStack() as stack:
        for sink in sinks:
            sink.context = context
            stack.enter_context(sink)
        yield sinks
        # Filters of warnings belong to the process, so the threads' own would end each other's.
        with (
            no_georeferencing_warning(),
            ThreadPoolExecutor(context.threads, thread_name_prefix="lunarsite-write") as pool,
        ):
            compressing = [pool.submit(sink.compress) for sink in sinks]
            for done, future in enumerate(as_completed(compressing), start=1):
                future.result()
                context.report(done / len(sinks), "Compressing layers")
        context.check()


def _created(path: Path, **options: Any) -> rasterio.io.DatasetWriter:
    """Create a file, without a warning if it is not georeferenced."""
    with no_georeferencing_warning():
        return rasterio.open(path, "w", **options)


@contextmanager
def no_georeferencing_warning() -> Iterator[None]:
    """Silence rasterio's warning that a raster has no place, which photographs do not have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        yield


def _stored_bytes(grid: Place, dtype: np.dtype[Any]) -> int:
    """Return the uncompressed size of a layer in full blocks, bytes."""
    sides = ((grid.width, _block_side(grid.width)), (grid.height, _block_side(grid.height)))
    (columns, rows) = (-(-length // side) * side for length, side in sides)
    return columns * rows * dtype.itemsize


def _block_side(length: int) -> int:
    """Return the side of the blocks along a side of a layer, no longer than that needs."""
    return min(_BLOCK, -(-length // _BLOCK_STEP) * _BLOCK_STEP)


def _check_compressed(path: Path, plain: Path) -> None:
    """Raise if the compressed file is incomplete, which GDAL does not report.

    If the disk is nearly full, the pixels are compared as well.
    """
    try:
        with rasterio.open(path) as written:
            if shutil.disk_usage(path.parent).free > _AMPLE_BYTES:
                return
            with rasterio.open(plain) as original:
                same = written.checksum(1) == original.checksum(1)
    except rasterio.errors.RasterioError:
        same = False
    if not same:
        raise IncompleteFileError(f"{path.name} could not be compressed whole")
