"""Parameters shared by several stages. Standard library only."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Parameter

DEM = Parameter(
    name="dem",
    kind=Kind.RASTER,
    title="Elevation model",
    help="Heights in metres above the lunar reference sphere, in the Moon's south polar "
    "stereographic projection (IAU_2015:30135).",
    required=True,
)

FAR_FIELD = Parameter(
    name="far_field",
    kind=Kind.RASTER,
    title="Far-field elevation models",
    help="Coarser elevation models that extend beyond the first one, for the horizons. At the "
    "pole, mountains 100 km away cast shadows.",
    many=True,
    default=(),
)

BUILTIN_FAR_FIELD = Parameter(
    name="builtin_far_field",
    kind=Kind.BOOLEAN,
    title="Surround with the built-in model",
    help="Use the built-in elevation model, LOLA at 1.6 km from 70 to 90° S, "
    "beyond the models that are given. The elevation model is also compared with it, and a file "
    "that contradicts it is refused: leave this out for ground that is not of the real Moon.",
    default=True,
)

FETCHED_FAR_FIELD = Parameter(
    name="fetched_far_field",
    kind=Kind.BOOLEAN,
    title="Use a fetched far field",
    help="If no far-field elevation model is given, use the finest one among those that fetch has "
    "downloaded which covers the elevation model and is finer than the built-in one.",
    default=True,
    advanced=True,
)

AOI = Parameter(
    name="aoi",
    kind=Kind.AREA,
    title="Area of interest",
    help="Part of the elevation model to work on: the rectangle around the polygons of a layer; "
    "WEST,SOUTH,EAST,NORTH in metres on the south polar map; or LON,LAT,RADIUS_KM. Only this part "
    "is read at full resolution; the rest, from overviews, counts for the horizons. Write --aoi= "
    "before a value that starts with a minus sign.",
)

RUN_FILES = (
    "manifest.json",
    "*.parquet",
    "score.tif",
    "rank.tif",
    "rank_interval.tif",
    "probability.tif",
    "sites.gpkg",
    "report.html",
)
"""What the folder of a screening or a scoring holds, as patterns."""

CATALOGUE_ENDINGS = (".csv", ".tsv", ".txt", ".gpkg", ".shp", ".geojson", ".fgb")
"""What crater catalogues are read from, in dialogs."""

CATALOGUE_HELP = (
    "Table (CSV) or layer of points or circles, with a column diameter_m or diameter_km; tables "
    "also with lon_deg and lat_deg or x_m and y_m. Columns of Robbins (2018) and similar names "
    "are recognised."
)

OUT_FOLDER = Parameter(
    name="out",
    kind=Kind.FOLDER,
    title="Output folder",
    help="Folder for the results; created if it does not exist.",
    required=True,
    output=True,
)

LON = Parameter(
    name="lon",
    kind=Kind.NUMBER,
    title="Longitude",
    help="East longitude of the location in degrees.",
    required=True,
    minimum=-360,
    maximum=360,
)

LAT = Parameter(
    name="lat",
    kind=Kind.NUMBER,
    title="Latitude",
    help="Latitude of the location in degrees, negative in the south.",
    required=True,
    minimum=-90,
    maximum=90,
)

SEED = Parameter(
    name="seed",
    kind=Kind.INTEGER,
    title="Random seed",
    help="Seed of the random number generator. The same seed gives byte-identical results.",
    default=7,
    minimum=0,
    maximum=2**31 - 1,
    advanced=True,
)

MAST_HEIGHT = Parameter(
    name="mast_height_m",
    kind=Kind.NUMBER,
    title="Mast height",
    help="Height of the solar panel or antenna above the ground. At 0 the light of a crest depends "
    "on the detail of the elevation model: it differs by 30 points between models.",
    default=2.0,
    unit="m",
    minimum=0,
    maximum=1000,
)
