"""Data sets of NASA's Planetary Geodesy Data Archive: heights, light and permanent shadow."""

from __future__ import annotations

from lunarsite.engine.datasets.entries import Content, Entry, RemoteFile

_PUBLIC = "Work of the US government: free to use, NASA asks for credit"
_DATA = "https://pgda.gsfc.nasa.gov/data"
_PAGE = "https://pgda.gsfc.nasa.gov/products"

_BARKER_2023 = (
    "Barker et al. (2023), A New View of the Lunar South Pole from LOLA, Planet. Sci. J. 4:183, "
    "doi:10.3847/PSJ/acf3e1"
)
_BARKER_2021 = (
    "Barker et al. (2021), Improved LOLA Elevation Maps for South Pole Landing Sites, Planet. "
    "Space Sci. 203:105119, doi:10.1016/j.pss.2020.105119"
)
_MAZARICO = (
    "Mazarico et al. (2011), Illumination conditions of the lunar polar regions using LOLA "
    "topography, Icarus 211:1066, doi:10.1016/j.icarus.2010.10.030"
)

_LABELLED = (
    "Value = stored number × scale + offset, both read from the file. A raster that another "
    "program has written from it may have lost them"
)
_ANY_PART = (
    "Any visible part of the disc counts as visible. LunarSite's illumination is the mean visible "
    "fraction of the Sun's disc, which is lower: the two are not to be subtracted from each other"
)
_DEAD_LINKS = (
    "Some links of the page to cloud-optimised copies are dead; the address here is that of the "
    ".TIF, which is not"
)
_AREA = (
    "The area in permanent shadow depends on the pixels: south of 80° 16,055 km² at 240 m, about "
    "20,800 km² at 20 to 30 m"
)


def _lola(
    name: str, title: str, use: str, content: Content, pixel_m: float, size: int | None, *traps: str
) -> Entry:
    """Return an entry of product 90."""
    return Entry(
        name=name,
        title=title,
        use=use,
        page=f"{_PAGE}/90",
        licence=_PUBLIC,
        citation=_BARKER_2023,
        content=content,
        files=(RemoteFile(f"{_DATA}/LOLA_20mpp/{name}.TIF", size),),
        traps=traps,
        pixel_m=pixel_m,
        windows=True,
        far_field=name in ("LDEM_80S_80MPP_ADJ", "LDEM_60S_240MPP_ADJ"),
    )


def _site(site: str, place: str, size: int) -> Entry:
    """Return an entry of product 78."""
    name = f"{site}_final_adj_5mpp_surf"
    return Entry(
        name=name,
        title=f"LOLA heights at {place}, 5 m",
        use="--dem of every stage that takes an elevation model",
        page=f"{_PAGE}/78",
        licence=_PUBLIC,
        citation=_BARKER_2021,
        content=Content.HEIGHTS,
        files=(RemoteFile(f"{_DATA}/LOLA_5mpp/{site}/{name}.tif", size),),
        traps=(
            (
                "About nine tenths of the 5 m pixels are interpolated between tracks of the laser: "
                "slopes and craters of a few pixels are not measured"
            ),
            (
                "The files *_err.tif beside it are whole elevation models, 100 clones with like "
                "errors, not maps of an error"
            ),
        ),
        pixel_m=5.0,
    )


def _light(name: str, title: str, use: str, pixel_m: float, size: int, *traps: str) -> Entry:
    """Return an entry of product 69."""
    return Entry(
        name=name,
        title=title,
        use=use,
        page=f"{_PAGE}/69",
        licence=_PUBLIC,
        citation=_MAZARICO,
        content=Content.LAYER,
        files=(RemoteFile(f"{_DATA}/MoonIllumination/{name}.TIF", size),),
        traps=(*traps, _LABELLED, _DEAD_LINKS),
        pixel_m=pixel_m,
    )


ENTRIES = (
    _lola(
        "LDEM_80S_20MPP_ADJ",
        "LOLA heights from 80° S to the pole, 20 m",
        "--dem of every stage that takes an elevation model; a part of it with --aoi",
        Content.HEIGHTS,
        20.0,
        2_696_082_051,
        "Craters less than about ten pixels wide, 200 m, are smoothed or missing",
    ),
    _lola(
        "LDEM_80S_80MPP_ADJ",
        "LOLA heights from 80° S to the pole, 80 m",
        "--far-field around finer elevation models south of 80°, chosen by itself once fetched; "
        "--dem for the whole cap",
        Content.HEIGHTS,
        80.0,
        189_158_392,
    ),
    _lola(
        "LDEM_60S_240MPP_ADJ",
        "LOLA heights from 60° S to the pole, 240 m",
        "--far-field around every elevation model of the pole, chosen by itself once fetched",
        Content.HEIGHTS,
        240.0,
        218_961_039,
    ),
    _lola(
        "LDEM_80S_20MPP_ADJ_ERR",
        "Error of the LOLA heights, 20 m",
        "--elevation-error of features and screen",
        Content.LAYER,
        20.0,
        None,
        "It is the error of a height. Neighbouring errors are alike, so that slopes are more "
        "certain than differences of two independent heights",
    ),
    _lola(
        "LDEM_80S_80MPP_ADJ_ERR",
        "Error of the LOLA heights, 80 m",
        "--elevation-error of features and screen",
        Content.LAYER,
        80.0,
        254_808_965,
        "It is the error of a height. Neighbouring errors are alike, so that slopes are more "
        "certain than differences of two independent heights",
    ),
    _lola(
        "LDSM_80S_20MPP_ADJ",
        "LOLA slopes, 20 m",
        "a map beside the results: LunarSite computes slopes from the elevation model itself",
        Content.LAYER,
        20.0,
        None,
        "Slopes over 20 m are lower than those over the length of a lander's legs",
    ),
    _lola(
        "LPSR_80S_20MPP_ADJ",
        "Permanent shadow from 80° S to the pole, 20 m",
        "--psr of features and screen",
        Content.LAYER,
        20.0,
        154_221_202,
        _AREA,
    ),
    _light(
        "AVGVISIB_85S_060M_201608",
        "Average visibility of the Sun from 85° S to the pole, 60 m",
        "--illumination of features and screen",
        60.0,
        33_994_464,
        _ANY_PART,
    ),
    _light(
        "AVGVISIB_85S_060M_201608_EARTH",
        "Average visibility of the Earth from 85° S to the pole, 60 m",
        "--earth-visibility of features and screen",
        60.0,
        24_862_958,
        _ANY_PART,
    ),
    _light(
        "LPSR_85S_060M_201608",
        "Permanent shadow from 85° S to the pole, 60 m",
        "--psr of features and screen",
        60.0,
        656_183,
        _AREA,
    ),
    _light(
        "AVGVISIB_65S_240M_201608",
        "Average visibility of the Sun from 65° S to the pole, 240 m",
        "--illumination of features and screen",
        240.0,
        60_394_652,
        _ANY_PART,
    ),
    _light(
        "AVGVISIB_65S_240M_201608_EARTH",
        "Average visibility of the Earth from 65° S to the pole, 240 m",
        "--earth-visibility of features and screen",
        240.0,
        22_963_503,
        _ANY_PART,
    ),
    _light(
        "LPSR_65S_240M_201608",
        "Permanent shadow from 65° S to the pole, 240 m",
        "--psr of features and screen",
        240.0,
        582_074,
        _AREA,
    ),
    _site("Site01", "Connecting Ridge", 40_980_810),
    _site("Site04", "the rim of Shackleton", 40_980_806),
    _site("Site06", "Nobile Rim 1", 64_025_603),
    _site("Site07", "the peak near Shackleton", 40_980_808),
    _site("Site23", "Malapert Massif", 70_586_804),
    _site("DM2", "Nobile Rim 2", 64_025_607),
    _site("Haworth", "Haworth", 142_123_767),
)
