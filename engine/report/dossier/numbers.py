"""The numbers of a dossier: one document that the page, the PDF and the tables are made of."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.datasets import registry
from lunarsite.engine.report import facts
from lunarsite.engine.scoring.features.columns import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    Float = NDArray[np.float64]

_DIGITS = 9
_DAY = dt.timedelta(days=1)
_FULL_PCT = 99.5

_ALWAYS = (
    (
        "LunarSite: landing-site screening at the Moon's south pole, "
        "https://github.com/lunarsite/lunarsite"
    ),
    "Lundberg et al. (2020), Nat. Mach. Intell. 2:56 (Shapley values of trees)",
)
_BUILTIN = (
    "Lunar Orbiter Laser Altimeter, NASA Goddard Space Flight Center, LRO-L-LOLA-4-GDR-V1.0 (the "
    "built-in elevation model)"
)


def monthly(sky: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the days of light, of Earth contact and of both, month by month.

    Parameters
    ----------
    sky : mapping
        An answer of the stage ``skyline``.
    """
    start, stop = (dt.datetime.fromisoformat(sky[name]) for name in ("start", "stop"))
    rows = []
    first = start.replace(day=1, hour=0, minute=0)
    while first < stop:
        following = (first + 32 * _DAY).replace(day=1)
        month = (max(first, start), min(following, stop))
        light, earth = (_within(sky[kind], month) for kind in ("sun_up", "earth_up"))
        both = [(max(a, c), min(b, d)) for a, b in light for c, d in earth if max(a, c) < min(b, d)]
        rows.append(
            {
                "month": f"{first:%Y-%m}",
                "light_days": _days(light),
                "earth_days": _days(earth),
                "both_days": _days(both),
            }
        )
        first = following
    return rows


def checks(
    explained: Mapping[str, Any], sky: Mapping[str, Any], content: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return what can be checked of a site: data behind it, its intervals, its scorer.

    Parameters
    ----------
    explained : mapping
        An answer of the stage ``explain``.
    sky : mapping
        An answer of the stage ``skyline``.
    content : mapping
        The manifest.

    Returns
    -------
    list of dict
        ``title``, ``found`` (text) and ``holds``; None for what is only reported.
    """
    used = {BY_NAME[margin["feature"]].source for margin in explained["margins"]}
    found = [
        {
            "title": f"{facts.SOURCE_TITLES[source]} known in the cell",
            "found": f"{share:.1f} %",
            "holds": share >= _FULL_PCT if source in used else None,
        }
        for source, share in explained["coverage"].items()
    ]
    low, high = explained["interval"]
    found += [
        {
            "title": "All criteria met on the disc",
            "found": f"{sum(bool(m['holds']) for m in explained['margins'])} of "
            f"{len(explained['margins'])}",
            "holds": all(m["holds"] for m in explained["margins"]),
        },
        {
            "title": "Rank inside its interval",
            "found": f"{explained['rank']} in {low} to {high}",
            "holds": bool(low <= explained["rank"] <= high),
        },
        {
            "title": "Light of the year, exactly at the site, against the run's whole span",
            "found": f"{sky['illumination_pct']:.1f} % against "
            f"{_percent(explained['features'].get('avg_illumination_pct'))}",
            "holds": None,
        },
        {
            "title": "Earth contact of the year against the run's whole span",
            "found": f"{sky['earth_visibility_pct']:.1f} % against "
            f"{_percent(explained['features'].get('earth_visibility_pct'))}",
            "holds": None,
        },
        {
            "title": "Tables and elevation model against the checksums of the manifest",
            "found": "the same",
            "holds": True,
        },
    ]
    return found + [
        {"title": f"Scorer: {title[0].lower()}{title[1:]}", "found": value, "holds": None}
        for title, value in facts.validation(dict(content))
    ]


def citations(content: Mapping[str, Any]) -> list[str]:
    """Return what to cite for a run: LunarSite, and the published data among its inputs."""
    names = {str(record["name"]) for record in content.get("inputs", [])}
    stems = {name.rpartition(".")[0] for name in names}
    of_data = [
        f"{entry.citation} ({entry.title})"
        for entry in registry.ENTRIES
        if any(file.name in names or file.member in names for file in entry.files)
        or any(stem.startswith(f"{entry.name}_") for stem in stems if entry.windows)
    ]
    builtin = any(record["role"] == "builtin_far_field" for record in content.get("inputs", []))
    return list(dict.fromkeys([*_ALWAYS, *([_BUILTIN] if builtin else []), *of_data]))


def crater_rows(near: pd.DataFrame | None) -> list[dict[str, Any]] | None:
    """Return the craters nearby, None where the run has no catalogue."""
    if near is None:
        return None
    return [{str(name): item for name, item in row.items()} for row in near.to_dict("records")]


def rocks(explained: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what an image shows of rocks on the disc, None where there is no image."""
    found = {
        feature.name: explained["features"][feature.name]
        for feature in BY_NAME.values()
        if feature.source == "rocks"
    }
    return found if any(value is not None for value in found.values()) else None


def tables(document: Mapping[str, Any], along: Mapping[str, tuple[Float, Float]]) -> dict[str, str]:
    """Return the tables of a dossier as CSV, by the name of the file."""
    sky = document["skyline"]
    periods = [
        {"kind": kind} | span
        for kind, name in (("light", "sun_up"), ("earth", "earth_up"), ("both", "best_windows"))
        for span in sky[name]
    ]
    return {
        "contributions.csv": _csv(document["contributions"]),
        "margins.csv": _csv(document["margins"]),
        "calendar.csv": _csv(document["months"]),
        "periods.csv": _csv(periods),
        "skyline.csv": _csv(
            [
                {"azimuth_deg": a, "horizon_deg": h, "distance_m": d}
                for a, h, d in zip(
                    sky["azimuth_deg"], sky["horizon_deg"], sky["horizon_distance_m"], strict=True
                )
            ]
        ),
        "craters.csv": _csv(document["craters"] or []),
        "profiles.csv": _csv(
            [
                {"profile": name, "distance_m": float(at), "height_m": float(height)}
                for name, (distances, heights) in along.items()
                for at, height in zip(distances, heights, strict=True)
            ]
        ),
    }


def plain(value: Any) -> Any:
    """Return a value in types of JSON: floats of nine digits, None for NaN."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    target = io.StringIO()
    if rows:
        writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            clean = plain(dict(row))
            writer.writerow({key: "" if item is None else item for key, item in clean.items()})
    return target.getvalue()


def _within(
    spans: Sequence[Mapping[str, Any]], month: tuple[dt.datetime, dt.datetime]
) -> list[tuple[dt.datetime, dt.datetime]]:
    found = []
    for span in spans:
        begin = max(dt.datetime.fromisoformat(span["start"]), month[0])
        end = min(dt.datetime.fromisoformat(span["end"]), month[1])
        if begin < end:
            found.append((begin, end))
    return found


def _days(spans: Sequence[tuple[dt.datetime, dt.datetime]]) -> float:
    return sum((end - begin) / _DAY for begin, end in spans)


def _percent(value: float | None) -> str:
    return "nothing known" if value is None else f"{value:.1f} %"
