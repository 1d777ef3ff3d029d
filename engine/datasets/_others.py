"""Data sets of other publishers: craters, temperatures, images, landing sites."""

from __future__ import annotations

from lunarsite.engine.datasets.entries import Content, Entry, RemoteFile

_SEE_PAGE = "See the page"
_CC_BY = "CC BY 4.0"
_ZENODO = "https://zenodo.org/records/1133969/files"
_DEEPMOON = (
    "Silburt et al. (2019), Lunar crater identification via deep learning, Icarus 317:27, "
    "doi:10.1016/j.icarus.2018.06.022; data doi:10.5281/zenodo.1133969"
)
_FROM_PAGE = "Open the page in a browser, download its files, and unpack them where you like"


def _tiles(part: str, use: str) -> Entry:
    names = (f"{part}_images.hdf5", f"{part}_craters.hdf5")
    return Entry(
        name=f"deepmoon-{part}",
        title=f"DeepMoon's crater tiles, {part} part",
        use=use,
        page="https://doi.org/10.5281/zenodo.1133969",
        licence=_SEE_PAGE,
        citation=_DEEPMOON,
        files=tuple(RemoteFile(f"{_ZENODO}/{name}?download=1", None, name) for name in names),
        traps=(
            (
                "Images have 8 bits and no heights in metres, and the catalogues behind them lack "
                "most craters below 5 km: a detection that is not in them may be right"
            ),
            "The tiles are of low and middle latitudes, not of the pole",
        ),
    )


def _diviner(which: str, title: str) -> Entry:
    name = f"polar_south_80_{which}-float.tif"
    folder = "https://luna1.diviner.ucla.edu/~jpierre/diviner/level4_polar/additional_maps"
    return Entry(
        name=f"diviner-{which.replace('_', '-')}",
        title=title,
        use="a map beside the results: no criterion uses temperatures yet",
        page="https://doi.org/10.1029/2019JE006028",
        licence=_SEE_PAGE,
        citation=(
            "Williams et al. (2019), Seasonal polar temperatures on the Moon, J. Geophys. Res. "
            "Planets 124:2505, doi:10.1029/2019JE006028"
        ),
        content=Content.LAYER,
        files=(RemoteFile(f"{folder}/{name}", 25_686_193),),
        traps=("Diviner's public maps of rock abundance stop at 60 to 70° and are not these",),
        pixel_m=240.0,
    )


ENTRIES = (
    Entry(
        name="robbins-2018",
        title="Craters of 1 km and more, whole Moon",
        use="--craters of features and screen, --catalogue of evaluate-craters",
        page="https://astrogeology.usgs.gov/search/map/Moon/Research/Craters/"
        "lunar_crater_database_robbins_2018",
        licence=_SEE_PAGE,
        citation=(
            "Robbins (2019), A New Global Database of Lunar Impact Craters >1-2 km, J. Geophys. "
            "Res. Planets 124:871, doi:10.1029/2018JE005592"
        ),
        files=(
            RemoteFile(
                "https://astrogeology.usgs.gov/ckan/dataset/f89f5478-b69a-486c-b9b5-30d7b0c5ad2b/"
                "resource/c4f25cc2-4f8a-4207-a845-5e176da3ac5a/download/"
                "lunar_crater_database_robbins_2018",
                96_227_201,
                "lunar_crater_database_robbins_2018.zip",
                "lunar_crater_database_robbins_2018.csv",
            ),
        ),
        traps=(
            "It is complete from 1 to 2 km on: no crater of it does not mean no smaller crater",
            "Longitudes run from 0 to 360°, diameters are kilometres",
        ),
    ),
    _tiles("train", "--deepmoon of train-craters"),
    _tiles("dev", "--deepmoon of train-craters, to choose and calibrate"),
    _tiles("test", "evaluation of trained networks"),
    _diviner("summer_max", "Diviner temperatures south of 80°, summer maximum, 240 m"),
    _diviner("winter_min", "Diviner temperatures south of 80°, winter minimum, 240 m"),
    Entry(
        name="rocky-landscape",
        title="Artificial Lunar Rocky Landscape: rendered images with rocks",
        use="--image of segment-terrain, --images of train-segmenter",
        page="https://www.kaggle.com/datasets/romainpessia/"
        "artificial-lunar-rocky-landscape-dataset",
        licence=_SEE_PAGE,
        citation="Pessia, Ishigami: Artificial Lunar Landscape Dataset, Kaggle",
        by_hand="Kaggle asks for an account: download it in a browser, or with kaggle datasets "
        "download romainpessia/artificial-lunar-rocky-landscape-dataset",
        traps=(
            (
                "The images are renders: what a network scores on them is not what it scores on "
                "photographs"
            ),
        ),
    ),
    Entry(
        name="shadowcam-cabeus",
        title="ShadowCam's composites of Cabeus",
        use="a check of permanent shadow by another instrument",
        page="https://doi.org/10.5281/zenodo.11175455",
        licence=_SEE_PAGE,
        citation="doi:10.5281/zenodo.11175455",
        by_hand=_FROM_PAGE,
        traps=(
            (
                "83 to 86 % of its pixels lie in permanent shadow: agreement as high as that is no "
                "skill. Give the lift beside it"
            ),
        ),
    ),
    Entry(
        name="scarps",
        title="Lobate scarps",
        use="distances to young faults, as points",
        page="https://doi.org/10.5281/zenodo.6624114",
        licence=_CC_BY,
        citation="doi:10.5281/zenodo.6624114",
        by_hand=_FROM_PAGE,
    ),
    Entry(
        name="wueller-sites",
        title="130 landing sites in the Artemis III candidate regions",
        use="--points of score-points: sites that others have published",
        page="https://doi.org/10.5281/zenodo.17084058",
        licence=_CC_BY,
        citation=(
            "Wueller et al. (2026), Assessing Potential Landing Sites With Favorable Illumination, "
            "J. Geophys. Res. Planets; data doi:10.5281/zenodo.17084058"
        ),
        by_hand=_FROM_PAGE,
        traps=(
            (
                "Its .prj has a standard parallel of -70°: places are shifted if a program "
                "replaces it by the usual polar map"
            ),
            "The columns SunDays… are not the longest continuous light",
        ),
    ),
    Entry(
        name="bouldernet",
        title="BoulderNet: boulders outlined in images from orbit",
        use="training of other networks: pixels of 0.5 m and more show boulders, not rocks",
        page="https://doi.org/10.5281/zenodo.14250970",
        licence=_SEE_PAGE,
        citation="doi:10.5281/zenodo.14250970",
        by_hand=_FROM_PAGE,
    ),
    Entry(
        name="shape-from-shading",
        title="Elevation models from shading at 13 candidate regions, 5 m",
        use="--dem of every stage that takes an elevation model",
        page="https://doi.org/10.5281/zenodo.17954508",
        licence=_CC_BY,
        citation=(
            "Bertone et al. (2026), Planet. Sci. J., doi:10.3847/PSJ/ae5b70; data "
            "doi:10.5281/zenodo.17954508"
        ),
        content=Content.HEIGHTS,
        by_hand=_FROM_PAGE,
        traps=("What lies in permanent shadow is not seen in the images",),
        pixel_m=5.0,
    ),
)
