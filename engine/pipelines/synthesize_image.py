"""The stage ``synthesize-image``: a synthetic orbital image with rocks, around a location."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.io.grid import Grid

if TYPE_CHECKING:
    from lunarsite.engine.context import Context
    from lunarsite.engine.contract import Values


LEAST_PX = 200
"""Minimum number of pixels of small and of large rocks."""

TRIED = 64
"""Maximum number of scenes; about one in ten has enough rocks."""


def run(values: Values, context: Context) -> Values:
    """Write the image and its classes."""
    from lunarsite.engine import atomic, moon, provenance  # noqa: PLC0415
    from lunarsite.engine.errors import ParameterError  # noqa: PLC0415
    from lunarsite.engine.io import cog  # noqa: PLC0415

    if values["lat"] >= 0.0:
        raise ParameterError(
            f"--lat: {values['lat']:g}° is in the north, but images are on the south polar map",
            "Give a latitude below 0",
        )
    scene, seed = _with_rocks(values["seed"], context)
    rows, columns = scene.mask.shape
    x_m, y_m = (float(metres) for metres in moon.lonlat_to_xy(values["lon"], values["lat"]))
    pixel_m = values["pixel_m"]
    left, top = x_m - 0.5 * columns * pixel_m, y_m + 0.5 * rows * pixel_m
    grid = Grid(left, top, pixel_m, columns, rows)
    shaping = {name: values[name] for name in ("lon", "lat", "pixel_m")} | {"seed": seed}
    tags = provenance.as_tags(provenance.describe("synthesize-image", shaping, []))
    path = Path(values["out"])
    shown = path.with_suffix(".classes.tif")
    atomic.make_folder(path.parent)
    context.progress(0.8, "Writing the image")
    sinks = (
        cog.RasterSink(path, grid, "uint8", "Brightness under the Sun", tags=tags),
        cog.RasterSink(shown, grid, "uint8", "Class", nodata=255, tags=tags),
    )
    with cog.sinks_together(sinks, context.part(0.8, 1.0)):
        for sink, values_of in zip(sinks, (scene.image[..., 0], scene.mask), strict=True):
            sink.write(values_of)
    context.progress(1.0, "Written")
    return {
        "outputs": {"image": str(path), "classes": str(shown)},
        "seed": seed,
        "rocks_pct": 100.0 * float(((scene.mask == 1) | (scene.mask == 2)).mean()),
    }


def _with_rocks(seed: int, context: Context) -> tuple[Any, int]:
    """Return the first scene from a seed on that has rocks of both sizes, and its seed."""
    from lunarsite.engine.synthetic.scenes import orbital  # noqa: PLC0415

    for tried in range(seed, seed + TRIED):
        context.progress(0.8 * (tried - seed) / TRIED, "Making a scene with rocks")
        scene = orbital.make(tried)
        if all((scene.mask == kind).sum() >= LEAST_PX for kind in (1, 2)):
            return scene, tried
    context.warn(
        f"None of the {TRIED} scenes from seed {seed} on has rocks of both sizes; the last is "
        "used. Another seed may have some."
    )
    return scene, tried
