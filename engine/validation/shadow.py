"""Permanent shadow: of the best cells, against catalogued areas, and against other instruments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lunarsite.engine import moon
from lunarsite.engine.validation import nulls
from lunarsite.engine.validation.checks import Check, Outcome, not_run, rounded, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.scoring.finished_run import Run
    from lunarsite.engine.validation.catalogued_shadow import CataloguedShadow
    from lunarsite.engine.validation.cells import ScoredCells

    Float = NDArray[np.float64]
    Float32 = NDArray[np.float32]

BEST = "shadow-of-best"
BEST_CLAIM = "No landing place among the best lies in permanent shadow."
AREAS = "shadow-areas"
AREAS_CLAIM = "Permanent shadow inside craters has the catalogued area."
CROSS = "shadow-and-image"
CROSS_CLAIM = "An image of another instrument is darker where permanent shadow is predicted."
_TOLERANCE = 0.05
_LEAST_KNOWN = 0.99
"""Share of the pixels of a crater that must be known: nodata is not lit ground."""
_SHIFTS = 500
_LEAST_SHIFT = 0.1
"""Least shift of the permutations, as a share of the side of the raster."""
_LEVEL = 0.05


def check_best(cells: ScoredCells, run: Run, files: tuple[str, ...]) -> Check:
    """Return the share of the best places with permanent shadow, and that of all places."""
    share = run.features["psr_fraction"].to_numpy(np.float64)[cells.index]
    known = np.isfinite(share)
    if not known.any():
        lacks = (
            "The run has no layer of permanent shadow: screen with --psr, or without the layers "
            "that replace the computed light."
        )
        return not_run(BEST, BEST_CLAIM, lacks)
    order = cells.order
    figures: dict[str, Any] = {
        "all_cells_pct": round(100.0 * float((share[known] > 0.0).mean()), 3),
        "best": {
            str(count): {
                "in_shadow": int((share[order[:count]] > 0.0).sum()),
                "unknown": int((~known[order[:count]]).sum()),
            }
            for count in cells.tops
        },
    }
    lit = [c for c in run.profile.criteria if _excludes_shadow(c.feature, c.sense, c.threshold)]
    held = sum(each["in_shadow"] for each in figures["best"].values())
    outcome = Outcome.BY_CONSTRUCTION if lit else Outcome.MEASURED
    if held:
        outcome = Outcome.FAILS
    elif not known[order[: max(cells.tops)]].any():
        return not_run(BEST, BEST_CLAIM, "Permanent shadow of the best places is unknown.")
    counts = ", ".join(
        f"{e['in_shadow']} of {int(count) - e['unknown']}" for count, e in figures["best"].items()
    )
    text = (
        f"{counts} of the best have permanent shadow on their disc, and "
        f"{figures['all_cells_pct']:.1f} % of all."
    )
    unknown = max(each["unknown"] for each in figures["best"].values())
    if unknown:
        text += f" Of {unknown} of the best it is unknown: they are not counted."
    if outcome is Outcome.BY_CONSTRUCTION:
        text += (
            f" The criterion {lit[0].title} asks for light, which a place in shadow lacks: this "
            "shows that ranking works, not that the shadow is right."
        )
    return Check(
        name=BEST,
        claim=BEST_CLAIM,
        outcome=outcome,
        finding=text,
        null="The share of all scored cells",
        figures=figures,
        files=files,
    )


def _excludes_shadow(feature: str, sense: str, threshold: float) -> bool:
    lit = feature in ("avg_illumination_pct", "illumination_min_pct", "darkest_month_pct")
    if feature == "psr_fraction":
        return sense == "at_most"
    return lit and sense == "at_least" and threshold > 0.0


def check_areas(
    shadow: Float32, grid: Grid, catalogue: CataloguedShadow, files: tuple[str, ...]
) -> Check:
    """Return predicted areas of permanent shadow inside craters against catalogued ones.

    Parameters
    ----------
    shadow : ndarray of float32, shape of the grid
        1 for permanent shadow, 0 for none, NaN for nodata.
    grid : Grid
        Its grid.
    catalogue : CataloguedShadow
        Craters with the areas of their permanent shadow.
    files : tuple of str
        Names of the files.
    """
    rows = []
    for name, x, y, radius, area in catalogue.rows():
        top, bottom = (
            (grid.y_max_m - y - radius) / grid.pixel_m,
            (grid.y_max_m - y + radius) / grid.pixel_m,
        )
        left, right = (
            (x - radius - grid.x_min_m) / grid.pixel_m,
            (x + radius - grid.x_min_m) / grid.pixel_m,
        )
        if top < 0 or left < 0 or bottom > grid.height or right > grid.width:
            continue
        window = np.s_[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))]
        row, column = np.mgrid[window]
        px = grid.x_min_m + (column + 0.5) * grid.pixel_m
        py = grid.y_max_m - (row + 0.5) * grid.pixel_m
        inside = np.hypot(px - x, py - y) <= radius
        values = shadow[window][inside]
        known = np.isfinite(values)
        if not known.any() or known.mean() < _LEAST_KNOWN:
            continue
        at = px[inside][known], py[inside][known]
        predicted = moon.area_km2(*at, grid.pixel_m, values[known])
        rows.append(
            {
                "crater": name,
                "catalogued_km2": round(area, 3),
                "predicted_km2": round(predicted, 3),
                "ratio": round(predicted / area, 4),
            }
        )
    if not rows:
        lacks = "No catalogued crater lies whole inside the layer of permanent shadow."
        return not_run(AREAS, AREAS_CLAIM, lacks)
    ratio = np.array([row["ratio"] for row in rows])
    median = float(np.median(ratio))
    within = abs(median - 1.0) <= _TOLERANCE
    return Check(
        name=AREAS,
        claim=AREAS_CLAIM,
        outcome=Outcome.HOLDS if within else Outcome.FAILS,
        finding=f"Of {len(rows)} craters, predicted areas are {ratio.min():.3f} to "
        f"{ratio.max():.3f} of the catalogued ones, median {median:.3f}, with "
        f"pixels of {grid.pixel_m:g} m. Finer pixels have more shadow: published areas depend on "
        "theirs.",
        null=f"Agreement within {100 * _TOLERANCE:g} % of the catalogue's area",
        figures={"pixel_m": grid.pixel_m, "median_ratio": round(median, 4), "craters": rows},
        files=files,
    )


def check_image(
    image: Float32,
    shadow: Float32,
    *,
    seed: int,
    pixel_m: float,
    files: tuple[str, ...],
    context: Context,
) -> Check:
    """Return whether an image is darker inside predicted shadow than shifted shadow would have it.

    The threshold of darkness is that with as many dark pixels as pixels are in shadow, so that base
    rates agree. The null: the shadow moved around the raster, which keeps its pattern.

    Parameters
    ----------
    image, shadow : ndarray of float32, shape (rows, columns)
        Brightness, and 1 for shadow and 0 for none, on one grid; NaN for nodata.
    seed : int
        Seed of the shifts.
    pixel_m : float
        Pixel size.
    files : tuple of str
        Names of the files.
    context : Context
        Progress and cancellation.
    """
    known = np.isfinite(image) & np.isfinite(shadow)
    if not known.any():
        lacks = (
            "The image shows nothing of the ground of the layer of permanent shadow, or holds no "
            "data there: give an image that overlaps it."
        )
        return not_run(CROSS, CROSS_CLAIM, lacks)
    shaded = known & (shadow > 0.5)
    base = float(shaded.mean(where=known))
    if not 0.0 < base < 1.0:
        where = "nowhere" if base == 0.0 else "everywhere"
        lacks = (
            f"Permanent shadow is {where} on the ground that the image shows: there is nothing to "
            "tell apart."
        )
        return not_run(CROSS, CROSS_CLAIM, lacks)
    dark = known & (image <= np.quantile(image[known], base))
    observed = _agreement(shaded, dark, known)
    rng = np.random.default_rng(seed)
    shifted = []
    for number in range(_SHIFTS):
        context.progress(number / _SHIFTS, "shifting the shadow")
        by = [
            int(rng.integers(int(_LEAST_SHIFT * side), max(int((1 - _LEAST_SHIFT) * side), 1) + 1))
            for side in image.shape
        ]
        moved, held = (np.roll(a, by, axis=(0, 1)) for a in (shaded, known))
        both = held & known
        if moved[both].any():
            shifted.append(_agreement(moved & both, dark & both, both))
    if not shifted:
        lacks = "Shadow that is shifted misses the image everywhere: give one of more ground."
        return not_run(CROSS, CROSS_CLAIM, lacks)
    null = np.array(shifted)
    p = nulls.p_value(observed[1], null[:, 1])
    low, high = nulls.interval(null[:, 1])
    figures = {
        "pixel_m": pixel_m,
        "pixels": int(known.sum()),
        "base_rate": round(base, 5),
        "agreement": round(observed[0], 5),
        "lift": round(observed[1], 4),
        "null_lift_interval": rounded(nulls.interval(null[:, 1])),
        "null_agreement_interval": rounded(nulls.interval(null[:, 0])),
        "shifts": len(null),
        "p": round(p, 5),
    }
    skill = p < _LEVEL
    text = (
        f"{100.0 * observed[0]:.1f} % of {int(known.sum()):,} pixels agree at a base rate of "
        f"{100.0 * base:.1f} %: lift {observed[1]:.2f}, where shifted shadow has {low:.2f} to "
        f"{high:.2f} (p {shown(p)})."
    )
    return Check(
        name=CROSS,
        claim=CROSS_CLAIM,
        outcome=Outcome.HOLDS if skill else Outcome.NO_SKILL,
        finding=text,
        null=f"The predicted shadow moved around the raster, {len(null)} times",
        figures=figures,
        files=files,
    )


def _agreement(
    shaded: NDArray[np.bool_], dark: NDArray[np.bool_], known: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the share of pixels that agree, and how much likelier shadow is where it is dark."""
    count = known.sum()
    agree = float(((shaded == dark) & known).sum() / count)
    base = shaded.sum() / count
    precision = (shaded & dark).sum() / max(dark.sum(), 1)
    return agree, float(precision / base)
