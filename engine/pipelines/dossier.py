"""The stage ``dossier``: everything that a run knows of one site, as one folder and a PDF."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np

from lunarsite.engine import output_paths, provenance, stages
from lunarsite.engine.atomic import scratch_folder
from lunarsite.engine.errors import InputError, ParameterError
from lunarsite.engine.pipelines import skyline
from lunarsite.engine.report import drawing
from lunarsite.engine.report.dossier import document, figures, ground, numbers
from lunarsite.engine.scoring.features import source_layers
from lunarsite.engine.scoring.features.columns import LAYER_FILES
from lunarsite.engine.scoring.finished_run import open_run
from lunarsite.engine.scoring.run_inputs import find_inputs, required_dem
from lunarsite.engine.scoring.site_explanation import explain
from lunarsite.engine.text import quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.report.dossier.ground import Ground

    Float32 = NDArray[np.float32]

_LISTED = 20
"""Numbers of sites that are listed one by one."""

_SKY = (
    "start",
    "stop",
    "step_hours",
    "mast_height_m",
    "eye_height_m",
    "illumination_pct",
    "earth_visibility_pct",
    "longest_night",
    "longest_night_days",
    "best_windows",
    "sun_up",
    "earth_up",
    "azimuth_deg",
    "horizon_deg",
    "horizon_distance_m",
)
"""What is taken of the answer of ``skyline``; the paths of Sun and Earth can be computed again."""


def run(values: dict[str, Any], context: Context) -> dict[str, Any]:
    """Write the dossier of a site.

    Raises
    ------
    InputError
        If the folder holds no finished run, or its elevation model is not found unchanged.
    ParameterError
        If there is no such site.
    """
    folder = Path(values["run"])
    context.progress(0.0, "reading the run")
    finished = open_run(folder, context)
    content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    site = _site(folder, values["site"])
    out = Path(values["out"] or folder / "dossiers" / f"site-{values['site']}")
    command = f"lunarsite dossier {quoted(str(folder))} --site {values['site']}"
    inputs = find_inputs(folder, content, values["inputs"])
    dem = required_dem(folder, content, inputs, command)
    row = int(np.flatnonzero(finished.features["cell_id"] == site["cell_id"])[0])
    cell = finished.features.iloc[row]
    explained = explain(folder, float(cell["lon_deg"]), float(cell["lat_deg"]), context)
    if explained["score"] is None:
        raise InputError(f"Site {values['site']} has no score", "Choose another site")
    with output_paths.locked({str(out): [output_paths.EVERYTHING]}, [], context.warn):
        context.progress(0.1, "ground")
        around = ground.read_ground(dem, site, finished.grid.pixel_m)
        along = ground.profiles(around)
        near = ground.craters_near(next(iter(inputs.get("craters", [])), None), around)
        with scratch_folder(out) as work:
            sky, skyline_png = _sky(dem, site, content, inputs, work, context.part(0.2, 0.7))
        context.progress(0.7, "figures")
        layers = _layers(folder, content, inputs, around, context)
        # After all that may warn: the warnings are among the numbers.
        told = numbers.plain(_told(site, explained, sky, content, near, context))
        with drawing.style():
            made = {
                "maps": figures.maps(around, *layers, near),
                "contributions": figures.contributions(explained),
                "uncertainty": figures.uncertainty(explained),
                "calendar": figures.months(sky),
                "profiles": figures.profiles(along, around.radius_m),
            }
            pictures = {name: drawing.as_png(figure) for name, figure in made.items()}
        context.progress(0.85, "writing")
        outputs = document.write(out, told, pictures | {"skyline": skyline_png}, along)
    return {"outputs": outputs, "folder": str(out), "summary": [outputs["page"], outputs["pdf"]]}


def _site(folder: Path, number: int) -> dict[str, Any]:
    """Return a row of the table of sites.

    Raises
    ------
    ParameterError
        If there is none with that number.
    """
    path = folder / "sites.gpkg"
    if not path.is_file():
        raise InputError(
            f"{folder} has no sites.gpkg",
            "Run lunarsite screen again with the same inputs and the same --out",
        )
    sites = gpd.read_file(path, layer="sites")
    chosen = sites[sites["site"] == number]
    if not chosen.empty:
        found: dict[str, Any] = chosen.drop(columns="geometry").iloc[0].to_dict()
        return found
    known = sorted(int(each) for each in sites["site"])
    listed = ", ".join(map(str, known[:_LISTED]))
    more = f" … {known[-1]}" if len(known) > _LISTED else ""
    raise ParameterError(
        f"--site: there is no site {number} in {folder}; there are {listed}{more}",
        f"Choose one of them: lunarsite dossier {quoted(str(folder))} --site {known[0]}",
    )


def _sky(
    dem: str,
    site: dict[str, Any],
    content: dict[str, Any],
    inputs: dict[str, list[str]],
    work: Path,
    context: Context,
) -> tuple[dict[str, Any], bytes]:
    """Return the skyline of a site over the first year of the run, and its figure."""
    given = content["parameters"]
    far = inputs.get("far_field", [])
    if given.get("far_field") and not far:
        context.warn(
            "The far field of the run is not where it was: the skyline is computed without it."
        )
    picture = work / "skyline.png"
    arguments = {
        "dem": dem,
        "far_field": far,
        "builtin_far_field": bool(given.get("builtin_far_field", True)),
        "lon": float(site["lon_deg"]),
        "lat": float(site["lat_deg"]),
        "mast_height_m": float(given["mast_height_m"]),
        "start": str(given["start"]),
        "picture": str(picture),
    }
    found = skyline.run(stages.load("skyline").resolve(arguments), context)
    return {name: found[name] for name in _SKY}, picture.read_bytes()


def _layers(
    folder: Path,
    content: dict[str, Any],
    inputs: dict[str, list[str]],
    around: Ground,
    context: Context,
) -> tuple[Float32 | None, Float32 | None]:
    """Return slope and illumination around a site, None for a layer that the run lacks."""
    found: list[Float32 | None] = []
    for source in ("slope", "illumination"):
        own = folder / "layers" / LAYER_FILES[source]
        path = next(iter(inputs.get(source, [])), None)
        if path is None and own.is_file():
            name = f"layers/{LAYER_FILES[source]}"
            written = {n: s for e in content["steps"].values() for n, s in e["outputs"].items()}
            if provenance.sha256(own) != written.get(name):
                raise InputError(
                    f"{own} is not what the run has written: its checksum differs",
                    "Run lunarsite screen again with the same inputs and the same --out",
                )
            path = str(own)
        values = None if path is None else ground.layer_around(path, around, f"The layer {source}")
        if path is not None and values is not None and source == "illumination":
            what = f"The layer {source}"
            values = values * source_layers.percent_per_unit(values, values, path, what, context)
        found.append(values)
    return found[0], found[1]


def _told(
    site: dict[str, Any],
    explained: dict[str, Any],
    sky: dict[str, Any],
    content: dict[str, Any],
    near: Any,
    context: Context,
) -> dict[str, Any]:
    """Return all numbers of a dossier."""
    steps = content["steps"]
    outputs = [
        {"role": step, "name": name, "sha256": sha}
        for step, entry in steps.items()
        for name, sha in entry["outputs"].items()
    ]
    names = ("lon_deg", "lat_deg", "x_m", "y_m", "landing_radius_m", "cell_id")
    taken = (
        *("score", "rank", "cells", "percentile", "interval", "probability", "base_value"),
        *("contributions", "margins", "to_pass", "coverage", "features", "surroundings"),
    )
    return {
        "title": f"Site {site['site']} of {content['parameters']['dem']}",
        "subtitle": f"LunarSite {content['lunarsite']}, criteria {content['profile']['title']}",
        "site": int(site["site"]),
        "place": {name: site[name] for name in names} | {"cell_m": explained["cell"]["size_m"]},
        "passes": bool(explained["to_pass"]["passes"]),
        "profile": content["profile"],
        **{name: explained[name] for name in taken},
        "skyline": sky,
        "months": numbers.monthly(sky),
        "craters": numbers.crater_rows(near),
        "rocks": numbers.rocks(explained),
        "checks": numbers.checks(explained, sky, content),
        "warnings": list(context.warnings),
        "citations": numbers.citations(content),
        "provenance": {
            "versions": content["versions"],
            "parameters": {
                name: value
                for name, value in sorted(content["parameters"].items())
                if value is not None and value != []
            },
            "inputs": content["inputs"],
            "outputs": outputs,
        },
    }
