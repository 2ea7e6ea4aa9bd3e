"""The ranking of trials at a rung: properties of any ranking, and small cases by hand."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from branchsweep.metrics.objectives import dominates
from branchsweep.search.successive_halving import Vector, rung_ranking, surviving_count
from properties import quick


def ranking(vectors: Mapping[int, Vector]) -> list[int]:
    """By the mean."""
    return rung_ranking(vectors, {number: fmean(vector) for number, vector in vectors.items()})


@pytest.mark.parametrize(
    ("count", "keep", "expected"),
    [(16, 0.5, 8), (15, 0.5, 8), (1, 0.5, 1), (0, 0.5, 0), (3, 0.1, 1), (10, 0.3, 3), (100, 0.29, 29), (5, 0.99, 5)],
)
def test_at_least_the_share_and_at_least_one_trial_survive(count: int, keep: float, expected: int) -> None:
    assert surviving_count(count, keep) == expected


def test_with_one_head_trials_rank_by_its_score() -> None:
    values = np.random.default_rng(0).permutation(20) / 20
    vectors = {number: (float(value),) for number, value in enumerate(values)}
    assert ranking(vectors) == sorted(vectors, key=lambda number: -vectors[number][0])


def test_the_best_trial_of_a_head_ranks_before_a_trial_with_a_higher_mean() -> None:
    vectors = {0: (0.9, 0.9), 1: (0.89, 0.89), 2: (0.95, 0.1), 3: (0.2, 0.91), 4: (0.2, 0.8)}
    assert ranking(vectors) == [0, 3, 2, 1, 4]  # 3 and 2 are the best of a head each, 1 is dominated by 0


def test_small_networks_continue_beside_accurate_ones() -> None:
    """Where a trial may lead by its score or by its size, those that continue are spread over the front."""
    vectors = {number: (0.9 - 0.01 * number, -1000.0 / (number + 1)) for number in range(8)}  # the best and largest first
    dominated = {8: (0.5, -2000.0), 9: (0.4, -3000.0)}
    values = {number: vector[0] for number, vector in (vectors | dominated).items()}
    order = rung_ranking(vectors | dominated, values, spread=True)
    assert order[:3] == [0, 7, 3]  # the most accurate, the smallest, and one between them
    assert order[8:] == [8, 9]
    assert rung_ranking(vectors | dominated, values)[:3] == [0, 1, 2]


SCORES = st.integers(0, 10).map(lambda tenth: tenth / 10)
"""Few distinct scores, so that there are ties."""


@quick
@given(st.lists(st.tuples(SCORES, SCORES, SCORES), max_size=20))
def test_non_dominated_trials_rank_first_and_the_mean_orders_the_rest(drawn: list[tuple[float, float, float]]) -> None:
    vectors = dict(enumerate(drawn))
    order = ranking(vectors)
    assert sorted(order) == list(vectors)
    dominated = [any(dominates(other, vectors[number]) for other in drawn) for number in order]
    assert dominated == sorted(dominated)
    for (number, is_dominated), (next_number, next_is_dominated) in pairwise(zip(order, dominated, strict=True)):
        if is_dominated == next_is_dominated:
            assert (-fmean(vectors[number]), number) < (-fmean(vectors[next_number]), next_number)


@quick
@given(st.integers(0, 500), st.integers(1, 99))
def test_survivors_are_the_share_rounded_up(count: int, percent: int) -> None:
    survivors = surviving_count(count, percent / 100)
    assert survivors == (-(-count * percent // 100) if count else 0)


def test_equal_trials_rank_by_their_numbers() -> None:
    assert ranking({7: (0.5, 0.5), 3: (0.5, 0.5), 5: (0.5, 0.5)}) == [3, 5, 7]


def test_the_objective_need_not_be_the_mean() -> None:
    vectors = {0: (0.9, 0.1), 1: (0.5, 0.5), 2: (0.4, 0.4), 3: (0.6, 0.2)}
    assert rung_ranking(vectors, {number: min(vector) for number, vector in vectors.items()}) == [1, 3, 0, 2]
