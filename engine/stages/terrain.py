"""Stage ``terrain``: terrain attributes of an elevation model."""

from __future__ import annotations

from lunarsite.engine.contract import Kind, Output, Parameter, Stage
from lunarsite.engine.stages._shared import AOI, DEM

STAGE = Stage(
    name="terrain",
    title="Terrain layers",
    group="Terrain",
    summary="Compute slope, aspect, curvature, roughness, relief and topographic position.",
    help="The elevation model is read once, block by block, and nine layers are written as "
    "cloud-optimised GeoTIFFs. Lengths are corrected for the scale of the map projection. Slope "
    "and aspect follow Horn (1981), and curvatures the best-fitting quadratic surface over 3 by 3 "
    "pixels; these need all nine heights. Layers computed in larger windows need at least half of "
    "the heights in their window.",
    parameters=(
        DEM,
        AOI,
        Parameter(
            name="out",
            kind=Kind.FOLDER,
            title="Output folder",
            help="Folder for the layers; created if it does not exist.",
            required=True,
            output=True,
        ),
        Parameter(
            name="roughness_windows_px",
            kind=Kind.TEXT,
            title="Roughness windows",
            help="Three odd window sizes in pixels, for fine, medium and coarse roughness.",
            default="3,9,27",
            unit="px",
        ),
        Parameter(
            name="relief_window_px",
            kind=Kind.INTEGER,
            title="Relief window",
            help="Odd size of the window in which the lowest height is subtracted from the "
            "highest.",
            default=9,
            unit="px",
            minimum=3,
            maximum=255,
            advanced=True,
        ),
        Parameter(
            name="position_window_px",
            kind=Kind.INTEGER,
            title="Topographic position window",
            help="Odd size of the window whose mean height is subtracted from the height of its "
            "central pixel.",
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
            help="Angle of steepest descent, after Horn (1981).",
            path="slope_deg.tif",
            unit="deg",
            style="slope_deg",
        ),
        Output(
            name="aspect_deg",
            kind=Kind.RASTER,
            title="Aspect",
            help="Downslope direction, clockwise from geographic north; nodata on flat ground.",
            path="aspect_deg.tif",
            unit="deg",
            style="aspect_deg",
        ),
        Output(
            name="profile_curvature_per_km",
            kind=Kind.RASTER,
            title="Profile curvature",
            help="Curvature of the normal section along the steepest descent, positive where "
            "convex.",
            path="profile_curvature_per_km.tif",
            unit="1/km",
            style="curvature_per_km",
        ),
        Output(
            name="plan_curvature_per_km",
            kind=Kind.RASTER,
            title="Plan curvature",
            help="Curvature of the normal section along the contour line, positive where convex.",
            path="plan_curvature_per_km.tif",
            unit="1/km",
            style="curvature_per_km",
        ),
        *(
            Output(
                name=f"roughness_{width}_m",
                kind=Kind.RASTER,
                title=f"Roughness, {width}",
                help="Standard deviation of the heights about the window's least-squares plane, "
                "with the n - 3 degrees of freedom of n heights.",
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
            help="Highest minus lowest height in the window.",
            path="relief_m.tif",
            unit="m",
            style="relief_m",
        ),
        Output(
            name="position_index_m",
            kind=Kind.RASTER,
            title="Topographic position",
            help="Height above the mean of the window: positive on ridges, negative in hollows.",
            path="position_index_m.tif",
            unit="m",
            style="position_index_m",
        ),
    ),
    estimates=True,
    tags=("slope", "aspect", "curvature", "roughness", "relief", "position index"),
)
