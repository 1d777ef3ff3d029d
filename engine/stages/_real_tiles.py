"""The parameters of ``train-craters`` that name real ground. Standard library only."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Parameter

PARAMETERS = (
    Parameter(
        name="dem",
        kind=Kind.RASTER,
        title="Elevation model to learn from",
        help="Real ground in the place of generated tiles: heights in metres in the Moon's south "
        "polar stereographic map (IAU_2015:30135). It is cut into tiles.",
        advanced=True,
    ),
    Parameter(
        name="catalogue",
        kind=Kind.FILE,
        endings=(".csv", ".gpkg"),
        title="Catalogue of its craters",
        help="Craters on the elevation model, a CSV file or a GeoPackage: diameter_m or "
        "diameter_km, and lon_deg and lat_deg or x_m and y_m.",
        advanced=True,
    ),
    Parameter(
        name="sector",
        kind=Kind.TEXT,
        title="Sector for validation: west,east",
        help="Two longitudes in degrees with a comma between them. Tiles between them are not "
        "learned from: the network is measured on them. Needed for real ground.",
        advanced=True,
    ),
    Parameter(
        name="gap_deg",
        kind=Kind.NUMBER,
        title="Gap beside the sector",
        help="Tiles that come nearer to the sector are not used at all, nor are those that show a "
        "catalogued crater that reaches into a tile of the sector.",
        default=2.0,
        unit="°",
        minimum=0,
        maximum=179,
        advanced=True,
    ),
    Parameter(
        name="min_diameter_m",
        kind=Kind.NUMBER,
        title="Smallest catalogued crater",
        help="From this diameter on the catalogue lists all craters; smaller ones are not learned. "
        "3 km if not given, 5 km for DeepMoon's tiles.",
        unit="m",
        minimum=1,
        maximum=1e6,
        advanced=True,
    ),
    Parameter(
        name="pixel_m",
        kind=Kind.NUMBER,
        title="Pixel of the tiles",
        help="The elevation model is averaged to pixels of this side.",
        default=118.0,
        unit="m",
        minimum=0.1,
        maximum=10_000,
        advanced=True,
    ),
    Parameter(
        name="overlap",
        kind=Kind.NUMBER,
        title="Overlap of the tiles",
        help="Share of a tile's side that the next tile shows again.",
        default=0.0,
        minimum=0,
        maximum=0.9,
        advanced=True,
    ),
    Parameter(
        name="deepmoon",
        kind=Kind.FILE,
        endings=(".hdf5", ".h5"),
        title="DeepMoon's images to learn from",
        help="A file such as train_images.hdf5, in the place of generated tiles.",
        advanced=True,
    ),
    Parameter(
        name="deepmoon_craters",
        kind=Kind.FILE,
        endings=(".hdf5", ".h5"),
        title="DeepMoon's craters",
        help="A file such as train_craters.hdf5; the one beside the images where not given.",
        advanced=True,
    ),
)
