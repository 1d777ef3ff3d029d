"""Matching of detections to catalogued craters."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse import csgraph

from lunarsite.engine.craters import circles
from lunarsite.engine.craters.circles import Circles
from lunarsite.engine.craters.evaluation import matching
from lunarsite.engine.craters.evaluation.matching import GATES, Pairs


def on_map(x, y, radius, score=None):
    x, y, radius = (np.array(v, np.float64) for v in (x, y, radius))
    score = np.ones(x.size) if score is None else np.array(score, np.float64)
    return Circles(x, y, radius, score, np.full(x.size, np.nan))


def random_circles(random, count, side):
    return on_map(
        random.uniform(0, side, count),
        random.uniform(0, side, count),
        1000 * 2 ** random.uniform(0, 1.5, count),
        random.uniform(0, 1, count),
    )


def passes(gate, a, i, b, j):
    """Return whether a pair passes a gate, straight from the definition."""
    d = np.hypot(a.x_m[i] - b.x_m[j], a.y_m[i] - b.y_m[j])
    r, t = a.radius_m[i], b.radius_m[j]
    if gate == "deepmoon":
        return d**2 / min(r, t) ** 2 < 1.8 and abs(r - t) / min(r, t) < 1.0
    if gate == "strict":
        return d < 0.5 * t and abs(r - t) < 0.25 * t
    return circles.iou(a, b, np.array([i]), np.array([j]))[0] >= 0.5


def brute_force(pairs):
    """Return the largest number of pairs and the least cost, by trying all subsets."""
    best = (0, 0.0)
    triples = list(zip(pairs.detection, pairs.crater, pairs.cost, strict=True))
    for size in range(len(triples), 0, -1):
        costs = [
            sum(t[2] for t in some)
            for some in itertools.combinations(triples, size)
            if len({t[0] for t in some}) == size and len({t[1] for t in some}) == size
        ]
        if costs:
            return size, min(costs)
    return best


few_pairs = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.floats(0, 1)),
    max_size=9,
    unique_by=lambda pair: pair[:2],
).map(
    lambda some: Pairs(
        np.array([p[0] for p in some], np.int64),
        np.array([p[1] for p in some], np.int64),
        np.array([p[2] for p in some], np.float64),
    )
)


def test_iou_of_known_cases():
    a = on_map([0, 0, 0, 0], [0, 0, 0, 0], [2, 2, 2, 2])
    b = on_map([0, 1, 4, 2], [0, 0, 0, 0], [2, 1, 2, 2])
    each = np.arange(4)
    lens = 2 * 4 * np.arccos(0.5) - 0.5 * np.sqrt(2 * 2 * 2 * 6)
    expected = [1.0, 0.25, 0.0, lens / (8 * np.pi - lens)]
    np.testing.assert_allclose(circles.iou(a, b, each, each), expected, atol=1e-12)
    np.testing.assert_allclose(circles.iou(b, a, each, each), expected, atol=1e-12)


def test_a_diameter_on_the_ground_is_larger_on_the_map():
    made = Circles.of_ground([0.0, 300_000.0], [0.0, 0.0], [2000.0, 2000.0])
    assert made.radius_m[0] == 1000.0
    assert made.radius_m[1] == pytest.approx(1000.0 * 1.00745, rel=1e-5)
    np.testing.assert_allclose(made.diameter_m, 2000.0)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("gate", GATES)
def test_the_candidates_are_exactly_the_pairs_within_the_gate(gate, seed):
    random = np.random.default_rng(seed)
    a, b = random_circles(random, 60, 9000), random_circles(random, 50, 9000)
    pairs = matching.candidates(a, b)[gate]
    found = set(zip(pairs.detection.tolist(), pairs.crater.tolist(), strict=True))
    wanted = {(i, j) for i in range(60) for j in range(50) if passes(gate, a, i, b, j)}
    assert len(found) == pairs.cost.size
    assert found == wanted
    assert wanted


def test_a_circle_is_its_own_candidate():
    one = on_map([5.0], [6.0], [700.0])
    for pairs in matching.candidates(one, one).values():
        assert pairs.cost.tolist() == pytest.approx([0.0], abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(few_pairs)
def test_matchings_are_optimal(pairs):
    taken = matching.match(pairs)
    assert len(set(pairs.detection[taken])) == len(set(pairs.crater[taken])) == taken.size
    count, cost = brute_force(pairs)
    assert taken.size == count
    assert pairs.cost[taken].sum() == pytest.approx(cost, abs=1e-9)
    assert matching.most(pairs).size == count


@settings(max_examples=50, deadline=None)
@given(few_pairs)
def test_a_component_solved_as_sparse_is_the_same(pairs):
    dense = matching.match(pairs)
    before = matching._DENSE
    matching._DENSE = 0
    try:
        thin = matching.match(pairs)
    finally:
        matching._DENSE = before
    assert thin.size == dense.size
    assert pairs.cost[thin].sum() == pytest.approx(pairs.cost[dense].sum(), abs=1e-6)


@pytest.mark.parametrize("gate", GATES)
def test_the_order_of_circles_changes_nothing(gate):
    random = np.random.default_rng(4)
    a, b = random_circles(random, 300, 20_000), random_circles(random, 300, 20_000)
    shuffled, mixed = random.permutation(300), random.permutation(300)
    plain = matching.candidates(a, b)[gate]
    other = matching.candidates(a.kept(shuffled), b.kept(mixed))[gate]
    one, two = matching.match(plain), matching.match(other)
    first = set(zip(plain.detection[one].tolist(), plain.crater[one].tolist(), strict=True))
    second = zip(shuffled[other.detection[two]], mixed[other.crater[two]], strict=True)
    assert {(int(i), int(j)) for i, j in second} == first
    assert len(first) > 50


def test_the_largest_matching_is_chosen_even_if_one_circle_fits_both():
    craters = on_map([0, 900], [0, 0], [1000, 1000])
    found = on_map([450, -600], [0, 0], [1000, 1000])
    pairs = matching.candidates(found, craters)["deepmoon"]
    taken = matching.match(pairs)
    got = sorted(zip(pairs.detection[taken], pairs.crater[taken], strict=True))
    assert got == [(0, 1), (1, 0)]


@settings(max_examples=100, deadline=None)
@given(few_pairs, st.permutations(range(5)))
def test_every_threshold_has_its_own_largest_matching(pairs, order):
    order = np.array(order, np.int64)
    flags = matching.admitted(pairs, order)
    for count in range(1, 6):
        some = pairs.kept(np.isin(pairs.detection, order[:count]))
        graph = sparse.csr_array(
            (np.ones(some.cost.size, np.int8), (some.detection, some.crater)), shape=(5, 5)
        )
        partner = csgraph.maximum_bipartite_matching(graph, perm_type="column")
        assert flags[order[:count]].sum() == (partner >= 0).sum()


def test_nothing_matches_nothing():
    none, some = on_map([], [], []), on_map([0.0], [0.0], [1.0])
    for a, b in ((none, some), (some, none), (none, none)):
        for pairs in matching.candidates(a, b).values():
            assert matching.match(pairs).size == matching.most(pairs).size == 0
            assert not matching.admitted(pairs, np.arange(len(a))).any()


def test_a_hundred_thousand_circles_are_matched_in_seconds():
    random = np.random.default_rng(1)
    truth = random_circles(random, 100_000, 1_500_000)
    found = on_map(
        truth.x_m + random.normal(0, 300, 100_000),
        truth.y_m + random.normal(0, 300, 100_000),
        truth.radius_m * random.normal(1, 0.1, 100_000),
    )
    start = time.process_time()
    pairs = matching.candidates(found, truth)
    counts = {gate: matching.match(pairs[gate]).size for gate in GATES}
    assert time.process_time() - start < 60.0
    assert counts["deepmoon"] > counts["iou"] > 50_000
