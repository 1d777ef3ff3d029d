"""A synthetic elevation model from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lunarsite.engine.contract import Kind, Output, Parameter, Stage, Values

if TYPE_CHECKING:
    from lunarsite.engine.context import Context

PRESETS: dict[str, dict[str, float]] = {
    "demo": {"size_px": 720, "pixel_m": 80.0, "seed": 152},
    "cap": {"size_px": 7600, "pixel_m": 80.0, "seed": 7},
}
"""Both centred on the pole: a square of 57.6 km, and the cap south of 80°S with its corners."""

STAGE = Stage(
    name="synthesize",
    title="Synthetic terrain",
    group="Terrain",
    summary="Make a south-polar elevation model that never was, with a catalogue of its craters.",
    help=(
        "Fractal ground under a crater population whose sizes, depths and wear are those of lunar "
        "highlands. The same seed gives the same bytes. Beside the elevation model a table with "
        "the ending .craters.csv lists its craters, the oldest first, with the diameters that they "
        "had when fresh: also those that are worn away or overprinted since."
    ),
    parameters=(
        Parameter(
            name="out",
            kind=Kind.RASTER,
            endings=(".tif", ".tiff"),
            title="Elevation model",
            help="Where the GeoTIFF goes.",
            required=True,
            output=True,
        ),
        Parameter(
            name="preset",
            kind=Kind.CHOICE,
            title="Preset",
            help="demo: 57.6 km around the pole. cap: all south of 80°S. Both at 80 m.",
            default="demo",
            choices=tuple(PRESETS),
        ),
        Parameter(
            name="seed",
            kind=Kind.INTEGER,
            title="Seed",
            help="Another seed, another place; the preset's where not given.",
            minimum=0,
            maximum=2**53,
        ),
        Parameter(
            name="size_px",
            kind=Kind.INTEGER,
            title="Side",
            help="Rows and columns; the preset's where not given.",
            unit="px",
            minimum=16,
            maximum=20_000,
        ),
        Parameter(
            name="pixel_m",
            kind=Kind.NUMBER,
            title="Pixel",
            help="Side of a pixel in map metres; the preset's where not given.",
            unit="m",
            minimum=0.5,
            maximum=5_000,
        ),
        Parameter(
            name="center_x_m",
            kind=Kind.NUMBER,
            title="Centre, x",
            help="Map coordinate of the centre.",
            default=0.0,
            unit="m",
            minimum=-2e6,
            maximum=2e6,
            advanced=True,
        ),
        Parameter(
            name="center_y_m",
            kind=Kind.NUMBER,
            title="Centre, y",
            help="Map coordinate of the centre.",
            default=0.0,
            unit="m",
            minimum=-2e6,
            maximum=2e6,
            advanced=True,
        ),
        Parameter(
            name="min_diameter_m",
            kind=Kind.NUMBER,
            title="Smallest crater",
            help="Rim diameter; three pixels where not given.",
            unit="m",
            minimum=1,
            maximum=50_000,
            advanced=True,
        ),
        Parameter(
            name="max_diameter_m",
            kind=Kind.NUMBER,
            title="Largest crater",
            help="Rim diameter.",
            default=120_000.0,
            unit="m",
            minimum=2,
            maximum=400_000,
            advanced=True,
        ),
        Parameter(
            name="density",
            kind=Kind.NUMBER,
            title="Crater density",
            help="Share of saturation (Hartmann 1984).",
            default=0.75,
            minimum=0,
            maximum=2,
            advanced=True,
        ),
    ),
    outputs=(
        Output(
            name="dem",
            kind=Kind.RASTER,
            title="Synthetic elevation model",
            help="Heights above the lunar sphere.",
            unit="m",
            style="height_m",
        ),
        Output(
            name="craters",
            kind=Kind.TABLE,
            title="Its craters",
            help="Place, rim diameter, depth and wear of every crater with its centre inside.",
        ),
    ),
    tags=("synthetic", "fractal", "crater", "demo"),
    module="lunarsite.engine.stages.synthesize",
)


def run(values: Values, context: Context) -> Values:
    """Write the elevation model and its catalogue."""
    from lunarsite.engine import atomic, provenance  # noqa: PLC0415
    from lunarsite.engine.io import cog, raster  # noqa: PLC0415
    from lunarsite.engine.synthetic import terrain  # noqa: PLC0415

    chosen = {
        name: fallback if values[name] is None else values[name]
        for name, fallback in PRESETS[values["preset"]].items()
    }
    side, pixel_m = int(chosen["size_px"]), float(chosen["pixel_m"])
    grid = raster.Grid(
        values["center_x_m"] - 0.5 * side * pixel_m,
        values["center_y_m"] + 0.5 * side * pixel_m,
        pixel_m,
        side,
        side,
    )
    shaping = {
        "min_diameter_m": values["min_diameter_m"],
        "max_diameter_m": values["max_diameter_m"],
        "density": values["density"],
    }
    path = Path(values["out"])
    atomic.make_folder(path.parent)
    height_m, catalogue = terrain.generate(
        grid, int(chosen["seed"]), **shaping, context=context.part(0.0, 0.9)
    )
    record = {**shaping, **chosen}
    record |= {name: values[name] for name in ("center_x_m", "center_y_m")}
    tags = provenance.as_tags(provenance.describe("synthesize", record, []))
    table = path.with_suffix(".craters.csv")
    with atomic.whole_file(table) as partial:
        catalogue.round(terrain.CATALOGUE_DECIMALS).to_csv(partial, index=False)
    context.progress(0.9, "Writing the elevation model")
    cog.write_raster(
        path, height_m, grid, description="Height above the sphere", unit="m", tags=tags
    )
    context.progress(1.0, "Written")
    return {
        "outputs": {"dem": str(path), "craters": str(table)},
        "craters": len(catalogue),
        "height_min_m": float(height_m.min()),
        "height_max_m": float(height_m.max()),
    }
