"""Cloud-optimised GeoTIFF output, window by window, with an atomic write."""

from __future__ import annotations

import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import rasterio
import rasterio.errors
import rasterio.shutil
from rasterio.enums import Resampling

from lunarsite.engine.atomic import raise_if_full, whole_file
from lunarsite.engine.errors import LunarSiteError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from affine import Affine
    from numpy.typing import NDArray
    from rasterio.windows import Window

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid, Place

_BLOCK = 512
_AMPLE_BYTES = 16 * 1024**2
_COG = {"driver": "COG", "blocksize": _BLOCK, "compress": "ZSTD", "level": 1, "bigtiff": "IF_SAFER"}


def write_raster(
    path: Path,
    values: NDArray[Any],
    grid: Grid,
    *,
    description: str,
    unit: str = "",
    nodata: float | None = None,
    tags: Mapping[str, str] | None = None,
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
    """
    with RasterSink(path, grid, values.dtype, description, unit, nodata, tags) as sink:
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
    ) -> None:
        self.path = path
        self._grid = grid
        self._dtype = np.dtype(dtype)
        self._names = (description,) if isinstance(description, str) else description
        self._unit = unit
        floating = self._dtype.kind == "f"
        self._nodata = float("nan") if floating else nodata
        self._tags = dict(tags or {})
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
                blockxsize=_BLOCK,
                blockysize=_BLOCK,
                bigtiff="IF_SAFER",
            )
        except Exception as error:
            self._finish(error)
            raise
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
        self._target.write(values, bands, window=window)

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
            with no_georeferencing_warning():
                self._complete()
        except Exception as problem:
            self._finish(problem)
            raise
        self._finish(None)

    def _finish(self, error: BaseException | None) -> None:
        """Exit `whole_file`, which renames or removes its file, and remove the uncompressed file.

        A full disk is detected before the uncompressed file is removed.
        """
        full: OutputError | None = None
        try:
            if error is not None and hasattr(self, "_target"):
                self._close_quietly()
            if isinstance(error, Exception) and not isinstance(error, LunarSiteError):
                gdal = type(error).__module__.startswith("rasterio")
                needed_bytes = (
                    _stored_bytes(self._grid, self._dtype) * len(self._names) if gdal else 0
                )
                raise_if_full(error, self.path.parent, needed_bytes=needed_bytes)
        except OutputError as disk_error:
            full = disk_error
        finally:
            self._plain.unlink(missing_ok=True)
        reported = full or error
        self._whole.__exit__(type(reported) if reported else None, reported, None)
        if full is not None:
            raise full from error

    def _complete(self) -> None:
        """Compress the layer into the file that is renamed."""
        self._add_overviews()
        self._target.close()
        _check_size(
            self._plain, self._grid.width * self._grid.height * len(self._names), self._dtype
        )
        rasterio.shutil.copy(self._plain, self._partial, **self._options)
        _check_compressed(self._partial, self._plain)

    def _add_overviews(self) -> None:
        """Build the overviews here: the COG driver would compress them twice."""
        longest = max(self._grid.width, self._grid.height)
        levels: list[int] = []
        while longest > _BLOCK * 2 ** len(levels):
            levels.append(2 ** (len(levels) + 1))
        if levels:
            average = Resampling.average if self._dtype.kind == "f" else Resampling.mode
            with rasterio.Env(GDAL_TIFF_OVR_BLOCKSIZE=_BLOCK):
                self._target.build_overviews(levels, average)

    def _close_quietly(self) -> None:
        try:
            self._target.close()
        except Exception as error:  # noqa: BLE001  errors of GDAL have no common base class
            raise_if_full(error, self.path.parent)


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
            stack.enter_context(sink)
        yield sinks
        context.check()
        stack.pop_all()
        # Filters of warnings belong to the process, so the threads' own would end each other's.
        with (
            no_georeferencing_warning(),
            ThreadPoolExecutor(context.threads, thread_name_prefix="lunarsite-write") as pool,
        ):
            closing = [pool.submit(sink.__exit__, None, None, None) for sink in sinks]
            for done, future in enumerate(as_completed(closing), start=1):
                future.result()
                context.report(done / len(sinks), "Compressing layers")


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
    blocks = -(-grid.width // _BLOCK) * -(-grid.height // _BLOCK)
    return blocks * _BLOCK**2 * dtype.itemsize


def _check_size(path: Path, values: int, dtype: np.dtype[Any]) -> None:
    if path.stat().st_size < values * dtype.itemsize:
        raise OSError(28, "No space left on device while writing", str(path))


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
        raise OSError(28, "No space left on device while compressing", str(path))
