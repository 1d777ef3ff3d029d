"""Sites that others have published: how the run ranks them, and whether it finds them itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from scipy.spatial import cKDTree

from lunarsite.engine import moon
from lunarsite.engine.scoring import ranking
from lunarsite.engine.validation import nulls
from lunarsite.engine.validation.checks import Check, Outcome, not_run, rounded, shown

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from lunarsite.engine.context import Context
    from lunarsite.engine.scoring.finished_run import Run
    from lunarsite.engine.validation.cells import ScoredCells
    from lunarsite.engine.validation.regions import Regions

    Float = NDArray[np.float64]
    Int = NDArray[np.int64]

RANKED = "published-sites"
RANKED_CLAIM = "Sites that others have published rank high."
FOUND = "sites-in-regions"
FOUND_CLAIM = "The best sites inside each region are those that others have published."
WITHIN_M = 5_000.0
"""Distance at which a site counts as found, metres on the ground."""
SPACING_M = 2_000.0
"""Least distance between the sites of a region, metres on the ground."""
_MOST_SITES = 10
_LEVEL = 0.05
_LEAST_SITES = 3


def check_ranks(
    cells: ScoredCells,
    run: Run,
    points: gpd.GeoDataFrame,
    *,
    draws: int,
    seed: int,
    files: tuple[str, ...],
) -> Check:
    """Return how high the cells of published sites rank, among all cells and among like ones.

    Each site is compared with cells of like latitude, and of like latitude and slope. The null: as
    many random cells of the same classes of latitude and slope as there are sites.
    """
    at = _cells_at(cells, run, points.geometry.x.to_numpy(), points.geometry.y.to_numpy())
    known = np.unique(at[at >= 0])
    if known.size < _LEAST_SITES:
        lacks = (
            f"Only {known.size} of the {len(points)} sites lie in a scored cell: screen an area "
            "that holds more of them."
        )
        return not_run(RANKED, RANKED_CLAIM, lacks)
    rng = np.random.default_rng(seed)
    figures: dict[str, Any] = {
        "sites": len(points),
        "cells_with_a_site": int(known.size),
        "median_percentile": round(float(np.median(cells.percentile[known])), 2),
    }
    for name, slope in (("latitude", None), ("latitude_and_slope", cells.slope_deg)):
        of_class = nulls.classes(cells.latitude_deg, slope)
        within = _percentile_within(cells.score, of_class)
        drawn = _random_like(of_class, of_class[known], draws, rng)
        null = np.median(within[drawn], axis=1)
        observed = float(np.median(within[known]))
        figures[f"among_like_{name}"] = {
            "median_percentile": round(observed, 2),
            "null_interval": rounded(nulls.interval(null)),
            "p": round(nulls.p_value(observed, null), 5),
        }
    like = figures["among_like_latitude_and_slope"]
    skill = like["p"] < _LEVEL
    return Check(
        name=RANKED,
        claim=RANKED_CLAIM,
        outcome=Outcome.HOLDS if skill else Outcome.NO_SKILL,
        finding=f"The median percentile of {known.size} cells with a published site is "
        f"{figures['median_percentile']:.1f} among all cells, "
        f"{figures['among_like_latitude']['median_percentile']:.1f} among those of like latitude, "
        f"{like['median_percentile']:.1f} among those of like latitude and slope (at random "
        f"{like['null_interval'][0]:.0f} to {like['null_interval'][1]:.0f}, p {shown(like['p'])}). "
        "Published sites were chosen by light and slope too: this is agreement, not truth.",
        null=f"As many random cells of like latitude and slope, {draws} times",
        figures=figures,
        files=files,
    )


def check_found(
    cells: ScoredCells,
    run: Run,
    regions: Regions,
    points: gpd.GeoDataFrame,
    *,
    draws: int,
    seed: int,
    files: tuple[str, ...],
    context: Context,
) -> Check:
    """Return how many of the best sites inside regions are published ones, and the reverse.

    Inside each region as many sites are taken as are published there, at most ten: cells that meet
    every criterion, best first, 2 km apart. The null: random scored cells of the region, spaced
    alike.
    """
    x, y = points.geometry.x.to_numpy(), points.geometry.y.to_numpy()
    passes = run.scores["passes"].to_numpy(bool)[cells.index]
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    null = np.zeros((draws, 2))
    directions = _directions(cells.x_m, cells.y_m)
    for number, (name, shape) in enumerate(zip(regions.names, regions.shapes, strict=True)):
        context.progress(number / len(regions.names), "sites inside regions")
        shapely.prepare(shape)
        theirs = np.flatnonzero(shapely.contains_xy(shape, x, y))
        inside = np.flatnonzero(shapely.contains_xy(shape, cells.x_m, cells.y_m))
        ours = inside[passes[inside]]
        if theirs.size == 0 or ours.size == 0:
            continue
        published = _directions(x[theirs], y[theirs])
        count = min(_MOST_SITES, theirs.size)
        best = ours[
            ranking.local_maxima(
                run.features.iloc[cells.index[ours]],
                cells.score[ours],
                distance_m=SPACING_M,
                count=count,
            )
        ]
        hit = _near(directions[best], published)
        rows.append(
            {
                "region": name,
                "sites": int(best.size),
                "of_them_published": int(hit[0]),
                "published": int(theirs.size),
                "of_them_found": int(hit[1]),
            }
        )
        for draw in range(draws):
            context.check()
            random = _spaced(directions[rng.permutation(inside)], best.size)
            null[draw] += _near(random, published)
    if not rows:
        lacks = (
            "No region holds both a published site and a cell that meets every criterion: screen "
            "an area that holds more of them."
        )
        return not_run(FOUND, FOUND_CLAIM, lacks)
    sites, hits, published_sites, found = (
        sum(row[key] for row in rows)
        for key in ("sites", "of_them_published", "published", "of_them_found")
    )
    p = nulls.p_value(hits, null[:, 0]), nulls.p_value(found, null[:, 1])
    low, high = nulls.interval(null[:, 0])
    figures = {
        "within_m": WITHIN_M,
        "sites": sites,
        "of_them_published": hits,
        "published": published_sites,
        "of_them_found": found,
        "p_published": round(p[0], 5),
        "p_found": round(p[1], 5),
        "null_interval_published": rounded(nulls.interval(null[:, 0])),
        "null_interval_found": rounded(nulls.interval(null[:, 1])),
        "by_region": rows,
    }
    return Check(
        name=FOUND,
        claim=FOUND_CLAIM,
        outcome=Outcome.HOLDS if max(p) < _LEVEL else Outcome.NO_SKILL,
        finding=f"{hits} of our {sites} best sites in {len(rows)} regions lie within "
        f"{WITHIN_M / 1000:g} km of a published one (random cells of the regions: {low:.0f} to "
        f"{high:.0f}, p {shown(p[0])}), and {found} of {published_sites} published ones within "
        f"{WITHIN_M / 1000:g} km of ours (p {shown(p[1])}). Ours meet every criterion, which "
        "random cells need not: this is of criteria and ranking together.",
        null=f"Random scored cells of each region, {SPACING_M / 1000:g} km apart, {draws} times",
        figures=figures,
        files=files,
    )


def _cells_at(cells: ScoredCells, run: Run, x_m: Float, y_m: Float) -> Int:
    """Return the numbers of the scored cells that hold points, -1 for none."""
    number = np.full(len(run.features), -1, np.int64)
    number[cells.index] = np.arange(len(cells))
    rows = [run.grid.pixel_of(x, y) for x, y in zip(x_m, y_m, strict=True)]
    at = np.array([-1 if pixel is None else run.row_of_cell[pixel] for pixel in rows], np.int64)
    return np.where(at >= 0, number[at], -1)


def _percentile_within(score: Float, of_class: Int) -> Float:
    """Return the share of the other cells of the same class that are worse than each, percent.

    Cells of one score share theirs: their order in the table says nothing. The only cell of a class
    has 50.
    """
    order = np.lexsort((score, of_class))
    size = np.bincount(of_class)
    start = np.concatenate([[0], np.cumsum(size)[:-1]])
    ordered_class, ordered = of_class[order], score[order]
    new = np.ones(score.size, bool)
    new[1:] = (ordered_class[1:] != ordered_class[:-1]) | (ordered[1:] != ordered[:-1])
    run = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    last = np.append(first[1:], score.size) - 1
    place = np.empty(score.size, np.float64)
    place[order] = 0.5 * (first + last)[run] - start[ordered_class]
    others = size[of_class] - 1
    return np.where(others > 0, 100.0 * place / np.maximum(others, 1), 50.0)


def _random_like(of_class: Int, wanted: Int, draws: int, rng: np.random.Generator) -> Int:
    """Return random cells of given classes; shape (draws, classes wanted)."""
    order = np.argsort(of_class, kind="stable")
    size = np.bincount(of_class)
    start = np.concatenate([[0], np.cumsum(size)[:-1]])
    place = rng.random((draws, wanted.size)) * size[wanted]
    return np.asarray(order[start[wanted] + place.astype(np.int64)])


def _directions(x_m: Float, y_m: Float) -> Float:
    """Return unit vectors towards places on the map; shape (places, 3)."""
    lon, lat = np.radians(moon.xy_to_lonlat(x_m, y_m))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _chord(distance_m: float) -> float:
    return float(2.0 * np.sin(distance_m / (2.0 * moon.RADIUS_M)))


def _near(ours: Float, theirs: Float) -> tuple[int, int]:
    """Return how many of one list lie near one of the other, both ways."""
    limit = _chord(WITHIN_M)
    to_theirs = cKDTree(theirs).query(ours)[0]
    to_ours = cKDTree(ours).query(theirs)[0]
    return int((to_theirs <= limit).sum()), int((to_ours <= limit).sum())


def _spaced(directions: Float, count: int) -> Float:
    """Return the first places of a list that keep the spacing, at most a number."""
    least = _chord(SPACING_M) ** 2
    chosen = directions[:1]
    for place in directions[1:]:
        if len(chosen) >= count:
            break
        if (((chosen - place) ** 2).sum(axis=1) >= least).all():
            chosen = np.vstack([chosen, place])
    return chosen
