"""What a dossier says, in the order in which it is read; the page and the PDF show the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_SHOWN_PERIODS = 5


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a dossier.

    Parameters
    ----------
    title : str
        Its heading.
    texts : tuple of str
        Paragraphs.
    picture : str
        Name of its figure, empty for none.
    caption : str
        What the figure shows.
    columns : tuple of str
        Titles of its table.
    rows : tuple of tuple of str
        The table, empty for none.
    widths : tuple of float
        Widths of its columns, which add up to 1.
    size : float
        Size of its letters in the PDF, points.
    """

    title: str
    texts: tuple[str, ...] = ()
    picture: str = ""
    caption: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    widths: tuple[float, ...] = ()
    size: float = 8.0


def sections(document: dict[str, Any]) -> list[Section]:
    """Return the parts of a dossier.

    Parameters
    ----------
    document : dict
        Its numbers, in types of JSON.
    """
    return [
        _summary(document),
        Section(
            "Maps",
            picture="maps",
            caption="The circle is the landing disc (a square: the cell), the cross the site, "
            "the arrow points north. Craters are those of the run's catalogue; hatched: no data.",
        ),
        _criteria(document),
        Section(
            "Why it scores as it does",
            picture="contributions",
            caption="Shapley values of the scorer: they add up from what is expected of a cell to "
            "the score of this one.",
        ),
        Section("How certain that is", picture="uncertainty"),
        Section(
            "Skyline",
            picture="skyline",
            caption="Horizon all around the site with the paths of Sun and Earth over the year, "
            "and below when each is above it.",
        ),
        _calendar(document),
        Section("Height profiles", picture="profiles"),
        _craters(document),
        _rocks(document),
        _checks(document),
        _warnings(document),
        *_provenance(document),
        Section("Cite", texts=tuple(document["citations"])),
    ]


def _summary(document: dict[str, Any]) -> Section:
    place, sky = document["place"], document["skyline"]
    meets = "meets every criterion" if document["passes"] else "does not meet every criterion"
    disc = (
        f"a landing disc of {place['landing_radius_m']:g} m radius"
        if place["landing_radius_m"] is not None
        else f"a cell of {place['cell_m']:g} m"
    )
    where = (
        f"{_degrees(place['lon_deg'], 'E', 'W')}, {_degrees(place['lat_deg'], 'N', 'S')} "
        f"(x {place['x_m']:,.0f} m, y {place['y_m']:,.0f} m on the south polar map): {disc} that "
        f"{meets} of the profile {document['profile']['title']}."
    )
    low, high = document["interval"]
    rank = (
        f"Rank {document['rank']:,} of {document['cells']:,} cells ({low:,} to {high:,} in 5 to "
        f"95 % of draws), suitability {document['score']:.4f}, probability "
        f"{document['probability']:.3g}."
    )
    light = (
        f"In the year from {sky['start'][:10]}, {sky['mast_height_m']:g} m above the ground: light "
        f"{sky['illumination_pct']:.1f} %, Earth {sky['earth_visibility_pct']:.1f} % of the time, "
        f"longest continuous darkness {sky['longest_night_days']:.1f} days."
    )
    return Section("The site", (where, rank, light))


def _criteria(document: dict[str, Any]) -> Section:
    rows = tuple(
        (
            each["title"],
            _amount(each["value"], each["unit"]),
            (
                f"{'at most' if each['sense'] == 'at_most' else 'at least'} "
                f"{_amount(each['threshold'], each['unit'])}"
            ),
            "unknown" if each["margin"] is None else f"{each['margin']:+.2f}",
            _held(each["holds"]),
        )
        for each in document["margins"]
    )
    columns = ("Criterion", "Value", "Limit", "Margin", "")
    changes = [
        f"To pass, {each['title']} would have to change from "
        f"{_amount(each['value'], each['unit'])} to {_amount(each['needed'], each['unit'])}."
        for each in document["to_pass"]["changes"]
    ]
    return Section(
        "Criteria and margins",
        tuple(changes),
        columns=columns,
        rows=rows,
        widths=(0.36, 0.17, 0.21, 0.13, 0.13),
    )


def _calendar(document: dict[str, Any]) -> Section:
    sky = document["skyline"]
    best = "; ".join(
        f"{span['days']:.1f} days from {span['start']}"
        for span in sky["best_windows"][:_SHOWN_PERIODS]
    )
    text = f"Longest periods of light with the Earth in view: {best}." if best else ""
    rows = tuple(
        (m["month"], f"{m['light_days']:.1f}", f"{m['earth_days']:.1f}", f"{m['both_days']:.1f}")
        for m in document["months"]
    )
    return Section(
        "Calendar of light and Earth contact",
        texts=(text or "Sun and Earth are never above the skyline at the same time.",),
        picture="calendar",
        columns=("Month", "Light, days", "Earth, days", "Both, days"),
        rows=rows,
        widths=(0.25, 0.25, 0.25, 0.25),
    )


def _craters(document: dict[str, Any]) -> Section:
    found = document["craters"]
    if found is None:
        return Section("Craters nearby", ("This run has no crater catalogue.",))
    rows = tuple(
        (
            f"{each['diameter_m']:,.0f} m",
            "unknown" if each["depth_m"] is None else f"{each['depth_m']:,.0f} m",
            f"{each['distance_m']:,.0f} m",
            "inside" if each["rim_distance_m"] <= 0.0 else f"{each['rim_distance_m']:,.0f} m",
            f"{each['lon_deg']:.4f}°, {each['lat_deg']:.4f}°",
        )
        for each in found
    )
    return Section(
        "Craters nearby",
        () if rows else ("The catalogue of this run has none within the maps.",),
        columns=("Diameter", "Depth", "To the centre", "To the rim", "Centre"),
        rows=rows,
        widths=(0.17, 0.17, 0.19, 0.17, 0.30),
    )


def _rocks(document: dict[str, Any]) -> Section:
    found = document["rocks"]
    if found is None:
        return Section("Rocks", ("No image with rocks covers this site in this run.",))
    rows = tuple(
        (name, "unknown" if value is None else f"{value:.4g}") for name, value in found.items()
    )
    return Section("Rocks", columns=("Feature", "Value"), rows=rows, widths=(0.5, 0.5))


def _checks(document: dict[str, Any]) -> Section:
    rows = tuple(
        (each["title"], each["found"], _held(each["holds"])) for each in document["checks"]
    )
    return Section("Checks", columns=("What", "Found", ""), rows=rows, widths=(0.55, 0.30, 0.15))


def _warnings(document: dict[str, Any]) -> Section:
    return Section("Warnings", tuple(document["warnings"]) or ("There are none.",))


def _provenance(document: dict[str, Any]) -> list[Section]:
    origin = document["provenance"]
    versions = ", ".join(f"{name} {version}" for name, version in origin["versions"].items())
    given = ", ".join(f"{name} {value}" for name, value in origin["parameters"].items())
    rows = tuple(
        (each["role"], each["name"], each["sha256"])
        for each in (*origin["inputs"], *origin["outputs"])
    )
    return [
        Section("Versions and parameters", (f"{versions}.", f"{given}.")),
        Section(
            "Files and their SHA-256",
            columns=("Role", "File", "SHA-256"),
            rows=rows,
            widths=(0.12, 0.31, 0.57),
            size=6.3,
        ),
    ]


def _held(holds: object) -> str:
    return "" if holds is None else "yes" if holds else "NO"


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4g}°" if unit == "deg" else f"{value:.4g} {unit}".rstrip()


def _degrees(value: float, positive: str, negative: str) -> str:
    return f"{abs(value):.4f}° {positive if value >= 0.0 else negative}"
