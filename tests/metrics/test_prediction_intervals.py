"""Prediction intervals: their widths by hand, and the share of new values that they contain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from branchsweep.metrics.actual import Actual
from branchsweep.metrics.prediction_intervals import PredictionIntervals, checked_intervals
from branchsweep.types import Floats

HEADS = ("PE", "V")


def intervals_of(predictions: Floats, actual: Floats) -> PredictionIntervals:
    found = PredictionIntervals.of(HEADS, predictions, Actual(actual))
    assert found is not None
    return found


def draw(rows: int, seed: int) -> tuple[Floats, Floats]:
    """Predictions, and actual values with errors of very different units, which depend on each other."""
    random = np.random.default_rng(seed)
    errors = random.multivariate_normal([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]], rows) * [4.0, 0.001]
    predictions = random.normal([450.0, 0.05], [17.0, 0.01], (rows, 2))
    return predictions, predictions + errors


def test_half_a_width_is_the_residual_of_the_rank_that_theory_says() -> None:
    residuals = np.arange(1.0, 20.0)  # 19 of them: the 18th is the smallest of rank 20 * 0.9
    actual = np.stack([residuals, -10 * residuals], axis=1)
    found = intervals_of(np.zeros((19, 2)), actual)
    assert found.half_width("PE", 0.9) == 18.0
    assert found.half_width("V", 0.5) == 100.0
    assert found.levels[-1] == 0.95  # 20 * 0.95 is 19, the last residual


def test_too_few_residuals_make_no_interval() -> None:
    assert PredictionIntervals.of(HEADS, np.zeros((0, 2)), Actual(np.zeros((0, 2)))) is None
    assert intervals_of(np.zeros((2, 2)), np.ones((2, 2))).levels[-1] == 0.66


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.99])
def test_new_values_lie_inside_as_often_as_they_are_to(level: float) -> None:
    rows = 20_000
    found = intervals_of(*draw(rows, seed=1))
    predictions, actual = draw(rows, seed=2)
    error = np.abs(actual - predictions)
    for joint in (False, True):
        widths = np.array([found.half_width(head, level, joint) for head in HEADS])
        inside = (error <= widths).all(axis=1) if joint else error <= widths
        np.testing.assert_allclose(inside.mean(axis=0), level, atol=0.012)


def test_coverage_is_counted_on_rows_that_have_an_actual_value() -> None:
    found = intervals_of(*draw(1000, seed=1))
    predictions, actual = draw(400, seed=2)
    weights = np.ones_like(actual)
    actual[:100, 0], weights[100:150, 1] = np.nan, 0.0
    checked = checked_intervals(found, predictions, Actual(actual, weights))
    assert checked is not None and checked.joint is not None
    assert (checked.level, checked.heads["PE"].rows, checked.heads["V"].rows, checked.joint.rows) == (0.9, 300, 350, 250)
    error = np.abs(actual - predictions)[100:, 0]
    assert checked.heads["PE"].share == (error <= found.half_width("PE", 0.9)).mean()
    assert checked.heads["PE"].low < checked.heads["PE"].share < checked.heads["PE"].high
    assert checked.half_widths["PE"] == found.half_width("PE", 0.9)


def test_there_is_nothing_to_check_without_actual_values() -> None:
    predictions, actual = draw(50, seed=2)
    assert checked_intervals(intervals_of(predictions, actual), predictions, Actual(np.full_like(actual, np.nan))) is None


@given(st.integers(3, 200), st.integers(0, 1000))
def test_more_values_need_wider_intervals_and_all_heads_at_once_no_narrower_ones_than_one(rows: int, seed: int) -> None:
    found = intervals_of(*draw(rows, seed))
    for widths in (found.half_widths, found.joint_half_widths):
        assert all((np.diff(own) >= 0).all() for own in widths.values())
    for head in HEADS:  # the largest of a row's scaled residuals is at least each of them, but for rounding
        joint, own = np.array(found.joint_half_widths[head]), np.array(found.half_widths[head])
        assert (joint >= own * (1 - 1e-12)).all()


@given(st.floats(1e-6, 1e6))
def test_another_unit_of_a_target_changes_its_widths_alone(unit: float) -> None:
    predictions, actual = draw(60, seed=3)
    scale = np.array([unit, 1.0])
    found, scaled = intervals_of(predictions, actual), intervals_of(predictions * scale, actual * scale)
    np.testing.assert_allclose(scaled.joint_half_widths["PE"], unit * np.array(found.joint_half_widths["PE"]), rtol=1e-6)
    np.testing.assert_allclose(scaled.joint_half_widths["V"], found.joint_half_widths["V"], rtol=1e-6)


def test_predictions_without_an_error_have_intervals_of_no_width() -> None:
    predictions, _ = draw(30, seed=3)
    found = intervals_of(predictions, predictions)
    assert found.half_width("PE", 0.9) == found.half_width("PE", 0.9, joint=True) == 0.0
