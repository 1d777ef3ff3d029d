"""Columns of the feature table: title, unit, source and monotonicity of each feature.

Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass

POSITION = (
    "cell_id",
    "row",
    "column",
    "lon_deg",
    "lat_deg",
    "x_m",
    "y_m",
    "cell_x_m",
    "cell_y_m",
    "landing_radius_m",
)
"""Position of a cell, and of the place in it whose features these are: the centre of its landing
disc, or of the cell where the radius is missing. Never an input of a model."""

CONTEXT = (
    "landable_pct",
    "landing_circle_m",
    "landable_areas",
    "cell_slope_mean_deg",
    "cell_roughness_mean_m",
    "cell_illumination_pct",
    "cell_earth_visibility_pct",
)
"""What surrounds the landing disc in its cell: the share of landable ground, the radius of the
largest circle of it, the number of separate areas, and means over the cell. Never an input of a
model."""

LANDING_PROFILE = "LANDING_PROFILE"
"""Metadata item of landing discs and of tables made from them: the criteria that chose them."""

LANDING_SHA256 = "LANDING_SHA256"
"""Metadata item of the light at landing discs: the checksum of the discs' suitability."""

LATTICE_DRAWS = tuple(f"lattice_draw_{number}" for number in range(1, 9))
"""Changes of the log-odds of a place when the borders of the cells fall elsewhere."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A physical feature of a cell.

    Parameters
    ----------
    name, title, unit : str
        Column name, short description and unit.
    source : str
        The layer from which it is computed.
    direction : int
        +1 if larger values can only be better for a landing, -1 if they can only be worse, 0 if
        neither is certain.
    """

    name: str
    title: str
    unit: str
    source: str
    direction: int = 0


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
    Feature("crater_count", "Number of craters", "", "craters"),
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
    Feature("crater_density_per_km2", "Craters within 5 km", "1/km²", "craters"),
    Feature("crater_rim_distance_m", "Distance to a crater's rim", "m", "craters"),
    Feature("crater_mean_depth_ratio", "Mean depth to diameter", "", "craters"),
    Feature("rock_coverage_pct", "Rock coverage", "%", "rocks", -1),
    Feature("large_rock_count", "Number of large rocks", "", "rocks", -1),
    Feature("segmentation_confidence", "Segmentation confidence", "", "rocks"),
    Feature("shadow_coverage_pct", "Shadow in the image", "%", "rock_image"),
)
"""All features in the order of the table."""

BY_NAME = {feature.name: feature for feature in FEATURES}

SEGMENTED = frozenset({"rock_coverage_pct", "large_rock_count"})
"""Features from a segmentation network, whose error depends on `CONFIDENCE`."""

CONFIDENCE = "segmentation_confidence"

KNOWN_OF_PLACES = frozenset(
    {
        "psr_distance_m",
        "psr_area_2km_km2",
        *(f.name for f in FEATURES if f.source in ("craters", "rocks", "rock_image")),
    }
)
"""Features that are not computed for every pixel, but for the place that is evaluated in a cell."""

OF_CELLS = {"darkest_month_pct": "darkest_month", "longest_night_days": "longest_night"}
"""Features whose layers have one value for each cell, with their sources."""

SHARES = frozenset({"psr_fraction", CONFIDENCE})
"""Features from 0 to 1, whose limits may be written in percent."""

SOURCES = tuple(dict.fromkeys(feature.source for feature in FEATURES))
"""Layers from which features are computed; each has a column ``coverage_<source>_pct``."""

SENSITIVITIES = ("illumination_sensitivity", "earth_sensitivity")
"""Percentage points per degree of horizon, for the error model."""

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
"""File name of each source in a folder of layers."""

DISC_LIGHT_FILES = {
    "darkest_month": "disc_darkest_month_pct.tif",
    "longest_night": "disc_longest_darkness_days.tif",
}
"""Files with the light at the best disc of each cell, in place of that at the cell's middle."""

LANDING_FILES = ("landing_suitability.tif", "landing_probability.tif")
"""Files of the landing discs in a folder of layers."""

USER_LAYERS = ("illumination", "earth_visibility", "psr", "elevation_error")
"""Layers that the user may provide instead of computed ones."""

IMAGERY = ("rocks", "rock_image")
"""Sources from imagery: the outputs of ``segment-terrain``, and an image."""

ROCK_FILES = ("classes.tif", "probabilities.tif")
"""Files that are read from the output folder of ``segment-terrain``."""


def coverage_column(source: str) -> str:
    """Return the name of the column with the coverage of a cell by a layer, percent."""
    return f"coverage_{source}_pct"


def table_columns() -> list[str]:
    """Return the columns of a complete feature table, except the geometry."""
    coverage = [coverage_column(source) for source in SOURCES]
    return sorted({*POSITION, *CONTEXT, "pixel_m", "cell_m", *BY_NAME, *coverage})
