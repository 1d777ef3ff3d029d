"""A synthetic elevation model from a seed."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage

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
)
