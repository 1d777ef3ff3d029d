"""The report: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import jinja2
import numpy as np
import pyogrio
from markupsafe import Markup

from lunarsite.engine.atomic import scratch_folder, whole_file
from lunarsite.engine.illumination import skyline
from lunarsite.engine.illumination.ephemeris import ephemeris
from lunarsite.engine.io import vector
from lunarsite.engine.io.dem import read_far, read_fine
from lunarsite.engine.io.workspace import Scratch
from lunarsite.engine.report import charts, drawing, facts, maps
from lunarsite.engine.report import skyline as pictures
from lunarsite.engine.scoring import tables
from lunarsite.engine.scoring.features.columns import GIVEN, LAYER_FILES
from lunarsite.engine.scoring.profiles import Profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lunarsite.engine.context import Context

_HERE = Path(__file__).parent
_SKYLINES = 6
_YEAR_DAYS = 365
_STEP_HOURS = 3.0
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LAST_DAY = dt.date(2100, 1, 1)

_LAYERS = (
    ("slope", "Slope", "°", maps.Look("viridis"), "Steepest descent."),
    (
        "roughness",
        "Roughness",
        "m",
        maps.Look("cividis"),
        "Heights about the local plane, standard deviation.",
    ),
    (
        "illumination",
        "Average illumination",
        "%",
        maps.Look("inferno"),
        "Visible part of the Sun's disc, mean over the span.",
    ),
    (
        "darkest_month",
        "Darkest month",
        "%",
        maps.Look("inferno"),
        "Least illumination over 29.5 days.",
    ),
    (
        "longest_night",
        "Longest darkness",
        "days",
        maps.Look("cividis_r", logarithmic=True),
        "Longest time without any part of the Sun, on a logarithmic scale.",
    ),
    (
        "earth_visibility",
        "Earth visibility",
        "%",
        maps.Look("viridis"),
        "Share of the span with the Earth above the horizon.",
    ),
    (
        "psr",
        "Permanent shadow",
        "",
        maps.Look("#f4e8c1 #27376b", classes=("sunlit at times", "permanent shadow")),
        "No part of the Sun in the whole span.",
    ),
    (
        "horizon_coverage",
        "Covered horizon",
        "%",
        maps.Look("viridis"),
        "Share of directions whose terrain is known to the asked distance.",
    ),
    (
        "rank_interval",
        "Rank interval",
        "ranks",
        maps.Look("cividis"),
        "Width of the 5-95 % interval of the rank: wide where errors decide.",
    ),
)

_FILES = {source: f"layers/{name}" for source, name in LAYER_FILES.items()} | {
    "horizon_coverage": "layers/horizon_coverage_pct.tif",
    "rank_interval": "rank_interval.tif",
}


def write_page(
    folder: Path, values: dict[str, Any], content: dict[str, Any], context: Context
) -> None:
    """Write ``report.html`` into the folder of a run, whole or not at all.

    Parameters
    ----------
    folder : Path
        The run's folder with its layers and tables.
    values : dict
        The resolved parameters of the ``screen`` stage.
    content : dict
        The manifest so far.
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
    found = _read(folder)
    profile = Profile.from_dict(content["profile"])
    regions = facts.region_tables(found, profile)
    shown = found.sites.head(facts.SHOWN_SITES)
    with drawing.style():
        place = maps.ground(values["dem"], shown, _shapes(values, regions, context))
        context.progress(0.1, "maps")
        site_map = _embedded(maps.site_map(place))
        score_map = _embedded(maps.score_map(place, folder / "score.tif"))
        layers = _layers(folder, values, place, context.part(0.2, 0.5))
        context.progress(0.5, "contributions")
        scored = np.flatnonzero(np.isfinite(found.scores["score"].to_numpy(np.float64)))
        rows = charts.sample(scored)
        shap = _embedded(charts.contributions(found.shap.iloc[rows], found.features.iloc[rows]))
        skylines = _skylines(folder, values, found, context.part(0.6, 0.95))
    context.progress(0.95, "writing")
    coverage = facts.coverage(found, profile)
    css = (_HERE / "report.css").read_text(encoding="utf-8")
    text = _template().render(
        css=Markup(css),  # noqa: S704  # nosec B704  # our own file
        content=content,
        headline=facts.headline(found, content),
        profile=profile,
        criteria=facts.criteria(profile),
        site_map=site_map,
        score_map=score_map,
        sites=facts.site_rows(found.sites, profile, facts.SHOWN_SITES),
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
        edge=facts.touched_by_missing_terrain_pct(content),
    )
    with whole_file(folder / "report.html") as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def _read(folder: Path) -> facts.Tables:
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


def _shapes(
    values: dict[str, Any], regions: list[dict[str, Any]], context: Context
) -> dict[str, Any]:
    """Return the outlines of the regions that have a table, by their marks."""
    if not regions:
        return {}
    frame = vector.read_polygons(values["regions"], "The regions", context)
    return {
        region["mark"]: frame.geometry[frame["name"] == region["name"]].union_all()
        for region in regions
    }


def _layers(
    folder: Path, values: dict[str, Any], place: maps.Ground, context: Context
) -> list[dict[str, Any]]:
    """Return the small maps; one without its file keeps its title and has no picture."""
    found = []
    for number, (source, title, unit, look, words) in enumerate(_LAYERS):
        context.progress(number / len(_LAYERS), title)
        given = values[source] if source in GIVEN else None
        path = Path(given) if given else folder / _FILES[source]
        picture = None
        if path.is_file():
            picture = _embedded(
                maps.layer_map(place, path, look, f"{title}, {unit}", own=not given)
            )
        found.append({"title": title, "words": words, "given": bool(given), "picture": picture})
    return found


def _skylines(
    folder: Path, values: dict[str, Any], found: facts.Tables, context: Context
) -> list[dict[str, Any]]:
    """Return the skylines of the best sites over one year, at the cells' centres."""
    context.progress(0.0, "reading the elevation models")
    start = dt.date.fromisoformat(values["start"])
    stop = min(start + dt.timedelta(days=_YEAR_DAYS), _LAST_DAY)
    sky = ephemeris(start.isoformat(), stop.isoformat(), step_hours=_STEP_HOURS)
    best = found.sites.head(_SKYLINES)
    drawn = []
    with scratch_folder(folder) as work:
        dem = read_fine(values["dem"], Scratch(work, context.memory_limit_bytes))
        far = read_far(values["far_field"], dem.grid, context)
        for number, site in enumerate(best.itertuples()):
            context.progress(0.2 + 0.8 * number / len(best), "skylines")
            if not skyline.has_ground(dem, site.x_m, site.y_m):
                drawn.append({"site": site.site, "picture": None})
                continue
            line = skyline.skyline(
                dem, far, site.lon_deg, site.lat_deg, mast_height_m=values["mast_height_m"]
            )
            sun, earth = skyline.tracks(line, sky)
            picture = pictures.skyline_figure(line, sky, sun, earth, name=f"Site {site.site}")
            drawn.append({"site": site.site, "picture": _embedded(picture)})
    return drawn


def _embedded(picture: Figure) -> str:
    """Return a picture as a data URI."""
    return "data:image/png;base64," + base64.b64encode(drawing.as_png(picture)).decode("ascii")


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": lambda value: f"{int(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
        "score": _score,
        "signed": lambda value: f"{value:+.2f}".replace("-", "−"),
        "lon": lambda value: f"{abs(value):.3f}°\N{NO-BREAK SPACE}{'E' if value >= 0 else 'W'}",
        "lat": lambda value: f"{abs(value):.3f}°\N{NO-BREAK SPACE}{'S' if value < 0 else 'N'}",
        "share": _share,
        "points": _points,
    }
    return environment.get_template("report.html")


def _score(value: float) -> str:
    """Return a score with digits where it has any: near 1 as well as near 0."""
    if 0.0005 <= value <= 0.9995:
        return f"{value:.3f}"
    if value > 0.5:
        return "over 0.9995"
    if value <= 0.0:
        return "0"
    power = int(np.floor(np.log10(value)))
    return f"{value / 10.0**power:.1f}·10{str(power).translate(_RAISED)}"


def _share(value: float) -> str:
    """Return percent; a share that is not quite all is not rounded to all."""
    if value in (0.0, 100.0):
        return f"{value:.0f}\N{NO-BREAK SPACE}%"
    return f"{min(max(value, 0.1), 99.9):.1f}\N{NO-BREAK SPACE}%"


def _points(value: float) -> str:
    """Return score points, hundredths, signed; what would round to nothing is said to be small."""
    if 0.0 < abs(value) < 0.0005:
        return "under +0.1" if value > 0.0 else "under −0.1"
    return f"{100.0 * value:+.1f}".replace("-", "−")
