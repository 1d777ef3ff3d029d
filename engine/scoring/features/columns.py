"""The feature table's columns: what each means, its unit, and which way it may move a score.

Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass

POSITION = ("cell_id", "row", "column", "lon_deg", "lat_deg", "x_m", "y_m")
"""Where a cell is. Never fed to a model."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A physical feature of a cell.

    ``source`` names the layer it comes from; ``direction`` is +1 where more can only be better
    for a landing, -1 where it can only be worse, 0 where neither is certain. A feature that is
    learned ``if_asked`` is an input only of scorers whose criteria name it.
    """

    name: str
    title: str
    unit: str
    source: str
    direction: int = 0
    if_asked: bool = False


def _statistics(stem: str, title: str, unit: str, direction: int = 0) -> tuple[Feature, ...]:
    suffix = f"_{unit}"
    return tuple(
        Feature(f"{stem}_{statistic}{suffix}", f"{title}, {words}", unit, stem, way)
        for statistic, words, way in (
            ("mean", "mean", direction),
            ("std", "standard deviation", 0),
            ("min", "least", direction),
            ("max", "greatest", direction),
        )
    )


FEATURES: tuple[Feature, ...] = (
    *_statistics("elevation", "Elevation", "m"),
    *_statistics("slope", "Slope", "deg", -1),
    *_statistics("roughness", "Roughness", "m", -1),
    *_statistics("elevation_error", "Elevation error", "m"),
    Feature("crater_count", "Craters in the cell", "", "craters"),
    Feature("crater_coverage_pct", "Ground inside craters", "%", "craters"),
    Feature("crater_mean_diameter_m", "Mean crater diameter", "m", "craters"),
    Feature("crater_max_diameter_m", "Largest crater diameter", "m", "craters"),
    Feature("avg_illumination_pct", "Average illumination", "%", "illumination", 1),
    Feature("psr_fraction", "Share in permanent shadow", "", "psr", -1),
    Feature("illumination_min_pct", "Darkest pixel's average illumination", "%", "illumination", 1),
    Feature("earth_visibility_pct", "Earth visibility", "%", "earth_visibility", 1),
    Feature("darkest_month_pct", "Illumination of the darkest month", "%", "darkest_month", 1),
    Feature("longest_night_days", "Longest darkness", "days", "longest_night", -1),
    Feature("psr_distance_m", "Distance to permanent shadow", "m", "psr"),
    Feature("psr_area_2km_km2", "Permanent shadow within a 2 km walk", "km²", "psr"),
    Feature("clearance_5deg_m", "Distance from slopes over 5°", "m", "slope", 1),
    Feature("clearance_8deg_m", "Distance from slopes over 8°", "m", "slope", 1),
    Feature("relief_mean_m", "Relief", "m", "relief"),
    Feature("position_index_mean_m", "Topographic position", "m", "position_index"),
    Feature("crater_density_per_km2", "Craters within 5 km", "1/km²", "craters", if_asked=True),
    Feature("crater_rim_distance_m", "Distance to a crater's rim", "m", "craters", if_asked=True),
    Feature("crater_mean_depth_ratio", "Mean depth to diameter", "", "craters", if_asked=True),
    Feature("rock_coverage_pct", "Rock coverage", "%", "rocks", -1, if_asked=True),
    Feature("large_rock_count", "Large rocks in the cell", "", "rocks", -1, if_asked=True),
    Feature("segmentation_confidence", "Segmentation confidence", "", "rocks", if_asked=True),
    Feature("shadow_coverage_pct", "Shadow in the image", "%", "rock_image", if_asked=True),
)
"""All features in the table's order: the 24 of the original table, then those added."""

BY_NAME = {feature.name: feature for feature in FEATURES}

SEGMENTED = frozenset({"rock_coverage_pct", "large_rock_count"})
"""What a network sees in an image: worth as much as it is sure, by `CONFIDENCE`."""

CONFIDENCE = "segmentation_confidence"

SOURCES = tuple(dict.fromkeys(feature.source for feature in FEATURES))
"""The layers features come from; each has a column ``coverage_<source>_pct``."""

SENSITIVITIES = ("illumination_sensitivity", "earth_sensitivity")
"""Points per degree of horizon: what the error model needs beside the features."""


LAYER_FILES = {
    "slope": "slope_deg.tif",
    "roughness": "roughness_fine_m.tif",
    "relief": "relief_m.tif",
    "position_index": "position_index_m.tif",
    "illumination": "illumination_pct.tif",
    "earth_visibility": "earth_visibility_pct.tif",
    "psr": "psr.tif",
    "darkest_month": "illumination_darkest_month_pct.tif",
    "longest_night": "longest_night_days.tif",
    "illumination_sensitivity": "illumination_sensitivity.tif",
    "earth_sensitivity": "earth_sensitivity.tif",
}
"""Where the features stage finds each source in a folder of layers."""

GIVEN = ("illumination", "earth_visibility", "psr", "elevation_error")
"""Layers that may be given instead of computed ones."""


IMAGERY = ("rocks", "rock_image")
"""Sources that come from images: the outputs of ``segment-terrain``, and an image."""

ROCK_FILES = ("classes.tif", "probabilities.tif")
"""What is read of a folder that ``segment-terrain`` wrote."""


def coverage_column(source: str) -> str:
    """Return the name of the column that says how much of a cell a layer covers, percent."""
    return f"coverage_{source}_pct"


def wanted() -> list[str]:
    """Return the columns of a whole feature table, but for the cells' outlines."""
    covers = [coverage_column(source) for source in SOURCES]
    return sorted({*POSITION, "pixel_m", *BY_NAME, *covers})
