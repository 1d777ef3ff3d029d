"""Map layers of hits, misses and new craters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from lunarsite.engine import moon
from lunarsite.engine.craters import circles
from lunarsite.engine.craters.evaluation import metrics

if TYPE_CHECKING:
    from lunarsite.engine.craters.evaluation.metrics import Comparison, Evaluation

_QUAD_SEGS = 18


def layers(comparison: Comparison, evaluation: Evaluation) -> dict[str, gpd.GeoDataFrame]:
    """Return points and circles with their ``kind``: hit, miss or new.

    Hits and new craters lie where they were detected, misses where they are catalogued. Ignored
    detections are left out.

    Parameters
    ----------
    comparison : Comparison
        Detections and catalogue.
    evaluation : Evaluation
        Outcome by the criterion to draw.

    Returns
    -------
    dict of str to GeoDataFrame
        ``craters`` (points) and ``circles`` (polygons) in the south polar projection.
    """
    partner = evaluation.partner
    counted = np.flatnonzero(evaluation.outcome != metrics.IGNORED)
    missed = np.setdiff1d(np.flatnonzero(comparison.targets), partner[partner >= 0])
    detected, missed_craters = comparison.found.kept(counted), comparison.known.kept(missed)
    hit = partner[counted] >= 0
    matched = comparison.known.kept(partner[counted])  # arbitrary where there is no partner
    each = np.arange(len(detected))
    iou = circles.iou(detected, matched, each, each)
    unknown = np.full(len(missed_craters), np.nan)
    frame = pd.DataFrame(
        {
            "kind": np.concatenate(
                [np.where(hit, "hit", "new"), np.full(len(missed_craters), "miss")]
            ),
            "x_m": np.concatenate([detected.x_m, missed_craters.x_m]),
            "y_m": np.concatenate([detected.y_m, missed_craters.y_m]),
            "diameter_m": np.concatenate([detected.diameter_m, missed_craters.diameter_m]),
            "depth_m": np.concatenate([detected.depth_m, missed_craters.depth_m]),
            "confidence": np.concatenate([detected.confidence, unknown]),
            "catalogue_diameter_m": np.concatenate(
                [np.where(hit, matched.diameter_m, np.nan), missed_craters.diameter_m]
            ),
            "catalogue_depth_m": np.concatenate(
                [np.where(hit, matched.depth_m, np.nan), missed_craters.depth_m]
            ),
            "iou": np.concatenate([np.where(hit, iou, np.nan), unknown]),
        }
    )
    lon, lat = moon.xy_to_lonlat(frame["x_m"], frame["y_m"])
    frame.insert(1, "lon_deg", lon)
    frame.insert(2, "lat_deg", lat)
    points = gpd.points_from_xy(frame["x_m"], frame["y_m"])
    craters = gpd.GeoDataFrame(frame, geometry=points, crs=moon.SOUTH_POLAR)
    radius = np.concatenate([detected.radius_m, missed_craters.radius_m])
    rings = shapely.buffer(craters.geometry.to_numpy(), radius, quad_segs=_QUAD_SEGS)
    return {"craters": craters, "circles": craters.set_geometry(rings)}
