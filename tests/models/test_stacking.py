"""Weights of a stack: equal to scipy's, and properties of all of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize, nnls

from branchsweep.metrics.actual import Actual
from branchsweep.models.heads.multiclass import Multiclass
from branchsweep.models.heads.registry import head_kind
from branchsweep.models.heads.regression import MSE
from branchsweep.models.member_weights import pinball_weights, simplex_weights
from branchsweep.models.stacking import stack
from branchsweep.types import Floats

ROWS, HEADS = 500, 2
KINDS = [MSE, MSE]


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
    weights = stack(predictions, actual, KINDS)
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
    weights = np.array(list(stack(predictions, actual, KINDS).values()))
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)


def test_a_stack_of_one_member_is_that_member() -> None:
    actual, predictions = library(2, 1)
    (weights,) = stack(predictions, actual, KINDS).values()
    assert weights.tolist() == [1.0, 1.0]


def test_a_stack_is_no_worse_than_any_member_on_the_rows_that_it_is_fitted_to() -> None:
    actual, predictions = library(3, 6)
    weights = stack(predictions, actual, KINDS)
    stacked = sum((weights[name] * predictions[name] for name in weights), np.zeros_like(actual))
    squares = [((own - actual) ** 2).mean(axis=0) for own in predictions.values()]
    assert (((stacked - actual) ** 2).mean(axis=0) <= np.min(squares, axis=0)).all()


def test_another_unit_and_another_zero_change_no_weight() -> None:
    actual, predictions = library(4, 4)
    weights = stack(predictions, actual, KINDS)
    converted = stack({name: 1.8 * own + 459.67 for name, own in predictions.items()}, 1.8 * actual + 459.67, KINDS)
    for name in weights:
        np.testing.assert_allclose(converted[name], weights[name], atol=1e-9)


def test_heads_have_weights_of_their_own() -> None:
    rng = np.random.default_rng(5)
    actual = rng.normal(size=(ROWS, 2))
    noise = rng.normal(size=(2, ROWS, 2))
    weights = stack({"left": actual + noise[0] * [0.01, 1.0], "right": actual + noise[1] * [1.0, 0.01]}, actual, KINDS)
    np.testing.assert_allclose(weights["left"], [1.0, 0.0], atol=0.01)
    np.testing.assert_allclose(weights["right"], [0.0, 1.0], atol=0.01)


def test_a_member_without_weight_is_left_out() -> None:
    rng = np.random.default_rng(6)
    actual = rng.normal(size=(ROWS, 2))
    error = 0.1 * rng.normal(size=actual.shape)
    assert list(stack({"good": actual + error, "worse": actual + 2 * error}, actual, KINDS)) == ["good"]


def test_rows_count_by_their_weights_and_not_where_a_target_is_missing() -> None:
    actual, predictions = library(7, 3)
    twice = {name: np.concatenate([own, own[:100]]) for name, own in predictions.items()}
    missing = actual.copy()
    missing[400:, 0] = np.nan
    counts = np.where(np.arange(ROWS) < 100, 2.0, 1.0)[:, None].repeat(2, axis=1)
    weights = stack(predictions, Actual(missing, counts), KINDS)
    expected = stack(twice, np.concatenate([missing, missing[:100]]), KINDS)
    for name in weights:
        np.testing.assert_allclose(weights[name], expected[name], atol=1e-9)


def test_equal_members_share_the_weight_and_perfect_ones_are_no_error() -> None:
    actual, _ = library(8, 1)
    weights = stack({"a": actual, "b": actual}, actual, KINDS)
    assert sum(own[0] for own in weights.values()) == pytest.approx(1.0)


def test_nothing_to_stack_is_an_error() -> None:
    with pytest.raises(ValueError, match="0"):
        stack({}, np.zeros((3, 2)), KINDS)


def quantile_library(seed: int, members: int, levels: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Targets `(rows,)` and the members' errors `(members, levels, rows)`, sorted over the levels."""
    rng = np.random.default_rng(seed)
    actual = rng.normal(size=ROWS)
    centers = 0.6 * actual + rng.normal(size=(members, ROWS)) * np.linspace(0.3, 0.9, members)[:, None]
    predicted = centers[:, None] + np.sort(rng.normal(size=(members, len(levels), 1)), axis=1)
    return actual, predicted - actual


def pinball(errors: Floats, levels: tuple[float, ...], counts: Floats, weights: Floats) -> float:
    """The loss of the mean of two members or more, by its definition."""
    mean = np.tensordot(weights, errors, 1)
    of_rows = [np.maximum((level - 1) * own, level * own) for level, own in zip(levels, -mean, strict=True)]
    return float((counts * np.sum(of_rows, axis=0)).sum())


@pytest.mark.parametrize("levels", [(0.9,), (0.1, 0.5, 0.9)])
def test_no_other_weights_have_a_smaller_pinball_loss(levels: tuple[float, ...]) -> None:
    actual, errors = quantile_library(1, 2, levels)
    counts = 1 + (actual > 0).astype(np.float64)
    found = pinball_weights(errors, levels, counts)
    assert found.min() >= 0 and found.sum() == pytest.approx(1.0)
    shares = np.linspace(0.0, 1.0, 20_001)
    losses = [pinball(errors, levels, counts, np.array([share, 1 - share])) for share in shares]
    assert pinball(errors, levels, counts, found) <= min(losses) * (1 + 1e-9)
    assert found[0] == pytest.approx(shares[int(np.argmin(losses))], abs=1e-3)


def test_quantiles_of_a_stack_do_not_cross_and_a_row_that_counts_twice_is_two() -> None:
    levels = (0.1, 0.5, 0.9)
    kind = head_kind("quantile(0.1, 0.5, 0.9)")
    actual, errors = quantile_library(2, 4, levels)
    predictions = {number: (own + actual).T for number, own in enumerate(errors)}
    weights = stack(predictions, actual[:, None], [kind])
    mean = sum((weights[number] * predictions[number] for number in weights), np.zeros((ROWS, 3)))
    assert (np.diff(mean, axis=1) >= 0).all()
    counts = np.where(np.arange(ROWS) < 100, 2.0, 1.0)
    twice = np.concatenate([errors, errors[:, :, :100]], axis=2)
    np.testing.assert_allclose(pinball_weights(errors, levels, counts), pinball_weights(twice, levels), atol=1e-6)


def test_equal_or_perfect_members_of_a_quantile_are_no_error() -> None:
    assert pinball_weights(np.zeros((2, 1, 9)), (0.9,)).tolist() == [0.5, 0.5]
    errors = quantile_library(3, 1, (0.9,))[1].repeat(2, axis=0)
    assert pinball_weights(errors, (0.9,)).sum() == pytest.approx(1.0)


def test_the_stack_of_several_classes_minimises_the_brier_score_as_that_of_two_does() -> None:
    rng = np.random.default_rng(4)
    actual = (rng.random((ROWS, 1)) < 0.4).astype(np.float64)
    chances = {name: np.clip(0.4 + 0.3 * (actual - 0.4) + 0.2 * rng.normal(size=(ROWS, 1)), 0.01, 0.99) for name in "abc"}
    of_two = stack(chances, actual, [head_kind("binary")])
    both = {name: np.hstack([1 - own, own]) for name, own in chances.items()}
    as_classes = stack(both, actual, [Multiclass(2)])
    for name in of_two:
        np.testing.assert_allclose(as_classes[name], of_two[name], atol=1e-8)
    three = {name: rng.dirichlet(np.ones(3), ROWS) for name in "abc"}
    weights = stack(three, rng.integers(0, 3, (ROWS, 1)).astype(np.float64), [Multiclass(3)])
    mean = sum((weights[name] * three[name] for name in weights), np.zeros((ROWS, 3)))
    np.testing.assert_allclose(mean.sum(1), 1.0)


def test_heads_of_several_units_have_one_weight_for_each_member() -> None:
    rng = np.random.default_rng(6)
    actual = np.column_stack([rng.normal(size=ROWS), rng.integers(0, 3, ROWS)])
    indicators = np.eye(3)[actual[:, 1].astype(int)]
    predictions = {
        "number": np.column_stack([actual[:, 0] + 0.01 * rng.normal(size=ROWS), rng.dirichlet(np.ones(3), ROWS)]),
        "class": np.column_stack([rng.normal(size=ROWS), 0.9 * indicators + 0.1 / 3]),
    }
    weights = stack(predictions, actual, [MSE, Multiclass(3)])
    np.testing.assert_allclose(weights["number"], [1.0, 0.0], atol=0.05)
    np.testing.assert_allclose(weights["class"], [0.0, 1.0], atol=0.05)
