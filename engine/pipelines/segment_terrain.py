"""The stage ``segment-terrain``: classes, probabilities and uncertainty of an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from rasterio.windows import Window

from lunarsite.engine import atomic, moon, provenance
from lunarsite.engine.context import GIB
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.file_names import part_of
from lunarsite.engine.io import cog, images
from lunarsite.engine.io.cog import RasterSink
from lunarsite.engine.io.elevation import area
from lunarsite.engine.io.orientation import Orientation
from lunarsite.engine.pipelines import estimates
from lunarsite.engine.provenance import sha256
from lunarsite.engine.segmentation import classes, evaluation, resampling, tiling
from lunarsite.engine.uncertainty import measures
from lunarsite.engine.uncertainty.domain import TAG

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.images import Frame, Image
    from lunarsite.engine.pipelines.estimates import Estimate
    from lunarsite.engine.segmentation.weights import Checkpoint
    from lunarsite.engine.uncertainty.domain import Distance

    Bool = NDArray[np.bool_]
    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]
    Int = NDArray[np.int64]
from lunarsite.engine.segmentation import inference

FILES = ("classes.tif", "probabilities.tif", "entropy.tif", "mutual_information.tif")
"""Output files; the last one only if an uncertainty was requested."""


_BLOCK_PX, _PIECE_PX = 512, 2**21
"""Layers are written in pieces of whole blocks and of about so many pixels."""

_CACHE_SHARE, _LEAST_CACHE_BYTES = 0.125, 64 * 2**20
"""GDAL's cache of blocks, of the memory limit. Its own default grows with the machine."""

_HELD_OUT = ("renders", "photographs")

MUCH_DARK = 0.005
"""Share of an image in shadow above which a warning is given."""


def _with_area(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Return the parameters with the area of interest as a window."""
    if not values["aoi"]:
        return values
    if values["window"]:
        raise ParameterError(
            "--aoi and --window both name a part of the image", "Leave one of them out"
        )
    found = part_of(area.part(values["image"], values["aoi"], context))
    if found is None:
        return values
    left, top, columns, rows = found[1]
    outer = part_of(values["image"])
    if outer is not None:  # windows count from the first pixel of what is opened
        left, top = left - outer[1][0], top - outer[1][1]
    return values | {"window": f"{left},{top},{columns},{rows}"}


_START_S = 3.0
_PIXEL_CORE_S = 0.7e-6
"""Core seconds per pixel of reading, resampling and compression."""


def estimate(values: dict[str, Any], context: Context) -> Estimate:
    """Validate the inputs, and return what the stage needs."""
    values = _with_area(values, context)
    loaded = inference.members_of(values)
    with images.opened(values["image"], context, sky=values["view"] != "orbital") as image:
        part = image.orientation.upright_window(read_window(values["window"], image.stored))
        return _needed(image, part, loaded, values, context)


def _needed(
    image: Image, part: Window, loaded: list[Checkpoint], values: dict[str, Any], context: Context
) -> Estimate:
    """Return what an image needs: its pixels, and those of the tiles that the network sees."""
    pixels, read = int(part.width * part.height), image.frame.width * image.frame.height
    shape = _network_shape(image, part, loaded, values)
    cut = _tiles(shape, part, values, context)
    if shape == (part.height, part.width):
        read = pixels
    layer_bytes = 1 + 4 * (4 + 1 + (values["uncertainty"] != "none"))
    strip = min(cut.side, shape[0]) * shape[1] * 24.0
    tile = min(cut.side, shape[0]) * min(cut.side, shape[1]) * inference.TILE_BYTES
    tile *= _at_once(cut, shape, context)
    return estimates.estimate(
        pixels,
        context,
        serial_s=_START_S,
        core_s=_network_core_s(shape, cut, loaded, values) + (pixels + read) / 2 * _PIXEL_CORE_S,
        memory_bytes=0.2 * GIB + strip + tile,
        disk_bytes=estimates.layers_disk_bytes(pixels, layer_bytes, at_once=True),
    )


def _network_shape(
    image: Image, part: Window, loaded: list[Checkpoint], values: dict[str, Any]
) -> tuple[int, int]:
    """Return rows and columns of what the network sees of an image."""
    side_px = None if values["view"] == "orbital" else loaded[0].side_px
    if resampling.is_reduced(image.frame, side_px):
        return resampling.reduced_shape((image.frame.height, image.frame.width), side_px)
    return int(part.height), int(part.width)


def _tiles(
    shape: tuple[int, int], part: Window, values: dict[str, Any], context: Context
) -> tiling.Tiling:
    """Return the tiles of what the network sees of an image."""
    cut = tiling.Tiling(side=values["tile_px"])
    is_native = shape == (part.height, part.width)
    return cut if is_native else inference.tiles_of_reduced(cut, shape, context)


def _at_once(cut: tiling.Tiling, shape: tuple[int, int], context: Context) -> int:
    """Return how many tiles are predicted at the same time."""
    count = len(cut.starts(shape[0])) * len(cut.starts(shape[1]))
    return min(context.threads, count)


def _network_core_s(
    shape: tuple[int, int], cut: tiling.Tiling, loaded: list[Checkpoint], values: dict[str, Any]
) -> float:
    """Return about how many seconds of a core the networks take for an image, in tiles."""
    rows, columns = (
        sum(cut.length(start, length) for start in cut.starts(length)) for length in shape
    )
    return inference.core_s(loaded, values, rows * columns)


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Segment an image, and write classes, probabilities and uncertainty."""
    values = _with_area(values, context)
    loaded = inference.members_of(values)
    paths = [str(checkpoint.path) for checkpoint in loaded]
    uncertainty = values["uncertainty"]
    folder = Path(values["out"])
    shaping = {name: values[name] for name in ("view", "uncertainty", "passes", "seed")}

    def find_sha256(path: str | Path) -> str:
        return str(context.cached_for_file("sha256", path, lambda: sha256(path)))

    path = values["image"]
    # Opened twice: one is read ahead in its own thread.
    sky = values["view"] != "orbital"
    cache = max(_LEAST_CACHE_BYTES, int(_CACHE_SHARE * context.memory_limit_bytes))
    with (
        rasterio.Env(GDAL_CACHEMAX=cache),
        images.opened(path, context, sky=sky) as image,
        images.opened(path, context, sky=sky) as again,
    ):
        record = provenance.describe(
            "segment-terrain",
            shaping,
            [path, *paths],
            find_sha256=find_sha256,
        )
        stored = read_window(values["window"], image.stored)
        window = image.orientation.upright_window(stored)
        if values["view"] == "orbital":
            _check_pixel(image.frame, context)
        for checkpoint in loaded:
            inference.check_view(checkpoint, values["view"], context)
        cut = tiling.Tiling(side=values["tile_px"])
        seen = _network_shape(image, window, loaded, values)
        tiles = _tiles(seen, window, values, context)
        core_s = _network_core_s(seen, tiles, loaded, values)
        cpu_s = core_s / _at_once(tiles, seen, context)
        look = inference.runner_of(loaded, values, context, cpu_s=cpu_s)
        probe = inference.probe_of(loaded)
        windows: list[Float] = []

        def watch(channels: Float32, known: Bool) -> None:
            if probe is not None:
                windows.extend(probe.windows(channels, known))

        needed = _needed(image, window, loaded, values, context)
        estimates.announce(needed, folder, context)
        atomic.make_folder(folder)
        wanted = FILES if uncertainty != "none" else FILES[:3]
        written = _Written(
            folder,
            image.part(stored),
            wanted,
            image.orientation,
            shaded=(again, window) if values["view"] == "orbital" else None,
        )
        with cog.sinks_together(written.sinks, context.part(0.9, 1.0)):
            # Orbital images have a pixel size on the ground, and shadow is nodata.
            inference.predict(
                image,
                window,
                look,
                written.take,
                context.part(0.0, 0.9),
                cut=cut,
                resample=values["view"] != "orbital",
                watch=watch,
            )
            distance = probe.compared(windows) if probe else None
            record["device"] = context.devices()
            written.tag(provenance.as_tags(record))
            if (unlike := _doubt(written, values, loaded[0], distance)) is not None:
                written.tag({TAG: f"{unlike[1]:.3f}"})
                context.warn(unlike[0])
        unseen = probe.too_small if probe is not None and distance is None else ""
        if unseen and written.pixels.any() and not values["window"]:
            context.warn(unseen)
        if uncertainty == "none":
            # Left by an earlier image: it does not belong to this one.
            (folder / FILES[-1]).unlink(missing_ok=True)
    _warn_of_shadow(written, context)
    return _said(folder, wanted, written, values, loaded[0], distance)


def _check_pixel(frame: Frame, context: Context) -> None:
    """Warn of an image from orbit whose pixels are too coarse, or of unknown size."""
    pixel_m = frame.pixel_m
    if not pixel_m and frame.is_placed:
        context.warn(
            "The image has no coordinate system, so that the size of its pixels is unknown: it is "
            f"taken for one with pixels of {images.ROCKS_PX_M:g} m or finer. Assign one: "
            f"gdal_edit.py -a_srs {moon.SOUTH_POLAR} IMAGE"
        )
    elif not pixel_m:
        context.warn(
            "Nothing says how large the pixels of the image are on the ground: it is taken for one "
            f"from orbit with pixels of {images.ROCKS_PX_M:g} m or finer. Photographs from the "
            "ground need --view surface."
        )
    elif pixel_m > 1.01 * images.ROCKS_PX_M:
        context.warn(
            f"Pixels of {pixel_m:.3g} m show no rocks that the network knows: those need "
            f"{images.ROCKS_PX_M:g} m or finer."
        )


def _warn_of_shadow(written: _Written, context: Context) -> None:
    """Warn if much of the image is in shadow."""
    if written.dark > MUCH_DARK * (written.dark + written.pixels.sum()):
        share = written.dark / (written.dark + written.pixels.sum())
        context.warn(
            f"{100.0 * share:.1f} % of the image is black: nothing is known of rocks in the "
            "shadow, and it is nodata. Stretch the image if that is ground in dim light."
        )


def read_window(text: str | None, frame: Frame) -> Window:
    """Return the requested window of an image, by default the whole image.

    Raises
    ------
    ParameterError
        If it is not column,row,columns,rows within the image.
    """
    if text is None:
        return Window(0, 0, frame.width, frame.height)
    try:
        column, row, columns, rows = (int(part) for part in text.split(","))
    except ValueError as error:
        raise ParameterError(
            f"--window: {text!r} is not four whole numbers", "Write column,row,columns,rows"
        ) from error
    right, bottom = min(column + columns, frame.width), min(row + rows, frame.height)
    left, top = max(column, 0), max(row, 0)
    if right <= left or bottom <= top:
        raise ParameterError(
            f"--window: {text} lies outside the image of {frame.width} × {frame.height} pixels",
            "Write column,row,columns,rows with the first pixel at 0,0",
        )
    return Window(left, top, right - left, bottom - top)


class _Written:
    """The output layers, written strip by strip, and their statistics."""

    def __init__(
        self,
        folder: Path,
        frame: Frame,
        files: tuple[str, ...],
        orientation: Orientation,
        *,
        shaded: tuple[Image, Window] | None = None,
    ) -> None:
        self._shaded = shaded
        self._turned = Orientation(orientation.number, frame.width, frame.height)
        self.pixels: Int = np.zeros(len(classes.NAMES), np.int64)
        self.sums = np.zeros(2)
        self.dark = 0
        nats = "nat"
        sinks = {
            "classes.tif": RasterSink(
                folder / "classes.tif", frame, "uint8", "Class", nodata=classes.NODATA
            ),
            "probabilities.tif": RasterSink(
                folder / "probabilities.tif",
                frame,
                "float32",
                tuple(f"Probability of {name}" for name in classes.NAMES),
            ),
            "entropy.tif": RasterSink(
                folder / "entropy.tif", frame, "float32", "Predictive entropy", nats
            ),
            "mutual_information.tif": RasterSink(
                folder / "mutual_information.tif",
                frame,
                "float32",
                "Mutual information",
                nats,
            ),
        }
        self.sinks = [sinks[name] for name in files]

    def tag(self, tags: dict[str, str]) -> None:
        """Set the metadata tags of the layers, which say what the network has run on."""
        for sink in self.sinks:
            sink.tag(tags)

    def take(self, row: int, answer: Float32, known: Bool) -> None:
        """Write a strip of the upright image, in pieces of a bounded size."""
        rows, width = known.shape
        step = max(_BLOCK_PX, _PIECE_PX // rows // _BLOCK_PX * _BLOCK_PX)
        for left in range(0, width, step):
            across = slice(left, min(left + step, width))
            self._write(row, left, answer[:, :, across], known[:, across])

    def _write(self, row: int, left: int, answer: Float32, known: Bool) -> None:
        """Write a piece of the upright image, in the file's own order of pixels."""
        window = self._turned.stored_window(Window(left, row, known.shape[1], known.shape[0]))
        if self._shaded is not None:
            image, part = self._shaded
            at = Window(part.col_off + left, part.row_off + row, known.shape[1], known.shape[0])
            dark = known & (image.read(at)[0].mean(axis=2) < image.dark_grey)
            self.dark += int(dark.sum())
            known = known & ~dark
        count = len(classes.NAMES)
        share = answer[:count]
        total = measures.entropy(share)
        shared = np.maximum(total - answer[count], 0.0)
        named = np.where(known, classes.classify(share), classes.NODATA).astype(np.uint8)
        layers = (named, share, total, shared)
        for sink, layer in zip(self.sinks, layers, strict=False):
            values = layer if layer.dtype == np.uint8 else np.where(known, layer, np.nan)
            sink.write(self._turned.stored(values.astype(layer.dtype)), window)
        self.pixels += np.bincount(named[known], minlength=count)
        self.sums += [float(total[known].sum()), float(shared[known].sum())]


def _doubt(
    written: _Written, values: dict[str, Any], checkpoint: Checkpoint, distance: Distance | None
) -> tuple[str, float] | None:
    """Return why the image is out of distribution, as `inference.doubt`."""
    known = int(written.pixels.sum())
    drawn = values["uncertainty"] == "mc-dropout"
    mean = float(written.sums[1]) / known if known and drawn else 0.0
    usual = inference.usual(checkpoint.card, values["test_time"], values["passes"])
    return inference.doubt(distance, mean, usual, known)


def _said(
    folder: Path,
    files: tuple[str, ...],
    written: _Written,
    values: dict[str, Any],
    checkpoint: Checkpoint,
    distance: Distance | None,
) -> dict[str, Any]:
    """Return the result of the stage."""
    known = int(written.pixels.sum())
    said: dict[str, Any] = {
        "outputs": {name.removesuffix(".tif"): str(folder / name) for name in files},
        "pixels": known,
    }
    if not known:
        nothing = "is in shadow" if written.dark else "has no data"
        return {**said, "summary": [f"The whole area {nothing}"]}
    share, means = written.pixels / known, written.sums / known
    said |= {
        "share": {name: round(float(s), 6) for name, s in zip(classes.NAMES, share, strict=True)},
        "mean_entropy": float(means[0]),
    }
    lines = [", ".join(f"{100 * s:.2f} % {n}" for n, s in zip(classes.NAMES, share, strict=True))]
    if values["uncertainty"] != "none":
        said["mean_mutual_information"] = float(means[1])
        usual = inference.usual(checkpoint.card, values["test_time"], values["passes"])
        whose = checkpoint.card.get("calibration", {}).get("data", "generated validation scenes")
        if values["uncertainty"] == "mc-dropout" and usual.get("median"):
            times = float(means[1]) / float(usual["median"])
            said |= {"times_in_domain": times, "verdict": inference.verdict(float(means[1]), usual)}
            lines.append(
                f"Mean mutual information is {times:.1f} times the median of {whose}: "
                f"{said['verdict']}"
            )
    if distance is not None:
        said["distance"] = distance.as_dict()
        lines.append(distance.sentence())
    elif checkpoint.domain is not None and values["window"]:
        lines.append("The window is too small to be compared with the training images")
    held_out = checkpoint.card.get("held_out", {})
    if values["uncertainty"] != "ensemble" and held_out and share[list(evaluation.ROCKS)].any():
        said["held_out"] = held_out
        lines.append(_held_out_sentence(held_out))
    return {**said, "summary": lines}


def _held_out_sentence(held_out: dict[str, Any]) -> str:
    """Return how often what a network predicts as rock is rock on held-out images."""
    kinds = [name for name in _HELD_OUT if name in held_out]
    right = " and ".join(f"{100 * held_out[kind]['precision_of_rocks']:.0f} %" for kind in kinds)
    sure = np.mean([held_out[kind]["confidence_of_rocks"] for kind in kinds])
    which = held_out.get("network", "it")
    return (
        f"On held-out {' and '.join(kinds)}, {right} of what {which} predicts as rock is rock, "
        f"where it is {100 * sure:.0f} % certain on average"
    )
