"""Who goes on after a rung: what one can say of any ranking, and small cases by hand."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from statistics import fmean

import numpy as np
import pytest

from branchsweep.search.successive_halving import Vector, rung_ranking, surviving_count


def ranking(vectors: Mapping[int, Vector]) -> list[int]:
    """By the mean."""
    return rung_ranking(vectors, {number: fmean(vector) for number, vector in vectors.items()})


@pytest.mark.parametrize(
    ("count", "keep", "expected"),
    [(16, 0.5, 8), (15, 0.5, 8), (1, 0.5, 1), (0, 0.5, 0), (3, 0.1, 1), (10, 0.3, 3), (100, 0.29, 29), (5, 0.99, 5)],
)
def test_at_least_the_share_goes_on_and_never_nobody(count: int, keep: float, expected: int) -> None:
    assert surviving_count(count, keep) == expected


def test_of_one_head_the_ranking_is_the_order() -> None:
    values = np.random.default_rng(0).permutation(20) / 20
    vectors = {number: (float(value),) for number, value in enumerate(values)}
    assert ranking(vectors) == sorted(vectors, key=lambda number: -vectors[number][0])


def test_who_is_best_for_some_head_goes_before_who_is_better_on_average() -> None:
    vectors = {0: (0.9, 0.9), 1: (0.89, 0.89), 2: (0.95, 0.1), 3: (0.2, 0.91), 4: (0.2, 0.8)}
    assert ranking(vectors) == [0, 3, 2, 1, 4]  # 3 and 2 lead at a head each, 1 is beaten by 0 at both


@pytest.mark.parametrize("seed", range(5))
def test_nobody_of_the_front_stands_behind_one_who_is_dominated(seed: int) -> None:
    drawn = np.random.default_rng(seed).uniform(size=(30, 3)).round(1)  # rounded, so that there are ties
    vectors = {number: tuple(map(float, vector)) for number, vector in enumerate(drawn)}
    order = ranking(vectors)
    assert sorted(order) == list(range(30))
    beaten = [any((drawn >= drawn[number]).all(1) & (drawn > drawn[number]).any(1)) for number in order]
    assert beaten == sorted(beaten)
    for first, second in pairwise(order):
        if beaten[order.index(first)] == beaten[order.index(second)]:
            assert (-fmean(vectors[first]), first) < (-fmean(vectors[second]), second)


def test_equals_go_in_the_order_of_asking() -> None:
    assert ranking({7: (0.5, 0.5), 3: (0.5, 0.5), 5: (0.5, 0.5)}) == [3, 5, 7]


def test_the_objective_need_not_be_the_mean() -> None:
    vectors = {0: (0.9, 0.1), 1: (0.5, 0.5), 2: (0.4, 0.4), 3: (0.6, 0.2)}
    assert rung_ranking(vectors, {number: min(vector) for number, vector in vectors.items()}) == [1, 3, 0, 2]
