"""Weights of a stack: equal to scipy's, and properties of all of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize, nnls

from branchsweep.metrics.actual import Actual
from branchsweep.models.stacking import simplex_weights, stack
from branchsweep.types import Floats

ROWS, HEADS = 500, 2


def library(seed: int, members: int, noise: float = 0.3) -> tuple[Floats, dict[str, Floats]]:
    """Members with an error of their own and one in common, some better than others."""
    rng = np.random.default_rng(seed)
    actual = rng.normal(size=(ROWS, HEADS))
    common = 0.2 * rng.normal(size=actual.shape)
    errors = (rng.uniform(0.5, 1.5) * noise * rng.normal(size=actual.shape) for _ in range(members))
    return actual, {f"member {number}": actual + common + error for number, error in enumerate(errors)}


def test_the_weights_are_those_of_non_negative_least_squares_with_the_sum_as_a_heavy_row() -> None:
    """Lawson and Hanson's form of the same problem, exact as the weight of the row grows."""
    actual, predictions = library(1, 5)
    weights = stack(predictions, actual)
    for head in range(HEADS):
        columns = np.column_stack([own[:, head] for own in predictions.values()])
        expected, _ = nnls(np.vstack([columns, np.full(5, 1e4)]), np.append(actual[:, head], 1e4))
        np.testing.assert_allclose([weights[name][head] for name in predictions], expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_no_other_weights_have_a_smaller_squared_error(seed: int) -> None:
    actual, predictions = library(seed, 6)
    errors = np.column_stack([own[:, 0] - actual[:, 0] for own in predictions.values()])
    sum_is_one = {"type": "eq", "fun": lambda weights: weights.sum() - 1}
    start, bounds = np.full(6, 1 / 6), [(0, 1)] * 6
    best = minimize(lambda w: ((errors @ w) ** 2).mean(), start, bounds=bounds, constraints=sum_is_one, tol=1e-14)
    np.testing.assert_allclose(simplex_weights(errors), best.x, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_weights_are_not_negative_and_add_up_to_one(seed: int) -> None:
    actual, predictions = library(seed, 8, noise=0.1)
    weights = np.array(list(stack(predictions, actual).values()))
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)


def test_a_stack_of_one_member_is_that_member() -> None:
    actual, predictions = library(2, 1)
    (weights,) = stack(predictions, actual).values()
    assert weights.tolist() == [1.0, 1.0]


def test_a_stack_is_no_worse_than_any_member_on_the_rows_that_it_is_fitted_to() -> None:
    actual, predictions = library(3, 6)
    weights = stack(predictions, actual)
    stacked = sum((weights[name] * predictions[name] for name in weights), np.zeros_like(actual))
    squares = [((own - actual) ** 2).mean(axis=0) for own in predictions.values()]
    assert (((stacked - actual) ** 2).mean(axis=0) <= np.min(squares, axis=0)).all()


def test_another_unit_and_another_zero_change_no_weight() -> None:
    actual, predictions = library(4, 4)
    weights = stack(predictions, actual)
    converted = stack({name: 1.8 * own + 459.67 for name, own in predictions.items()}, 1.8 * actual + 459.67)
    for name in weights:
        np.testing.assert_allclose(converted[name], weights[name], atol=1e-9)


def test_heads_have_weights_of_their_own() -> None:
    rng = np.random.default_rng(5)
    actual = rng.normal(size=(ROWS, 2))
    noise = rng.normal(size=(2, ROWS, 2))
    weights = stack({"left": actual + noise[0] * [0.01, 1.0], "right": actual + noise[1] * [1.0, 0.01]}, actual)
    np.testing.assert_allclose(weights["left"], [1.0, 0.0], atol=0.01)
    np.testing.assert_allclose(weights["right"], [0.0, 1.0], atol=0.01)


def test_a_member_without_weight_is_left_out() -> None:
    rng = np.random.default_rng(6)
    actual = rng.normal(size=(ROWS, 2))
    error = 0.1 * rng.normal(size=actual.shape)
    assert list(stack({"good": actual + error, "worse": actual + 2 * error}, actual)) == ["good"]


def test_rows_count_by_their_weights_and_not_where_a_target_is_missing() -> None:
    actual, predictions = library(7, 3)
    twice = {name: np.concatenate([own, own[:100]]) for name, own in predictions.items()}
    missing = actual.copy()
    missing[400:, 0] = np.nan
    weights = stack(predictions, Actual(missing, np.where(np.arange(ROWS) < 100, 2.0, 1.0)[:, None].repeat(2, axis=1)))
    expected = stack(twice, np.concatenate([missing, missing[:100]]))
    for name in weights:
        np.testing.assert_allclose(weights[name], expected[name], atol=1e-9)


def test_equal_members_share_the_weight_and_perfect_ones_are_no_error() -> None:
    actual, _ = library(8, 1)
    weights = stack({"a": actual, "b": actual}, actual)
    assert sum(own[0] for own in weights.values()) == pytest.approx(1.0)


def test_nothing_to_stack_is_an_error() -> None:
    with pytest.raises(ValueError, match="0"):
        stack({}, np.zeros((3, 2)))
