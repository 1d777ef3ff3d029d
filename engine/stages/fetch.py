"""Stage ``fetch``: published data by their names."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage

LIST = "list"
"""What is given in the place of a name to list the names."""

NAMES = (
    "LDEM_80S_20MPP_ADJ",
    "LDEM_80S_80MPP_ADJ",
    "LDEM_60S_240MPP_ADJ",
    "LDEM_80S_20MPP_ADJ_ERR",
    "LDEM_80S_80MPP_ADJ_ERR",
    "LDSM_80S_20MPP_ADJ",
    "LPSR_80S_20MPP_ADJ",
    "AVGVISIB_85S_060M_201608",
    "AVGVISIB_85S_060M_201608_EARTH",
    "LPSR_85S_060M_201608",
    "AVGVISIB_65S_240M_201608",
    "AVGVISIB_65S_240M_201608_EARTH",
    "LPSR_65S_240M_201608",
    "Site01_final_adj_5mpp_surf",
    "Site04_final_adj_5mpp_surf",
    "Site06_final_adj_5mpp_surf",
    "Site07_final_adj_5mpp_surf",
    "Site23_final_adj_5mpp_surf",
    "DM2_final_adj_5mpp_surf",
    "Haworth_final_adj_5mpp_surf",
    "robbins-2018",
    "deepmoon-train",
    "deepmoon-dev",
    "deepmoon-test",
    "diviner-summer-max",
    "diviner-winter-min",
    "rocky-landscape",
    "shadowcam-cabeus",
    "scarps",
    "wueller-sites",
    "bouldernet",
    "shape-from-shading",
)
"""Names of the data sets that `engine.datasets` knows, in the order in which they are listed."""

STAGE = Stage(
    name="fetch",
    title="Fetch published data",
    group="Data",
    summary="List published data of the pole, or fetch them by their names.",
    help="Downloads elevation models, maps and catalogues from their publishers into a folder for "
    "all runs, in the user's cache or where the environment variable LUNARSITE_DATA says; "
    "LUNARSITE_DATA_MIRROR names a server in place of the publishers'. What broke off goes on "
    "where it stopped, and what is there is verified, not fetched again. With an area of interest "
    "only that part of a cloud-optimised GeoTIFF is read. Licence, citation and known traps are "
    "part of the result.",
    parameters=(
        Parameter(
            name="names",
            kind=Kind.CHOICE,
            choices=(LIST, *NAMES),
            many=True,
            positional=True,
            title="Data sets",
            help="Names of the data sets to fetch, or list to list them with sizes and uses.",
            required=True,
        ),
        Parameter(
            name="aoi",
            kind=Kind.AREA,
            title="Area of interest",
            help="Part of a cloud-optimised GeoTIFF to fetch in place of the whole: the rectangle "
            "around the polygons of a layer; WEST,SOUTH,EAST,NORTH in metres on the south polar "
            "map; or LON,LAT,RADIUS_KM. Write --aoi= before a value that starts with a minus sign.",
        ),
    ),
    outputs=(
        Output(
            name="folder",
            kind=Kind.TEXT,
            title="Folder of fetched data",
            help="Where the files are.",
        ),
    ),
    tags=("download", "LOLA", "PGDA", "Robbins", "far field", "catalogue"),
)
