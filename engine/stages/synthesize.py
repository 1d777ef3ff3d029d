"""Stage ``synthesize``: a synthetic elevation model."""

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
    summary="Generate a synthetic south polar elevation model and the catalogue of its craters.",
    help="Fractal terrain with a crater population whose sizes, depths and degradation are those "
    "of the lunar highlands. The same seed gives byte-identical results. A table with the suffix "
    ".craters.csv is written next to the elevation model. It lists all craters, oldest first, "
    "with their diameters when fresh, including those since degraded beyond recognition or "
    "overprinted.",
    parameters=(
        Parameter(
            name="out",
            kind=Kind.RASTER,
            endings=(".tif", ".tiff"),
            title="Elevation model",
            help="GeoTIFF to write.",
            required=True,
            output=True,
        ),
        Parameter(
            name="preset",
            kind=Kind.CHOICE,
            title="Preset",
            help="demo: 57.6 km around the pole. cap: everything south of 80°S. Both have pixels "
            "of 80 m.",
            default="demo",
            choices=tuple(PRESETS),
        ),
        Parameter(
            name="seed",
            kind=Kind.INTEGER,
            title="Random seed",
            help="Seed of the random number generator; another seed gives another terrain. "
            "Defaults to the preset's seed.",
            minimum=0,
            maximum=2**53,
        ),
        Parameter(
            name="size_px",
            kind=Kind.INTEGER,
            title="Size",
            help="Number of rows and columns. Defaults to the preset's.",
            unit="px",
            minimum=16,
            maximum=20_000,
        ),
        Parameter(
            name="pixel_m",
            kind=Kind.NUMBER,
            title="Pixel size",
            help="Side of a pixel in map metres. Defaults to the preset's.",
            unit="m",
            minimum=0.5,
            maximum=5_000,
        ),
        Parameter(
            name="center_x_m",
            kind=Kind.NUMBER,
            title="Centre, x",
            help="Map x coordinate of the centre.",
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
            help="Map y coordinate of the centre.",
            default=0.0,
            unit="m",
            minimum=-2e6,
            maximum=2e6,
            advanced=True,
        ),
        Parameter(
            name="min_diameter_m",
            kind=Kind.NUMBER,
            title="Minimum diameter",
            help="Smallest rim diameter. Defaults to three pixels.",
            unit="m",
            minimum=1,
            maximum=50_000,
            advanced=True,
        ),
        Parameter(
            name="max_diameter_m",
            kind=Kind.NUMBER,
            title="Maximum diameter",
            help="Largest rim diameter.",
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
            help="Crater density as a fraction of saturation (Hartmann 1984).",
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
            help="Heights above the lunar reference sphere.",
            unit="m",
            style="height_m",
        ),
        Output(
            name="craters",
            kind=Kind.TABLE,
            title="Crater catalogue",
            help="Position, rim diameter, depth and degradation of every crater centred inside.",
        ),
    ),
    tags=("synthetic", "fractal", "crater", "demo"),
)
