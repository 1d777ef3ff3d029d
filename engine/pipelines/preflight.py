"""Inputs of a screening, validated before any work, and identified by content."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.context import Context
from lunarsite.engine.errors import InputError
from lunarsite.engine.io import raster
from lunarsite.engine.io.dem import dem_grid, posting
from lunarsite.engine.scoring import profiles
from lunarsite.engine.scoring.features.columns import BY_NAME, GIVEN, IMAGERY, ROCK_FILES

if TYPE_CHECKING:
    from collections.abc import Iterable

    import rasterio

    from lunarsite.engine.io.grid import Grid

Content = dict[str, Any]

_ONLY_GIVEN = ("elevation_error", "craters", *IMAGERY)
"""Sources of features that no stage computes."""

RASTERS = frozenset({"dem", "far_field", *GIVEN, *IMAGERY})
"""Roles of files that GDAL reads as rasters."""

_STATISTICS = (".aux.xml", ".ovr")
"""Files beside a raster that programs write when they show it."""


def roles(values: dict[str, Any]) -> dict[str, list[str]]:
    """Return the files that are given, by what they are for."""
    found = {"dem": [values["dem"]], "far_field": list(values["far_field"])}
    for name in (*GIVEN, "craters", "rock_image", "regions", "scorer"):
        found[name] = [values[name]] if values[name] else []
    if values["rocks"]:
        found["rocks"] = [str(Path(values["rocks"]) / name) for name in ROCK_FILES]
    return {role: paths for role, paths in found.items() if paths}


def parts(path: str, role: str) -> list[str]:
    """Return all files that hold what one given file stands for, itself first.

    A Shapefile is several, and so may a raster be, or a scorer with its card.
    """
    file = Path(path)
    beside: list[Path] = []
    if role == "regions" and file.suffix.lower() == ".shp":
        beside = [file.with_suffix(end) for end in (".dbf", ".shx", ".prj", ".cpg")]
    elif role == "scorer":
        beside = [file.with_suffix(".json")]
    elif role in RASTERS:
        with raster.opened(path, role) as source:
            beside = [Path(name) for name in source.files if not name.endswith(_STATISTICS)]
    return [path, *sorted(str(p) for p in beside if p.is_file() and p != file)]


def reading(path: str) -> Content:
    """Return how GDAL reads a raster: what may change though its pixels do not."""
    with raster.opened(path, "The raster") as source:
        return {
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


def check(values: dict[str, Any], outputs: Iterable[str]) -> None:
    """Look at everything that is given, as far as that takes a moment.

    Parameters
    ----------
    values : dict
        The resolved parameters of the ``screen`` stage.
    outputs : iterable of str
        What the run writes, relative to its folder: none of it may be an input.

    Raises
    ------
    LunarSiteError
        For the first thing that cannot work.
    """
    out = Path(values["out"]).resolve()
    written = {out / name for name in outputs}
    for role, paths in roles(values).items():
        for path in paths:
            if not Path(path).is_file():
                raise InputError(
                    f"--{role.replace('_', '-')}: there is no file {path}", "Check the path"
                )
            if Path(path).resolve() in written:
                raise InputError(
                    f"--{role.replace('_', '-')}: {path} is written by this run itself",
                    "Copy it to another folder and give the copy",
                )
    grid = dem_grid(values["dem"])
    _check_cells(grid, values["cell_m"], values["north_limit_deg"])
    _check_criteria(profiles.load(values["profile"]), values)
    for path in values["far_field"]:
        what = f"The far field {Path(path).name}"
        with raster.opened(path, what) as source:
            _check_lunar(source, what)
    for name in GIVEN:
        if values[name]:
            what = f"The layer {Path(values[name]).name} ({name})"
            with raster.opened(values[name], what) as source:
                _check_lunar(source, what)
    if any(values[name] for name in IMAGERY):
        _check_imagery(values)


def check_closely(values: dict[str, Any]) -> None:
    """Read the small things that are given: dates, windows, tables, polygons, the scorer.

    Raises
    ------
    LunarSiteError
        For the first thing that cannot work.
    """
    from lunarsite.engine.illumination import ephemeris  # noqa: PLC0415  kept off a run that is done
    from lunarsite.engine.terrain import attributes  # noqa: PLC0415  kept off a run that is done

    attributes.Windows.parse(
        values["roughness_windows_px"], values["relief_window_px"], values["position_window_px"]
    )
    ephemeris.ephemeris(values["start"], values["stop"], step_hours=values["step_hours"])
    if values["craters"]:
        from lunarsite.engine.craters import catalogue  # noqa: PLC0415  likewise

        catalogue.read_catalogue(values["craters"])
    if values["regions"]:
        from lunarsite.engine.io import vector  # noqa: PLC0415  likewise

        shapes = vector.read_polygons(values["regions"], "The regions", Context())
        west, south, east, north = dem_grid(values["dem"]).bounds
        if shapes.cx[west:east, south:north].empty:
            raise InputError(
                f"No region of {Path(values['regions']).name} overlaps the DEM",
                "Give regions that overlap it, or leave --regions out",
            )
    if values["scorer"]:
        from lunarsite.engine.scoring import scorer  # noqa: PLC0415  likewise

        scorer.load(Path(values["scorer"]), profiles.load(values["profile"]))


def _check_lunar(source: rasterio.DatasetReader, what: str) -> None:
    crs = raster.crs_of(source, what)
    moon.check_body(crs, what)


def _check_imagery(values: dict[str, Any]) -> None:
    from lunarsite.engine.scoring.features import rocks  # noqa: PLC0415  most runs have none

    if values["rocks"]:
        rocks.check(values["rocks"])
    if values["rock_image"]:
        rocks.check_image(values["rock_image"])


def _check_criteria(profile: profiles.Profile, values: dict[str, Any]) -> None:
    for criterion in profile.criteria:
        source = BY_NAME[criterion.feature].source
        if source in _ONLY_GIVEN and not values[source]:
            raise InputError(
                f"The profile {profile.name!r} has a criterion on {criterion.feature}, and the "
                "layer that it comes from is not given",
                f"Give --{source.replace('_', '-')}, or leave the criterion out",
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
