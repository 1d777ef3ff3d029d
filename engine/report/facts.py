"""Statements and tables of the report, from the tables of a run and its manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from lunarsite.engine.moon import area_km2
from lunarsite.engine.scoring.cell_scores import REASONS
from lunarsite.engine.scoring.features.columns import (
    BY_NAME,
    FEATURES,
    SOURCES,
    coverage_column,
)
from lunarsite.engine.scoring.features.feature_table import cell_grid
from lunarsite.engine.scoring.profiles import Profile

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

SHOWN_SITES = 20
SHOWN_IN_REGION = 5

SOURCE_TITLES = {
    "elevation": "Elevation",
    "slope": "Slope",
    "roughness": "Roughness",
    "elevation_error": "Elevation error",
    "craters": "Crater catalogue",
    "rocks": "Rock segmentation",
    "rock_image": "Shadow fraction in an image",
    "illumination": "Average illumination",
    "psr": "Permanent shadow",
    "earth_visibility": "Earth visibility",
    "darkest_month": "Illumination of the darkest month",
    "longest_night": "Longest continuous darkness",
    "relief": "Relief",
    "position_index": "Topographic position",
}

_VALIDATION = {
    "cells": ("Cells evaluated by spatial-block cross-validation", "d"),
    "passing_cells": ("Cells among them that meet all criteria", "d"),
    "folds": ("Folds", "d"),
    "block_m": ("Largest side of a block, m", ".0f"),
    "spearman_with_label": ("Rank correlation with the Monte Carlo suitability", ".4f"),
    "spearman_with_closed_form": ("Rank correlation with the closed form", ".4f"),
    "cells_above_a_tenth": ("Cells with a suitability above 0.1", "d"),
    "rmse_above_a_tenth": ("Root mean square error of the suitability there", ".4f"),
    "calibration_error": ("Calibration error of the suitability", ".4f"),
    "auc_of_strict_rule": ("Area under the ROC curve for meeting all criteria", ".4f"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Tables of a run from which the report is made; ``regions`` is None without regions."""

    features: pd.DataFrame
    scores: pd.DataFrame
    shap: pd.DataFrame
    sites: gpd.GeoDataFrame
    regions: gpd.GeoDataFrame | None


def headline(tables: Tables, content: dict[str, Any]) -> dict[str, Any]:
    """Return key figures of the run: area, cells, passing cells, the best site, the scorer."""
    features, scores = tables.features, tables.scores
    side = cell_grid(features).pixel_m
    x, y = (features[name].to_numpy(np.float64) for name in ("cell_x_m", "cell_y_m"))
    ground = features[coverage_column("elevation")].to_numpy(np.float64) / 100.0
    passes = scores["passes"].to_numpy(bool)
    scored = np.isfinite(scores["score"].to_numpy(np.float64))
    profile = Profile.from_dict(content["profile"])
    by_criterion = []
    for criterion in profile.criteria:
        margin = criterion.margin(features[criterion.feature])
        by_criterion.append(
            {
                "title": criterion_title(criterion.feature, criterion.sense, criterion.threshold),
                "share_pct": 100.0 * float(np.mean(margin[scored] >= 0.0)) if scored.any() else 0.0,
            }
        )
    return {
        "area_km2": area_km2(x, y, side, ground),
        "cell_m": side,
        "cells": len(features),
        "scored": int(scored.sum()),
        "unknown": int((~scored).sum()),
        "passing": int(passes.sum()),
        "passing_km2": area_km2(x[passes], y[passes], side, ground[passes]),
        "slope_baseline_m": 2.0 * float(features["pixel_m"].iloc[0]),
        "landing_radius_m": _landing_radius_m(features),
        "by_criterion": by_criterion,
        "sites": len(tables.sites),
        "passing_sites": int(tables.sites["passes"].sum()),
        "best": site_rows(tables.sites, profile, 1)[0],
        "scorer": content["scorer"],
        "base": float(special.expit(float(tables.shap["base_log_odds"].iloc[0]))),
    }


def _landing_radius_m(features: pd.DataFrame) -> float | None:
    """Return the radius of the landing discs, None if cells are evaluated."""
    radius_m = float(features["landing_radius_m"].iloc[0])
    return radius_m if np.isfinite(radius_m) else None


def site_rows(sites: pd.DataFrame, profile: Profile, limit: int) -> list[dict[str, Any]]:
    """Return the first sites of a list with their criteria and reasons, for the template."""
    rows = []
    for record in sites.head(limit).to_dict("records"):
        criteria = [
            {
                "title": BY_NAME[c.feature].title,
                "value": record[c.feature],
                "unit": unit(c.feature),
                "margin": float(c.margin(record[c.feature])),
                "holds": float(c.margin(record[c.feature])) >= 0.0,
            }
            for c in profile.criteria
        ]
        reasons = [
            {"title": record[f"reason_{k}"], "points": record[f"reason_{k}_points"]}
            for k in range(1, REASONS + 1)
            if f"reason_{k}" in record
        ]
        rows.append(record | {"criteria": criteria, "reasons": reasons})
    return rows


def region_tables(tables: Tables, profile: Profile) -> list[dict[str, Any]]:
    """Return the best sites of each region that has scored cells."""
    if tables.regions is None:
        return []
    return [
        {
            "label": f"R{number}",
            "name": str(name),
            "cells": int(part["cells_in_region"].iloc[0]),
            "count": len(part),
            "sites": site_rows(part, profile, SHOWN_IN_REGION),
        }
        for number, (name, part) in enumerate(tables.regions.groupby("region", sort=False), start=1)
    ]


def coverage(tables: Tables, profile: Profile) -> list[dict[str, Any]]:
    """Return the coverage of each layer, and whether a criterion uses it."""
    required = {BY_NAME[criterion.feature].source for criterion in profile.criteria}
    return [
        {
            "title": SOURCE_TITLES[source],
            "coverage_pct": float(tables.features[coverage_column(source)].mean()),
            "criterion": source in required,
            "features": sum(feature.source == source for feature in FEATURES),
        }
        for source in SOURCES
    ]


def missing(layers: list[dict[str, Any]]) -> list[str]:
    """Return the titles of the layers without any data."""
    return [layer["title"].lower() for layer in layers if layer["coverage_pct"] == 0.0]


def incomplete_horizons_pct(content: dict[str, Any]) -> float:
    """Return the percentage of pixels whose terrain ends before the required horizon distance."""
    result = content["steps"].get("lighting", {}).get("result", {})
    return float(result.get("touched_by_missing_terrain_pct", 0.0))


def validation(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the validation metrics of the scorer as titles and values."""
    metrics = content["scorer"]["validation"]
    return [
        (title, format(int(metrics[name]) if how == "d" else metrics[name], how))
        for name, (title, how) in _VALIDATION.items()
        if name in metrics
    ]


def criteria(profile: Profile) -> list[dict[str, Any]]:
    """Return the criteria as text."""
    return [
        {
            "title": criterion_title(c.feature, c.sense, c.threshold),
            "softness": c.softness,
            "unit": unit(c.feature),
        }
        for c in profile.criteria
    ]


def criterion_title(feature: str, sense: str, threshold: float) -> str:
    """Return a criterion as text: ``Slope, mean ≤ 5°``."""
    sign = "≤" if sense == "at_most" else "≥"
    return f"{BY_NAME[feature].title} {sign}\N{NO-BREAK SPACE}{threshold:g}{unit(feature)}"


def unit(feature: str) -> str:
    """Return the unit of a feature as written after a number."""
    symbol = BY_NAME[feature].unit
    if symbol == "deg":
        return "°"
    return f"\N{NO-BREAK SPACE}{symbol}" if symbol else ""


def parameters(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the parameters that are set, as text."""
    return [
        (name, ", ".join(map(str, value)) if isinstance(value, list) else str(value))
        for name, value in sorted(content["parameters"].items())
        if value is not None and value != []
    ]
