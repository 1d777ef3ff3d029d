"""The contents of the site panel as text, for the clipboard. Standard library only."""

from __future__ import annotations

from typing import Any

from lunarsite.lunarsite_plugin.charts import calendar_model, formatting, site_model, sky_model


def explanation_text(explanation: dict[str, Any], skyline: dict[str, Any] | None = None) -> str:
    """Return the answers of the ``explain`` and ``skyline`` stages as plain text.

    Parameters
    ----------
    explanation : dict
        Result of ``explain``.
    skyline : dict or None
        Result of ``skyline``, if there is one.
    """
    parts = [
        ("", _headline(explanation)),
        ("Criteria", site_model.margins(explanation).text),
        ("Why", why_text(explanation)),
        ("Required changes", to_pass_text(explanation)),
        *(_sky_parts(skyline) if skyline else []),
        ("Data coverage", _coverage(explanation)),
        ("Notes", "\n".join(warnings(explanation, skyline))),
    ]
    return "\n\n".join(f"{title}\n{body}".strip() for title, body in parts if body) + "\n"


def place_line(explanation: dict[str, Any]) -> str:
    """Return the coordinates of the place, at which the skyline is computed."""
    place = explanation["place"]
    return formatting.place(place["lon_deg"], place["lat_deg"])


def cell_line(explanation: dict[str, Any]) -> str:
    """Return what score and criteria belong to, and the criteria profile."""
    cell, disc = explanation["cell"], explanation.get("disc")
    size = formatting.distance(cell["size_m"])
    if disc is not None:
        at = formatting.place(disc["lon_deg"], disc["lat_deg"])
        return (
            f"Score and criteria are of the best landing disc of the cell around it ({size} wide): "
            f"{formatting.distance(disc['radius_m'])} in radius at {at}{_landable(explanation)}; "
            f"criteria profile {explanation['profile']}{_measured(explanation)}"
        )
    centre = formatting.place(cell["lon_deg"], cell["lat_deg"])
    return (
        f"Score and criteria are of the cell around it, {size} wide, centred at {centre}; criteria "
        f"profile {explanation['profile']}{_measured(explanation)}"
    )


def _landable(explanation: dict[str, Any]) -> str:
    """Return how much of the cell is landable, if that is known."""
    share = explanation.get("surroundings", {}).get("landable_pct")
    return "" if share is None else f"; {share:.0f} % of the cell is landable"


def _measured(explanation: dict[str, Any]) -> str:
    """Return over which distance slopes and at which height light are meant, if that is known."""
    baseline, mast = explanation.get("slope_baseline_m"), explanation.get("mast_height_m")
    parts = [] if baseline is None else [f"slopes over {formatting.distance(baseline)}"]
    parts += [] if mast is None else [f"light {mast:g} m above the ground"]
    return "".join(f"; {part}" for part in parts)


def meaning_line(explanation: dict[str, Any]) -> str:
    """Return what the score is, and the probability beside it."""
    probability = explanation.get("probability")
    if probability is None:
        return MEANING
    return f"{MEANING}; probability {formatting.score(probability)} that all criteria are met"


def why_text(explanation: dict[str, Any]) -> str:
    """Return the contributions as text, or why there are none."""
    steps = site_model.waterfall(explanation)
    return steps.text if steps else NO_SCORE


def to_pass_text(explanation: dict[str, Any], bullet: str = "") -> str:
    """Return what it would take for the place to pass, one line each; bullets if several."""
    lines = [*site_model.changes(explanation), site_model.nearest_passing(explanation)]
    lines = [line for line in lines if line]
    return "\n".join(f"{bullet}{line}" for line in lines) if len(lines) > 1 else lines[0]


def warnings(*results: dict[str, Any] | None) -> list[str]:
    """Return the engine's warnings without duplicates."""
    found = [str(line) for result in results if result for line in result.get("warnings", [])]
    return list(dict.fromkeys(found))


MEANING = "suitability, 0 to 1"
NO_SCORE = "There is no score: the layer of at least one criterion has no data here."


def _headline(explanation: dict[str, Any]) -> str:
    rank = site_model.rank_line(explanation)
    return "\n".join(
        [
            place_line(explanation),
            cell_line(explanation),
            f"Score: {formatting.score(explanation['score'])} ({meaning_line(explanation)})",
            *([rank.text] if rank else []),
            site_model.margins(explanation).verdict,
        ]
    )


def _coverage(explanation: dict[str, Any]) -> str:
    layers = site_model.coverage(explanation)
    return "\n".join(
        [
            site_model.coverage_sentence(layers),
            *(f"{layer.title}: {layer.text}" for layer in layers),
        ]
    )


def _sky_parts(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Sun and Earth at the place", sky_model.figures(result).text),
        ("Skyline", sky_model.skyline(result).text),
        ("Calendar", calendar_model.calendar(result).text),
    ]
