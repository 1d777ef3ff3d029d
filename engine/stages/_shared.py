"""Parameters that several stages take. Standard library only."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Parameter

DEM = Parameter(
    name="dem",
    kind=Kind.RASTER,
    title="Elevation model",
    help="Heights above the lunar sphere in metres, in the Moon's south polar stereographic map "
    "(IAU_2015:30135).",
    required=True,
)

FAR_FIELD = Parameter(
    name="far_field",
    kind=Kind.RASTER,
    title="Far field",
    help="Coarser elevation models around the first, for the horizons; any number.",
    many=True,
    default=(),
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

OUT_FOLDER = Parameter(
    name="out",
    kind=Kind.FOLDER,
    title="Output folder",
    help="Where the results go; made if it is not there.",
    required=True,
    output=True,
)

LON = Parameter(
    name="lon",
    kind=Kind.NUMBER,
    title="Longitude",
    help="East longitude of the location, degrees.",
    required=True,
    minimum=-360,
    maximum=360,
)

LAT = Parameter(
    name="lat",
    kind=Kind.NUMBER,
    title="Latitude",
    help="Latitude of the location, degrees, negative in the south.",
    required=True,
    minimum=-90,
    maximum=90,
)

SEED = Parameter(
    name="seed",
    kind=Kind.INTEGER,
    title="Seed",
    help="The same seed gives the same bytes.",
    default=7,
    minimum=0,
    maximum=2**31 - 1,
    advanced=True,
)
