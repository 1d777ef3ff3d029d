"""Inputs of a screening, validated before any work, and identified by content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.context import QuietContext
from lunarsite.engine.errors import InputError
from lunarsite.engine.file_names import file_of, is_virtual, local_file
from lunarsite.engine.io import raster
from lunarsite.engine.io.elevation.builtin import BUILTIN, uses_builtin
from lunarsite.engine.io.elevation.dem import posting
from lunarsite.engine.io.elevation.source import open_elevation
from lunarsite.engine.io.labels import label_beside
from lunarsite.engine.scoring import profiles
from lunarsite.engine.scoring.features.columns import (
    BY_NAME,
    IMAGERY,
    KNOWN_OF_PLACES,
    OF_CELLS,
    ROCK_FILES,
    USER_LAYERS,
)
from lunarsite.engine.scoring.landing import discs
from lunarsite.engine.scoring.landing.discs import Disc

if TYPE_CHECKING:
    from collections.abc import Iterable

    import rasterio

    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.scoring.profiles import Profile

Content = dict[str, Any]

_USER_ONLY = ("elevation_error", "craters", *IMAGERY)
"""Sources of features that only the user can provide."""

RASTERS = frozenset({"dem", "far_field", "builtin_far_field", *USER_LAYERS, *IMAGERY})
"""Roles of files that GDAL reads as rasters."""

_STATISTICS = (".aux.xml", ".ovr")
"""Sidecar files that other programs write when they display a raster."""


@dataclass(frozen=True, slots=True)
class Source:
    """A validated input file.

    Parameters
    ----------
    path : str
        Path of the file.
    parts : tuple of str
        All its files, itself first: a Shapefile has several, as may a raster, or a scorer with its
        card.
    reading : dict or None
        Metadata with which GDAL reads a raster, which may change while its pixels do not.
    """

    path: str
    parts: tuple[str, ...]
    reading: Content | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """The validated inputs of a screening.

    Parameters
    ----------
    values : dict
        The resolved parameters of the ``screen`` stage.
    grid : Grid
        Grid of the elevation model.
    profile : Profile
        The criteria.
    sources : dict of str to tuple of Source
        The input files by role.
    """

    values: dict[str, Any]
    grid: Grid
    profile: Profile
    sources: dict[str, tuple[Source, ...]]

    def paths(self, *names: str) -> dict[str, list[str]]:
        """Return the paths of some roles, or of all; roles without files are omitted."""
        return {
            role: [source.path for source in sources]
            for role, sources in self.sources.items()
            if not names or role in names
        }

    def parts(self, role: str, paths: list[str]) -> list[str]:
        """Return all files of some paths of a role; for unknown roles the paths themselves."""
        known = {source.path: source.parts for source in self.sources.get(role, ())}
        return [part for path in paths for part in known.get(path, (path,))]

    def parts_of_all(self) -> list[str]:
        """Return all files of all roles."""
        return [part for sources in self.sources.values() for s in sources for part in s.parts]

    def readings(self, roles: Iterable[str]) -> dict[str, list[Content]]:
        """Return the metadata of the rasters of some roles."""
        return {
            role: [source.reading for source in self.sources[role] if source.reading is not None]
            for role in roles
            if role in RASTERS and role in self.sources
        }


def validate(values: dict[str, Any], outputs: Iterable[str]) -> Inputs:
    """Open and check every input once, without reading pixels.

    Parameters
    ----------
    values : dict
        The resolved parameters of the ``screen`` stage.
    outputs : iterable of str
        Output files, relative to the folder of the run: none may be an input.

    Raises
    ------
    LunarSiteError
        For the first invalid input.
    """
    out = Path(values["out"]).resolve()
    written = {out / name for name in outputs}
    files = _roles(values)
    for role, paths in files.items():
        for path in paths:
            file = local_file(path)
            if file is None and not is_virtual(path):
                raise InputError(
                    f"--{role.replace('_', '-')}: there is no file {file_of(path)}",
                    "Check the path",
                )
            if file is not None and file.resolve() in written:
                raise InputError(
                    f"--{role.replace('_', '-')}: {path} is written by this run itself",
                    "Copy it to another folder and use the copy",
                )
    with open_elevation(values["dem"], "The DEM") as dem:
        grid = raster.grid_of(dem.source, "The DEM")
        sources: dict[str, tuple[Source, ...]] = {"dem": (_raster(values["dem"], dem.source),)}
    if values["builtin_far_field"] and uses_builtin(values["dem"], grid):
        files["builtin_far_field"] = [str(BUILTIN)]
    _check_cells(grid, values["cell_m"], values["north_limit_deg"])
    profile = profiles.load(values["profile"])
    _check_criteria(profile, values)
    _check_discs(grid, values, profile)
    for role, paths in files.items():
        if role != "dem":
            sources[role] = tuple(_source(path, role) for path in paths)
    if any(values[name] for name in IMAGERY):
        _check_imagery(values)
    return Inputs(values, grid, profile, sources)


def _roles(values: dict[str, Any]) -> dict[str, list[str]]:
    """Return the input files by role."""
    files = {"dem": [values["dem"]], "far_field": list(values["far_field"])}
    for name in (*USER_LAYERS, "craters", "rock_image", "regions", "scorer"):
        files[name] = [values[name]] if values[name] else []
    if values["rocks"]:
        files["rocks"] = [str(Path(values["rocks"]) / name) for name in ROCK_FILES]
    return {role: paths for role, paths in files.items() if paths}


def _source(path: str, role: str) -> Source:
    """Return an input file, validated for its role."""
    file = Path(file_of(path))
    if role in RASTERS:
        what = {
            "far_field": f"The far field {file.name}",
            "rocks": f"The rocks in {file.parent.name}: {file.name}",
            "rock_image": f"The image {file.name}",
        }.get(role, role)
        what = f"The layer {file.name} ({role})" if role in USER_LAYERS else what
        with raster.opened(path, what) as source:
            if role == "far_field" or role in USER_LAYERS:
                raster.crs_of(source, what)
            return _raster(path, source)
    beside: list[Path] = []
    if role in ("regions", "craters") and file.suffix.lower() == ".shp":
        beside = [file.with_suffix(end) for end in (".dbf", ".shx", ".prj", ".cpg")]
    elif role == "scorer":
        beside = [file.with_suffix(".json"), file.with_suffix(".sha256")]
    return Source(path, _with(str(file), beside))


def _raster(path: str, source: rasterio.DatasetReader) -> Source:
    files = [local_file(name) for name in source.files if not name.endswith(_STATISTICS)]
    beside = [file for file in files if file is not None]
    label = label_beside(path)
    if label is not None:
        beside.append(label.path)
    reading: Content = {
        "crs": source.crs.to_wkt() if source.crs else "",
        "transform": list(source.transform)[:6],
        "size_px": [source.width, source.height],
        "bands": [
            [str(value) for value in band]
            for band in zip(
                source.dtypes,
                source.nodatavals,
                source.scales,
                source.offsets,
                source.units,
                strict=True,
            )
        ],
    }
    return Source(path, _with(path, beside), reading)


def _with(path: str, beside: list[Path]) -> tuple[str, ...]:
    """Return a file and its existing sidecar files, by name."""
    return (path, *sorted({str(p) for p in beside if p.is_file() and p != local_file(path)}))


def check_closely(inputs: Inputs) -> None:
    """Validate the inputs that are read: dates, windows, tables, polygons, the scorer.

    Raises
    ------
    LunarSiteError
        For the first invalid input.
    """
    values = inputs.values
    from lunarsite.engine.illumination import ephemeris  # noqa: PLC0415  not needed for an unchanged run
    from lunarsite.engine.terrain import attributes  # noqa: PLC0415  not needed for an unchanged run

    attributes.Windows.parse(
        values["roughness_windows_px"], values["relief_window_px"], values["position_window_px"]
    )
    ephemeris.ephemeris(values["start"], values["stop"], step_hours=values["step_hours"])
    for name in USER_LAYERS:
        if values[name]:
            from lunarsite.engine.scoring.features import raster_columns  # noqa: PLC0415  likewise

            raster_columns.check_given(name, values[name], inputs.grid)
    if values["craters"]:
        from lunarsite.engine.craters import catalogue  # noqa: PLC0415  likewise

        catalogue.read_catalogue(values["craters"], context=QuietContext())
    if values["regions"]:
        from lunarsite.engine.io.vectors import vector  # noqa: PLC0415  likewise

        shapes = vector.read_polygons(values["regions"], "The regions", QuietContext())
        west, south, east, north = inputs.grid.bounds
        if shapes.cx[west:east, south:north].empty:
            raise InputError(
                f"No region of {Path(values['regions']).name} overlaps the DEM",
                "Give regions that overlap it, or leave --regions out",
            )
    if values["scorer"]:
        from lunarsite.engine.scoring import scorer  # noqa: PLC0415  likewise

        scorer.load(Path(values["scorer"]), inputs.profile)
    _check_training(inputs)


def _check_training(inputs: Inputs) -> None:
    """Raise if a scorer must be trained on an area of too few cells."""
    from lunarsite.engine.scoring import bundle  # noqa: PLC0415  likewise

    values = inputs.values
    if not values["train"] and (values["scorer"] or bundle.bundled(inputs.profile)):
        return
    from lunarsite.engine.scoring.scorer_training import MIN_CELLS  # noqa: PLC0415  likewise

    cells, _ = posting(inputs.grid, values["cell_m"])
    if cells.width * cells.height < MIN_CELLS:
        raise InputError(
            f"The area has {cells.width * cells.height} cells, and training a scorer for the "
            f"profile {inputs.profile.name!r} needs {MIN_CELLS}",
            "Screen a larger area, give smaller cells (--cell-m), or a scorer that is trained "
            "already (--scorer)",
        )


def _check_imagery(values: dict[str, Any]) -> None:
    from lunarsite.engine.scoring.features import rocks  # noqa: PLC0415  most runs have none

    if values["rocks"]:
        rocks.check(values["rocks"])
    if values["rock_image"]:
        rocks.check_image(values["rock_image"])


def _check_criteria(profile: profiles.Profile, values: dict[str, Any]) -> None:
    for criterion in profile.criteria:
        source = BY_NAME[criterion.feature].source
        if source in _USER_ONLY and not values[source]:
            raise InputError(
                f"The profile {profile.name!r} has a criterion on {criterion.feature}, and the "
                "layer that it comes from is not given",
                f"Give --{source.replace('_', '-')}, or leave the criterion out",
            )


def _check_pixels(profile: profiles.Profile, side: int) -> None:
    """Raise if no criterion is known at every pixel, so that no disc is better than another.

    Parameters
    ----------
    profile : Profile
        The criteria.
    side : int
        Side of a cell, pixels.

    Raises
    ------
    InputError
        With the remedy.
    """
    later = KNOWN_OF_PLACES | (OF_CELLS.keys() if side > 1 else set())
    if all(criterion.feature in later for criterion in profile.criteria):
        raise InputError(
            f"No criterion of {profile.name!r} tells one landing disc of a cell from another",
            "Add a criterion on slope, illumination or Earth visibility, or rank whole cells: "
            "--place cell",
        )


def _check_cells(grid: Grid, cell_m: float, north_limit_deg: float) -> None:
    coarse, _ = posting(grid, cell_m)
    if coarse.width * coarse.height < 2:
        raise InputError(
            f"A cell of {cell_m:g} m is as large as the whole DEM", "Take smaller cells: --cell-m"
        )
    x, y = np.meshgrid(coarse.column_x_m(), coarse.row_y_m())
    south = float(moon.xy_to_lonlat(x, y)[1].min())
    if south >= north_limit_deg:
        raise InputError(
            f"No cell of the DEM has its centre south of {north_limit_deg:g}°; the southernmost "
            f"lies at {south:.2f}°",
            "Give a DEM that reaches farther south, or a larger --north-limit-deg",
        )


def _check_discs(grid: Grid, values: dict[str, Any], profile: profiles.Profile) -> None:
    """Raise if a landing disc does not fit into the DEM or a cell, or none is better than another.

    Raises
    ------
    InputError
        With the remedy.
    """
    if values["place"] == "cell":
        return
    coarse, side = posting(grid, values["cell_m"])
    _check_pixels(profile, side)
    disc = Disc.of(values["landing_radius_m"], grid.pixel_m)
    discs.check_cell(disc, coarse.pixel_m)
    # The slopes of the outermost pixels are unknown.
    needed = 2 * disc.reach + 3
    if min(grid.shape) < needed:
        raise InputError(
            f"A landing disc of {disc.radius_m:g} m radius needs {needed} × {needed} pixels, and "
            f"the DEM has {grid.width} × {grid.height}",
            "Give a larger DEM or a smaller --landing-radius-m, or rank whole cells: --place cell",
        )
