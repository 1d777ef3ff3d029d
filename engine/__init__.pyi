# What type checkers and editors know of the lazily loaded names in __init__.py.

from lunarsite.engine.context import Context as Context
from lunarsite.engine.craters.catalogue import read_catalogue as read_catalogue
from lunarsite.engine.craters.detection.detect import detect_craters as detect_craters
from lunarsite.engine.errors import BusyError as BusyError
from lunarsite.engine.errors import CancelledError as CancelledError
from lunarsite.engine.errors import CrsError as CrsError
from lunarsite.engine.errors import InputError as InputError
from lunarsite.engine.errors import LunarSiteError as LunarSiteError
from lunarsite.engine.errors import MissingDependencyError as MissingDependencyError
from lunarsite.engine.errors import OutputError as OutputError
from lunarsite.engine.errors import ParameterError as ParameterError
from lunarsite.engine.frontends.library import explain as explain
from lunarsite.engine.frontends.library import run as run
from lunarsite.engine.frontends.library import screen as screen
from lunarsite.engine.illumination.ephemeris import ephemeris as ephemeris
from lunarsite.engine.illumination.horizon import horizon as horizon
from lunarsite.engine.illumination.lighting import illumination as illumination
from lunarsite.engine.illumination.places import light_at_places as light_at_places
from lunarsite.engine.illumination.skyline import skyline as skyline
from lunarsite.engine.illumination.skyline import tracks as tracks
from lunarsite.engine.io.elevation.dem import read_dem as read_dem
from lunarsite.engine.io.grid import Dem as Dem
from lunarsite.engine.io.grid import Grid as Grid
from lunarsite.engine.moon import lonlat_to_xy as lonlat_to_xy
from lunarsite.engine.moon import xy_to_lonlat as xy_to_lonlat
from lunarsite.engine.segmentation.segment import segment as segment
from lunarsite.engine.terrain.attributes import Windows as Windows
from lunarsite.engine.terrain.attributes import terrain_attributes as terrain_attributes
from lunarsite.engine.uncertainty.prediction import mc_predict as mc_predict

__all__ = [
    "BusyError",
    "CancelledError",
    "Context",
    "CrsError",
    "Dem",
    "Grid",
    "InputError",
    "LunarSiteError",
    "MissingDependencyError",
    "OutputError",
    "ParameterError",
    "Windows",
    "__version__",
    "detect_craters",
    "ephemeris",
    "explain",
    "horizon",
    "illumination",
    "light_at_places",
    "lonlat_to_xy",
    "mc_predict",
    "read_catalogue",
    "read_dem",
    "run",
    "screen",
    "segment",
    "skyline",
    "terrain_attributes",
    "tracks",
    "xy_to_lonlat",
]
__version__: str
