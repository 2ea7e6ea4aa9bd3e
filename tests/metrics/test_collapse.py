"""Scores that lie far below their siblings."""

from __future__ import annotations

import math

import pytest

from branchsweep.metrics.collapse import collapsed_positions, collapses, is_far_below

HALVES = (0.79, 0.74, 0.77, 0.76, 0.78, -1.877, 0.75, 0.76, 0.77, 0.78)


@pytest.mark.parametrize(
    ("scores", "positions"),
    [
        (HALVES, [5]),
        ((*HALVES[:8], -0.5, -3.0), [5, 8, 9]),
        ((0.79, 0.74, 0.77, 0.70, 0.78, 0.69, 0.75), []),
        ((0.93, 0.92, 0.94, 0.85, 0.93, 0.93), [3]),
        ((0.9999, 0.9998, 0.9999, 0.98, 0.9999), []),
        ((0.05, -0.1, 0.2, -0.4, 0.1), []),
        ((0.9, 0.9, 0.9, 0.2), [3]),
        ((0.9, 0.0, 0.9, 0.9), []),  # rows whose target does not vary
        ((0.9, 0.2), []),
        ((0.9, math.nan, 0.9, 0.2), []),
        ((), []),
    ],
)
def test_a_score_collapsed_where_it_lies_far_below_the_others(scores: tuple[float, ...], positions: list[int]) -> None:
    assert collapsed_positions(scores) == positions


def test_a_collapse_is_described_with_the_others() -> None:
    (found,) = collapses({"PE": (0.9,) * 10, "V": HALVES}, [f"half {half}" for half in range(1, 11)])
    assert (found.head, found.where, found.score, found.low, found.high) == ("V", "half 6", -1.877, 0.74, 0.79)
    assert found.median == pytest.approx(0.765)
    assert str(found) == "V -1.8770 in half 6, 0.7400 to 0.7900 in the others"


def test_a_test_score_is_compared_with_the_confirmed_ones() -> None:
    confirmed = (0.95, 0.89, 0.95)
    assert is_far_below(0.555, confirmed)
    assert not is_far_below(0.90, confirmed)
    assert not is_far_below(0.99, confirmed)
    assert not is_far_below(-1.0, ())
