"""Terrain layers of an elevation model."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage

STAGE = Stage(
    name="terrain",
    title="Terrain layers",
    group="Terrain",
    summary="Slope, aspect, curvature, roughness, relief and position of an elevation model.",
    help=(
        "Reads the elevation model once, block by block, and writes nine layers as cloud-optimised "
        "GeoTIFFs. Lengths are corrected for the map's scale. Slope and aspect follow Horn, "
        "curvatures the best-fitting quadratic of 3 by 3 pixels; they need all nine heights. "
        "Windowed layers need at least half of their window's heights."
    ),
    parameters=(
        Parameter(
            name="dem",
            kind=Kind.RASTER,
            title="Elevation model",
            help="Heights above the lunar sphere, metres, on the south polar stereographic map.",
            required=True,
        ),
        Parameter(
            name="out",
            kind=Kind.FOLDER,
            title="Output folder",
            help="Where the layers go.",
            required=True,
            output=True,
        ),
        Parameter(
            name="roughness_windows_px",
            kind=Kind.TEXT,
            title="Roughness windows",
            help="Three odd window sides in pixels: fine, medium and coarse roughness.",
            default="3,9,27",
            unit="px",
        ),
        Parameter(
            name="relief_window_px",
            kind=Kind.INTEGER,
            title="Relief window",
            help="Odd side of the window whose highest less lowest height is the relief.",
            default=9,
            unit="px",
            minimum=3,
            maximum=255,
            advanced=True,
        ),
        Parameter(
            name="position_window_px",
            kind=Kind.INTEGER,
            title="Position window",
            help="Odd side of the window whose mean height the position index is measured from.",
            default=27,
            unit="px",
            minimum=3,
            maximum=255,
            advanced=True,
        ),
    ),
    outputs=(
        Output(
            name="slope_deg",
            kind=Kind.RASTER,
            title="Slope",
            help="Steepest descent, after Horn.",
            path="slope_deg.tif",
            unit="deg",
            style="slope_deg",
        ),
        Output(
            name="aspect_deg",
            kind=Kind.RASTER,
            title="Aspect",
            help="Downhill direction, clockwise from geographic north; nodata where flat.",
            path="aspect_deg.tif",
            unit="deg",
            style="aspect_deg",
        ),
        Output(
            name="profile_curvature_per_km",
            kind=Kind.RASTER,
            title="Profile curvature",
            help="Curvature of the normal section down the slope, positive where convex.",
            path="profile_curvature_per_km.tif",
            unit="1/km",
            style="curvature_per_km",
        ),
        Output(
            name="plan_curvature_per_km",
            kind=Kind.RASTER,
            title="Plan curvature",
            help="Curvature of the normal section along the contour, positive where convex.",
            path="plan_curvature_per_km.tif",
            unit="1/km",
            style="curvature_per_km",
        ),
        *(
            Output(
                name=f"roughness_{width}_m",
                kind=Kind.RASTER,
                title=f"Roughness, {width}",
                help="Standard deviation of the heights about the window's least-squares plane.",
                path=f"roughness_{width}_m.tif",
                unit="m",
                style="roughness_m",
            )
            for width in ("fine", "medium", "coarse")
        ),
        Output(
            name="relief_m",
            kind=Kind.RASTER,
            title="Relief",
            help="Highest less lowest height of the window.",
            path="relief_m.tif",
            unit="m",
            style="relief_m",
        ),
        Output(
            name="position_index_m",
            kind=Kind.RASTER,
            title="Topographic position",
            help="Height above the mean of the window: ridges positive, hollows negative.",
            path="position_index_m.tif",
            unit="m",
            style="position_index_m",
        ),
    ),
    tags=("slope", "aspect", "curvature", "roughness", "relief", "position index"),
)
