"""Parameters of ``train-craters`` for training on real terrain. Standard library only."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Parameter
from lunarsite.engine.stages._shared import CATALOGUE_ENDINGS, CATALOGUE_HELP

REAL_TERRAIN_PARAMETERS = (
    Parameter(
        name="dem",
        kind=Kind.RASTER,
        title="Training elevation model",
        help="Real terrain to train on, instead of generated tiles or, with the recipe mixed, "
        "besides them: heights in metres in the Moon's south polar stereographic projection "
        "(IAU_2015:30135). The recipe mixed reads the north polar one (IAU_2015:30130) as well.",
        advanced=True,
    ),
    Parameter(
        name="catalogue",
        kind=Kind.TABLE,
        endings=CATALOGUE_ENDINGS,
        title="Crater catalogue of the training elevation model",
        help=CATALOGUE_HELP,
        advanced=True,
    ),
    Parameter(
        name="sector",
        kind=Kind.TEXT,
        title="Validation sector: west,east",
        help="Two longitudes in degrees, separated by a comma. Tiles between them are held out "
        "of training and used for validation; with the recipe mixed, confidence is calibrated "
        "there too. Required when training on real terrain.",
        advanced=True,
    ),
    Parameter(
        name="test_sector",
        kind=Kind.TEXT,
        title="Test sector: west,east",
        help="For the recipe mixed: two more longitudes. The terrain between them is used for "
        "neither training nor validation nor calibration; the card states recall and precision "
        "there.",
        advanced=True,
    ),
    Parameter(
        name="gap_deg",
        kind=Kind.NUMBER,
        title="Gap around the validation sector",
        help="Tiles closer to the sector than this are not used at all, nor are tiles that show "
        "a catalogued crater extending into a tile of the sector.",
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
        help="Diameter from which the catalogue is complete; smaller craters are not used as "
        "training targets. Defaults to 3 km, to 5 km for DeepMoon's tiles, and with the recipe "
        "mixed to the smallest crater of the catalogue.",
        unit="m",
        minimum=1,
        maximum=1e6,
        advanced=True,
    ),
    Parameter(
        name="pixel_m",
        kind=Kind.NUMBER,
        title="Tile pixel size",
        help="Pixel size to which the elevation model is averaged before it is cut into tiles. "
        "The recipe mixed takes pixels of several sizes instead.",
        default=118.0,
        unit="m",
        minimum=0.1,
        maximum=10_000,
        advanced=True,
    ),
    Parameter(
        name="overlap",
        kind=Kind.NUMBER,
        title="Tile overlap",
        help="Fraction of a tile's side that it shares with the next tile.",
        default=0.0,
        minimum=0,
        maximum=0.9,
        advanced=True,
    ),
    Parameter(
        name="deepmoon",
        kind=Kind.FILE,
        endings=(".hdf5", ".h5"),
        title="DeepMoon images",
        help="HDF5 file such as train_images.hdf5, to train on instead of generated tiles.",
        advanced=True,
    ),
    Parameter(
        name="deepmoon_craters",
        kind=Kind.FILE,
        endings=(".hdf5", ".h5"),
        title="DeepMoon craters",
        help="HDF5 file such as train_craters.hdf5. If not set, the one next to the images is "
        "used.",
        advanced=True,
    ),
)
