"""The cells of a run, packed for the report: its map answers a click without any server."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine.scoring.features.columns import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from lunarsite.engine.report.maps import MapFrame
    from lunarsite.engine.scoring.finished_run import Run

_BITS = 14
"""Bits of the fraction of a number that are kept: a relative error of 3e-5."""
_BITS_OF_REASONS = 13
"""The same of contributions, which are shown in tenths of a hundredth: 6e-5."""
_LEVEL = 9


def packed(run: Run) -> tuple[dict[str, Any], str]:
    """Return what describes the packed cells, and the cells in Base64.

    Columns follow one another, each with the bytes of one significance together, which compresses
    them to half; the whole is deflated.

    Parameters
    ----------
    run : Run
        Tables of the run.

    Returns
    -------
    about : dict
        Grid, criteria, features, and name and type of each column, in their order.
    data : str
        Base64 of a zlib stream.
    """
    grid = run.grid
    row, column = (run.features[name].to_numpy(np.int64) for name in ("row", "column"))
    place = row * grid.width + column
    order = np.argsort(place, kind="stable")
    features, scores, place = run.features.iloc[order], run.scores.iloc[order], place[order]
    columns = list(_columns(run, features, scores, order, place))
    packed_columns = b"".join(_planes(values) for _, values in columns)
    about = {
        "cells": len(features),
        "scored": run.scored,
        "width": grid.width,
        "height": grid.height,
        "cell_m": grid.pixel_m,
        "x_min_m": grid.x_min_m,
        "y_max_m": grid.y_max_m,
        "base_log_odds": run.base_log_odds,
        "criteria": [
            {
                "title": BY_NAME[c.feature].title,
                "unit": c.unit,
                "sense": c.sense,
                "limit": c.threshold,
            }
            for c in run.profile.criteria
        ],
        "features": [BY_NAME[name].title for name in run.inputs],
        "columns": [[name, values.dtype.name] for name, values in columns],
    }
    return about, base64.b64encode(zlib.compress(packed_columns, _LEVEL)).decode("ascii")


def on_picture(picture: Figure, frame: MapFrame) -> dict[str, float]:
    """Return where the map lies in a picture, as shares of its size, and its edges in metres."""
    box = picture.axes[0].get_position()
    west, east, south, north = frame.extent
    return {
        "left": box.x0,
        "top": 1.0 - box.y1,
        "width": box.width,
        "height": box.height,
        "west": west,
        "east": east,
        "south": south,
        "north": north,
    }


def _columns(
    run: Run, features: Any, scores: Any, order: NDArray[np.int64], place: NDArray[np.int64]
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield name and values of each column."""
    steps = np.diff(place, prepend=0)
    yield "step", steps.astype(np.uint32)
    yield "log_odds", _rounded(scores["log_odds"].to_numpy(np.float32), _BITS)
    yield "probability", _rounded(scores["probability"].to_numpy(np.float32), _BITS)
    rank = np.nan_to_num(scores["rank"].to_numpy(np.float64)).astype(np.uint32)
    yield "rank", rank
    for name, sign in (("rank_low", -1), ("rank_high", 1)):
        ends = np.nan_to_num(scores[name].to_numpy(np.float64)).astype(np.int64)
        yield name, (sign * (ends - rank)).astype(np.int32)
    for name, centre in (("x_m", "cell_x_m"), ("y_m", "cell_y_m")):
        off = features[name].to_numpy(np.float64) - features[centre].to_numpy(np.float64)
        yield f"off_{name}", np.round(off).astype(np.int32)
    holds = np.zeros(len(features), np.uint32)
    for number, criterion in enumerate(run.profile.criteria):
        values = features[criterion.feature].to_numpy(np.float64)
        with np.errstate(invalid="ignore"):
            # A rounded value may seem to be on the other side of its limit: this decides.
            holds |= (criterion.margin(values) >= 0.0).astype(np.uint32) << np.uint32(number)
        yield f"value_{number}", _rounded(values.astype(np.float32), _BITS)
    yield "holds", holds
    for number in range(len(run.inputs)):
        reasons = run.shap[order, number].astype(np.float32)
        yield f"reason_{number}", _rounded(reasons, _BITS_OF_REASONS)


def _rounded(values: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    """Return numbers with fewer bits, rounded to the nearest; NaN stays."""
    dropped = 23 - bits
    whole = np.ascontiguousarray(values).view(np.uint32)
    half = np.uint32(1 << (dropped - 1))
    mask = np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    shortened = ((whole + half) & mask).view(np.float32)
    return np.where(np.isfinite(values), shortened, np.float32(np.nan)).astype(np.float32)


def _planes(values: NDArray[Any]) -> bytes:
    """Return the bytes of numbers, little-endian, those of one significance together."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return little.view(np.uint8).reshape(-1, values.dtype.itemsize).T.tobytes()
