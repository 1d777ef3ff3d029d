"""One place in words: what the panel shows, for the clipboard. Standard library only."""

from __future__ import annotations

from typing import Any

from lunarsite.lunarsite_plugin.charts import calendar_model, site_model, sky_model, words


def explanation_text(explanation: dict[str, Any], skyline: dict[str, Any] | None = None) -> str:
    """Return the answers of the ``explain`` and ``skyline`` stages as plain text.

    Parameters
    ----------
    explanation : dict
        Result of ``explain``.
    skyline : dict or None
        Result of ``skyline``, where there is one.
    """
    parts = [
        ("", _headline(explanation)),
        ("Criteria", site_model.margins(explanation).text),
        ("Why", why_text(explanation)),
        ("To make it pass", way_text(explanation)),
        *(_sky_parts(skyline) if skyline else []),
        ("Data coverage", _coverage(explanation)),
        ("Notes", "\n".join(warnings(explanation, skyline))),
    ]
    return "\n\n".join(f"{title}\n{body}".strip() for title, body in parts if body) + "\n"


def place_line(explanation: dict[str, Any]) -> str:
    """Return where the cell is."""
    cell = explanation["cell"]
    return words.place(cell["lon_deg"], cell["lat_deg"])


def cell_line(explanation: dict[str, Any]) -> str:
    """Return of what cell the place is the centre, and what it is measured by."""
    size = words.distance(explanation["cell"]["size_m"])
    return f"Centre of the cell, {size} across; criteria profile {explanation['profile']}"


def why_text(explanation: dict[str, Any]) -> str:
    """Return the contributions in words, or why there are none."""
    steps = site_model.waterfall(explanation)
    return steps.text if steps else NO_SCORE


def way_text(explanation: dict[str, Any], bullet: str = "") -> str:
    """Return what would make the place pass, a line each; several get bullets."""
    lines = [*site_model.changes(explanation), site_model.nearest_passing(explanation)]
    said = [line for line in lines if line]
    return "\n".join(f"{bullet}{line}" for line in said) if len(said) > 1 else said[0]


def warnings(*results: dict[str, Any] | None) -> list[str]:
    """Return what the engine wants the user to know, each once."""
    found = [str(line) for result in results if result for line in result.get("warnings", [])]
    return list(dict.fromkeys(found))


NO_SCORE = "There is no score: the layer of a criterion is not known here."


def _headline(explanation: dict[str, Any]) -> str:
    rank = site_model.rank_line(explanation)
    return "\n".join(
        [
            place_line(explanation),
            cell_line(explanation),
            f"Score: {words.score(explanation['score'])}, 0 to 1",
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
        ("Light and Earth contact", sky_model.figures(result).text),
        ("Skyline", sky_model.skyline(result).text),
        ("Calendar", calendar_model.calendar(result).text),
    ]
