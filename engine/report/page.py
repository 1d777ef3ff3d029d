"""The report of a screening run as a single self-contained HTML file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pyogrio

from lunarsite.engine.atomic import scratch_folder, whole_file
from lunarsite.engine.context import QuietContext
from lunarsite.engine.illumination import skyline
from lunarsite.engine.illumination.ephemeris import ephemeris
from lunarsite.engine.io.elevation.dem import read_fine
from lunarsite.engine.io.elevation.far_field import read_surroundings
from lunarsite.engine.io.vectors import vector
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.report import (
    cell_data,
    charts,
    drawing,
    embedding,
    facts,
    maps,
    validation_page,
)
from lunarsite.engine.report.skyline import skyline_figure
from lunarsite.engine.scoring import tables
from lunarsite.engine.scoring.features.columns import DISC_LIGHT_FILES, LAYER_FILES, USER_LAYERS
from lunarsite.engine.scoring.finished_run import assembled
from lunarsite.engine.scoring.profiles import Profile
from lunarsite.engine.validation import self_audit

if TYPE_CHECKING:
    from lunarsite.engine.context import Context

_SKYLINES = 6
_YEAR_DAYS = 365
_STEP_HOURS = 3.0
_LAST_DAY = dt.date(2100, 1, 1)

_LAYERS = (
    ("slope", "Slope", "°", maps.LayerStyle("viridis"), "Angle of steepest descent."),
    (
        "roughness",
        "Roughness",
        "m",
        maps.LayerStyle("cividis"),
        "Standard deviation of the heights about the local plane.",
    ),
    (
        "illumination",
        "Average illumination",
        "%",
        maps.LayerStyle("inferno"),
        "Visible fraction of the Sun's disc, averaged over the time span.",
    ),
    (
        "darkest_month",
        "Darkest month",
        "%",
        maps.LayerStyle("inferno"),
        "Lowest average illumination over 29.5 days.",
    ),
    (
        "longest_night",
        "Longest continuous darkness",
        "days",
        maps.LayerStyle("cividis_r", logarithmic=True),
        "Longest period without any part of the Sun visible, on a logarithmic scale.",
    ),
    (
        "earth_visibility",
        "Earth visibility",
        "%",
        maps.LayerStyle("viridis"),
        "Percentage of the time span with the Earth above the horizon.",
    ),
    (
        "landing_probability",
        "Landing probability",
        "",
        maps.LayerStyle("magma"),
        "Probability that all criteria are met on the landing disc around each pixel.",
    ),
    (
        "psr",
        "Permanent shadow",
        "",
        maps.LayerStyle("#f4e8c1 #27376b", classes=("sunlit at times", "permanent shadow")),
        "No part of the Sun visible during the whole time span.",
    ),
    (
        "horizon_coverage",
        "Horizon coverage",
        "%",
        maps.LayerStyle("viridis"),
        "Percentage of directions in which the terrain is known out to the required distance.",
    ),
    (
        "rank_interval",
        "Rank interval",
        "ranks",
        maps.LayerStyle("cividis"),
        "Width of the 5-95 % interval of the rank: wide where the rank depends on data errors.",
    ),
)

_FILES = {source: f"layers/{name}" for source, name in LAYER_FILES.items()} | {
    "horizon_coverage": "layers/horizon_coverage_pct.tif",
    "rank_interval": "rank_interval.tif",
    "landing_probability": "layers/landing_probability.tif",
}

_OF_DISCS = {source: f"layers/{name}" for source, name in DISC_LIGHT_FILES.items()}
"""Layers that a run has in place of those of the middle of each cell."""


def write_page(
    folder: Path, values: dict[str, Any], content: dict[str, Any], context: Context
) -> None:
    """Write ``report.html`` into the folder of a run, atomically.

    Parameters
    ----------
    folder : Path
        Folder of the run, with its layers and tables.
    values : dict
        The resolved parameters of the ``screen`` stage.
    content : dict
        Contents of the manifest so far.
    context : Context
        Progress, cancellation, memory.

    Raises
    ------
    InputError
        If a table or layer of the run cannot be read.
    OutputError
        If the file cannot be written.
    """
    context.progress(0.0, "reading the run")
    run = _read(folder)
    profile = Profile.from_dict(content["profile"])
    regions = facts.region_tables(run, profile)
    shown = run.sites.head(facts.SHOWN_SITES)
    with drawing.style():
        frame = maps.map_frame(values["dem"], shown, _shapes(values, regions))
        context.progress(0.1, "maps")
        site_map = embedding.embedded(maps.site_map(frame))
        score_picture = maps.score_map(frame, folder / "score.tif")
        score_map = embedding.embedded(score_picture)
        layers = _layers(folder, values, frame, context.part(0.2, 0.5))
        context.progress(0.5, "contributions")
        scored = np.flatnonzero(np.isfinite(run.scores["score"].to_numpy(np.float64)))
        rows = charts.sample(scored)
        shap = embedding.embedded(
            charts.contributions(run.shap.iloc[rows], run.features.iloc[rows])
        )
        skylines = _skylines(folder, values, run, context.part(0.6, 0.95))
    context.progress(0.95, "writing")
    coverage = facts.coverage(run, profile)
    audited = validation_page.rows(
        self_audit.of_tables(
            run.features,
            run.scores,
            run.shap,
            content,
            regions=values["regions"],
            seed=values["seed"],
            context=context.part(0.95, 0.99),
        )
    )
    about, cells = cell_data.packed(
        assembled(run.features, run.scores, run.shap, Profile.from_dict(content["profile"]))
    )
    script = embedding.script("cells.js")
    text = embedding.template("report.html").render(
        css=embedding.css(),
        content=content,
        headline=facts.headline(run, content),
        profile=profile,
        criteria=facts.criteria(profile),
        site_map=site_map,
        score_map=score_map,
        sites=facts.site_rows(run.sites, profile, facts.SHOWN_SITES),
        skylines=skylines,
        regions=regions,
        regions_given=bool(values["regions"]),
        shap=shap,
        shap_cells=len(rows),
        layers=layers,
        coverage=coverage,
        missing=facts.missing(coverage),
        validation=facts.validation(content),
        parameters=facts.parameters(content),
        audited=audited,
        dated=validation_page.dates([values["regions"]] if values["regions"] else []),
        cells_about=about | {"disc": bool(run.features["landing_radius_m"].notna().any())},
        cells_map=cell_data.on_picture(score_picture, frame),
        cells_data=cells,
        script=script,
        script_hash=embedding.script_hash(script),
        incomplete_pct=facts.incomplete_horizons_pct(content),
    )
    with whole_file(folder / "report.html") as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def _read(folder: Path) -> facts.Tables:
    """Return the tables of a run."""
    names = {str(name) for name in pyogrio.list_layers(folder / "sites.gpkg")[:, 0]}
    in_regions = "sites_in_regions"
    return facts.Tables(
        features=tables.read_features(folder / "features.parquet"),
        scores=tables.read_table(folder / "scores.parquet", "The score table"),
        shap=tables.read_table(folder / "shap.parquet", "The table of contributions"),
        sites=gpd.read_file(folder / "sites.gpkg", layer="sites"),
        regions=gpd.read_file(folder / "sites.gpkg", layer=in_regions)
        if in_regions in names
        else None,
    )


def _shapes(values: dict[str, Any], regions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the outlines of the regions that have a table, by their labels."""
    if not regions:
        return {}
    frame = vector.read_polygons(values["regions"], "The regions", QuietContext())
    return {
        region["label"]: frame.geometry[frame["name"] == region["name"]].union_all()
        for region in regions
    }


def _layers(
    folder: Path, values: dict[str, Any], frame: maps.MapFrame, context: Context
) -> list[dict[str, Any]]:
    """Return the small maps; those of absent layers have a title but no picture."""
    layers = []
    for number, (source, title, unit, style, description) in enumerate(_LAYERS):
        context.progress(number / len(_LAYERS), title)
        external = values[source] if source in USER_LAYERS else None
        path = Path(external) if external else folder / _FILES[source]
        at_discs = folder / _OF_DISCS.get(source, "")
        where = ""
        if source in _OF_DISCS and at_discs.is_file():
            path, where = at_discs, " At the centre of the best landing disc of each cell."
        picture = None
        if path.is_file():
            picture = embedding.embedded(
                maps.layer_map(frame, path, style, f"{title}, {unit}", own=not external)
            )
        layers.append(
            {
                "title": title,
                "description": description + where,
                "external": bool(external),
                "picture": picture,
            }
        )
    return layers


def _skylines(
    folder: Path, values: dict[str, Any], run: facts.Tables, context: Context
) -> list[dict[str, Any]]:
    """Return the skylines of the best sites over one year, from their landing discs."""
    context.progress(0.0, "reading the elevation models")
    start = dt.date.fromisoformat(values["start"])
    stop = min(start + dt.timedelta(days=_YEAR_DAYS), _LAST_DAY)
    sky = ephemeris(start.isoformat(), stop.isoformat(), step_hours=_STEP_HOURS)
    best = run.sites.head(_SKYLINES)
    skylines = []
    with scratch_folder(folder) as work:
        dem = read_fine(values["dem"], Scratch(work, context.memory_limit_bytes))
        around = read_surroundings(
            values["dem"], dem, values["far_field"], context, builtin=values["builtin_far_field"]
        )
        for number, site in enumerate(best.itertuples()):
            context.progress(0.2 + 0.8 * number / len(best), "skylines")
            if not skyline.has_ground(dem, site.x_m, site.y_m):
                skylines.append({"site": site.site, "picture": None})
                continue
            line = skyline.skyline(
                dem,
                site.lon_deg,
                site.lat_deg,
                far_field=around.models,
                mast_height_m=values["mast_height_m"],
            )
            sun, earth = skyline.tracks(line, sky)
            picture = skyline_figure(line, sky, sun, earth, name=f"Site {site.site}")
            skylines.append({"site": site.site, "picture": embedding.embedded(picture)})
    return skylines
