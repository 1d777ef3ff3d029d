"""Errors that are shown to the user, one hierarchy. Standard library only."""

from __future__ import annotations

import re

_COMMAND = re.compile(
    r"""\b(?:gdal\w*|ogr2ogr|lunarsite|exiftool|magick|curl)\b.* \S+\.\w{2,8}['"]?$"""
)
"""A remedy that ends with a command and the name of a file."""

_NAME = re.compile(r""": (?:'[^']+'|"[^"]+"|\S*[/:.]\S*)$""")
"""A remedy that ends with the name of a file, or another name that GDAL opens."""


def sentences(problem: str, remedy: str) -> str:
    """Return a problem and its remedy as text.

    No full stop follows a command or the name of a file, with which it would be copied.

    Examples
    --------
    >>> sentences("It is turned", "Warp it: gdalwarp -te 0 0 9.5 9 dem.tif dem_south.tif")
    'It is turned. Warp it: gdalwarp -te 0 0 9.5 9 dem.tif dem_south.tif'
    >>> sentences("It has no coordinate system", "Set it: ogr2ogr -a_srs A b.gpkg c.geojson")
    'It has no coordinate system. Set it: ogr2ogr -a_srs A b.gpkg c.geojson'
    >>> sentences("It holds two rasters", "Name one, for example: HDF5:a.h5://height")
    'It holds two rasters. Name one, for example: HDF5:a.h5://height'
    >>> sentences("There is no file", "Check the path")
    'There is no file. Check the path.'
    """
    stop = "" if _COMMAND.search(remedy) or _NAME.search(remedy) else "."
    return f"{problem}. {remedy}{stop}"


class LunarSiteError(Exception):
    """A user-correctable error: what is wrong, and how to fix it.

    Parameters
    ----------
    problem : str
        Description with the value and the limit.
    remedy : str
        How to fix it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem.rstrip(".")
        self.remedy = remedy.rstrip(".")
        super().__init__(problem, remedy)

    def __str__(self) -> str:
        return sentences(self.problem, self.remedy)

    def as_dict(self) -> dict[str, str]:
        """Return the error as a JSON object, for the worker's replies."""
        return {"type": type(self).__name__, "problem": self.problem, "remedy": self.remedy}


class ParameterError(LunarSiteError):
    """A parameter is missing, unknown, of the wrong type or out of range."""


class InputError(LunarSiteError):
    """An input file cannot be read, or its content is invalid."""


class CrsError(InputError):
    """An input is on another body, or in a coordinate system that the stage does not support."""


class OutputError(LunarSiteError):
    """A result cannot be written."""


class BusyError(LunarSiteError):
    """Another run is using the same folder or file."""


class MissingDependencyError(LunarSiteError):
    """An optional dependency that the computation needs is not installed."""


class CancelledError(LunarSiteError):
    """The computation was cancelled by the user.

    Parameters
    ----------
    remedy : str, optional
        How to resume. By default the same command starts from the beginning.
    """

    def __init__(self, remedy: str = "") -> None:
        super().__init__(
            "The run was cancelled",
            remedy
            or "No incomplete file was left behind; the same command starts from the beginning",
        )
