"""The population stability index and what it may be by chance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from branchsweep.metrics.population_stability import Stability, largest_by_chance, population_stability_index, stability

COUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any)


def test_the_index_by_hand() -> None:
    assert population_stability_index([50, 50], [10, 40]) == pytest.approx(0.3 * math.log(50 / 20) + 0.3 * math.log(80 / 50))


@given(COUNTS, st.integers(1, 9))
def test_equal_shares_have_the_index_0(counts: list[int], factor: int) -> None:
    filled = [count + 1 for count in counts]
    assert population_stability_index(filled, [factor * count for count in filled]) == pytest.approx(0, abs=1e-12)


@given(COUNTS)
def test_the_index_is_not_negative_and_the_same_from_both_sides(counts: list[int]) -> None:
    other = counts[::-1]
    index = population_stability_index(counts, other)
    assert index >= 0
    assert math.isfinite(index)
    assert index == pytest.approx(population_stability_index(other, counts))


@pytest.mark.parametrize("rows", [50, 400])
def test_rows_of_one_distribution_are_rarely_called_changed(rows: int) -> None:
    random, shares = np.random.default_rng(0), np.full(10, 0.1)
    training = random.multinomial(1000, shares, 400).tolist()
    other = random.multinomial(rows, shares, 400).tolist()
    exceeding = [
        population_stability_index(own, there) > largest_by_chance(own, there)
        for own, there in zip(training, other, strict=True)
    ]
    assert np.mean(exceeding) < 0.05


@pytest.mark.parametrize(
    ("index", "by_chance", "expected"),
    [
        (0.09, 0.0, Stability.STABLE),
        (0.1, 0.05, Stability.CHANGED),
        (0.25, 0.05, Stability.STRONGLY_CHANGED),
        (0.5, 0.5, Stability.STABLE),
    ],
)
def test_a_column_has_changed_by_the_usual_rule_unless_by_chance(index: float, by_chance: float, expected: Stability) -> None:
    assert stability(index, by_chance) is expected


def test_a_column_of_one_bin_cannot_change() -> None:
    assert largest_by_chance([10, 0], [3, 0]) == 0.0
    assert population_stability_index([10, 0], [3, 0]) == 0.0
