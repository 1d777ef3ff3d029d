"""The stage ``segment-terrain``, from an image to classes, probabilities and uncertainty."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.windows import Window

from lunarsite.engine import atomic, device, provenance
from lunarsite.engine.errors import ParameterError
from lunarsite.engine.io import cog, images
from lunarsite.engine.io.cog import RasterSink
from lunarsite.engine.segmentation import classes, onnx_runner, resampling, tiling, weights
from lunarsite.engine.uncertainty import measures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.images import Frame, Image
    from lunarsite.engine.segmentation.onnx_runner import Runner
    from lunarsite.engine.segmentation.weights import Checkpoint

    Bool = NDArray[np.bool_]
    Float32 = NDArray[np.float32]
    Int = NDArray[np.int64]

FILES = ("classes.tif", "probabilities.tif", "entropy.tif", "mutual_information.tif")
"""What is written; the last one only where an uncertainty was asked for."""

MUCH_DARK = 0.005
"""Share of an image in shadow from which on it is told."""

UNUSUAL = 2.0
"""From so many times the median of validation scenes on, mutual information is not usual."""


def write(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Say what an image shows, and write it."""
    where = device.choose(context.device)
    look, loaded = runner_of(values, where.kind, context)
    paths = [str(checkpoint.path) for checkpoint in loaded]
    uncertainty = values["uncertainty"]
    folder = Path(values["out"])
    shaping = {name: values[name] for name in ("view", "uncertainty", "passes", "seed")}

    def find_sha256(path: str | Path) -> str:
        return str(context.of_file("sha256", path, lambda: provenance.sha256(path)))

    path = values["image"]
    # Opened twice: one is read ahead, in a thread of its own.
    with images.opened(path, context) as image, images.opened(path, context) as again:
        record = provenance.describe(
            "segment-terrain",
            shaping,
            [path, *paths],
            device=where.kind,
            find_sha256=find_sha256,
        )
        window = read_window(values["window"], image.frame)
        pixel_m = image.frame.pixel_m
        if values["view"] == "orbital" and pixel_m and pixel_m > 1.01 * images.ROCKS_PX_M:
            context.warn(
                f"Pixels of {pixel_m:.3g} m show no rocks that the network knows: those need "
                f"{images.ROCKS_PX_M:g} m or finer."
            )
        for checkpoint in loaded:
            _check_view(checkpoint, values["view"], context)
        cut = tiling.Tiling(side=values["tile_px"])
        shaded = again if values["view"] == "orbital" else None
        atomic.make_folder(folder)
        wanted = FILES if uncertainty != "none" else FILES[:3]
        written = _Written(folder, image.part(window), wanted, provenance.as_tags(record))
        with cog.sinks_together(written.sinks, context.part(0.9, 1.0)):
            # From orbit the ground has its scale, and shadow is unknown.
            if shaded is None and resampling.is_reduced(image.frame, look.side_px):
                _look_small(image, window, look, written, context.part(0.0, 0.9), cut)
            else:
                _look(image, shaded, window, look, written, context.part(0.0, 0.9), cut)
        if uncertainty == "none":
            # Of an image before: it would pass for this one's.
            (folder / FILES[-1]).unlink(missing_ok=True)
    if written.dark > MUCH_DARK * (written.dark + written.pixels.sum()):
        share = written.dark / (written.dark + written.pixels.sum())
        context.warn(
            f"{100.0 * share:.1f} % of the image is black: nothing is known of rocks in the "
            "shadow, and it is nodata. Stretch the image if that is ground in dim light."
        )
    return _said(folder, wanted, written, values, loaded[0])


def runner_of(
    values: dict[str, Any], device_kind: str, context: Context
) -> tuple[Runner, list[Checkpoint]]:
    """Return what answers for images, as a stage's parameters say, and its networks.

    Raises
    ------
    ParameterError
        Unless there are as many networks as the uncertainty needs.
    InputError, MissingDependencyError
        As `weights.load` and `weights.Checkpoint.runner`.
    """
    uncertainty = values["uncertainty"]
    paths = list(values["checkpoint"]) or [str(weights.BUNDLED[values["view"]])]
    _check_members(uncertainty, paths)
    loaded = [weights.load(path) for path in paths]
    members = [
        checkpoint.runner(
            device_kind,
            context.warn,
            uncertain=uncertainty == "mc-dropout",
            passes=values["passes"],
            seed=values["seed"],
        )
        for checkpoint in loaded
    ]
    sides = sorted({str(member.side_px) for member in members})
    if len(sides) > 1:
        raise ParameterError(
            f"The networks look at images of different sizes: side_px is {' and '.join(sides)}",
            "Give networks of one recipe",
        )
    look: Runner = members[0] if len(members) == 1 else onnx_runner.Ensemble(members)
    return onnx_runner.averaged(look, values["test_time"]), loaded


def read_window(text: str | None, frame: Frame) -> Window:
    """Return the part of an image that is asked for; all of it where nothing is.

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


def _check_members(uncertainty: str, paths: list[str]) -> None:
    """Raise unless there are as many networks as the uncertainty needs."""
    if uncertainty == "ensemble" and len(paths) < 2:
        raise ParameterError(
            "--uncertainty ensemble needs at least two networks, and one is given",
            "Give --checkpoint several times: train-segmenter --members 5 trains them",
        )
    if uncertainty != "ensemble" and len(paths) > 1:
        raise ParameterError(
            f"{len(paths)} networks are given, and --uncertainty is {uncertainty}",
            "Choose --uncertainty ensemble, or give one network",
        )


def _check_view(checkpoint: Checkpoint, view: str, context: Context) -> None:
    """Warn of a network that learned another view than it is shown."""
    learned = checkpoint.card.get("recipe", {}).get("view", view)
    if learned != view:
        context.warn(
            f"The network {checkpoint.path.name} learned the {learned} view and is shown the "
            f"{view} one: give --view {learned}, or another network."
        )


def _look(
    image: Image,
    shaded: Image | None,
    window: Window,
    look: Runner,
    written: _Written,
    context: Context,
    cut: tiling.Tiling,
) -> None:
    """Look at a window of an image, with what lies about it where there is more.

    ``shaded`` is the image once more where shadows are unknown ground.
    """
    margin = tiling.BLIND_PX
    left = max(int(window.col_off) - margin, 0) // tiling.STEP * tiling.STEP
    top = max(int(window.row_off) - margin, 0) // tiling.STEP * tiling.STEP
    right = min(int(window.col_off + window.width) + margin, image.frame.width)
    bottom = min(int(window.row_off + window.height) + margin, image.frame.height)
    about = Window(left, top, right - left, bottom - top)
    inner = (int(window.row_off) - top, int(window.col_off) - left)
    rows, columns = int(window.height), int(window.width)

    def taken(row: int, answer: Float32, known: Bool) -> None:
        first, last = max(row, inner[0]), min(row + known.shape[0], inner[0] + rows)
        if first >= last:
            return
        at = (slice(first - row, last - row), slice(inner[1], inner[1] + columns))
        there = known[at]
        if shaded is not None:
            part = Window(window.col_off, top + first, columns, last - first)
            seen, _ = shaded.read(part)
            dark = there & (seen.mean(axis=2) < shaded.dark_grey)
            written.dark += int(dark.sum())
            there = there & ~dark
        written.take(first - inner[0], answer[(slice(None), *at)], there)

    tiling.run(image, about, look, taken, context, cut)


def _look_small(
    image: Image,
    window: Window,
    look: Runner,
    written: _Written,
    context: Context,
    cut: tiling.Tiling,
) -> None:
    """Look at all of an image at the size that the network knows, and write a window of it."""
    shape = (image.frame.height, image.frame.width)
    rows, columns = resampling.shape_of(shape, look.side_px)
    small = resampling.Small(image, (rows, columns), context.part(0.0, 0.4))
    whole = np.zeros((onnx_runner.BANDS, rows, columns), np.float32)

    def taken(row: int, answer: Float32, known: Bool) -> None:
        whole[:, row : row + known.shape[0]] = answer

    tiling.run(small, Window(0, 0, columns, rows), look, taken, context.part(0.4, 0.6), cut)
    for strip in resampling.strips(window):
        context.progress(0.6 + 0.4 * (strip.row_off - window.row_off) / window.height, "Writing")
        _, known = image.read(strip)
        row = int(strip.row_off - window.row_off)
        written.take(row, resampling.enlarged_answer(whole, shape, strip), known)


class _Written:
    """The layers that are written, strip by strip, and what they hold in sum."""

    def __init__(
        self, folder: Path, frame: Frame, files: tuple[str, ...], tags: dict[str, str]
    ) -> None:
        self._frame = frame
        self.pixels: Int = np.zeros(len(classes.NAMES), np.int64)
        self.sums = np.zeros(2)
        self.dark = 0
        nats = "nat"
        sinks = {
            "classes.tif": RasterSink(
                folder / "classes.tif", frame, "uint8", "Class", nodata=classes.NODATA, tags=tags
            ),
            "probabilities.tif": RasterSink(
                folder / "probabilities.tif",
                frame,
                "float32",
                tuple(f"Probability of {name}" for name in classes.NAMES),
                tags=tags,
            ),
            "entropy.tif": RasterSink(
                folder / "entropy.tif", frame, "float32", "Predictive entropy", nats, tags=tags
            ),
            "mutual_information.tif": RasterSink(
                folder / "mutual_information.tif",
                frame,
                "float32",
                "Mutual information",
                nats,
                tags=tags,
            ),
        }
        self.sinks = [sinks[name] for name in files]

    def take(self, row: int, answer: Float32, known: Bool) -> None:
        """Write a strip."""
        window = Window(0, row, self._frame.width, known.shape[0])
        count = len(classes.NAMES)
        share = answer[:count]
        total = measures.entropy(share)
        shared = np.maximum(total - answer[count], 0.0)
        named = np.where(known, classes.named(share), classes.NODATA).astype(np.uint8)
        layers = (named, share, total, shared)
        for sink, layer in zip(self.sinks, layers, strict=False):
            values = layer if layer.dtype == np.uint8 else np.where(known, layer, np.nan)
            sink.write(values.astype(layer.dtype), window)
        self.pixels += np.bincount(named[known], minlength=count)
        self.sums += [float(total[known].sum()), float(shared[known].sum())]


def _said(
    folder: Path,
    files: tuple[str, ...],
    written: _Written,
    values: dict[str, Any],
    checkpoint: weights.Checkpoint,
) -> dict[str, Any]:
    """Return what the stage says at its end."""
    known = int(written.pixels.sum())
    said: dict[str, Any] = {
        "outputs": {name.removesuffix(".tif"): str(folder / name) for name in files},
        "pixels": known,
    }
    if not known:
        nothing = "is in shadow" if written.dark else "has no data"
        return {**said, "summary": [f"All of what was looked at {nothing}"]}
    share, means = written.pixels / known, written.sums / known
    said |= {
        "share": {name: round(float(s), 6) for name, s in zip(classes.NAMES, share, strict=True)},
        "mean_entropy": float(means[0]),
    }
    lines = [", ".join(f"{100 * s:.2f} % {n}" for n, s in zip(classes.NAMES, share, strict=True))]
    if values["uncertainty"] != "none":
        said["mean_mutual_information"] = float(means[1])
        usual = checkpoint.card.get("in_domain", {}).get("mutual_information", {})
        whose = checkpoint.card.get("calibration", {}).get("data", "generated validation scenes")
        if values["uncertainty"] == "mc-dropout" and usual.get("median"):
            times = float(means[1]) / float(usual["median"])
            said |= {"times_in_domain": times, "verdict": verdict(float(means[1]), usual)}
            lines.append(
                f"Mean mutual information is {times:.1f} times the median of {whose}: the network "
                f"is {said['verdict']}"
            )
    return {**said, "summary": lines}


def verdict(mean: float, usual: Mapping[str, float]) -> str:
    """Return what an image's mean mutual information means.

    Parameters
    ----------
    mean : float
        Nats.
    usual : mapping
        ``median`` and ``percentile_95`` of the means of generated validation scenes; without the
        latter, `UNUSUAL` times the median stands for it.
    """
    unusual = UNUSUAL * usual["median"]
    if mean > max(usual.get("percentile_95", unusual), unusual):
        return "out of its depth"
    return "less sure than usual" if mean >= unusual else "as sure as usual"
