"""Stage ``synthesize-image``: a made image from orbit, in which rocks can be seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunarsite.engine.contract import Kind, Output, Parameter, Stage, Values
from lunarsite.engine.stages import _shared as shared

if TYPE_CHECKING:
    from lunarsite.engine.context import Context

LEAST_PX = 200
"""So many pixels of small rocks and of large ones are enough to look at."""

TRIED = 64
"""Every tenth scene or so has them."""

STAGE = Stage(
    name="synthesize-image",
    title="Synthetic image from orbit",
    group="Rocks",
    summary="Make an image from orbit with rocks in it, that never was, around a place.",
    help=(
        "Generated ground with craters and rocks under a low Sun, 320 pixels a side, such as the "
        "network for images from orbit has learned from. It is laid around a place of your choice, "
        "and shows nothing of the ground there: it is for trying segment-terrain and the dock "
        "where there is no image fine enough for rocks. The same seed gives the same bytes. "
        "Beside it a raster with the ending .classes.tif says what every pixel shows."
    ),
    parameters=(
        shared.LON,
        shared.LAT,
        Parameter(
            name="out",
            kind=Kind.RASTER,
            endings=(".tif", ".tiff"),
            title="Image",
            help="Where the GeoTIFF goes.",
            required=True,
            output=True,
        ),
        Parameter(
            name="seed",
            kind=Kind.INTEGER,
            title="Seed",
            help="Another seed, another scene: the first from it on that has small and large "
            "rocks.",
            default=55,
            minimum=0,
            maximum=2**31 - 1,
        ),
        Parameter(
            name="pixel_m",
            kind=Kind.NUMBER,
            title="Pixel",
            help="Side of a pixel in map metres: what the scene holds is in proportion to it.",
            default=2.0,
            unit="m",
            minimum=0.5,
            maximum=2.0,
        ),
    ),
    outputs=(
        Output(
            name="image",
            kind=Kind.RASTER,
            title="Synthetic image from orbit",
            help="Eight bits of grey.",
            style="orbital_image",
        ),
        Output(
            name="classes",
            kind=Kind.RASTER,
            title="What it shows",
            help="0 ground, 1 small rocks, 2 large rocks, 255 too small to tell.",
            style="terrain_classes",
        ),
    ),
    tags=("synthetic", "rock", "boulder", "image", "demo"),
    module=__name__,
)


def run(values: Values, context: Context) -> Values:
    """Write the image and what it shows."""
    from lunarsite.engine import atomic, moon, provenance  # noqa: PLC0415
    from lunarsite.engine.errors import ParameterError  # noqa: PLC0415
    from lunarsite.engine.io import cog, raster  # noqa: PLC0415

    if values["lat"] >= 0.0:
        raise ParameterError(
            f"--lat: {values['lat']:g}° lies in the north, and images are laid on the south polar "
            "map",
            "Give a latitude below 0",
        )
    scene, seed = _with_rocks(values["seed"], context)
    rows, columns = scene.mask.shape
    x_m, y_m = (float(metres) for metres in moon.lonlat_to_xy(values["lon"], values["lat"]))
    pixel_m = values["pixel_m"]
    left, top = x_m - 0.5 * columns * pixel_m, y_m + 0.5 * rows * pixel_m
    grid = raster.Grid(left, top, pixel_m, columns, rows)
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
    """Return the first scene from a seed on that has rocks of both sizes, and its own seed."""
    from lunarsite.engine.synthetic.scenes import orbital  # noqa: PLC0415

    for tried in range(seed, seed + TRIED):
        context.progress(0.8 * (tried - seed) / TRIED, "Making a scene with rocks")
        scene = orbital.make(tried)
        if all((scene.mask == kind).sum() >= LEAST_PX for kind in (1, 2)):
            return scene, tried
    context.warn(
        f"None of the {TRIED} scenes from seed {seed} on has rocks of both sizes; the last is "
        "taken. Another seed may have some."
    )
    return scene, tried
