"""Candidate regions: whether the best cells lie in them more often than at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio.features
import shapely

from lunarsite.engine.validation import nulls
from lunarsite.engine.validation.checks import Check, Outcome, rounded, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import geopandas as gpd
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.io.grid import Grid
    from lunarsite.engine.validation.cells import ScoredCells

    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

NAME = "candidate-regions"
CLAIM = "The best cells lie in the candidate regions more often than expected at random."
NAME_NEAR = "candidate-regions-near-the-pole"
CLAIM_NEAR = (
    "Of the cells no farther from the pole than the candidate regions, the best lie in them more "
    "often than expected at random."
)
_CURVE = 40
_BLOCK_M = 20_000.0
_LEVEL = 0.05
_EXPECTED_LEAST = 5.0
"""Cells expected inside without skill, below which a lift is not worth quoting for a region."""
_OF_REGION = ("best_cells", "lift", "matched_lift_interval", "p_matched", "too_small")
"""Figures that a region without cells lacks; the columns of the table are those of its first."""


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Regions on the grid of the cells.

    Parameters
    ----------
    names : tuple of str
        Names.
    shapes : tuple of Geometry
        One polygon or multipolygon each, on the south polar map.
    """

    names: tuple[str, ...]
    shapes: tuple[shapely.Geometry, ...]

    @classmethod
    def of(cls, frame: gpd.GeoDataFrame) -> Regions:
        """Return the regions of a layer; polygons of one name are one region."""
        joined = frame.dissolve("name", sort=False, as_index=False)
        return cls(tuple(joined["name"]), tuple(joined.geometry))

    def labels(self, grid: Grid, rotated_deg: float = 0.0) -> NDArray[np.int32]:
        """Return the number of the region around the centre of each cell, -1 for none.

        Parameters
        ----------
        grid : Grid
            The cells.
        rotated_deg : float
            Angle by which the regions are rotated about the pole.
        """
        angle = np.radians(rotated_deg)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        shapes = (
            self.shapes
            if rotated_deg == 0.0
            else [shapely.transform(shape, lambda xy: xy @ turn) for shape in self.shapes]
        )
        burnt = rasterio.features.rasterize(
            zip(shapes, range(1, len(self.shapes) + 1), strict=True),
            out_shape=(grid.height, grid.width),
            transform=grid.transform,
            fill=0,
            dtype="int32",
        )
        return np.asarray(burnt - 1, np.int32)

    def rotated(self, cells: ScoredCells, rotations: int) -> Iterator[NDArray[np.int32]]:
        """Yield the numbers of the regions around cells, with the regions rotated in equal steps.

        Parameters
        ----------
        cells : ScoredCells
            The cells.
        rotations : int
            Number of rotations; the full turn, which is the regions themselves, is left out.
        """
        for number in range(1, rotations + 1):
            label = self.labels(cells.grid, 360.0 * number / (rotations + 1))
            yield label[cells.row, cells.column]

    def reach_m(self) -> float:
        """Return the distance of the farthest corner of the regions from the pole, map metres."""
        corners = np.concatenate([shapely.get_coordinates(shape) for shape in self.shapes])
        return float(np.hypot(*corners.T).max())


def check_near(cells: ScoredCells, regions: Regions, **options: Any) -> Check | None:
    """Return the check on the cells no farther from the pole than the regions; None if all are.

    Regions are chosen near the pole. Ground farther away, where more light and gentler slopes are,
    says what criteria ask for, not whether the ranking finds what the regions were chosen for.
    """
    near = np.hypot(cells.x_m, cells.y_m) <= regions.reach_m()
    if near.all():
        return None
    return check(cells.kept(near), regions, name=NAME_NEAR, claim=CLAIM_NEAR, **options)


def check(
    cells: ScoredCells,
    regions: Regions,
    *,
    rotations: int,
    seed: int,
    files: tuple[str, ...],
    context: Context,
    rotated: Sequence[NDArray[np.int32]] | None = None,
    name: str = NAME,
    claim: str = CLAIM,
) -> Check:
    """Return whether the best cells lie in the regions more often than at random.

    Two nulls. The regions are rotated about the pole, in equal steps: that keeps the latitude and
    the shape of both, but not how ridges cluster. And as many random cells of like latitude and
    slope are drawn as are best: that keeps the ground, but not how the best cells cluster.

    Parameters
    ----------
    cells : ScoredCells
        The cells of the run.
    regions : Regions
        The regions.
    rotations : int
        Number of rotations, and of random draws.
    seed : int
        Seed of the draws.
    files : tuple of str
        Names of the files.
    context : Context
        Progress and cancellation.
    rotated : sequence of ndarray of int32, optional
        What `Regions.rotated` yields, where it is known: it is the same for every score.
    name, claim : str, optional
        Name and claim of the check.
    """
    own = regions.labels(cells.grid)[cells.row, cells.column].astype(np.int64)
    inside = own >= 0
    if not inside.any():
        return Check(
            name=name,
            claim=claim,
            outcome=Outcome.NOT_RUN,
            finding="The centre of no scored cell lies in a region: give regions that overlap the "
            f"run, and are larger than its cells of {cells.grid.pixel_m:g} m.",
            files=files,
        )
    tops = cells.tops
    curve = _curve_of(len(cells), max(tops))
    order = cells.order[: max(*tops, int(curve[-1]))]
    turned = regions.rotated(cells, rotations) if rotated is None else rotated
    null = _Rotated.of(turned, order, curve, tops, rotations, context)
    rng = np.random.default_rng(seed)
    cell_class = nulls.classes(cells.latitude_deg, cells.slope_deg)
    found = {}
    for count in tops:
        context.check()
        matched = nulls.matched_counts(own, order[:count], cell_class, rotations, rng)
        found[str(count)] = _one_top(cells, own, order[:count], null, matched, rng)
    observed = np.cumsum(inside[order])[curve - 1]
    band = null.band()
    figures: dict[str, Any] = {
        "scored_cells": len(cells),
        "scored_cells_inside": int(inside.sum()),
        "rotations": rotations,
        "rotations_on_the_cells": int(np.isfinite(null.lift[:, 0]).sum()),
        "regions": len(set(own[inside].tolist())),
        "tops": found,
        "by_region": _by_region(cells, regions, own, order[: tops[-1]], cell_class, rotations, rng),
        "curve": {
            "cells": curve.tolist(),
            "lift": rounded(observed / curve / inside.mean()),
            "rotated_low": rounded(band[0]),
            "rotated_middle": rounded(band[1]),
            "rotated_high": rounded(band[2]),
        },
    }
    return Check(
        name=name,
        claim=claim,
        outcome=_outcome(found),
        finding=_finding(found, figures, len(cells)),
        null=f"The regions rotated about the pole {rotations} times; as many random cells of like "
        f"latitude and slope, {rotations} times",
        figures=figures,
        files=files,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Rotated:
    """Statistics under rotated regions; NaN where they miss the cells."""

    lift: Float
    hit: Int
    curve: Float

    @classmethod
    def of(
        cls,
        turned: Iterable[NDArray[np.int32]],
        order: Int,
        curve: Int,
        tops: tuple[int, ...],
        rotations: int,
        context: Context,
    ) -> _Rotated:
        lift = np.full((rotations, len(tops)), np.nan)
        hit = np.zeros((rotations, len(tops)), np.int64)
        curves = np.full((rotations, curve.size), np.nan)
        best = np.array(tops)
        for number, label in enumerate(turned):
            if number % 20 == 0:
                context.progress(number / rotations, "rotating the regions")
            share = float((label >= 0).mean())
            if share == 0.0:
                continue
            among = label[order]
            counts = np.cumsum(among >= 0)
            lift[number] = counts[best - 1] / best / share
            hit[number] = [np.unique(among[:count][among[:count] >= 0]).size for count in tops]
            curves[number] = counts[curve - 1] / curve / share
        return cls(lift, hit, curves)

    def band(self) -> Float:
        """Return lower end, median and upper end of the curves; NaN if no rotation has one."""
        met = self.curve[np.isfinite(self.lift[:, 0])]
        if not len(met):
            return np.full((3, self.curve.shape[1]), np.nan)
        low, high = nulls.INTERVAL
        return np.asarray(np.percentile(met, (low, 50.0, high), axis=0))


def _curve_of(cells: int, at_least: int) -> Int:
    last = min(cells, max(10 * at_least, cells // 10))
    return np.unique(np.geomspace(min(10, last), last, _CURVE).round().astype(np.int64))


def _one_top(
    cells: ScoredCells,
    own: Int,
    best: Int,
    rotated: _Rotated,
    matched: Int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return the figures of one number of best cells."""
    inside = own >= 0
    base = float(inside.mean())
    count, held = best.size, int(inside[best].sum())
    lift = held / count / base
    hit = np.unique(own[best][inside[best]]).size
    column = cells.tops.index(count)
    matched_lift = matched.sum(axis=1) / count / base
    # Rotations that miss the cells hit no region of theirs: they say nothing of the ranking.
    hits = rotated.hit[np.isfinite(rotated.lift[:, column]), column]
    is_best = np.zeros(len(cells), bool)
    is_best[best] = True
    terms = np.stack([inside & is_best, is_best, inside, np.ones(len(cells))]).astype(np.float64)
    resampled = nulls.block_bootstrap(terms, cells.block(_BLOCK_M), _lift_of_sums, 1000, rng)
    return {
        "cells": count,
        "inside": held,
        "lift": round(lift, 3),
        "lift_interval": rounded(nulls.interval(resampled)),
        "regions_hit": int(hit),
        "rotated": {
            "lift_interval": rounded(nulls.interval(rotated.lift[:, column])),
            "p": round(nulls.p_value(lift, rotated.lift[:, column]), 5),
            "regions_hit_median": rounded([np.median(hits)])[0] if hits.size else None,
            "p_regions_hit": round(nulls.p_value(hit, hits), 5),
        },
        "matched": {
            "lift_interval": rounded(nulls.interval(matched_lift)),
            "p": round(nulls.p_value(lift, matched_lift), 5),
        },
    }


def _lift_of_sums(sums: Float) -> Float:
    held, best, inside, total = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((held / best) / (inside / total))


def _by_region(
    cells: ScoredCells,
    regions: Regions,
    own: Int,
    best: Int,
    cell_class: Int,
    draws: int,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Return the lift of each region at one number of best cells."""
    drawn = nulls.matched_counts(own, best, cell_class, draws, rng)
    total = np.bincount(own + 1, minlength=len(regions.names) + 1)[1:]
    held = np.bincount(own[best] + 1, minlength=len(regions.names) + 1)[1:]
    rows = []
    for number, name in enumerate(regions.names):
        if total[number] == 0:
            rows.append({"region": name, "cells": 0} | dict.fromkeys(_OF_REGION))
            continue
        expected = best.size * total[number] / len(cells)
        null = drawn[:, number] if number < drawn.shape[1] else np.zeros(draws, np.int64)
        rows.append(
            {
                "region": name,
                "cells": int(total[number]),
                "best_cells": int(held[number]),
                "lift": round(float(held[number] / expected), 3),
                "matched_lift_interval": rounded(np.array(nulls.interval(null)) / expected),
                "p_matched": round(nulls.p_value(float(held[number]), null), 5),
                "too_small": bool(expected < _EXPECTED_LEAST),
            }
        )
    return rows


def _outcome(found: dict[str, Any]) -> Outcome:
    """Return whether both nulls are excluded at every number of best cells, or at none."""
    excluded = [
        each["rotated"]["p"] < _LEVEL and each["matched"]["p"] < _LEVEL for each in found.values()
    ]
    if all(excluded):
        return Outcome.HOLDS
    return Outcome.NO_SKILL if not any(excluded) else Outcome.MEASURED


def _finding(found: dict[str, Any], figures: dict[str, Any], scored: int) -> str:
    base = figures["scored_cells_inside"] / scored

    def by_chance(each: dict[str, Any], null: str) -> str:
        low, high = (
            "?" if lift is None else f"{lift * each['cells'] * base:.0f}"
            for lift in each[null]["lift_interval"]
        )
        return f"{low} to {high}, p {shown(each[null]['p'])}"

    parts = [
        f"of the best {count}, {each['inside']} are inside, in {each['regions_hit']} of "
        f"{figures['regions']} regions: lift {each['lift']:.2f} over all ground (with rotated "
        f"regions {by_chance(each, 'rotated')}; of like latitude and slope "
        f"{by_chance(each, 'matched')})"
        for count, each in found.items()
    ]
    text = f"{100.0 * base:.1f} % of the scored cells are inside; " + "; ".join(parts)
    if figures["rotations_on_the_cells"] < figures["rotations"]:
        text += (
            f". Only {figures['rotations_on_the_cells']} of {figures['rotations']} rotations meet "
            "scored cells: the run is a part of the cap, and that null is weak"
        )
    return text + "."
